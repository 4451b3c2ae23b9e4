package spool

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Stats is a snapshot of the spool.
type Stats struct {
	Bytes         int64 // on disk, as counted against the cap: without segments that were set aside
	Segments      int
	Pending       map[string]int64     // records not yet acknowledged, per cursor
	Damaged       int                  // segments that are damaged: set aside, or to be when they are spent
	Lost          int64                // records this process found damaged; they were appended and are never returned
	Full          bool                 // the last Append was refused for want of room
	OldestUnacked map[string]time.Time // when the oldest pending record was appended, per cursor that has one
	Owners        int                  // owners whose records are on disk
	LargestOwner  int64                // bytes of the one that has most
}

// Stats returns the present state. It reads at most one record header a cursor.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	st := Stats{
		Bytes: s.bytes, Segments: len(s.segments), Damaged: s.setAside, Lost: s.lost, Full: s.full.now,
		Pending: map[string]int64{}, OldestUnacked: map[string]time.Time{},
		Owners: len(s.owners), LargestOwner: s.largest(),
	}
	for _, g := range s.segments {
		if g.damaged {
			st.Damaged++
		}
	}
	s.mu.Unlock()
	for name, c := range s.cursors {
		n, oldest := c.pending()
		st.Pending[name] = n
		if !oldest.IsZero() {
			st.OldestUnacked[name] = oldest
		}
	}
	return st
}

// pending counts what is not acknowledged, synced or not.
func (c *Cursor) pending() (n int64, oldest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.mu.Lock()
	first, found := pendingIn(c.s.segments, c.acked, c.done, &n)
	c.s.mu.Unlock()
	if found {
		if t := c.appended(first); t != 0 {
			oldest = time.Unix(0, t)
		}
	}
	return n, oldest
}

// pendingIn adds up the records that are not acknowledged and finds the first.
func pendingIn(segments []*segment, acked ranges, done map[uint32]int64, n *int64) (first part, found bool) {
	for _, g := range segments {
		from, to := g.start(), position(g.no, g.end)
		if acked.covers(from, to) {
			continue
		}
		*n += max(0, g.records-done[g.no])
		if gap := acked.gap(from); !found && gap.from < to {
			_, off := split(gap.from)
			first, found = part{g, g.path, off, g.end}, true
		}
	}
	return first, found
}

// StatsOf reads the state of a spool directory without changing it, whether or
// not a process has it open. It knows every cursor on disk. Lost, Full and
// the owners are the running process's knowledge and stay zero.
func StatsOf(dir string) (Stats, error) {
	st := Stats{Pending: map[string]int64{}, OldestUnacked: map[string]time.Time{}}
	l, err := list(dir)
	if err != nil {
		return st, err
	}
	id, err := readID(dir, l)
	if err != nil {
		return st, err
	}
	var segments []*segment
	err = eachSegment(l, id, false, func(_ *os.File, sf segmentFile, in inspection) error {
		if sf.damaged || in.foreign != "" {
			st.Damaged++
			return nil
		}
		if in.badHead && !in.blank || len(in.gaps) > 0 {
			st.Damaged++
		}
		segments = append(segments, in.segment)
		st.Segments++
		st.Bytes += in.segment.size()
		return nil
	})
	if err != nil {
		return st, err
	}
	for _, name := range l.cursors {
		if err := st.readCursor(dir, name, id, segments); err != nil {
			return st, err
		}
	}
	return st, nil
}

// readCursor fills in what one cursor has not acknowledged.
func (st *Stats) readCursor(dir, name string, id uint64, segments []*segment) error {
	log, entries, _, err := openCursorLog(filepath.Join(dir, cursorStart+name), id, false)
	if err != nil {
		return err
	}
	_ = log.close()
	var c Cursor
	c.restore(entries, 0)
	done, err := countDone(c.acked, segments)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // removed while we look: acknowledged
		return err
	}
	var n int64
	first, found := pendingIn(segments, c.acked, done, &n)
	st.Pending[name] = n
	if found {
		if t := appendTime(first); t != 0 {
			st.OldestUnacked[name] = time.Unix(0, t)
		}
	}
	return nil
}
