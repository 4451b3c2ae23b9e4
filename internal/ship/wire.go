package ship

import (
	"encoding/binary"
	"math/bits"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire writes protobuf into b, which has room: whoever writes has asked for it
// before. Lengths of messages stand before them and are known after them, so a
// message begins with a guess of two bytes for its length; what has another
// length is moved, which is rare. The bytes are those of the canonical encoding.
type wire struct {
	b    []byte // up to its capacity; n bytes are written
	n    int
	high uint64 // bytes of all strings written, or-ed together: bit 7 of any says that one is not ASCII

	second int64  // the last second that was written as text, and that text
	clock  []byte // without fraction and zone
}

// highBits are the bits that no ASCII byte has.
const highBits = 0x8080808080808080

// ascii reports whether all strings written since reset were ASCII.
func (w *wire) ascii() bool { return w.high&highBits == 0 }

// slack is how many bytes behind the end of what is written may be spoiled.
const slack = headRoom + 8

func (w *wire) byte(c byte) {
	w.b[w.n] = c
	w.n++
}

func (w *wire) varint(v uint64) {
	n := w.n
	for v >= 0x80 {
		w.b[n] = byte(v) | 0x80
		v >>= 7
		n++
	}
	w.b[n] = byte(v)
	w.n = n + 1
}

func varintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// begin starts a message of which the tag is written, and returns where.
func (w *wire) begin() int {
	w.n += 2
	return w.n
}

// end writes the length of the message that began at start.
func (w *wire) end(start int) {
	size := w.n - start
	if uint(size-0x80) < 1<<14-0x80 {
		w.b[start-2] = byte(size) | 0x80
		w.b[start-1] = byte(size >> 7)
		return
	}
	moved := start - 2 + varintSize(uint64(size))
	copy(w.b[moved:], w.b[start:w.n])
	w.n = start - 2
	w.varint(uint64(size))
	w.n = moved + size
}

// text writes the bytes of a string.
func (w *wire) text(s string) {
	w.high |= copyText(w.b[w.n:], s)
	w.n += len(s)
}

// copyText copies a string and returns the or of all its bytes, in any place
// of the word. Most strings are short: words are cheaper than a call that
// copies.
func copyText(dst []byte, s string) (high uint64) {
	switch n := len(s); {
	case n > 64:
		copy(dst, s)
		return highOf(s)
	case n >= 8:
		dst = dst[:n]
		for i := 0; i+8 <= n; i += 8 {
			v := word(s[i:])
			binary.LittleEndian.PutUint64(dst[i:], v)
			high |= v
		}
		v := word(s[n-8:])
		binary.LittleEndian.PutUint64(dst[n-8:], v)
		return high | v
	case n >= 4:
		v, last := half(s), half(s[n-4:])
		binary.LittleEndian.PutUint32(dst, v)
		binary.LittleEndian.PutUint32(dst[n-4:], last)
		return uint64(v | last)
	case n > 0:
		dst = dst[:n]
		dst[0], dst[n/2], dst[n-1] = s[0], s[n/2], s[n-1]
		return uint64(s[0] | s[n/2] | s[n-1])
	}
	return 0
}

// highOf is the or of all words of a string of eight bytes or more.
func highOf(s string) (high uint64) {
	last := word(s[len(s)-8:])
	for ; len(s) >= 32; s = s[32:] {
		high |= word(s) | word(s[8:]) | word(s[16:]) | word(s[24:])
	}
	for ; len(s) >= 8; s = s[8:] {
		high |= word(s)
	}
	return high | last
}

// word is binary.LittleEndian.Uint64 of a string, half its Uint32.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// str writes a string field with a number under 16, and nothing when it is empty.
func (w *wire) str(num protowire.Number, s string) {
	if s == "" {
		return
	}
	w.byte(byte(num<<3 | 2))
	w.varint(uint64(len(s)))
	w.text(s)
}

// num writes a number field with a number under 16, and nothing when it is zero.
func (w *wire) num(num protowire.Number, v uint64) {
	if v == 0 {
		return
	}
	w.byte(byte(num << 3))
	w.varint(v)
}

// moment writes the fields of a Timestamp or Duration.
func (w *wire) moment(seconds int64, nanos int64) {
	w.num(1, uint64(seconds))
	w.num(2, uint64(nanos))
}

// maxTimeText is more than what time.RFC3339Nano needs for any time.
const maxTimeText = 48

// rfc3339 writes a time as time.RFC3339Nano in UTC and returns its length. Lines come in the
// order of time, so the text of a second serves many of them.
func (w *wire) rfc3339(t time.Time) int {
	if s := t.Unix(); s != w.second || w.clock == nil {
		w.second, w.clock = s, t.UTC().AppendFormat(w.clock[:0], "2006-01-02T15:04:05")
	}
	start := w.n
	w.n += copy(w.b[w.n:], w.clock)
	if ns := t.Nanosecond(); ns != 0 {
		w.b[w.n] = '.'
		digits := w.b[w.n+1 : w.n+10]
		for i := 8; i >= 0; i-- {
			digits[i] = byte('0' + ns%10)
			ns /= 10
		}
		last := 8
		for digits[last] == '0' {
			last--
		}
		w.n += last + 2
	}
	w.byte('Z')
	return w.n - start
}
