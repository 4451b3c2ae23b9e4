package spool_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

// fill appends until the spool is full and returns what it took.
func fill(t testing.TB, s *spool.Spool) []string {
	t.Helper()
	var took []string
	for i := range 100_000 {
		x := strings.Repeat("f", 500) + numbered("", i, 1)[0]
		err := s.Append(payloads(x))
		if errors.Is(err, spool.ErrFull) {
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			return took
		}
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, x)
	}
	t.Fatal("the spool never was full")
	return nil
}

// until waits for a condition that the spool brings about by itself.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestAtTheCapTheNewestAreRefusedUntilRecordsAreAcknowledged(t *testing.T) {
	for name, segmentBytes := range map[string]int64{"many segments": 8 << 10, "the default segment size": 0} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var log bytes.Buffer
			const limit = 100 << 10
			s := start(t, dir, func(o *spool.Options) {
				o.MaxBytes, o.SegmentBytes, o.Logger, o.SyncInterval = limit, segmentBytes, logger(&log), time.Millisecond
			})
			c := s.Cursor("lake")
			took := fill(t, s)
			if !s.Stats().Full {
				t.Error("stats do not say that the spool is full")
			}
			for range 10 {
				if err := s.Append(payloads(strings.Repeat("x", 600))); !errors.Is(err, spool.ErrFull) {
					t.Fatalf("append to a full spool: %v", err)
				}
			}
			size := int64(0)
			for _, path := range files(t, dir, "*.seg") {
				st, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				size += st.Size()
			}
			if size > limit || size < limit*3/4 || size > s.Stats().Bytes {
				t.Errorf("segments have %d bytes, stats say %d, the cap is %d", size, s.Stats().Bytes, limit)
			}
			same(t, drain(t, c, len(took)), took)
			until(t, "room after acknowledging", func() bool {
				err := s.Append(payloads("again"))
				if err != nil && !errors.Is(err, spool.ErrFull) {
					t.Fatal(err)
				}
				return err == nil
			})
			if s.Stats().Full {
				t.Error("stats still say that the spool is full")
			}
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			same(t, drain(t, c, 1), []string{"again"})
			if n := strings.Count(log.String(), "byte cap"); n != 1 {
				t.Errorf("the log says %d times that the cap is reached:\n%s", n, &log)
			}
		})
	}
}

// smallDisk is a disk with so many bytes on which a write gets as far as it
// can, as a real one does.
func smallDisk(room *atomic.Int64) spool.Disk {
	return spool.Disk{Write: func(f *os.File, b []byte, off int64) (int, error) {
		if left := room.Load(); int64(len(b)) > left {
			n, err := f.WriteAt(b[:left], off)
			if err == nil {
				err = &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
			}
			return n, err
		}
		room.Add(-int64(len(b)))
		return f.WriteAt(b, off)
	}}
}

func TestAFullDiskRefusesTheNewestAndRecovers(t *testing.T) {
	dir := t.TempDir()
	var room atomic.Int64
	room.Store(20_000)
	var log bytes.Buffer
	s, err := spool.OpenOn(spool.Options{Dir: dir, Cursors: []string{"lake"}, SyncInterval: time.Hour, Logger: logger(&log)}, smallDisk(&room))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	took := fill(t, s)
	path := filepath.Join(dir, "00000001.seg")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size()+sealSize != s.Stats().Bytes {
		t.Errorf("the segment has %d bytes, stats say %d: half a record was left behind", st.Size(), s.Stats().Bytes)
	}
	if !strings.Contains(log.String(), "disk is full") {
		t.Errorf("nothing in the log:\n%s", &log)
	}
	room.Store(1 << 30)
	put(t, s, "after")
	if s.Stats().Full {
		t.Error("still full")
	}
	same(t, drain(t, s.Cursor("lake"), len(took)+1), append(took, "after"))
	if r, err := spool.Verify(dir); err != nil || len(r.Problems) > 0 {
		t.Errorf("verify: %v %q", err, r.Problems)
	}
}

// TestARealFullDisk runs the whole path on a file system of 1 MiB that the
// spool itself fills, with a cap far above it.
func TestARealFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := mountSmall(mount); err != nil {
		t.Skipf("needs a mount of its own: %v", err)
	}
	defer unmount(t, mount)
	dir := filepath.Join(mount, "spool")
	open := func() *spool.Spool {
		return start(t, dir, func(o *spool.Options) { o.SyncInterval = time.Millisecond })
	}
	s := open()
	for round := range 3 {
		took := fill(t, s)
		if len(took) < 500 {
			t.Fatalf("round %d: the disk took %d records", round, len(took))
		}
		if round == 1 { // a restart on a full disk
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open()
			if err := s.Append(payloads(strings.Repeat("x", 8<<10))); !errors.Is(err, spool.ErrFull) {
				t.Fatalf("append after a restart on a full disk: %v", err)
			}
		}
		same(t, drain(t, s.Cursor("lake"), len(took)), took)
		again := strings.Repeat("again", 60_000)
		until(t, "room on the disk", func() bool { return s.Append(payloads(again)) == nil })
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		same(t, drain(t, s.Cursor("lake"), 1), []string{again})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := spool.Verify(dir); err != nil || len(r.Problems) > 0 {
		t.Errorf("verify: %v %q", err, r.Problems)
	}
}

func TestAFailedSyncShowsNothingThatIsNotDurable(t *testing.T) {
	dir := t.TempDir()
	var failing, full atomic.Bool
	given := map[string]bool{} // segments whose sync failed once
	var log bytes.Buffer
	s, err := spool.OpenOn(spool.Options{Dir: dir, Cursors: []string{"lake"}, SyncInterval: time.Hour, Logger: logger(&log)}, spool.Disk{
		Sync: func(f *os.File) error {
			if failing.Load() && strings.HasSuffix(f.Name(), ".seg") {
				given[f.Name()] = true
				return syscall.EIO
			}
			if given[f.Name()] {
				t.Errorf("%s was synced again after it had failed: the kernel may say yes to anything now", filepath.Base(f.Name()))
			}
			return f.Sync()
		},
		Write: func(f *os.File, b []byte, off int64) (int, error) {
			if full.Load() {
				return 0, syscall.ENOSPC
			}
			return f.WriteAt(b, off)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := s.Cursor("lake")
	put(t, s, "before")

	if err := s.Append(payloads("doubtful")); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	full.Store(true)
	if err := s.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync on a failing disk: %v", err)
	}
	same(t, drain(t, c, 1), []string{"before"})
	none(t, c)
	if err := s.Append(payloads("refused")); err == nil || errors.Is(err, spool.ErrFull) || !errors.Is(err, syscall.EIO) {
		t.Errorf("append on a failing disk: %v", err)
	}

	failing.Store(false) // the disk syncs again, but what is in doubt has nowhere to go yet
	if err := s.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("sync with records in doubt on a full disk: %v", err)
	}
	none(t, c)
	full.Store(false)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	put(t, s, "after")
	same(t, drain(t, c, 2), []string{"doubtful", "after"})
	if s.Stats().Lost != 0 {
		t.Errorf("%d records counted as lost", s.Stats().Lost)
	}
	if !strings.Contains(log.String(), "cannot be synced") || !strings.Contains(log.String(), "can be synced again") {
		t.Errorf("the log tells neither begin nor end:\n%s", &log)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := spool.Verify(dir); err != nil || len(r.Problems) > 0 {
		t.Errorf("verify: %v %q", err, r.Problems)
	}
}

func TestOneFailedSyncIsMendedWithinTheSameCall(t *testing.T) {
	var fail atomic.Int32
	dir := t.TempDir()
	s, err := spool.OpenOn(spool.Options{Dir: dir, Cursors: []string{"lake"}, SyncInterval: time.Hour}, spool.Disk{
		Sync: func(f *os.File) error {
			if fail.Add(-1) == 0 {
				return syscall.EIO
			}
			return f.Sync()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := numbered("r", 0, 500)
	put(t, s, want[:100]...)
	if err := s.Append(payloads(want[100:400]...)); err != nil {
		t.Fatal(err)
	}
	fail.Store(1)
	put(t, s, want[400:]...)
	same(t, drain(t, s.Cursor("lake"), 500), want)
}

func TestAFailingDiskIsTriedAgainWithoutBeingAsked(t *testing.T) {
	var failing atomic.Bool
	dir := t.TempDir()
	s, err := spool.OpenOn(spool.Options{Dir: dir, Cursors: []string{"lake"}, SyncInterval: time.Millisecond}, spool.Disk{
		Sync: func(f *os.File) error {
			if failing.Load() {
				return syscall.EIO
			}
			return f.Sync()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	failing.Store(true)
	if err := s.Append(payloads("a")); err != nil {
		t.Fatal(err)
	}
	until(t, "appends are refused", func() bool { return s.Append(payloads("b")) != nil })
	failing.Store(false)
	until(t, "appends pass again", func() bool { return s.Append(payloads("c")) == nil })
	if got := texts(next(t, s.Cursor("lake"), 1)); got[0] != "a" {
		t.Errorf("got %q first, want a", got)
	}
}
