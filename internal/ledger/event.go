package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Version is the version of the record that this package writes.
const Version = 1

// Event is one audit record. It has every field PCI DSS 10.2.2 asks for.
type Event struct {
	Version  int               `json:"version"` // 1
	Run      string            `json:"run"`     // one chain per run
	Seq      int               `json:"seq"`     // from 1 within the run
	Time     time.Time         `json:"time"`    // UTC, whole microseconds
	Actor    string            `json:"actor"`
	Event    string            `json:"event"`   // "block", "release", "extend", "refuse", "unblock", "stop", "start", "purge", "lease", "run", "start-ingest" …
	Outcome  string            `json:"outcome"` // "success", "failure", "refused"
	Source   string            `json:"source"`  // where it came from: host, pod, program
	Target   string            `json:"target"`  // what was touched: service/acl/prefix
	PlanHash string            `json:"plan_hash,omitempty"`
	Detail   map[string]string `json:"detail,omitempty"` // rule, reason, until, strikes, kind, acl …
	Prev     string            `json:"prev"`             // hash of the record before in this run; empty for the first
	Hash     string            `json:"hash"`             // SHA-256 over the record without this field
}

// The outcomes.
const (
	Success = "success"
	Failure = "failure"
	Refused = "refused"
)

// Sum computes what Hash must be: SHA-256, in hexadecimal, over the record's
// canonical JSON without the key hash. Canonical is what [Event.Canonical] says.
func (e Event) Sum() string {
	sum := sha256.Sum256(e.Canonical())
	return hex.EncodeToString(sum[:])
}

// Canonical is the record as one line of JSON without the key hash: keys in the
// order of Event, detail's keys sorted, no spaces, no escapes beyond what JSON needs and
// U+2028/U+2029, time in RFC 3339 with as many decimals as needed. A line of the file is the
// same with `,"hash":"…"` before the last brace.
func (e Event) Canonical() []byte {
	type withoutHash struct {
		Event
		Hash string `json:"hash,omitempty"` // hides Event.Hash
	}
	return encode(withoutHash{Event: e})
}

// line is the record as the file holds it, newline included.
func (e Event) line() []byte {
	return append(encode(e), '\n')
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// Only a year outside 0–9999 can fail, and clean has seen to that.
		panic("ledger: bug: encoding event: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// clean makes the event survive every store unchanged, so that its hash stays
// right: valid UTF-8, UTC, whole microseconds (BigQuery keeps no more), a year JSON can say.
func (e Event) clean() Event {
	for _, s := range []*string{&e.Run, &e.Actor, &e.Event, &e.Outcome, &e.Source, &e.Target, &e.PlanHash} {
		*s = validUTF8(*s)
	}
	if len(e.Detail) > 0 {
		detail := make(map[string]string, len(e.Detail))
		for k, v := range e.Detail {
			detail[validUTF8(k)] = validUTF8(v)
		}
		e.Detail = detail
	} else {
		e.Detail = nil
	}
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	if y := e.Time.Year(); y < 0 || y > 9999 {
		e.Time = time.Unix(0, 0).UTC()
	}
	return e
}

func validUTF8(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// NewRun returns a new run id: 12 characters of [0-9a-z], ordered by time. The
// first eight are milliseconds since 1970 in base 36, which lasts until 2059; four are random.
func NewRun(now time.Time) string {
	const space = 36 * 36 * 36 * 36
	ms := min(max(now.UnixMilli(), 0), space*space-1)
	n, err := rand.Int(rand.Reader, big.NewInt(space))
	if err != nil {
		// crypto/rand has not failed since Go 1.24; it crashes the program instead.
		panic("ledger: bug: " + err.Error())
	}
	return base36(ms, 8) + base36(n.Int64(), 4)
}

func base36(n int64, width int) string {
	s := strconv.FormatInt(n, 36)
	return strings.Repeat("0", max(0, width-len(s))) + s
}
