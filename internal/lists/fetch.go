package lists

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// maxList bounds what is read of one list, in bytes: some 50,000 lines.
const maxList = 4 << 20

// newClient has bounds of its own beside the deadline of Load.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    5 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // one request a run
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 5 {
				return errors.New("too many redirects")
			}
			return checkURL(r.URL)
		},
	}
}

// checkURL refuses a list that anybody on the way could change.
func checkURL(u *url.URL) error {
	switch {
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is no URL such as https://example.com/list.txt", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("the URL on host %s holds a user or a password", u.Host)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("http://%s is not encrypted: anybody on the way could change the list; use https", u.Host)
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// fetch asks at for a list.
func (o *Options) fetch(at string) func(context.Context) ([]byte, error) {
	client := o.Client
	return func(ctx context.Context) ([]byte, error) {
		u, err := url.Parse(at)
		if err != nil {
			return nil, errors.New("its URL cannot be parsed")
		}
		if err := checkURL(u); err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", "edgewarden")
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answered %s", u.Host, resp.Status)
		}
		return readAll(resp.Body)
	}
}

// readFile reads a regular file; anything else could block for ever.
func readFile(path string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is no regular file", path)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f)
	}
}

func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err == nil && len(body) > maxList {
		return nil, fmt.Errorf("it is longer than %d bytes", maxList)
	}
	return body, err
}

// kept names the file of a last good copy, so that two lists never share one; "" when none are kept.
func (o *Options) kept(kind, at, ext string) string {
	if o.CacheDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(at))
	return filepath.Join(o.CacheDir, kind+"-"+hex.EncodeToString(sum[:6])+ext)
}

// keep replaces a file whole: a crash leaves the old one or the new one. Its time is now.
func keep(path string, body []byte, now time.Time) error {
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, werr := f.Write(body)
	err = errors.Join(werr, f.Sync(), f.Close())
	if err == nil {
		err = os.Chtimes(f.Name(), now, now)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
