package spool

import (
	"errors"
	"os"
)

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
