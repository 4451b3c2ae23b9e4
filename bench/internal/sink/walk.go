package sink

import (
	"errors"

	"google.golang.org/grpc/mem"
)

// entriesField is WriteLogEntriesRequest.entries.
// https://cloud.google.com/logging/docs/reference/v2/rpc/google.logging.v2#writelogentriesrequest
const entriesField = 4

var errMalformed = errors.New("request is no protobuf message: bug of the client")

// countEntries walks the top-level fields of a request and counts the entries
// without looking into them.
func countEntries(data mem.BufferSlice) (n int64, err error) {
	w := walker{rest: data}
	for !w.done() {
		key, err := w.varint()
		if err != nil {
			return n, err
		}
		if key>>3 == entriesField && key&7 == 2 {
			n++
		}
		if err := w.value(key & 7); err != nil {
			return n, err
		}
	}
	return n, nil
}

// walker reads bytes that lie in several buffers.
type walker struct {
	rest mem.BufferSlice
	now  []byte
}

func (w *walker) done() bool {
	for len(w.now) == 0 {
		if len(w.rest) == 0 {
			return true
		}
		w.now, w.rest = w.rest[0].ReadOnlyData(), w.rest[1:]
	}
	return false
}

func (w *walker) varint() (v uint64, err error) {
	for shift := 0; shift < 64; shift += 7 {
		if w.done() {
			return 0, errMalformed
		}
		b := w.now[0]
		w.now = w.now[1:]
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, errMalformed
}

// value skips a value of a wire type.
func (w *walker) value(wire uint64) error {
	switch wire {
	case 0:
		_, err := w.varint()
		return err
	case 1:
		return w.skip(8)
	case 2:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case 5:
		return w.skip(4)
	}
	return errMalformed
}

func (w *walker) skip(n uint64) error {
	for n > 0 {
		if w.done() {
			return errMalformed
		}
		k := min(n, uint64(len(w.now)))
		w.now = w.now[k:]
		n -= k
	}
	return nil
}
