// Package lines makes log lines as Fastly sends them in its classic format with
// edgewarden's log format: about 860 bytes, 28 keys, values that vary as those of
// a shop do.
//
// A line costs the sender a copy and a few patched bytes, so that the load
// generator stays small beside what it measures.
package lines

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

const (
	poolSize  = 1024 // different lines a maker has
	seqDigits = 8
	// seconds is how a timestamp looks up to the second; six digits and a Z follow.
	seconds = "2006-01-02T15:04:05"
)

// Maker makes the lines of one connection, numbered from 0. It is not safe for
// concurrent use.
type Maker struct {
	pool []template
	seq  int64
}

// template is a line with holes.
type template struct {
	text          []byte
	prefix, stamp int // where the seconds of the two times are
	seq           int // where the digits of the number are
}

// New returns a maker. run, letters other than c, and conn go into every request id, token in
// front of every line.
func New(run string, conn int, token string) *Maker {
	rng := rand.New(rand.NewPCG(uint64(conn), 860))
	m := &Maker{pool: make([]template, poolSize)}
	for i := range m.pool {
		m.pool[i] = newTemplate(rng, run, conn, token)
	}
	return m
}

// Append appends n lines to dst, stamped shortly before now, and returns it.
func (m *Maker) Append(dst []byte, n int, now time.Time) []byte {
	// The six digits after the second are the line's number, so the second must be over.
	stamp := now.UTC().Add(-time.Second).Format(seconds)
	for range n {
		t := &m.pool[m.seq%poolSize]
		at := len(dst)
		dst = append(dst, t.text...)
		line := dst[at:]
		copy(line[t.prefix:], stamp)
		copy(line[t.stamp:], stamp)
		digits(line[t.stamp+len(stamp)+1:][:6], m.seq)
		digits(line[t.seq:][:seqDigits], m.seq)
		m.seq++
	}
	return dst
}

// Made is how many lines were made.
func (m *Maker) Made() int64 { return m.seq }

func digits(dst []byte, n int64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}

// ID is the part of a request id that names a line.
type ID struct {
	Run  string
	Conn int
	Seq  int64
}

// String is how the id begins in a line: letters keep the digits apart, so that
// nobody takes them for a card number.
func (id ID) String() string { return fmt.Sprintf("%sc%04dn%08dx", id.Run, id.Conn, id.Seq) }

// ParseID reads the id at the start of a request id.
func ParseID(s string) (id ID, err error) {
	c := strings.IndexByte(s, 'c')
	if c < 0 || len(s) < c+15 || s[c+5] != 'n' || s[c+14] != 'x' || strings.Trim(s[:c], words) != "" {
		return id, fmt.Errorf("request id %q was not made here", s)
	}
	conn, errConn := strconv.Atoi(s[c+1 : c+5])
	seq, errSeq := strconv.ParseInt(s[c+6:c+14], 10, 64)
	if err := errors.Join(errConn, errSeq); err != nil {
		return id, fmt.Errorf("request id %q was not made here: %w", s, err)
	}
	return ID{s[:c], conn, seq}, nil
}

var key = []byte(`"request_id":"`)

// FindID reads the id of a raw line.
func FindID(line []byte) (ID, error) {
	at := bytes.Index(line, key)
	if at < 0 {
		return ID{}, fmt.Errorf("no request id in %.80q", line)
	}
	rest := line[at+len(key):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return ID{}, fmt.Errorf("no end of the request id in %.80q", line)
	}
	return ParseID(string(rest[:end]))
}
