package redact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// has marks the bytes of w that equal c. The lowest mark is exact; above it
// there may be false ones.
func has(w uint64, c byte) uint64 {
	x := w ^ uint64(c)*lows
	return (x - lows) &^ x
}

// pairs masks the values of secret keys and track 1 data. It looks at the few
// characters that can part a key from its value, and from there back at the
// key. Colons and equals signs, of which a line has many, are found eight bytes
// at a time; the rest is rare.
func (r *Redactor) pairs(line []byte) (masked int) {
	i := 0
	for ; i+8 <= len(line); i += 8 {
		w := binary.LittleEndian.Uint64(line[i:])
		m := (has(w, ':') | has(w, '=')) & highs
		for ; m != 0; m &= m - 1 {
			if at := i + bits.TrailingZeros64(m)>>3; mayEndKey(line, at) {
				masked += r.separator(line, at)
			}
		}
	}
	for ; i < len(line); i++ {
		if mayEndKey(line, i) {
			masked += r.separator(line, i)
		}
	}
	for i = next(line, 0, '%'); i < len(line); i = next(line, i+1, '%') {
		masked += r.percent(line, i)
	}
	for i = next(line, 0, '^'); i < len(line); i = next(line, i+1, '^') {
		masked += count(maskTrack1(line, i, 1))
	}
	return masked
}

func next(line []byte, i int, c byte) int {
	if n := bytes.IndexByte(line[i:], c); n >= 0 {
		return i + n
	}
	return len(line)
}

// mayEndKey is false when it is certain that no secret key ends before i, which
// is so at nearly every colon of a line.
func mayEndKey(line []byte, i int) bool {
	if i > 0 && line[i-1] == '"' {
		i--
	}
	for n := 0; n < 2 && i > 0 && isDigit(line[i-1]); n++ {
		i--
	}
	if i < 3 {
		return false
	}
	c := line[i-1]
	if !isLetter(c) || line[i-3] == '%' { // the last for %5D
		return endsMark[c] || line[i-3] == '%'
	}
	e := ending(line[i-3], line[i-2], c)
	return endings[e>>5]&(1<<(e&31)) != 0
}

// endsMark has the characters that may stand between a secret key and its
// separator, apart from quotes and digits: the last of \", ', ], space and %22.
var endsMark = [256]bool{'\\': true, '\'': true, ']': true, ' ': true, '%': true}

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
	case ':', '=':
		if k, ok := keyBefore(line, i); ok {
			k.encoded = true
			return count(r.value(line, i+u.width, k, u.char == ':'))
		}
	case '^':
		return count(maskTrack1(line, i, u.width))
	}
	return 0
}

func count(changed bool) int {
	if changed {
		return 1
	}
	return 0
}
