package acl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"
)

// DefaultEndpoint is Fastly's API.
const DefaultEndpoint = fastly.DefaultEndpoint

// ClientOptions configure a Client.
type ClientOptions struct {
	Endpoint    string // "" means https://api.fastly.com; plain http only to a loopback address
	Token       string
	ReadOnly    bool          // dry run: the transport refuses any method but GET and HEAD
	Timeout     time.Duration // of one call; 0 means 60 s
	BatchSize   int           // operations a batch; 0 means 500, at most 1000
	WriteBudget int           // writes an hour; 0 means 1000. Ten of them are kept for the lease and the kill switch
	Backoff     time.Duration // before the first retry; doubled each time, jittered; 0 means 500 ms
	MaxWait     time.Duration // the longest that a 429 is waited for; 0 means 30 s
	UserAgent   string        // "" means edgewarden
	Logger      *slog.Logger  // nil is silent

	Progress func(done, of int) // told after each batch how many changes are confirmed; nil tells nobody
}

// reserve is how many writes of the hour a batch leaves for the lease and the kill switch.
const reserve = 10

// maxTries is how often a call is made before it has failed.
const maxTries = 4

func (o *ClientOptions) fill() {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	if o.Timeout == 0 {
		o.Timeout = 60 * time.Second
	}
	if o.BatchSize == 0 {
		o.BatchSize = 500
	}
	if o.WriteBudget == 0 {
		o.WriteBudget = 1000
	}
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.MaxWait == 0 {
		o.MaxWait = 30 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "edgewarden"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// validate returns all problems, joined.
func (o *ClientOptions) validate() error {
	var errs []error
	switch {
	case o.Token == "":
		errs = append(errs, errors.New("no Fastly token: set FASTLY_API_TOKEN or give --fastly-token-file"))
	case strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		errs = append(errs, errors.New("the Fastly token holds blanks or characters that are not ASCII: is there more than the token in its file?"))
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		errs = append(errs, errors.New("the Fastly endpoint must be a URL like https://api.fastly.com"))
	case u.User != nil:
		errs = append(errs, errors.New("the Fastly endpoint must not hold a user or password"))
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		errs = append(errs, fmt.Errorf("the Fastly endpoint %s would carry the token in clear: use https (plain http only to a loopback address)", u.Host))
	}
	if o.BatchSize < 1 || o.BatchSize > fastly.BatchModifyMaximumOperations {
		errs = append(errs, fmt.Errorf("batch size %d: want 1 to %d", o.BatchSize, fastly.BatchModifyMaximumOperations))
	}
	if o.WriteBudget < 0 || o.Timeout < 0 || o.Backoff < 0 || o.MaxWait < 0 {
		errs = append(errs, errors.New("write budget, timeout, backoff and wait must not be negative"))
	}
	if v := os.Getenv(fastly.DebugEnvVar); v != "" && v != "false" && v != "0" {
		errs = append(errs, fmt.Errorf("%s is set: Fastly's library would print requests and replies; unset it", fastly.DebugEnvVar))
	}
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Client talks to Fastly's API through go-fastly. It is safe for concurrent use.
type Client struct {
	o    ClientOptions
	next http.RoundTripper

	mu        sync.Mutex // guards everything below
	writes    []time.Time
	remaining int       // as a write's reply said; -1 unknown
	resetAt   time.Time // when remaining starts afresh
	skew, rtt time.Duration
	skewAt    time.Time // zero until a Date header was seen
}

// NewClient checks the options. It refuses FASTLY_DEBUG_MODE.
func NewClient(o ClientOptions) (*Client, error) {
	o.fill()
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Client{o: o, next: newTransport(o.Timeout), remaining: -1}
	if o.ReadOnly {
		c.next = readOnly{c.next}
	}
	return c, nil
}

// String names the endpoint, never the token.
func (c *Client) String() string { return "Fastly at " + c.o.Endpoint }

// GoString is String, so that %#v prints no token either.
func (c *Client) GoString() string { return c.String() }

// call makes one call with a go-fastly client of its own, since theirs carries no context and holds a lock over every
// write. The exchange is what came over the wire; err is an *APIError.
func (c *Client) call(ctx context.Context, what string, f func(*fastly.Client) error) (*exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	ex := &exchange{ctx: ctx, next: c.next, userAgent: c.o.UserAgent, header: http.Header{}}
	fc, err := fastly.NewClientForEndpoint(c.o.Token, c.o.Endpoint)
	if err != nil {
		return ex, fmt.Errorf("%s: %w", what, err)
	}
	fc.DebugMode = false
	fc.HTTPClient = &http.Client{Transport: ex, CheckRedirect: stay}
	err = guarded(func() error { return f(fc) })
	c.observe(ex)
	if err != nil {
		return ex, c.apiError(what, err, ex)
	}
	return ex, nil
}

// stay follows no redirect: the token would go along in a header that net/http does not strip.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// guarded turns a panic in go-fastly's decoders, which a reply of null rows causes, into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the reply cannot be decoded: %v", r)
		}
	}()
	return f()
}

// observe keeps what every reply tells: the clock, and the budget of writes.
func (c *Client) observe(ex *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, rtt, ok := ex.skew(); ok && (c.skewAt.IsZero() || rtt <= c.rtt || ex.end.Sub(c.skewAt) > time.Minute) {
		c.skew, c.rtt, c.skewAt = d, rtt, ex.end
	}
	if n, err := strconv.Atoi(ex.header.Get("Fastly-RateLimit-Remaining")); err == nil {
		c.remaining = n
		c.resetAt = ex.end.Truncate(time.Hour).Add(time.Hour)
		if u, err := strconv.ParseInt(ex.header.Get("Fastly-RateLimit-Reset"), 10, 64); err == nil {
			c.resetAt = time.Unix(u, 0)
		}
	}
}

// read makes a call that changes nothing, again when it failed for a passing reason.
func (c *Client) read(ctx context.Context, what string, f func(*fastly.Client) error) (*exchange, error) {
	for try := 1; ; try++ {
		ex, err := c.call(ctx, what, f)
		if err == nil || try == maxTries || !c.again(ctx, err, try) {
			return ex, err
		}
		c.o.Logger.Info("asking Fastly again", "what", what, "try", try+1, "err", err)
	}
}

// readArray is read for a reply that must be a JSON array. go-fastly takes an object, or null, for a list of none.
func (c *Client) readArray(ctx context.Context, what string, f func(*fastly.Client) error) (*exchange, error) {
	ex, err := c.read(ctx, what, f)
	if err == nil && !bytes.HasPrefix(bytes.TrimSpace(ex.body), []byte("[")) {
		return ex, fmt.Errorf("%s: %w: the reply is no list", what, ErrIncomplete)
	}
	return ex, err
}

// again waits before the next try; false means there shall be none.
func (c *Client) again(ctx context.Context, err error, try int) bool {
	var e *APIError
	if !errors.As(err, &e) || !e.Temporary() || ctx.Err() != nil {
		return false
	}
	wait := c.o.Backoff << (try - 1)
	wait = wait/2 + rand.N(wait/2+1)
	if !e.RetryAt.IsZero() {
		wait = max(wait, time.Until(e.RetryAt))
		if wait > c.o.MaxWait {
			return false
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// spend takes one write out of the hour's budget. A write that stops or leases may use the reserve.
func (c *Client) spend(vital bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for len(c.writes) > 0 && now.Sub(c.writes[0]) >= time.Hour {
		c.writes = c.writes[1:]
	}
	if !vital {
		if left := c.o.WriteBudget - len(c.writes); left <= min(reserve, c.o.WriteBudget/2) {
			return fmt.Errorf("%w: %d made in the last hour", ErrBudget, len(c.writes))
		}
		if c.remaining >= 0 && c.remaining <= reserve && now.Before(c.resetAt) {
			return fmt.Errorf("%w: %d remain until %s, which are kept for the lease", ErrBudget, c.remaining, c.resetAt.UTC().Format(time.RFC3339))
		}
	}
	c.writes = append(c.writes, now)
	return nil
}

// clock gives what was seen of Fastly's clock.
func (c *Client) clock() (skew time.Duration, seen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew, !c.skewAt.IsZero()
}
