package ship

import (
	"math/bits"
	"time"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"edgewarden/internal/record"
)

// wire writes protobuf into b. There is always fixedRoom behind what is written, for all but long strings: who
// writes one asks for more. Lengths of messages stand before them and are known after them, so a
// message begins with a guess of two bytes for its length; what has another
// length is moved, which is rare. The bytes are those of the canonical encoding.
type wire struct {
	b []byte // up to its capacity; n bytes are written
	n int

	second int64  // the last second that was written as text, and that text
	clock  []byte // without fraction and zone
}

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

// fixedRoom is more than an entry takes besides its long strings: of each field the
// head and a short string, a number or a time.
const fixedRoom = int(record.NumFields)*(headRoom+maxShort) + 1024 + slack

// room makes sure that a string of n bytes fits in, and fixedRoom behind it.
func (w *wire) room(n int) {
	if len(w.b)-w.n < n+fixedRoom {
		grown := make([]byte, max(len(w.b)+len(w.b)/2, w.n+n+2*fixedRoom))
		copy(grown, w.b[:w.n])
		w.b = grown
	}
}

// next is where the next byte goes. Whoever writes there keeps within fixedRoom, which nothing checks: a check for each of
// the sixty pieces of an entry would cost as much as the pieces.
func (w *wire) next() unsafe.Pointer { return unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.b)), w.n) }

// text writes the bytes of a string.
func (w *wire) text(s string) {
	w.room(len(s))
	copyText(w.next(), s)
	w.n += len(s)
}

// copyText copies a string to dst, which has room for it. Most strings are short: two pieces of a fixed size that meet or
// overlap are cheaper than a call that copies.
func copyText(dst unsafe.Pointer, s string) {
	n, src := len(s), unsafe.Pointer(unsafe.StringData(s))
	switch {
	case n > 64:
		copy(unsafe.Slice((*byte)(dst), n), s)
	case n >= 32:
		copyEnds[[32]byte](dst, src, n-32)
	case n >= 16:
		copyEnds[[16]byte](dst, src, n-16)
	case n >= 8:
		copyEnds[[8]byte](dst, src, n-8)
	case n >= 4:
		copyEnds[[4]byte](dst, src, n-4)
	case n > 0:
		copyEnds[byte](dst, src, n-1)
		*(*byte)(unsafe.Add(dst, n/2)) = *(*byte)(unsafe.Add(src, n/2))
	}
}

// copyEnds copies a piece at the beginning and one at last.
func copyEnds[piece any](dst, src unsafe.Pointer, last int) {
	*(*piece)(dst) = *(*piece)(src)
	*(*piece)(unsafe.Add(dst, last)) = *(*piece)(unsafe.Add(src, last))
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
