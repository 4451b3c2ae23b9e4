package redact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// pairs masks the values of secret keys and track 1 data. It looks at the few
// characters that can part a key from its value, and from there back at the
// key. Of colons and equals signs a line has many: what needs no closer look is
// told a block at a time. The rest is rare.
func (r *Redactor) pairs(line []byte) (masked int) {
	i := min(lookBack, len(line))
	masked += r.separatorsIn(line, 0, i)
	for {
		if i = suspect(line, i); i+block > len(line) {
			break
		}
		masked += r.separatorsIn(line, i, i+block)
		i += block
	}
	// The rest is judged with bytes that were judged before.
	if last := len(line) - block; last < lookBack || suspect(line, last) == last {
		masked += r.separatorsIn(line, i, len(line))
	}
	return masked + r.percents(line) + r.marks(line)
}

// percents masks what a percent-encoded separator or mark gives away.
func (r *Redactor) percents(line []byte) (masked int) {
	r.user = userinfo{}
	for i := next(line, 0, '%'); i < len(line); i = next(line, i+1, '%') {
		if n := r.percent(line, i); n > 0 {
			masked += n
			r.user = userinfo{}
		}
	}
	return masked
}

// marks masks track 1 data and the password of a URL.
func (r *Redactor) marks(line []byte) (masked int) {
	for i := next(line, 0, '^'); i < len(line); i = next(line, i+1, '^') {
		masked += count(r.maskTrack1(line, i, 1))
	}
	r.user = userinfo{}
	for i := next(line, 0, '@'); i < len(line); i = next(line, i+1, '@') {
		masked += count(r.maskUserinfo(line, i))
	}
	return masked
}

// separatorsIn masks the values whose separator is in line[i:end].
func (r *Redactor) separatorsIn(line []byte, i, end int) (masked int) {
	for ; i+8 <= end; i += 8 {
		for m := separators(binary.LittleEndian.Uint64(line[i:])) ^ highs; m != 0; m &= m - 1 {
			masked += r.separator(line, i+bits.TrailingZeros64(m)>>3)
		}
	}
	for ; i < end; i++ {
		masked += r.separator(line, i)
	}
	return masked
}

func next(line []byte, i int, c byte) int {
	if n := bytes.IndexByte(line[i:], c); n >= 0 {
		return i + n
	}
	return len(line)
}

func (r *Redactor) separator(line []byte, i int) int {
	if c := line[i]; c == ':' || c == '=' {
		if k, ok := keyBefore(line, i); ok {
			return count(r.value(line, i+1, k, c == ':'))
		}
	}
	return 0
}

func (r *Redactor) percent(line []byte, i int) int {
	switch u := percentUnit(line, i); u.char {
	case ':', '=', '%':
		c, width, level := percentDeep(line, i)
		if c != ':' && c != '=' {
			return 0
		}
		if k, ok := keyBefore(line, i); ok {
			k.encoded, k.level = true, level
			return count(r.value(line, i+width, k, c == ':'))
		}
	case '^':
		return count(r.maskTrack1(line, i, u.width))
	case '@':
		return count(r.maskUserinfo(line, i))
	}
	return 0
}

func count(changed bool) int {
	if changed {
		return 1
	}
	return 0
}
