package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edgewarden/internal/spool"
)

// start opens a spool in dir and closes it with the test.
func start(t testing.TB, dir string, change func(*spool.Options)) *spool.Spool {
	t.Helper()
	o := spool.Options{Dir: dir, Cursors: []string{"lake"}, SyncInterval: time.Hour}
	if change != nil {
		change(&o)
	}
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// put appends and syncs texts.
func put(t testing.TB, s *spool.Spool, texts ...string) {
	t.Helper()
	if err := s.Append(payloads(texts...)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
}

func payloads(texts ...string) [][]byte {
	var p [][]byte
	for _, x := range texts {
		p = append(p, []byte(x))
	}
	return p
}

// numbered makes n texts that tell their number.
func numbered(prefix string, from, n int) []string {
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf("%s%06d", prefix, from+i))
	}
	return texts
}

// next takes a batch that has to be there.
func next(t testing.TB, c *spool.Cursor, maxBytes int) *spool.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := c.Next(ctx, maxBytes, 0)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// none fails when the cursor has anything to give.
func none(t testing.TB, c *spool.Cursor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	b, err := c.Next(ctx, 1<<20, 0)
	if b != nil {
		t.Fatalf("got %q, want nothing", texts(b))
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got error %v, want the deadline's", err)
	}
}

func ack(t testing.TB, c *spool.Cursor, b *spool.Batch) {
	t.Helper()
	if err := c.Ack(b); err != nil {
		t.Fatal(err)
	}
}

func texts(b *spool.Batch) []string {
	var s []string
	for _, it := range b.Items {
		s = append(s, string(it.Payload))
	}
	return s
}

// drain acknowledges everything there is and returns it.
func drain(t testing.TB, c *spool.Cursor, want int) []string {
	t.Helper()
	var got []string
	for len(got) < want {
		b := next(t, c, 1<<20)
		got = append(got, texts(b)...)
		ack(t, c, b)
	}
	return got
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got %d records %.300q\nwant %d %.300q", len(got), got, len(want), want)
	}
}

// files returns the names in dir that match pattern.
func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhatIsAppendedComesOutInOrder(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	c := s.Cursor("lake")
	put(t, s, "a", "", "b")
	put(t, s, "c")
	b := next(t, c, 1<<20)
	same(t, texts(b), []string{"a", "", "b", "c"})
	for i, it := range b.Items {
		if it.Position < b.From || it.Position >= b.To {
			t.Errorf("position %x is outside [%x, %x)", it.Position, b.From, b.To)
		}
		if i > 0 && it.Position <= b.Items[i-1].Position {
			t.Errorf("position %x does not rise", it.Position)
		}
	}
	ack(t, c, b)
	none(t, c)
}

func TestNothingIsShownBeforeItIsSynced(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	if err := s.Append(payloads("a")); err != nil {
		t.Fatal(err)
	}
	none(t, s.Cursor("lake"))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	same(t, texts(next(t, s.Cursor("lake"), 1)), []string{"a"})
}

func TestSyncHappensByItself(t *testing.T) {
	for name, change := range map[string]func(*spool.Options){
		"after the interval": func(o *spool.Options) { o.SyncInterval = time.Millisecond },
		"after SyncBytes":    func(o *spool.Options) { o.SyncBytes = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, t.TempDir(), change)
			if err := s.Append(payloads("a")); err != nil {
				t.Fatal(err)
			}
			same(t, texts(next(t, s.Cursor("lake"), 1)), []string{"a"})
		})
	}
}

func TestBatchesHaveAboutTheBytesAskedFor(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	c := s.Cursor("lake")
	big := strings.Repeat("x", 300<<10)
	put(t, s, "aaaa", "bbbb", "cccc", big, "dddd")
	for _, want := range [][]string{{"aaaa", "bbbb"}, {"cccc"}, {big}, {"dddd"}} {
		b := next(t, c, 9)
		same(t, texts(b), want)
		ack(t, c, b)
	}
}

func TestBatchesOfOneCursorTouch(t *testing.T) {
	dir := t.TempDir()
	small := func(o *spool.Options) { o.SegmentBytes = 4 << 10 }
	var batches []*spool.Batch
	for run := range 3 {
		s := start(t, dir, small)
		for i := range 40 {
			put(t, s, numbered(fmt.Sprint(run), i*10, 10)...)
		}
		c := s.Cursor("lake")
		for n := 0; n < 400; {
			b := next(t, c, 700)
			n += len(b.Items)
			batches = append(batches, &spool.Batch{From: b.From, To: b.To})
			ack(t, c, b)
		}
		none(t, c)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < len(batches); i++ {
		if batches[i-1].To != batches[i].From {
			t.Errorf("batch %d ends at %x, the next begins at %x", i-1, batches[i-1].To, batches[i].From)
		}
	}
}

func TestARestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	id := s.ID()
	want := numbered("r", 0, 1000)
	put(t, s, want...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	if s.ID() != id {
		t.Errorf("id changed from %s to %s", id, s.ID())
	}
	same(t, drain(t, s.Cursor("lake"), 1000), want)
	none(t, s.Cursor("lake"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	none(t, s.Cursor("lake"))
}

func TestABatchThatComesAgainHasTheSameBounds(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	put(t, s, numbered("r", 0, 100)...)
	c := s.Cursor("lake")
	first, second, third := next(t, c, 70), next(t, c, 70), next(t, c, 70)
	wantFirst, wantThird := texts(first), texts(third)
	bounds := [4]uint64{first.From, first.To, third.From, third.To}
	ack(t, c, second)

	c.Release(first)
	again := next(t, c, 7) // whatever is asked for
	same(t, texts(again), wantFirst)
	if again.From != bounds[0] || again.To != bounds[1] {
		t.Errorf("after release: bounds [%x, %x), want [%x, %x)", again.From, again.To, bounds[0], bounds[1])
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = start(t, dir, nil)
	put(t, s, "live")
	c = s.Cursor("lake")
	for i, want := range [][]string{wantFirst, wantThird} {
		b := next(t, c, 1<<20)
		same(t, texts(b), want)
		if b.From != bounds[2*i] || b.To != bounds[2*i+1] {
			t.Errorf("after restart: bounds [%x, %x), want [%x, %x)", b.From, b.To, bounds[2*i], bounds[2*i+1])
		}
		ack(t, c, b)
	}
	same(t, drain(t, c, 1), []string{"live"})
	same(t, drain(t, c, 70), numbered("r", 30, 70))
	none(t, c)
}

func TestAcknowledgementsOutOfOrderSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, func(o *spool.Options) { o.SegmentBytes = 4 << 10 })
	want := numbered("r", 0, 1000)
	for i := 0; i < 1000; i += 50 {
		put(t, s, want[i:i+50]...)
	}
	c := s.Cursor("lake")
	var odd []string
	for n, i := 0, 0; n < 1000; i++ {
		b := next(t, c, 300)
		n += len(b.Items)
		if i%2 == 1 {
			odd = append(odd, texts(b)...)
			continue
		}
		ack(t, c, b)
	}
	if got := s.Stats().Pending["lake"]; got != int64(len(odd)) {
		t.Errorf("pending %d, want %d", got, len(odd))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	if got := s.Stats().Pending["lake"]; got != int64(len(odd)) {
		t.Errorf("pending after restart %d, want %d", got, len(odd))
	}
	same(t, drain(t, s.Cursor("lake"), len(odd)), odd)
	none(t, s.Cursor("lake"))
}

func TestCursorsReadIndependently(t *testing.T) {
	dir := t.TempDir()
	both := func(o *spool.Options) { o.Cursors, o.SegmentBytes = []string{"lake", "cloudlogging"}, 4<<10 }
	s := start(t, dir, both)
	want := numbered("r", 0, 1000)
	for i := 0; i < 1000; i += 100 {
		put(t, s, want[i:i+100]...)
	}
	same(t, drain(t, s.Cursor("lake"), 1000), want)
	if n := len(files(t, dir, "*.seg")); n < 7 {
		t.Errorf("%d segments left although one cursor has read nothing", n)
	}
	same(t, drain(t, s.Cursor("cloudlogging"), 1000), want)
	if n := len(files(t, dir, "*.seg")); n > 1 {
		t.Errorf("%d segments left although both cursors are done", n)
	}
	if s.Cursor("other") != nil {
		t.Error("a cursor that was not named in the options exists")
	}
}

func TestANewCursorStartsAtTheOldestRecordAndAnUnusedOneHoldsNothing(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, func(o *spool.Options) { o.Cursors = []string{"old"} })
	put(t, s, "a", "b")
	ack(t, s.Cursor("old"), next(t, s.Cursor("old"), 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s = start(t, dir, func(o *spool.Options) { o.Cursors, o.Logger = []string{"new"}, logger(&log) })
	if n := strings.Count(log.String(), "cursor=old"); n != 1 {
		t.Errorf("the unused cursor is named %d times in the log:\n%s", n, &log)
	}
	same(t, drain(t, s.Cursor("new"), 2), []string{"a", "b"})
	if n := len(files(t, dir, "*.seg")); n != 1 {
		t.Errorf("%d segments, want the active one only", n)
	}
	if len(files(t, dir, "cursor-old")) != 1 {
		t.Error("the unused cursor was removed")
	}
}

func TestLiveRecordsComeBeforeTheBacklog(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	put(t, s, numbered("old", 0, 10)...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	put(t, s, "new0")
	c := s.Cursor("lake")
	same(t, drain(t, c, 1), []string{"new0"})
	b := next(t, c, 9)
	same(t, texts(b), []string{"old000000"})
	put(t, s, "new1")
	same(t, drain(t, c, 1), []string{"new1"})
	same(t, drain(t, c, 9), numbered("old", 1, 9))
	ack(t, c, b)
	none(t, c)
}

func TestTheLastBatchOfTheBacklogTouchesTheFirstLiveOne(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	put(t, s, "old")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	put(t, s, "new")
	live, back := next(t, s.Cursor("lake"), 1), next(t, s.Cursor("lake"), 1)
	same(t, append(texts(live), texts(back)...), []string{"new", "old"})
	if back.To != live.From {
		t.Errorf("the backlog ends at %x, live begins at %x", back.To, live.From)
	}
}

func TestTheBacklogFillsTheTimeInWhichLiveRecordsGather(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	put(t, s, "old")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	put(t, s, "new")
	b, err := s.Cursor("lake").Next(context.Background(), 1<<20, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	same(t, texts(b), []string{"old"})
}

func TestCloseEndsWaitingReadersAndLaterCalls(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := start(t, t.TempDir(), nil)
	c := s.Cursor("lake")
	put(t, s, "a")
	b := next(t, c, 1)
	ended := make(chan error)
	go func() {
		_, err := c.Next(context.Background(), 1, time.Hour)
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("waiting Next: %v, want io.EOF", err)
	}
	if _, err := c.Next(context.Background(), 1, 0); err != io.EOF {
		t.Errorf("Next after Close: %v, want io.EOF", err)
	}
	if err := s.Append(payloads("b")); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	if err := s.Sync(); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
	if err := c.Ack(b); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("Ack after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestMisuseOfABatchIsRefused(t *testing.T) {
	s := start(t, t.TempDir(), func(o *spool.Options) { o.Cursors = []string{"lake", "other"} })
	c := s.Cursor("lake")
	put(t, s, "a", "b")
	b := next(t, c, 1)
	if err := s.Cursor("other").Ack(b); err == nil {
		t.Error("another cursor's batch was acknowledged")
	}
	ack(t, c, b)
	if err := c.Ack(b); err == nil {
		t.Error("a batch was acknowledged twice")
	}
	c.Release(b)
	same(t, drain(t, c, 1), []string{"b"})
	none(t, c)
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := start(t, dir, nil)
	put(t, s, "a")
	for _, path := range append(files(t, dir, "*"), dir) {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o600)
		if st.IsDir() {
			want = 0o700
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(path), st.Mode().Perm(), want)
		}
	}
}

func TestBadOptionsAreAllNamed(t *testing.T) {
	_, err := spool.Open(spool.Options{
		MaxBytes: -1, SegmentBytes: 1 << 40, SyncInterval: -1, SyncBytes: -1,
		Cursors: []string{"Lake", "x", "x", "", "a/b"},
	})
	if err == nil {
		t.Fatal("opened")
	}
	for _, want := range []string{"directory is empty", "byte cap -1", "segment size", "sync interval", "sync bytes", `"Lake"`, `"x" is given twice`, `""`, `"a/b"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not speak of %q: %v", want, err)
		}
	}
}

func TestAppendRefusesWhatItCouldNotGiveBack(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	err := s.Append([][]byte{[]byte("small"), make([]byte, spool.MaxRecordBytes+1)})
	if err == nil || !strings.Contains(err.Error(), "16777217 bytes") {
		t.Errorf("error %v, want one that names the size", err)
	}
	put(t, s, string(make([]byte, spool.MaxRecordBytes)))
	if b := next(t, s.Cursor("lake"), 10); len(b.Items) != 1 || len(b.Items[0].Payload) != spool.MaxRecordBytes {
		t.Error("the largest record does not come back whole")
	}
}

func TestPositionsAsTextSortAsNumbers(t *testing.T) {
	if got, want := spool.Position("00c0ffee00c0ffee", 42<<32|64), "00c0ffee00c0ffee-0000002a00000040"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
