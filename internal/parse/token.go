package parse

import (
	"bytes"
	"crypto/subtle"
)

// MaxCount is the largest octet count that is believed (or MaxLine, when that
// is larger). A larger one is taken for the beginning of an ordinary line, so
// that one bad count swallows at most a mebibyte of the stream.
const MaxCount = 1 << 20

// tokens are the accepted tokens of a framer.
type tokens struct {
	all     [][]byte
	longest int
	headMax int // bytes that always suffice to decide the framing
}

// decision says how a frame is to be read.
type decision struct {
	more    bool // not enough bytes to tell
	counted bool
	token   bool
	skip    int // bytes before the line: token, count, spaces
	octets  int // octets of the line, when counted
}

const countDigits = 10 // enough for any count that fits a MaxLine of int32

func newTokens(all [][]byte) tokens {
	var t tokens
	for _, tok := range all {
		if len(tok) > 0 {
			t.all = append(t.all, bytes.Clone(tok))
			t.longest = max(t.longest, len(tok))
		}
	}
	t.headMax = 2*(t.longest+1) + countDigits + 2
	return t
}

// decide looks at the beginning of a frame. With eof there is nothing after b.
func (t *tokens) decide(b []byte, maxLine int, eof bool) decision {
	var d decision
	n, more := t.match(b, eof)
	if more {
		return decision{more: true}
	}
	d.token, d.skip = n > 0, n
	if d.skip == len(b) {
		d.more = !eof
		return d
	}
	count, width, more := octetCount(b[d.skip:], max(MaxCount, maxLine), eof)
	if more {
		return decision{more: true}
	}
	if width == 0 {
		return d
	}
	body := b[d.skip+width:]
	if len(body) > count {
		body = body[:count]
	}
	if body[0] == '<' {
		return decision{counted: true, token: d.token, skip: d.skip + width, octets: count}
	}
	n, more = t.match(body, eof || len(body) == count)
	if more {
		return decision{more: true}
	}
	if n == 0 {
		return d
	}
	return decision{counted: true, token: true, skip: d.skip + width + n, octets: count - n}
}

// match returns the length of the token that b begins with, one space after it
// included, or 0. Each comparison takes a time that does not depend on where
// the bytes differ.
func (t *tokens) match(b []byte, eof bool) (n int, more bool) {
	if len(t.all) == 0 {
		return 0, false
	}
	if i := bytes.IndexByte(b[:min(len(b), t.longest+1)], '\n'); i >= 0 {
		b, eof = b[:i], true
	}
	if len(b) < t.longest && !eof {
		return 0, true
	}
	for _, tok := range t.all {
		if len(b) >= len(tok) && subtle.ConstantTimeCompare(b[:len(tok)], tok) == 1 {
			n = max(n, len(tok))
		}
	}
	if n == 0 {
		return 0, false
	}
	if n == len(b) {
		return n, !eof
	}
	if b[n] == ' ' {
		n++
	}
	return n, false
}

// octetCount reads "count SP" and at least one byte after it. width is 0 when
// b does not begin so.
func octetCount(b []byte, limit int, eof bool) (count, width int, more bool) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		count = count*10 + int(b[i]-'0')
		if count == 0 || count > limit {
			return 0, 0, false
		}
	}
	if i == 0 && len(b) > 0 {
		return 0, 0, false
	}
	if i == len(b) || (b[i] == ' ' && i+1 == len(b)) {
		return 0, 0, !eof
	}
	if b[i] != ' ' {
		return 0, 0, false
	}
	return count, i + 1, false
}

// inStructuredData reports whether line is RFC 5424 and its structured data
// begins with "[token@", which is where Loggly's own convention puts the token.
// https://docs.fastly.com/en/guides/useful-log-formats
func (t *tokens) inStructuredData(line []byte) bool {
	if len(t.all) == 0 {
		return false
	}
	sd := structuredData(line)
	if len(sd) == 0 || sd[0] != '[' {
		return false
	}
	found := 0
	for _, tok := range t.all {
		if n := len(tok); len(sd) > n+1 && sd[n+1] == '@' {
			found |= subtle.ConstantTimeCompare(sd[1:n+1], tok)
		}
	}
	return found == 1
}
