package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The forms of a body.
const (
	FormJSON  = "json"  // [Message] as it is
	FormSlack = "slack" // what Slack's incoming webhooks take
)

// Options says where messages go.
type Options struct {
	URL       string // a secret; https, or http on loopback
	Form      string // FormJSON or FormSlack; empty: Slack for Slack's own hosts, else JSON
	UserAgent string
	Deadline  time.Duration // for all attempts; 0: 10 s
	Backoff   time.Duration // before the second attempt, doubled after each; 0: 500 ms
}

const (
	defaultDeadline = 10 * time.Second
	defaultBackoff  = 500 * time.Millisecond
	maxAttempts     = 5
	maxURL          = 2048
)

var slackHosts = []string{"hooks.slack.com", "hooks.slack-gov.com"}

// Sender delivers messages to one webhook. It is safe for concurrent use and keeps nothing.
type Sender struct {
	o      Options
	client *http.Client
}

// NewSender checks the options. Its error does not repeat the URL.
func NewSender(o Options) (*Sender, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || len(o.URL) > maxURL || strings.ContainsFunc(o.URL, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the webhook is no URL: want https://host/path on one line")
	case u.Scheme == "http" && !loopback(u.Hostname()), u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the webhook is not encrypted: want https://, http:// is for this machine only")
	case u.User != nil:
		return nil, errors.New("the webhook holds a user or a password: want https://host/path")
	}
	if o.Form == "" {
		o.Form = FormJSON
		if slices.Contains(slackHosts, u.Hostname()) {
			o.Form = FormSlack
		}
	}
	if o.Form != FormJSON && o.Form != FormSlack {
		return nil, fmt.Errorf("the form of a notification is %q: want %s or %s", o.Form, FormJSON, FormSlack)
	}
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	if o.Backoff <= 0 {
		o.Backoff = defaultBackoff
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	return &Sender{o: o, client: &http.Client{
		Transport: transport,
		// Following would hand what the message says to whomever the answer names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Form is the form that messages have.
func (s *Sender) Form() string { return s.o.Form }

// Send delivers a message: again after 429, 5xx and a lost connection, until the deadline. Its error holds neither the URL nor
// anything the other side said but its status.
func (s *Sender) Send(ctx context.Context, m Message) error {
	defer s.client.CloseIdleConnections()
	body, err := s.body(m)
	if err != nil {
		return fmt.Errorf("rendering the notification: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Deadline)
	defer cancel()
	pause := s.o.Backoff
	for attempt := 1; ; attempt++ {
		wait, err := s.post(ctx, body)
		var final permanent
		if err == nil || errors.As(err, &final) {
			return err
		}
		wait = max(wait, pause/2+rand.N(pause/2+1)) // half of it at random: many runs may begin at the same second
		if until, ok := ctx.Deadline(); attempt == maxAttempts || ok && time.Until(until) <= wait {
			return fmt.Errorf("%w, after %d attempts", err, attempt)
		}
		pause *= 2
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, after %d attempts", err, attempt)
		case <-time.After(wait):
		}
	}
}

func (s *Sender) body(m Message) ([]byte, error) {
	if s.o.Form == FormSlack {
		return m.slack()
	}
	return json.Marshal(m)
}

// permanent is an answer that another attempt would not change.
type permanent struct{ error }

// post is one attempt. wait is what the other side asks for before the next.
func (s *Sender) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(body))
	if err != nil {
		return 0, permanent{errors.New("the webhook is no URL")}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", s.o.UserAgent)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, transportError(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusTooManyRequests || code >= 500:
		return retryAfter(resp.Header.Get("Retry-After")), fmt.Errorf("the webhook answered %d", code)
	case code >= 300 && code < 400:
		return 0, permanent{fmt.Errorf("the webhook answered %d: redirects are not followed", code)}
	default:
		return 0, permanent{fmt.Errorf("the webhook answered %d", code)}
	}
}

// retryAfter reads seconds or a date; 0 when there is neither.
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 20); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// transportError says what went wrong on the way in words of our own: the library's name the URL.
func transportError(err error) error {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &cert):
		return permanent{errors.New("the webhook's certificate is not trusted")}
	case errors.As(err, &header):
		return permanent{errors.New("the webhook does not speak TLS")}
	case errors.As(err, &dns):
		return errors.New("the webhook's host cannot be found")
	case errors.Is(err, context.Canceled):
		return errors.New("the notification was given up: the program ends")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the webhook did not answer in time")
	}
	return errors.New("no connection to the webhook")
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
