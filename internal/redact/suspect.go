package redact

import (
	"encoding/binary"
	"math/bits"
)

const (
	block    = 64 // bytes that are judged at a time
	lookBack = 8  // bytes before a separator that are read at once
)

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// suspect returns the first block of line, from i on, that has a separator
// before which a secret key ends, or the end of the last whole block. It passes
// most lines as a whole, for a fraction of the cost of a look at each
// separator. i is at least lookBack.
func suspect(line []byte, i int) int {
	for ; i+block <= len(line); i += block {
		b := (*[lookBack + block]byte)(line[i-lookBack:])
		m := separators(binary.LittleEndian.Uint64(b[8:]))>>7 |
			separators(binary.LittleEndian.Uint64(b[16:]))>>6 |
			separators(binary.LittleEndian.Uint64(b[24:]))>>5 |
			separators(binary.LittleEndian.Uint64(b[32:]))>>4 |
			separators(binary.LittleEndian.Uint64(b[40:]))>>3 |
			separators(binary.LittleEndian.Uint64(b[48:]))>>2 |
			separators(binary.LittleEndian.Uint64(b[56:]))>>1 |
			separators(binary.LittleEndian.Uint64(b[64:]))
		for m = ^m; m != 0; m &= m - 1 {
			bit := bits.TrailingZeros64(m) // 8 times the byte in its word, and the word
			at := bit&7<<3 + bit>>3
			w := unquoted(binary.LittleEndian.Uint64(b[at : at+lookBack]))
			if !mayEnd(w) || lastByte[w>>56] == isDigitByte && !mayEnd(afterDigits(w)) {
				continue
			}
			if _, ok := keyBefore(line, i+at); ok {
				return i
			}
		}
	}
	return i
}

// separators marks all bytes but the colons and equals signs of w, and those
// above 0x7f that are the same without their highest bit.
//
// Of x = c ^ ':' only those two have 0 or 7, and only 0 and 7 have 0 or 4 as
// x ^ x>>1, which is a Gray code; ':' ^ ':'>>1 is 0x27.
func separators(w uint64) uint64 {
	return ((w^w>>1)&(0x7b*lows) ^ 0x23*lows + 0x7f*lows) & highs
}

// unquoted takes the quote after a key of JSON off the end of the word before a separator.
func unquoted(w uint64) uint64 { return w << ((w>>56 ^ '"' - 1) >> 63 << 3) }

// mayEnd is false when it is certain that no secret key ends at the end of w,
// the last byte of which is the highest.
func mayEnd(w uint64) bool { return lastByte[w>>56]|bucketOf[hashOf(w)] != 0 }

// afterDigits is w without the up to two digits that may follow a key.
func afterDigits(w uint64) uint64 {
	if isDigit(byte(w >> 48)) {
		return w << 16
	}
	return w << 8
}

// What the last byte before a separator and a quote may be, besides a letter.
const (
	isDigitByte = 1 + iota
	isMarkByte  // stands between a secret key and its separator
)

var lastByte = func() (t [256]uint8) {
	for _, c := range []byte(`"\\']% `) {
		t[c] = isMarkByte
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = isDigitByte
	}
	return t
}()

const hashBits = 12

// hashOf is a hash of the three highest bytes of w without regard to case.
func hashOf(w uint64) uint32 { return uint32(w>>40&0x1f1f1f) * 0x9e3779b1 >> (32 - hashBits) }

// buckets are secretKeys by the hash of their last three letters; bucketOf says
// which of them. The first is empty.
var buckets, bucketOf = func() (all [][]ending, of [1 << hashBits]uint8) {
	add := func(text string, keys ...ending) {
		h := hashOf(lastBytes([]byte(text)))
		if of[h] == 0 {
			of[h] = uint8(len(all))
			all = append(all, nil)
		}
		all[of[h]] = append(all[of[h]], keys...)
	}
	all = append(all, nil)
	for _, k := range secretKeys {
		add(k.name, k.ending())
	}
	add("%5D") // password%5D=
	return all, of
}()

// lastBytes returns the last eight bytes of b, or all, as the highest of a word.
func lastBytes(b []byte) (w uint64) {
	if n := len(b); n >= 8 {
		return binary.LittleEndian.Uint64(b[n-8:])
	}
	for _, c := range b {
		w = w>>8 | uint64(c)<<56
	}
	return w
}
