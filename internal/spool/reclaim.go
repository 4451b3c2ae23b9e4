package spool

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// reclaim removes the segments in which every cursor acknowledged everything;
// damaged ones are renamed and kept. The cursors are made durable first: were
// an acknowledgement lost after its segment, the batch would come again with
// records missing.
func (s *Spool) reclaim() {
	if len(s.cursors) == 0 {
		return
	}
	s.reclaimMu.Lock()
	defer s.reclaimMu.Unlock()
	spent := s.spent()
	if len(spent) == 0 || !s.syncCursors() {
		return
	}
	renamed := false
	for _, g := range spent {
		var err error
		if g.damaged {
			err = os.Rename(g.path, strings.TrimSuffix(g.path, segmentEnd)+damagedEnd)
			renamed = true
		} else {
			err = os.Remove(g.path)
		}
		if err != nil && !gone(err) {
			s.log.Error("cannot remove a spent segment", "segment", g.path, "error", err)
			return
		}
		s.forget(g)
	}
	if renamed {
		if err := s.syncDir(s.o.Dir); err != nil {
			s.log.Error("cannot sync the spool directory", "dir", s.o.Dir, "error", err)
		}
	}
}

// spent lists the segments that nobody needs. The last one stays whatever it
// holds: its name is what keeps segment numbers from coming back.
func (s *Spool) spent() []*segment {
	s.mu.Lock()
	var candidates []*segment
	if n := len(s.segments); n > 0 && !s.segments[n-1].fresh {
		for _, g := range s.segments[:n-1] {
			if g.f == nil {
				candidates = append(candidates, g)
			}
		}
	}
	s.mu.Unlock()
	return slices.DeleteFunc(candidates, func(g *segment) bool { return !s.acknowledged(g) })
}

// acknowledged reports whether every cursor is done with all of g. No lock is
// held; g is not written any more.
func (s *Spool) acknowledged(g *segment) bool {
	s.mu.Lock()
	from, to := g.start(), g.stop()
	s.mu.Unlock()
	for _, c := range s.cursors {
		c.mu.Lock()
		done := c.acked.covers(from, to)
		c.mu.Unlock()
		if !done {
			return false
		}
	}
	return true
}

// syncCursors makes all acknowledgements durable.
func (s *Spool) syncCursors() bool {
	for name, c := range s.cursors {
		if err := c.persist(); errors.Is(err, ErrClosed) {
			return false
		} else if err != nil {
			s.log.Error("cannot persist a cursor: spent segments stay", "cursor", name, "error", err)
			return false
		}
	}
	return true
}

// forget takes a segment out of the queue.
func (s *Spool) forget(g *segment) {
	for _, c := range s.cursors {
		c.mu.Lock()
		delete(c.done, g.no)
		c.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(s.segments, func(x *segment) bool { return x == g })
	s.bytes -= g.size()
	s.settle(g)
	if g.damaged {
		s.setAside++
	}
	if s.bytes < s.o.MaxBytes {
		s.full.end(s)
	}
}

// relieve gives up the last segment of a spool that refuses records when every cursor is done
// with it, since only segments with a successor can be removed. On a full disk
// there may be no room for the successor; then its own bytes make room.
func (s *Spool) relieve() {
	s.mu.Lock()
	var g *segment
	if n := len(s.segments); n > 0 && (s.full.now || s.crowded) {
		g = s.segments[n-1]
	}
	need := g != nil && g.records > 0 && g.synced == g.end
	s.mu.Unlock()
	if !need || len(s.cursors) == 0 || !s.acknowledged(g) || !s.syncCursors() {
		return
	}
	s.mu.Lock()
	s.crowded = false
	if s.segments[len(s.segments)-1] == g && g.synced == g.end {
		if err := s.rotate(); diskFull(err) && s.empty(g) {
			s.active = nil // put tries again if this does not help
			_ = s.rotate()
		}
	}
	s.mu.Unlock()
	_ = s.syncPass() // its error was noted
	s.reclaim()
}

// empty drops the records of a spent segment, keeping its name. The segment is
// not written any more. mu is held.
func (s *Spool) empty(g *segment) bool {
	if g.damaged || os.Truncate(g.path, segmentHead) != nil {
		return false
	}
	s.bytes -= g.end - segmentHead
	s.settle(g)
	g.end, g.synced, g.records, g.syncedRecords = segmentHead, segmentHead, 0, 0
	return true
}
