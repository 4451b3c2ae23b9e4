package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// buffers hold what Append writes, one write a call.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the largest buffer that goes back to the pool.
const keptBuffer = 4 << 20

// Append writes payloads with one write call, all or nothing. It returns
// ErrFull at the byte cap or when the disk is full, ErrClosed after Close, and
// any other error when the disk fails; then nothing is written, and the caller
// counts the payloads as dropped. It waits for no sync: a record survives the
// death of the process from here on, and that of the machine after the next
// sync. The payloads are copied.
func (s *Spool) Append(payloads [][]byte) error { return s.AppendFrom("", payloads) }

// AppendFrom is Append for records that count against the share of owner, any
// name; ErrShare says that it is used up. Records of nobody ("") have no share.
func (s *Spool) AppendFrom(owner string, payloads [][]byte) error {
	if len(payloads) == 0 {
		return nil
	}
	size := 0
	for _, p := range payloads {
		if len(p) > MaxRecordBytes {
			return fmt.Errorf("append to spool: payload of %d bytes exceeds %d", len(p), MaxRecordBytes)
		}
		size += recordHead + len(p)
	}
	if size > maxSegmentBytes {
		return fmt.Errorf("append to spool: %d bytes at once exceed %d", size, maxSegmentBytes)
	}
	buf := buffers.Get().(*[]byte)
	t := now()
	b := (*buf)[:0]
	if cap(b) < size {
		b = make([]byte, 0, size)
	}
	for _, p := range payloads {
		b = appendRecord(b, p, t)
	}
	err := s.append(owner, b, int64(len(payloads)), t)
	if cap(b) <= keptBuffer {
		*buf = b
		buffers.Put(buf)
	}
	return err
}

// append writes encoded records whose header checksums are still missing.
func (s *Spool) append(owner string, b []byte, records, t int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.failing != nil {
		return fmt.Errorf("append to spool: earlier records cannot be synced: %w", s.failing)
	}
	free := s.o.MaxBytes - s.bytes - segmentHead - segmentSeal // it may take a new segment
	if int64(len(b)) > free {
		s.full.begin(s, nil)
		return ErrFull
	}
	a := s.owner(owner)
	if !s.allows(a, int64(len(b)), free) {
		s.forgive(a)
		s.crowded = true
		signal(s.dirty) // the sync goroutine looks whether room can be made
		return ErrShare
	}
	err := s.put(b, records, t)
	if err != nil {
		s.forgive(a)
		if diskFull(err) {
			s.full.begin(s, err)
			return ErrFull
		}
		return fmt.Errorf("append to spool: %w", err)
	}
	s.charge(a, s.active, int64(len(b)))
	s.full.end(s)
	signal(s.dirty)
	if s.unsynced >= s.o.SyncBytes {
		signal(s.kick)
	}
	return nil
}

// errNumbers ends a spool after 2^32 segments.
var errNumbers = errors.New("segment numbers are used up: drain this spool and start another directory")

// put writes at the end of the active segment, or of a new one. mu is held.
func (s *Spool) put(b []byte, records, t int64) error {
	g := s.active
	if g == nil || g.records > 0 && g.end+int64(len(b)) > s.o.SegmentBytes {
		if err := s.rotate(); err != nil {
			return err
		}
		g = s.active
	}
	finishRecords(b, g.seed, g.end)
	if n, err := s.write(g.f, b, g.end); err != nil {
		if n > 0 && g.f.Truncate(g.end) != nil {
			s.active = nil // what stands after the end is cut at the next open
		}
		return err
	}
	g.end += int64(len(b))
	g.count(records, t, t)
	s.bytes += int64(len(b))
	s.unsynced += int64(len(b))
	return nil
}

// rotate makes a new active segment. The old one is sealed by the sync pass,
// after its records are durable. mu is held.
func (s *Spool) rotate() error {
	if s.next == 0 {
		return errNumbers
	}
	g, err := createSegment(s.o.Dir, s.id, s.next, now())
	if errors.Is(err, fs.ErrExist) { // left by an attempt that a full disk ended
		s.next++
		g, err = createSegment(s.o.Dir, s.id, s.next, now())
	}
	if err != nil {
		return err
	}
	s.next++
	s.segments = append(s.segments, g)
	s.active = g
	s.bytes += g.size()
	return nil
}

// fullness remembers whether appends are refused, and says so once.
type fullness struct {
	now  bool
	said time.Time
	open bool // the beginning was logged, the end is not yet
}

// fullQuiet keeps a spool that hovers at its cap from filling the log.
const fullQuiet = time.Minute

// begin notes a refused append; err is nil at the cap. mu is held.
func (f *fullness) begin(s *Spool, err error) {
	signal(s.dirty) // the sync goroutine looks whether room can be made
	if f.now {
		return
	}
	f.now = true
	if t := time.Now(); !f.open && (f.said.IsZero() || t.Sub(f.said) >= fullQuiet) {
		f.said, f.open = t, true
		if err == nil {
			s.log.Warn("spool is at its byte cap: newest lines are dropped", "bytes", s.bytes, "max_bytes", s.o.MaxBytes)
		} else {
			s.log.Warn("disk is full: newest lines are dropped", "dir", s.o.Dir, "error", err)
		}
	}
}

// end notes an append that passed. mu is held.
func (f *fullness) end(s *Spool) {
	if f.now && f.open {
		s.log.Info("spool takes lines again", "bytes", s.bytes)
		f.open = false
	}
	f.now = false
}
