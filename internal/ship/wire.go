package ship

import (
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

func (w *wire) tag(num protowire.Number, typ protowire.Type) {
	w.varint(protowire.EncodeTag(num, typ))
}

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
	n := w.n
	w.n += len(s)
	if len(s) > 64 {
		w.high |= highOf(s)
		copy(w.b[n:], s)
		return
	}
	// Most strings are short: words are cheaper than a call that copies.
	dst, high := w.b[n:n+len(s)+8], uint64(0)
	if len(s) < 8 {
		for i := 0; i < len(s); i++ {
			dst[i] = s[i]
			high |= uint64(s[i])
		}
		w.high |= high
		return
	}
	i := 0
	for ; i+8 <= len(s); i += 8 {
		v := word(s, i)
		putWord(dst, i, v)
		high |= v
	}
	v := word(s, len(s)-8)
	putWord(dst, len(s)-8, v)
	w.high |= high | v
}

// highOf is the or of all words of a string of eight bytes or more.
func highOf(s string) (high uint64) {
	i := 0
	for ; i+32 <= len(s); i += 32 {
		high |= word(s, i) | word(s, i+8) | word(s, i+16) | word(s, i+24)
	}
	for ; i+8 <= len(s); i += 8 {
		high |= word(s, i)
	}
	return high | word(s, len(s)-8)
}

// word is binary.LittleEndian.Uint64 of a string.
func word(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func putWord(b []byte, i int, v uint64) {
	b = b[i : i+8]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	b[4], b[5], b[6], b[7] = byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56)
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
