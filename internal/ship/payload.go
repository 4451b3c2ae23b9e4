package ship

import (
	"encoding/binary"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"edgewarden/internal/record"
)

func tagOf(num protowire.Number, typ protowire.Type) byte { return byte(protowire.EncodeTag(num, typ)) }

// headRoom is the size of a head. The whole of it is copied, a constant size
// being much cheaper than the exact one; what follows overwrites the rest.
const headRoom = 32

// head is everything of a field of a Struct that stands before its value:
//
//	fields, length of the field, key, length of the name, the name, value, length of the value, kind of the value
//
// and, for a string, the length of the string. The lengths that depend on a
// string are filled in when it is known.
type head struct {
	b [headRoom]byte
	n uint8
}

func newHead(name string, value []byte, rest int) (h head) {
	b := append(h.b[:0], tagOf(structFields, protowire.BytesType), byte(2+len(name)+2+len(value)+rest), tagOf(mapKey, protowire.BytesType), byte(len(name)))
	b = append(b, name...)
	b = append(b, tagOf(mapValue, protowire.BytesType), byte(len(value)+rest))
	b = append(b, value...)
	if len(b) > headRoom {
		panic("ship: bug: the field name " + name + " is too long")
	}
	h.n = uint8(len(b))
	return h
}

// heads has the head of each field, and the others by name.
var heads = func() (hs [record.NumFields]head) {
	for f := range hs {
		hs[f] = headOf(record.Fields[f].Name, record.Fields[f].Type)
	}
	return hs
}()

var originalHead = headOf(OriginalTimestamp, record.String)

func headOf(name string, t record.Type) head {
	switch t {
	case record.Int:
		return newHead(name, []byte{tagOf(valueNumber, protowire.Fixed64Type)}, 8)
	case record.Bool:
		return newHead(name, []byte{tagOf(valueBool, protowire.VarintType)}, 1)
	}
	return newHead(name, []byte{tagOf(valueString, protowire.BytesType), 0}, 0)
}

// maxShort is the longest string with which all lengths of a field take one byte.
const maxShort = 127 - headRoom

// lengths fills in what depends on the length of a short string in a field
// that begins with b.
func (h *head) lengths(b *[headRoom]byte, size int) {
	n := h.n // b might be h
	b[1] = n - 2 + byte(size)
	b[(n-3)%headRoom] = 2 + byte(size)
	b[(n-1)%headRoom] = byte(size)
}

// put writes a head.
func (w *wire) put(h *head) (at *[headRoom]byte) {
	at = (*[headRoom]byte)(w.next())
	*at = h.b
	w.n += int(h.n)
	return at
}

// longField writes a field whose string may have any length.
func (w *wire) longField(h *head, s string) {
	key := h.b[2 : h.n-4]
	value := 1 + varintSize(uint64(len(s))) + len(s)
	w.byte(h.b[0])
	w.varint(uint64(len(key) + 1 + varintSize(uint64(value)) + value))
	w.n += copy(w.b[w.n:], key)
	w.byte(tagOf(mapValue, protowire.BytesType))
	w.varint(uint64(value))
	w.byte(tagOf(valueString, protowire.BytesType))
	w.varint(uint64(len(s)))
	w.text(s)
}

// timeField writes a time of the record if it has it; so do the others.
func (w *wire) timeField(r *record.Record, f record.Field, t time.Time) {
	if r.Present.Has(f) {
		at := w.put(&heads[f])
		heads[f].lengths(at, w.rfc3339(t))
	}
}

func (w *wire) intField(r *record.Record, f record.Field, v int64) {
	if r.Present.Has(f) {
		w.put(&heads[f])
		binary.LittleEndian.PutUint64((*[8]byte)(w.next())[:], math.Float64bits(float64(v)))
		w.n += 8
	}
}

func (w *wire) boolField(r *record.Record, f record.Field, v bool) {
	if r.Present.Has(f) {
		w.put(&heads[f])
		var c byte
		if v {
			c = 1
		}
		w.byte(c)
	}
}

// texts are the string fields that belong into a payload: all but the position, which is the entry's insertId.
var texts = func() (fs []record.Field) {
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Type == record.String && f != record.Position {
			fs = append(fs, f)
		}
	}
	return fs
}()

// payload writes the record as a Struct. It names every field that is no string,
// which is faster than to look each up; a test compares it with the table.
func (w *wire) payload(r *record.Record, original string) {
	w.byte(tagOf(entryJSONPayload, protowire.BytesType))
	m := w.begin()
	w.stringFields(r)
	w.intField(r, record.ClientASN, r.ClientASN)
	w.intField(r, record.Status, r.Status)
	w.intField(r, record.ResponseBytes, r.ResponseBytes)
	w.intField(r, record.RequestBytes, r.RequestBytes)
	w.intField(r, record.ElapsedUsec, r.ElapsedUsec)
	w.intField(r, record.TTFBUsec, r.TTFBUsec)
	w.boolField(r, record.FirstHop, r.FirstHop)
	w.boolField(r, record.Blocked, r.Blocked)
	w.boolField(r, record.WouldBlock, r.WouldBlock)
	w.boolField(r, record.ClaimsOtherIP, r.ClaimsOtherIP)
	w.timeField(r, record.Received, r.Received)
	if original != "" {
		w.longField(&originalHead, original)
	}
	w.end(m)
}

// stringFields writes the strings of a Struct that are not empty.
func (w *wire) stringFields(r *record.Record) {
	for _, f := range texts {
		switch s := *r.Str(f); {
		case s == "":
		case len(s) > maxShort:
			w.longField(&heads[f], s)
		default:
			h := &heads[f]
			h.lengths(w.put(h), len(s))
			copyText(w.next(), s)
			w.n += len(s)
		}
	}
}

// labels writes what is known of a line that was not understood.
func (w *wire) labels(r *record.Record, original string) {
	for _, f := range texts {
		if s := *r.Str(f); s != "" && f != record.Text {
			w.label(record.Fields[f].Name, shortLabel(s))
		}
	}
	if r.Present.Has(record.Received) {
		w.timeLabel(record.Fields[record.Received].Name, r.Received)
	}
	if original != "" {
		w.label(OriginalTimestamp, original)
	}
}

// label writes a label. An empty value is written too, as the library does.
func (w *wire) label(name, value string) {
	w.byte(tagOf(entryLabels, protowire.BytesType))
	w.varint(uint64(2 + len(name) + 1 + varintSize(uint64(len(value))) + len(value)))
	w.str(mapKey, name)
	w.byte(tagOf(mapValue, protowire.BytesType))
	w.varint(uint64(len(value)))
	w.text(value)
}

func (w *wire) timeLabel(name string, t time.Time) {
	w.byte(tagOf(entryLabels, protowire.BytesType))
	m := w.short()
	w.str(mapKey, name)
	w.byte(tagOf(mapValue, protowire.BytesType))
	v := w.short()
	w.rfc3339(t)
	w.shortEnd(v)
	w.shortEnd(m)
}
