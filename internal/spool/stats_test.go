package spool_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgewarden/internal/spool"
)

func TestStatsOfADirectoryAgreeWithThoseOfItsOwner(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, func(o *spool.Options) { o.Cursors, o.SegmentBytes = []string{"lake", "cloudlogging"}, 4<<10 })
	began := time.Now()
	for i := 0; i < 500; i += 50 {
		put(t, s, numbered("r", i, 50)...)
	}
	c := s.Cursor("lake")
	for range 3 {
		b := next(t, c, 1000)
		held := next(t, c, 100)
		ack(t, c, b)
		if held.From < b.To {
			t.Fatal("claims overlap")
		}
	}
	own := s.Stats()
	for _, when := range []string{"while it is open", "after it was closed"} {
		seen, err := spool.StatsOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		if seen.Segments != own.Segments || seen.Bytes != own.Bytes {
			t.Errorf("%s: %d segments of %d bytes, the owner says %d of %d", when, seen.Segments, seen.Bytes, own.Segments, own.Bytes)
		}
		for _, name := range []string{"lake", "cloudlogging"} {
			if seen.Pending[name] != own.Pending[name] {
				t.Errorf("%s: %d pending for %s, the owner says %d", when, seen.Pending[name], name, own.Pending[name])
			}
			oldest := seen.OldestUnacked[name]
			if !oldest.Equal(own.OldestUnacked[name]) || oldest.Before(began) || oldest.After(time.Now()) {
				t.Errorf("%s: oldest of %s is %v, the owner says %v", when, name, oldest, own.OldestUnacked[name])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if own.Pending["cloudlogging"] != 500 || own.Pending["lake"] >= 500 || own.Pending["lake"] == 0 {
		t.Errorf("pending %v", own.Pending)
	}
}

func TestTheOldestPendingRecordIsTheOldestNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, t.TempDir(), nil)
		defer s.Close()
		c := s.Cursor("lake")
		began := time.Now()
		for _, x := range []string{"a", "b", "c"} {
			put(t, s, x)
			<-time.After(time.Minute)
		}
		a, b := next(t, c, 1), next(t, c, 1)
		ack(t, c, b)
		if got := s.Stats().OldestUnacked["lake"]; !got.Equal(began) {
			t.Errorf("oldest is %v, want a's time %v", got, began)
		}
		ack(t, c, a)
		if got := s.Stats().OldestUnacked["lake"]; !got.Equal(began.Add(2 * time.Minute)) {
			t.Errorf("oldest is %v, want c's time %v", got, began.Add(2*time.Minute))
		}
		ack(t, c, next(t, c, 1))
		if _, ok := s.Stats().OldestUnacked["lake"]; ok {
			t.Error("there is an oldest record although none is pending")
		}
	})
}

func TestNextGathersUntilTheBatchIsFullOrOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, t.TempDir(), func(o *spool.Options) { o.SyncInterval = 100 * time.Millisecond })
		defer s.Close()
		c := s.Cursor("lake")
		began := time.Now()
		go func() {
			for range 3 {
				_ = s.Append(payloads("early"))
				<-time.After(time.Second)
			}
			<-time.After(time.Hour)
			_ = s.Append(payloads("late", strings.Repeat("x", 2000)))
		}()
		b, err := c.Next(t.Context(), 1000, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		same(t, texts(b), []string{"early", "early", "early"})
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the batch came after %v, want when its first record was 5 s old", took)
		}
		b, err = c.Next(t.Context(), 1000, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Items) != 1 || time.Since(began) != time.Hour+3*time.Second+100*time.Millisecond {
			t.Errorf("%d records after %v, want a full batch at the first sync", len(b.Items), time.Since(began))
		}
	})
}

func TestAContextThatEndsTakesWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, t.TempDir(), nil)
		defer s.Close()
		put(t, s, "a")
		b := nextWithin(t, s.Cursor("lake"), time.Second, time.Hour)
		same(t, texts(b), []string{"a"})
		if b := nextWithin(t, s.Cursor("lake"), time.Second, time.Hour); b != nil {
			t.Errorf("got %q", texts(b))
		}
	})
}

// nextWithin calls Next with a context that ends.
func nextWithin(t *testing.T, c *spool.Cursor, within, maxAge time.Duration) *spool.Batch {
	t.Helper()
	ctx, cancel := contextFor(within)
	defer cancel()
	b, err := c.Next(ctx, 1<<20, maxAge)
	if b == nil && !errors.Is(err, ctx.Err()) {
		t.Fatalf("error %v, want %v", err, ctx.Err())
	}
	return b
}

func TestACursorFarBehindTurnsToTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, t.TempDir(), func(o *spool.Options) { o.SegmentBytes = 4 << 10 })
		defer s.Close()
		c := s.Cursor("lake")
		old := numbered("old", 0, 1000)
		for i := 0; i < 1000; i += 100 {
			put(t, s, old[i:i+100]...)
		}
		b := next(t, c, 1)
		same(t, texts(b), old[:1]) // many segments behind, but not for long
		<-time.After(time.Minute)
		for i := range 10 {
			put(t, s, numbered("new", i*100, 100)...)
		}
		got := next(t, c, 1<<20)
		if !strings.HasPrefix(texts(got)[0], "new") {
			t.Errorf("got %q first, want new ones", texts(got)[0])
		}
		seen := len(got.Items) + 1
		ack(t, c, got)
		ack(t, c, b)
		all := map[string]bool{}
		for s.Stats().Pending["lake"] > 0 {
			b := next(t, c, 1<<20)
			for _, x := range texts(b) {
				all[x] = true
			}
			seen += len(b.Items)
			ack(t, c, b)
		}
		if seen != 2000 || !all[old[1]] || !all[old[999]] {
			t.Errorf("%d records, want 2000 with all old ones among them", seen)
		}
	})
}

func TestMissingDirectoriesAreErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if _, err := spool.StatsOf(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("StatsOf: %v", err)
	}
	if _, err := spool.Verify(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify: %v", err)
	}
	if err := spool.Dump(dir, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Dump: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a reader made the directory")
	}
}

func TestAnUnwritableDirectoryIsAnErrorThatNamesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := spool.Open(spool.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestReadersChangeNothingInADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	put(t, s, "a", "b")
	if err := s.Append(payloads("unsynced")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "00000001.seg")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half a rec"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	r, err := spool.Verify(dir)
	if err != nil || len(r.Problems) > 0 || r.Segments != 1 || r.Records != 3 {
		t.Errorf("verify: %+v (%v)", r, err)
	}
	var got []string
	if err := spool.Dump(dir, func(it spool.Item) error { got = append(got, string(it.Payload)); return nil }); err != nil {
		t.Fatal(err)
	}
	same(t, got, []string{"a", "b", "unsynced"})
	if st, err := spool.StatsOf(dir); err != nil || st.Pending["lake"] != 3 {
		t.Errorf("stats: %+v (%v)", st, err)
	}
	if after := snapshot(t, dir); after != before {
		t.Error("reading changed the directory")
	}
	stop := errors.New("enough")
	if err := spool.Dump(dir, func(spool.Item) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("dump went on: %v", err)
	}
}

// snapshot is all names and bytes in dir.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b bytes.Buffer
	for _, path := range files(t, dir, "*") {
		c, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(path)
		b.Write(c)
	}
	return b.String()
}
