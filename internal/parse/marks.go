package parse

import (
	"encoding/binary"
	"math/bits"
)

// block is how many bytes have one word of marks.
const block = 64

// mark sets s.marks, without which nothing can be scanned: a bit for each byte of the line at which a JSON string cannot simply go on, which is a quote, a backslash, a
// control character or a byte >= 0x80. The first bit behind the line is set, too, so that a search always ends.
//
// The line is read once for it, and all its strings are found with a shift each, after Langdale and Lemire, "Parsing Gigabytes of
// JSON per Second", section 3.1 (https://arxiv.org/abs/1902.08318).
func (s *scanner) mark() {
	n := len(s.b) / block
	if cap(s.marks) < n+1 {
		s.marks = make([]uint64, n+1, 2*n+8)
	}
	s.marks = s.marks[:n+1]
	rest := len(s.b) % block
	behind := ^uint64(0) << rest
	switch {
	case rest == 0:
		s.marks[n] = behind
	case n > 0: // the last whole block again, of which the beginning is known
		markBlocks(s.b[len(s.b)-block:], s.marks[n:])
		s.marks[n] = s.marks[n]>>(block-rest) | behind
	default:
		var short [block]byte
		copy(short[:], s.b)
		markBlocks(short[:], s.marks)
		s.marks[0] |= behind
	}
	markBlocks(s.b, s.marks[:n])
}

// special returns the first marked place at or after i, which is at most the length of the line.
func (s *scanner) special(i int) int {
	if m := s.marks[uint(i)/block] >> (uint(i) % block); m != 0 {
		return i + bits.TrailingZeros64(m)
	}
	return s.specialBehind(i / block)
}

// specialBehind returns the first marked place in the blocks behind the k-th.
func (s *scanner) specialBehind(k int) int {
	for k++; ; k++ {
		if m := s.marks[k]; m != 0 {
			return k*block + bits.TrailingZeros64(m)
		}
	}
}

// markWords sets the marks of as many blocks of b as marks has room for, eight bytes at a time.
func markWords(b []byte, marks []uint64) {
	for k := range marks {
		var m uint64
		for i, of := 0, b[k*block:][:block]; i < block; i += 8 {
			m |= gather(special(binary.LittleEndian.Uint64(of[i:]))) << i
		}
		marks[k] = m
	}
}

// gather makes eight bits of the highest bits of eight bytes, in their order.
func gather(w uint64) uint64 { return w >> 7 * 0x0102040810204080 >> 56 }

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of w that are a quote, a backslash, a control
// character or >= 0x80 with their highest bit. No sum here carries from one byte to the next.
func special(w uint64) uint64 {
	low := w &^ highs
	quote := (low ^ '"'*lows) + 0x7f*lows // the highest bit is clear only for 0
	slash := (low ^ '\\'*lows) + 0x7f*lows
	printable := low + (0x80-0x20)*lows
	return (^(quote & slash & printable) | w) & highs
}
