package spool

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// recordHead is the size of what stands before each payload; see doc.go.
const recordHead = 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seedOf is where the header checksums of a segment start. It ties a record to
// its spool and segment: neither a stale disk block of an older file nor bytes
// that a client sends can pass for a record.
func seedOf(id uint64, no uint32) uint32 {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:], id)
	binary.LittleEndian.PutUint32(b[8:], no)
	return crc32.Checksum(b[:], castagnoli)
}

// head is a decoded record header.
type head struct {
	size int    // payload bytes
	body uint32 // checksum of the payload
	time int64  // append time, unix nanoseconds
}

// appendRecord appends a record whose header checksum is still missing, since
// that needs the offset; see finishRecords.
func appendRecord(dst, payload []byte, now int64) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(payload, castagnoli))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(now))
	return append(dst, payload...)
}

// finishRecords fills in the header checksums of the records in b, which will
// stand at off.
func finishRecords(b []byte, seed uint32, off int64) {
	for len(b) > 0 {
		binary.LittleEndian.PutUint32(b, headSum(b, seed, off))
		n := recordHead + int(binary.LittleEndian.Uint32(b[4:]))
		b, off = b[n:], off+int64(n)
	}
}

// headSum is the header checksum of the record at the start of b. The offset is
// in it: the same bytes at another place are no record.
func headSum(b []byte, seed uint32, off int64) uint32 {
	return crc32.Update(seed^uint32(off), castagnoli, b[4:recordHead])
}

// parseHead decodes the header at the start of b, which stands at off, and
// reports whether its checksum holds.
func parseHead(b []byte, seed uint32, off int64) (head, bool) {
	size := binary.LittleEndian.Uint32(b[4:])
	if size > MaxRecordBytes || binary.LittleEndian.Uint32(b) != headSum(b, seed, off) {
		return head{}, false
	}
	return head{
		size: int(size),
		body: binary.LittleEndian.Uint32(b[8:]),
		time: int64(binary.LittleEndian.Uint64(b[12:])),
	}, true
}

// sound reports whether payload is the one the header was written for.
func (h head) sound(payload []byte) bool {
	return len(payload) == h.size && crc32.Checksum(payload, castagnoli) == h.body
}

// scanner walks the sound records of a segment in order and goes around
// everything else.
type scanner struct {
	r        io.ReaderAt
	seed     uint32
	off, end int64 // next byte to look at; where the records end

	window []byte // bytes [at, at+len(window)) of the file
	at     int64

	// Filled by next.
	start   int64 // offset of the record
	head    head
	payload []byte // valid until the next call

	gaps []gap // what was skipped between sound records
	tail int64 // end of the last sound record: what follows is torn
}

// gap is a stretch of a segment that holds no sound record.
type gap struct{ from, to int64 }

// scanWindow is how much a scanner reads at once.
const scanWindow = 1 << 20

func newScanner(r io.ReaderAt, seed uint32, from, end int64) *scanner {
	return &scanner{r: r, seed: seed, off: from, end: end, tail: from}
}

// next moves to the next sound record and reports whether there is one. A
// record is sound only when both its checksums hold.
func (s *scanner) next() bool {
	for s.off+recordHead <= s.end {
		h, ok := s.record(s.off)
		if ok {
			s.start, s.head = s.off, h
			s.off += recordHead + int64(h.size)
			if s.start > s.tail {
				s.gaps = append(s.gaps, gap{s.tail, s.start})
			}
			s.tail = s.off
			return true
		}
		s.off += s.skip(h)
	}
	s.off = s.end
	return false
}

// skip says how far to go from a record that is not sound. A sound header gives
// the length, which is believed when a sound record or the end follows; else
// the search goes on at the next byte.
func (s *scanner) skip(h head) int64 {
	n := recordHead + int64(h.size)
	if h.size == 0 || s.off+n > s.end {
		return 1
	}
	if s.off+n < s.end {
		if s.off+n+recordHead > s.end {
			return 1
		}
		if _, ok := s.record(s.off + n); !ok {
			return 1
		}
	}
	return n
}

// record reads the record at off. With ok false, a non-zero size says that the
// header at least was sound.
func (s *scanner) record(off int64) (h head, ok bool) {
	b := s.bytes(off, recordHead)
	h, ok = parseHead(b, s.seed, off)
	if !ok {
		return head{}, false
	}
	if off+recordHead+int64(h.size) > s.end {
		return h, false
	}
	s.payload = s.bytes(off, recordHead+h.size)[recordHead:]
	return h, h.sound(s.payload)
}

// bytes returns n bytes at off, which lie before the end.
func (s *scanner) bytes(off int64, n int) []byte {
	if off < s.at || off+int64(n) > s.at+int64(len(s.window)) {
		want := int(min(int64(max(n, scanWindow)), s.end-off))
		if cap(s.window) < want {
			s.window = make([]byte, want)
		}
		s.window, s.at = s.window[:want], off
		readAround(s.r, s.window, off)
	}
	return s.window[off-s.at:][:n]
}

// readAround fills b from r. Bytes that cannot be read become zeros, block by
// block, so that one bad sector costs the records on it and no more.
func readAround(r io.ReaderAt, b []byte, off int64) {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return
	}
	clear(b[n:])
	if err == io.EOF {
		return
	}
	const block = 4 << 10
	for n < len(b) {
		to := min(len(b), n+block-int((off+int64(n))%block))
		if m, _ := r.ReadAt(b[n:to], off+int64(n)); m < to-n {
			clear(b[n+m : to])
		}
		n = to
	}
}
