package acl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"

	"edgewarden/internal/plain"
)

// ErrReadOnly is what a dry run's transport says to any request but GET and HEAD.
var ErrReadOnly = errors.New("dry run: nothing may be written")

// ErrBudget means that the hourly limit of writes is used up. What is left over waits for the next run.
var ErrBudget = errors.New("the hourly limit of writes at Fastly is used up")

// ErrIncomplete means that a listing may lack entries. Nothing may be decided from it.
var ErrIncomplete = errors.New("listing is incomplete")

// ErrStopped means that the kill switch is set.
var ErrStopped = errors.New("stopped by the kill switch")

// APIError is a failed call to Fastly.
type APIError struct {
	What    string    // what was tried, as "list entries of edgewarden_1"
	Status  int       // HTTP status; 0 when there was no answer, 2xx when the answer made no sense
	Message string    // Fastly's words, made safe for a terminal, one line
	RetryAt time.Time // when Fastly says to come again; zero when it does not
	Err     error     // the cause, when there was no answer
	hint    string    // what to do, where the status alone does not say it
}

// Error says what failed and why, on one line and without the token.
func (e *APIError) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": Fastly answered %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if hint := cmp.Or(e.hint, hints[e.Status]); hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

var hints = map[int]string{
	http.StatusUnauthorized:    "is the token right and not expired?",
	http.StatusForbidden:       "the token must reach this service, and writing needs a user with the role Engineer",
	http.StatusTooManyRequests: "1000 writes an hour for all tokens of one user",
}

// Unwrap gives the cause.
func (e *APIError) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later.
func (e *APIError) Temporary() bool {
	if errors.Is(e.Err, ErrReadOnly) || errors.Is(e.Err, context.Canceled) {
		return false
	}
	return e.Status == 0 || e.Status == http.StatusTooManyRequests || e.Status >= 500 || e.Status < 300
}

// denied reports whether no call with this token can succeed.
func (e *APIError) denied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || errors.Is(e.Err, ErrReadOnly)
}

// isNotFound reports whether Fastly said that there is no such thing.
func isNotFound(err error) bool {
	var e *APIError
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// apiError makes an APIError of what go-fastly returned and what the exchange saw.
func (c *Client) apiError(what string, err error, ex *exchange) *APIError {
	e := &APIError{What: what, Status: ex.status, RetryAt: retryAt(ex.header, ex.end)}
	var he *fastly.HTTPError
	if errors.As(err, &he) {
		var parts []string
		for _, o := range he.Errors {
			for _, s := range []string{o.Title, o.Detail} {
				if s = strings.TrimSpace(rubyHash.ReplaceAllString(s, "")); s != "" {
					parts = append(parts, s)
				}
			}
		}
		e.Message = c.scrub(strings.Join(parts, ": "))
		return e
	}
	if text := err.Error(); c.scrub(text) != plain.Text(text, maxMessage) {
		err = errors.New(c.scrub(text))
	}
	e.Err = err
	return e
}

// rubyHash is how Fastly shows what it looked for: "Couldn't find Service '{ deleted => 0000-00-00 00:00:00, id => x }'".
var rubyHash = regexp.MustCompile(`\s*'?\{[^{}]*=>[^{}]*\}'?`)

// maxMessage is how many runes of a vendor's message are kept.
const maxMessage = 300

// scrub makes text from outside safe to print: no token, no control bytes, not too long.
func (c *Client) scrub(text string) string {
	return plain.Text(strings.ReplaceAll(strings.TrimSpace(text), c.o.Token, "[token]"), maxMessage)
}

// retryAt reads when to come again: Retry-After in seconds, or the end of the hourly limit.
func retryAt(h http.Header, now time.Time) time.Time {
	if s, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32); err == nil && s >= 0 {
		return now.Add(time.Duration(s) * time.Second)
	}
	if u, err := strconv.ParseInt(h.Get("Fastly-RateLimit-Reset"), 10, 64); err == nil && u > 0 && h.Get("Fastly-RateLimit-Remaining") == "0" {
		return time.Unix(u, 0)
	}
	return time.Time{}
}

// saysOK reads the body of a batch's reply: {"status":"ok"}, and whatever else.
func saysOK(body []byte) bool {
	var r struct {
		Status string `json:"status"`
	}
	return json.Unmarshal(body, &r) == nil && r.Status == "ok"
}
