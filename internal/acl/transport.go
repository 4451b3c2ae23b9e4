package acl

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxReply is how much of a reply is read. A page of 1000 entries is about 0.4 MB.
const maxReply = 16 << 20

// newTransport is made once a client, so that connections are kept. go-fastly's own has no timeouts and keeps none.
func newTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  timeout,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// readOnly lets nothing through that could write.
type readOnly struct{ next http.RoundTripper }

func (t readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, fmt.Errorf("%w: %s %s refused", ErrReadOnly, r.Method, r.URL.Path)
	}
	return t.next.RoundTrip(r)
}

// exchange is one call. It carries the context, which go-fastly v8 has no parameter for; reads the whole reply and closes
// it, which go-fastly does not when the status is an error; and keeps what was seen, since go-fastly keeps neither
// headers nor the status inside a 200.
type exchange struct {
	ctx       context.Context
	next      http.RoundTripper
	userAgent string

	status     int // 0 when there was no reply
	header     http.Header
	body       []byte
	start, end time.Time
}

// RoundTrip implements http.RoundTripper.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(x.ctx)
	r.Header.Set("User-Agent", x.userAgent)
	x.start = time.Now()
	resp, err := x.next.RoundTrip(r)
	x.end = time.Now()
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, fmt.Errorf("reading the reply: %w", err)
	}
	if len(body) > maxReply {
		return nil, fmt.Errorf("the reply is longer than %d bytes", maxReply)
	}
	x.status, x.header, x.body = resp.StatusCode, resp.Header, body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// skew is our clock minus Fastly's, and how long the exchange took; ok is false without a Date header. The header has
// whole seconds, so half a second is added to it.
func (x *exchange) skew() (d, rtt time.Duration, ok bool) {
	date, err := http.ParseTime(x.header.Get("Date"))
	if err != nil {
		return 0, 0, false
	}
	rtt = x.end.Sub(x.start)
	return x.start.Add(rtt / 2).Round(0).Sub(date.Add(500 * time.Millisecond)), rtt, true
}
