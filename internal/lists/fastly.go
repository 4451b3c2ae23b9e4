package lists

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// FastlyURL is where Fastly publishes its ranges; no token is needed.
// https://www.fastly.com/documentation/reference/api/utils/public-ip-list/
const FastlyURL = "https://api.fastly.com/public-ip-list"

// FastlySnapshotDate is the day on which the embedded copy was last known to be what
// FastlyURL answers.
const FastlySnapshotDate = "2026-02-11"

// maxFastlyReply bounds what is read from the network: the list is under 1 KiB.
const maxFastlyReply = 1 << 20

//go:embed fastly-public-ip-list.json
var fastlySnapshot []byte

var parseSnapshot = sync.OnceValue(func() []Entry {
	entries, err := ParseFastly(fastlySnapshot, "Fastly's public range, snapshot of "+FastlySnapshotDate)
	if err != nil {
		panic("lists: bug: embedded list of Fastly's ranges: " + err.Error())
	}
	return entries
})

// FastlySnapshot returns Fastly's public ranges as embedded in this binary.
func FastlySnapshot() []Entry {
	return append([]Entry(nil), parseSnapshot()...)
}

// ParseFastly reads the JSON that FastlyURL answers. An answer without IPv4 or
// without IPv6 ranges is an error: it would silently unprotect the half that is missing.
func ParseFastly(body []byte, reason string) ([]Entry, error) {
	var reply struct {
		Addresses     []string `json:"addresses"`
		IPv6Addresses []string `json:"ipv6_addresses"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("decoding Fastly's ranges: %w", err)
	}
	if len(reply.Addresses) == 0 || len(reply.IPv6Addresses) == 0 {
		return nil, fmt.Errorf("decoding Fastly's ranges: %d IPv4 and %d IPv6 ranges, want some of both", len(reply.Addresses), len(reply.IPv6Addresses))
	}
	var entries []Entry
	var faults []error
	for _, text := range append(reply.Addresses, reply.IPv6Addresses...) {
		p, err := ParsePrefix(text)
		if err == nil && p.Bits() < 8 {
			err = fmt.Errorf("%s is too wide to be Fastly's", p)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		entries = append(entries, Entry{Prefix: p, Reason: reason, List: FastlyList})
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("decoding Fastly's ranges: %w", errors.Join(faults...))
	}
	return entries, nil
}

// FetchFastly asks url (empty: FastlyURL) for Fastly's ranges. client nil is
// http.DefaultClient; the caller bounds the time with ctx. When lastGood names a file, a good
// answer is kept there (mode 0600). When the network fails, the last good copy, else
// the embedded snapshot, is returned together with the error, so that there are
// always entries to protect.
func FetchFastly(ctx context.Context, client *http.Client, url, lastGood string) ([]Entry, error) {
	body, err := get(ctx, client, url)
	if err == nil {
		var entries []Entry
		if entries, err = ParseFastly(body, "Fastly's public range"); err == nil {
			return entries, keep(lastGood, body)
		}
	}
	err = fmt.Errorf("fetching Fastly's ranges: %w", err)
	if lastGood != "" {
		body, rerr := os.ReadFile(lastGood)
		if rerr == nil {
			entries, perr := ParseFastly(body, "Fastly's public range, last good copy")
			if perr == nil {
				return entries, err
			}
			rerr = perr
		}
		if !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("reading last good copy: %w", rerr))
		}
	}
	return FastlySnapshot(), err
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	if url == "" {
		url = FastlyURL
	}
	if client == nil {
		client = http.DefaultClient
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFastlyReply+1))
	if err == nil && len(body) > maxFastlyReply {
		err = fmt.Errorf("%s answered more than %d bytes", url, maxFastlyReply)
	}
	return body, err
}

// keep replaces the last good copy whole: a crash leaves the old one or the new one.
func keep(path string, body []byte) error {
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("keeping Fastly's ranges: %w", err)
	}
	_, werr := f.Write(body)
	err = errors.Join(werr, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("keeping Fastly's ranges: %w", err)
	}
	return nil
}
