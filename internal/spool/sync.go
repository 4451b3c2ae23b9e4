package spool

import (
	"fmt"
	"os"
	"time"
)

// syncRetry is how long a failing disk is left alone.
const syncRetry = time.Second

// syncTries bounds how often one pass starts over in a new segment.
const syncTries = 3

// syncLoop syncs in groups: one interval after the first unsynced record, or as
// soon as SyncBytes have piled up.
func (s *Spool) syncLoop() {
	defer close(s.done)
	wait := s.o.SyncInterval
	for {
		select {
		case <-s.quit:
			return
		case <-s.dirty:
		}
		t := time.NewTimer(wait)
		select {
		case <-s.quit:
			t.Stop()
			return
		case <-t.C:
		case <-s.kick:
			t.Stop()
		}
		wait = s.o.SyncInterval
		if s.syncPass() != nil {
			wait = max(wait, syncRetry)
		}
		s.relieve()
	}
}

// Sync makes everything appended so far durable and visible to cursors. After
// an error nothing that it did not make durable is visible; the spool keeps
// trying by itself, and refuses appends meanwhile.
func (s *Spool) Sync() error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return s.syncPass()
}

// syncPass makes durable what was appended before it, seals segments that are
// no longer written, and removes those that are spent.
func (s *Spool) syncPass() error {
	s.syncMu.Lock()
	var err error
	for range syncTries {
		var failed *segment
		if failed, err = s.syncSegments(); failed == nil {
			break
		}
		if rerr := s.rescue(failed, err); rerr != nil {
			err = rerr
			break
		}
	}
	s.noteFailing(err)
	sealed := s.sealClosed()
	s.syncMu.Unlock()
	if sealed {
		s.reclaim()
	}
	if err != nil {
		return fmt.Errorf("sync spool: %w", err)
	}
	return nil
}

// syncJob is a segment as it was when the pass began.
type syncJob struct {
	g       *segment
	f       *os.File
	end     int64
	records int64
}

// syncSegments syncs in order and publishes in order, up to the first failure:
// nothing becomes visible behind something that is not durable. It returns the
// segment whose sync failed, if that is what failed.
func (s *Spool) syncSegments() (*segment, error) {
	var jobs []syncJob
	fresh := false
	s.mu.Lock()
	for _, g := range s.segments {
		if g.f != nil && (g.fresh || g.synced < g.end) {
			jobs = append(jobs, syncJob{g, g.f, g.end, g.records})
			fresh = fresh || g.fresh
		}
	}
	s.mu.Unlock()
	if fresh { // before any record in it is shown, a segment must be findable
		if err := s.syncDir(s.o.Dir); err != nil {
			return nil, err
		}
	}
	for _, j := range jobs {
		if j.g.doubt != nil { // only a sync pass sets or reads it
			return j.g, j.g.doubt
		}
		began := time.Now()
		if err := s.sync(j.f); err != nil {
			return j.g, err
		}
		s.o.Synced(time.Since(began))
		s.mu.Lock()
		s.unsynced -= j.end - j.g.synced
		j.g.synced, j.g.syncedRecords, j.g.fresh = j.end, j.records, false
		s.broadcast()
		s.mu.Unlock()
	}
	return nil, nil
}

// rescue moves what a failed sync left in doubt to another segment. After such
// a failure the kernel may call the pages clean, so that a second sync of the
// same file succeeds without a byte reaching the disk
// (https://wiki.postgresql.org/wiki/Fsync_Errors): the file is given up at its
// last good sync, and the records, which nobody has seen yet, are read back,
// checked, and appended anew. syncMu is held.
func (s *Spool) rescue(g *segment, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing == nil {
		s.log.Error("sync failed: continuing in a new segment", "segment", g.path, "bytes_in_doubt", g.end-g.synced, "error", cause)
	}
	g.doubt = cause
	if g == s.active {
		s.active = nil
	}
	sc := newScanner(g.f, g.seed, g.synced, g.end)
	var b []byte
	var n, last int64
	for sc.next() {
		b = appendRecord(b, sc.payload, sc.head.time)
		n, last = n+1, sc.head.time
	}
	if n > 0 {
		if err := s.put(b, n, last); err != nil {
			return fmt.Errorf("%w; moving %d records out of %s: %w", cause, n, g.path, err)
		}
	}
	if lost := g.records - g.syncedRecords - n; lost > 0 {
		s.lost += lost
		s.log.Error("records were lost by a failing disk", "segment", g.path, "records", lost)
	}
	s.bytes -= g.end - g.synced
	s.unsynced -= g.end - g.synced
	g.end, g.records, g.fresh, g.doubt = g.synced, g.syncedRecords, false, nil
	_ = g.f.Truncate(g.end)
	return nil
}

// noteFailing remembers whether the disk fails, and says so once.
func (s *Spool) noteFailing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && s.failing == nil:
		s.log.Error("spool cannot be synced: lines are refused until it can", "dir", s.o.Dir, "error", err)
	case err == nil && s.failing != nil:
		s.log.Info("spool can be synced again", "dir", s.o.Dir)
	}
	s.failing = err
	if err != nil {
		signal(s.dirty) // the sync goroutine tries again
	}
}

// sealClosed closes the durable segments that are no longer written, and
// reports whether there were any.
func (s *Spool) sealClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for _, g := range s.segments {
		if g.f != nil && g != s.active && g.synced == g.end && !g.fresh {
			s.seal(g)
			found = true
		}
	}
	return found
}

// seal writes a segment's seal and closes the file. A seal that does not fit on
// the disk is left out: the next open counts the records itself. mu is held.
func (s *Spool) seal(g *segment) {
	if g.records > 0 {
		_ = g.f.Truncate(g.end) // usually where it ends anyway
		if _, err := s.write(g.f, g.encodeSeal(), g.end); err == nil {
			g.sealed = true
		} else {
			_ = g.f.Truncate(g.end)
		}
	}
	_ = g.f.Close()
	g.f = nil
}
