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
		if err := syncDir(s.o.Dir); err != nil {
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
		if err := c.persist(); err != nil {
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
	if g.damaged {
		s.setAside++
	}
	if s.bytes < s.o.MaxBytes {
		s.full.end(s)
	}
}

// relieve gives up the last segment of a full spool when every cursor is done
// with it, since only segments with a successor can be removed. On a full disk
// there may be no room for the successor; then its own bytes make room.
func (s *Spool) relieve() {
	s.mu.Lock()
	var g *segment
	if n := len(s.segments); n > 0 && s.full.now {
		g = s.segments[n-1]
	}
	need := g != nil && g.records > 0 && g.synced == g.end
	s.mu.Unlock()
	if !need || len(s.cursors) == 0 || !s.acknowledged(g) || !s.syncCursors() {
		return
	}
	s.mu.Lock()
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
	g.end, g.synced, g.records, g.syncedRecords = segmentHead, segmentHead, 0, 0
	return true
}

// recover takes a segment that an earlier process left into the queue: cuts
// the torn tail off, makes the rest durable and sees what is damaged. later
// says that this segment was complete once, since something was closed in good
// order after it: then what looks like a torn tail is damage.
func (s *Spool) recover(sf segmentFile, later bool) (sealed bool, err error) {
	if sf.damaged {
		s.setAside++
		return false, nil
	}
	f, err := os.OpenFile(sf.path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	st, err := f.Stat()
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	in := inspect(f, st.Size(), s.id, sf.no, sf.path, false)
	if in.foreign != "" {
		s.log.Error("segment is left alone", "segment", sf.path, "reason", in.foreign)
		s.setAside++
		return false, f.Close()
	}
	g := in.segment
	g.damaged = !in.blank && (in.badHead || len(in.gaps) > 0 || in.torn > 0 && later)
	if g.damaged {
		s.log.Error("damaged segment: reading around the damage; the file will be kept",
			"segment", sf.path, "records", g.records, "gaps", len(in.gaps), "tail", in.torn)
	} else if in.torn > 0 {
		s.log.Warn("torn tail cut off", "segment", sf.path, "bytes", in.torn, "records", g.records)
	}
	if !g.sealed {
		err = s.finish(g, f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	s.segments = append(s.segments, g)
	s.bytes += g.size()
	return g.sealed, nil
}

// finish completes a segment that was being written when its process died. What
// it holds may be in the page cache only, so it is synced before anyone sees
// it. Of a damaged one every byte is kept.
func (s *Spool) finish(g *segment, f *os.File) error {
	if !g.damaged {
		if err := f.Truncate(g.end); err != nil {
			return err
		}
	}
	if err := s.sync(f); err != nil || g.damaged || g.records == 0 {
		return err
	}
	if _, err := s.write(f, g.encodeSeal(), g.end); err != nil {
		_ = f.Truncate(g.end) // no room: the next open counts again
		return nil
	}
	g.sealed = true
	return nil
}

// noteDamage sees to it that a segment found damaged is kept, and counts what
// is lost.
func (s *Spool) noteDamage(g *segment) {
	s.mu.Lock()
	if g.damaged {
		s.mu.Unlock()
		return
	}
	g.damaged = true
	path, end := g.path, g.synced
	s.mu.Unlock()
	var n int64
	if f, err := os.Open(path); err == nil {
		sc := newScanner(f, g.seed, segmentHead, end)
		for sc.next() {
			n++
		}
		_ = f.Close()
	}
	s.mu.Lock()
	lost := max(0, g.syncedRecords-n)
	s.lost += lost
	g.records -= lost
	g.syncedRecords -= lost
	s.mu.Unlock()
	s.log.Error("damaged segment: reading around the damage; the file will be kept", "segment", path, "records", n, "lost", lost)
}
