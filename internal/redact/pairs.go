package redact

import (
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
// characters that can part a key from its value, eight bytes at a time, and
// from there back at the key.
func (r *Redactor) pairs(line []byte) (masked int) {
	i := 0
	for ; i+8 <= len(line); i += 8 {
		w := binary.LittleEndian.Uint64(line[i:])
		m := (has(w, ':') | has(w, '=') | has(w, '%') | has(w, '^')) & highs
		for ; m != 0; m &= m - 1 {
			masked += r.at(line, i+bits.TrailingZeros64(m)>>3)
		}
	}
	for ; i < len(line); i++ {
		masked += r.at(line, i)
	}
	return masked
}

// at judges the character at i.
func (r *Redactor) at(line []byte, i int) int {
	switch line[i] {
	case ':', '=':
		if k, ok := keyBefore(line, i); ok {
			return count(r.value(line, i+1, k, line[i] == ':'))
		}
	case '^':
		return count(r.maskTrack1(line, i, 1))
	case '%':
		switch u := percentUnit(line, i); u.char {
		case ':', '=':
			if k, ok := keyBefore(line, i); ok {
				k.encoded = true
				return count(r.value(line, i+u.width, k, u.char == ':'))
			}
		case '^':
			return count(r.maskTrack1(line, i, u.width))
		}
	}
	return 0
}

func count(changed bool) int {
	if changed {
		return 1
	}
	return 0
}
