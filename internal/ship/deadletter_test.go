package ship_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/lake"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

// lettersOf ships n lines of which the stand-in refuses all, and returns the
// directory of the dead letters. The stand-in refuses none after that.
func lettersOf(t *testing.T, srv *shiptest.Server, n int) string {
	t.Helper()
	dead := filepath.Join(t.TempDir(), "dead")
	refuseAll(srv)
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.DeadLetters = dead })
	fill(t, s, 0, n)
	r.drain(t)
	if got := r.Stats().DeadLettered; got != int64(n) {
		t.Fatalf("%d dead letters, want %d", got, n)
	}
	srv.Refuse(nil)
	return dead
}

// refuseAll refuses every request, but no probe.
func refuseAll(srv *shiptest.Server) {
	srv.Refuse(func(e *loggingpb.LogEntry) codes.Code {
		if e.HttpRequest != nil {
			return codes.InvalidArgument
		}
		return codes.OK
	})
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	fs, err := filepath.Glob(filepath.Join(dir, "*ndjson*"))
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestADeadLetterIsALineOfJSONThatOnlyItsOwnerReads(t *testing.T) {
	dead := lettersOf(t, shiptest.Start(t), 3)
	fs := files(t, dead)
	if len(fs) != 1 {
		t.Fatalf("files %v, want one", fs)
	}
	for path, want := range map[string]os.FileMode{fs[0]: 0o600, dead: 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s is %o, want %o", filepath.Base(path), got, want)
		}
	}
	b, err := os.ReadFile(fs[0])
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	n := 0
	for ; sc.Scan(); n++ {
		var m map[string]any
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		env, err := base64.StdEncoding.DecodeString(fmt.Sprint(m["envelope"]))
		if err != nil {
			t.Fatal(err)
		}
		e, err := ship.DecodeEnvelope(env)
		if err != nil || len(e.Line) == 0 || m["sink"] != "cloudlogging" || m["time"] == nil || m["reason"] == "" || m["position"] == "" || m["version"] != 1.0 {
			t.Errorf("letter %v, envelope error %v", m, err)
		}
	}
	if n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
}

func TestReplayDeliversUnderTheSamePositionAndRemoves(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 5)
	want := make(map[string]bool)
	for _, l := range letters(t, dead) {
		want[l.Position] = true
	}
	got, err := ship.Replay(deadline(t), dead, cloud(t, srv))
	if err != nil || got != (ship.Replayed{Delivered: 5}) {
		t.Fatalf("replayed %+v, error %v; want 5 delivered", got, err)
	}
	for _, e := range srv.Entries() {
		delete(want, e.InsertId)
	}
	if len(want) != 0 || srv.Count(logID) != 5 {
		t.Errorf("positions %v are missing", want)
	}
	if fs := files(t, dead); len(fs) != 0 {
		t.Errorf("files %v are left", fs)
	}
	if got, err := ship.Replay(deadline(t), dead, cloud(t, srv)); err != nil || got != (ship.Replayed{}) {
		t.Errorf("again: %+v, error %v; want nothing", got, err)
	}
}

func TestWhatIsRefusedAgainStaysWithItsNewReason(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 4)
	srv.Refuse(poison(2))
	got, err := ship.Replay(deadline(t), dead, cloud(t, srv))
	if err != nil || got != (ship.Replayed{Delivered: 3, Refused: 1}) {
		t.Fatalf("replayed %+v, error %v; want 3 delivered and 1 refused", got, err)
	}
	left := letters(t, dead)
	if len(left) != 1 || !strings.Contains(left[0].Reason, "asked to refuse") {
		t.Fatalf("left %+v, want the one that was refused", left)
	}
	if fs := files(t, dead); len(fs) != 1 {
		t.Errorf("files %v, want one", fs)
	}
	srv.Refuse(nil)
	if got, err := ship.Replay(deadline(t), dead, cloud(t, srv)); err != nil || got != (ship.Replayed{Delivered: 1}) {
		t.Errorf("then: %+v, error %v; want it delivered", got, err)
	}
}

func TestAReplayThatFailsKeepsEveryLetter(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 4)
	srv.Fail(codes.Unavailable, -1)
	if _, err := ship.Replay(deadline(t), dead, cloud(t, srv)); err == nil {
		t.Fatal("no error")
	}
	if got := len(letters(t, dead)); got != 4 {
		t.Errorf("%d letters left, want 4", got)
	}
	srv.Fail(codes.OK, 0)
	if got, err := ship.Replay(deadline(t), dead, cloud(t, srv)); err != nil || got.Delivered != 4 {
		t.Errorf("then: %+v, error %v; want 4 delivered", got, err)
	}
}

// A crash of a replay leaves the file it had taken.
func TestWhatACrashedReplayTookIsReadAndReplayed(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 2)
	f := files(t, dead)[0]
	if err := os.Rename(f, f+".replay"); err != nil {
		t.Fatal(err)
	}
	if got := len(letters(t, dead)); got != 2 {
		t.Errorf("%d letters are read, want 2", got)
	}
	if got, err := ship.Replay(deadline(t), dead, cloud(t, srv)); err != nil || got.Delivered != 2 {
		t.Errorf("replayed %+v, error %v; want 2 delivered", got, err)
	}
}

// Replaying while a shipper writes new letters loses none of either.
func TestReplayRunsBesideAShipperThatWritesNewLetters(t *testing.T) {
	srv := shiptest.Start(t)
	dead := filepath.Join(t.TempDir(), "dead")
	refuseAll(srv)
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.DeadLetters, o.MaxBytes = dead, 1 })
	fill(t, s, 0, 60)
	other := shiptest.Start(t) // takes everything
	sink := cloud(t, other)
	for r.Stats().DeadLettered < 60 {
		if _, err := ship.Replay(deadline(t), dead, sink); err != nil {
			t.Fatal(err)
		}
		if deadline(t).Err() != nil {
			t.Fatal("the shipper does not finish")
		}
	}
	r.drain(t)
	if _, err := ship.Replay(deadline(t), dead, sink); err != nil {
		t.Fatal(err)
	}
	if got := other.Count(logID); got != 60 {
		t.Errorf("%d lines delivered, want 60", got)
	}
	if left := letters(t, dead); len(left) != 0 {
		t.Errorf("%d letters left", len(left))
	}
}

func TestMoreLettersThanOneBatchHoldsAreReplayedInParts(t *testing.T) {
	const n = 1100
	srv := shiptest.Start(t)
	dead := t.TempDir()
	var file bytes.Buffer
	for p := range n {
		b, err := json.Marshal(ship.DeadLetter{Time: received, Sink: "cloudlogging", Reason: "r", Position: position(p), Envelope: envelope(line(p))})
		if err != nil {
			t.Fatal(err)
		}
		file.Write(append(b, '\n'))
	}
	if err := os.WriteFile(filepath.Join(dead, "cloudlogging-20261122.ndjson"), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	srv.Fail(codes.OK, 1)
	srv.Fail(codes.Unavailable, 1) // the second part
	sink := cloud(t, srv)
	got, err := ship.Replay(deadline(t), dead, sink)
	if err == nil || got != (ship.Replayed{Delivered: 500}) || srv.Calls() != 2 {
		t.Errorf("replayed %+v in %d calls, error %v; want to stop after the first part", got, srv.Calls(), err)
	}
	if left := len(letters(t, dead)); left != n-500 {
		t.Errorf("%d letters left, want %d", left, n-500)
	}
	if got, err := ship.Replay(deadline(t), dead, sink); err != nil || got.Delivered != n-500 || srv.Written() != n {
		t.Errorf("then: %+v, error %v, %d written; want the rest, nothing twice", got, err, srv.Written())
	}
}

func TestTwoReplaysDoNotRunAtTheSameTime(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 1)
	srv.Hang()
	sink := cloud(t, srv)
	done := make(chan error, 1)
	go func() {
		_, err := ship.Replay(context.Background(), dead, sink)
		done <- err
	}()
	await(t, srv, "the first sends", func() bool { return srv.Waiting() == 1 })
	if _, err := ship.Replay(deadline(t), dead, sink); err == nil || !strings.Contains(err.Error(), "another replay") {
		t.Errorf("error %v, want one that says that another runs", err)
	}
	srv.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestALetterOfAnotherSinkStays(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 2)
	w, err := lake.OpenWriter(lake.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got, err := ship.Replay(deadline(t), dead, ship.NewLake(w)); err != nil || got != (ship.Replayed{Other: 2}) {
		t.Errorf("replayed %+v, error %v; want both left alone", got, err)
	}
	if got := len(letters(t, dead)); got != 2 {
		t.Errorf("%d letters left, want 2", got)
	}
}

// Into the lake: the range of the batch the letters came from is there, so
// they must not be taken for rows that were written.
func TestReplayIntoTheLakeAddsRowsOfARangeThatIsThereOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	w, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	dead := filepath.Join(t.TempDir(), "dead")
	s := openSpool(t, t.TempDir())
	r := start(t, s, ship.NewLake(w), func(o *ship.Options) { o.DeadLetters = dead })
	put(t, s, envelope(line(0)), []byte{99, 1}, []byte{99, 2}, envelope(line(1)), []byte{99, 3}, envelope(line(2)))
	r.drain(t)
	if got := len(lakeRows(t, dir)); got != 3 {
		t.Fatalf("%d rows, want 3", got)
	}
	// What could not be decoded can be now: as after an upgrade.
	f := files(t, dead)[0]
	b, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	for i, old := range [][]byte{{99, 1}, {99, 2}, {99, 3}} {
		b = bytes.ReplaceAll(b, []byte(base64.StdEncoding.EncodeToString(old)), []byte(base64.StdEncoding.EncodeToString(envelope(line(10+i)))))
	}
	for range 2 { // the second time as after a crash before the letters were removed
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ship.Replay(deadline(t), dead, ship.NewLake(w)); err != nil || got.Delivered != 3 {
			t.Fatalf("replayed %+v, error %v; want 3 delivered", got, err)
		}
		if got := len(lakeRows(t, dir)); got != 6 {
			t.Errorf("%d rows, want 6", got)
		}
	}
}

func TestALineACrashLeftWithoutItsEndIsPassedOverAndCut(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 2)
	f := files(t, dead)[0]
	whole, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range []string{`{"time":"20`, strings.Repeat("x", 10_000)} {
		if err := os.WriteFile(f, append(bytes.Clone(whole), torn...), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := len(letters(t, dead)); got != 2 {
			t.Errorf("%d letters are read, want the two that are whole", got)
		}
	}
	refuseAll(srv)
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.DeadLetters = dead })
	fill(t, s, 5, 1)
	r.drain(t)
	if got := len(letters(t, dead)); got != 3 {
		t.Errorf("%d letters after one more, want 3 and no torn line between them", got)
	}
}

func TestALineThatIsNoLetterIsNamedAndTheOthersAreRead(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 2)
	f := files(t, dead)[0]
	b, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f, append([]byte("hello\n"), b...), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = ship.ReadDeadLetters(dead, func(ship.DeadLetter) error { n++; return nil })
	if err == nil || !strings.Contains(err.Error(), filepath.Base(f)+" line 1") || n != 2 {
		t.Errorf("error %v after %d letters; want one that names line 1, and both letters", err, n)
	}
	got, err := ship.Replay(deadline(t), dead, cloud(t, srv))
	if err == nil || got.Delivered != 2 {
		t.Errorf("replayed %+v, error %v; want both delivered and the line named", got, err)
	}
	kept, err := os.ReadFile(files(t, dead)[0])
	if err != nil || string(kept) != "hello\n" {
		t.Errorf("%q is kept, error %v; want the line that is no letter", kept, err)
	}
}

func TestALetterOfANewerReleaseIsKeptAsItIs(t *testing.T) {
	srv := shiptest.Start(t)
	dead := lettersOf(t, srv, 1)
	f := files(t, dead)[0]
	b, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte(`{"version":1,`)) {
		t.Fatalf("a letter carries no version: %s", b)
	}
	newer := strings.Replace(string(b), `{"version":1,`, `{"tomorrow":{"a":1},"version":2,`, 1)
	old := strings.Replace(string(b), `"version":1,`, "", 1) // as written before letters had a version
	if err := os.WriteFile(f, []byte(newer+old), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = ship.ReadDeadLetters(dead, func(ship.DeadLetter) error { n++; return nil })
	if err == nil || !strings.Contains(err.Error(), "line 1 was written by a newer release") || n != 1 {
		t.Errorf("error %v after %d letters; want one that says the release, and the other letter", err, n)
	}
	got, err := ship.Replay(deadline(t), dead, cloud(t, srv))
	if err == nil || !strings.Contains(err.Error(), "replay it with that one") || got.Delivered != 1 {
		t.Errorf("replayed %+v, error %v; want one delivered and what to do", got, err)
	}
	kept, err := os.ReadFile(files(t, dead)[0])
	if err != nil || string(kept) != newer {
		t.Errorf("%q is kept, error %v; want the newer letter byte by byte", kept, err)
	}
}

// TestANewerEnvelopeBecomesADeadLetterWithItsBytes: after a rollback, what this release cannot open is set aside, not lost.
func TestANewerEnvelopeBecomesADeadLetterWithItsBytes(t *testing.T) {
	srv := shiptest.Start(t)
	dead := filepath.Join(t.TempDir(), "dead")
	s := openSpool(t, t.TempDir())
	payload := envelope(line(0))
	payload[0]++ // the version
	put(t, s, payload)
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.DeadLetters = dead })
	fill(t, s, 1, 1)
	r.drain(t)
	var letters []ship.DeadLetter
	if err := ship.ReadDeadLetters(dead, func(l ship.DeadLetter) error { letters = append(letters, l); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(letters) != 1 || !bytes.Equal(letters[0].Envelope, payload) || !strings.Contains(letters[0].Reason, "replay it with that one") {
		t.Errorf("dead letters %+v", letters)
	}
	if got := r.Stats().Shipped; got != 1 {
		t.Errorf("%d shipped, want the line this release can open", got)
	}
}

func TestReadingStopsWhenAskedAndADirectoryThatIsMissingIsEmpty(t *testing.T) {
	dead := lettersOf(t, shiptest.Start(t), 3)
	stop := errors.New("enough")
	n := 0
	if err := ship.ReadDeadLetters(dead, func(ship.DeadLetter) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("error %v after %d letters, want to stop at the first", err, n)
	}
	none := filepath.Join(dead, "nowhere")
	if err := ship.ReadDeadLetters(none, func(ship.DeadLetter) error { return stop }); err != nil {
		t.Error(err)
	}
	if got, err := ship.Replay(context.Background(), none, cloud(t, shiptest.Start(t))); err != nil || got != (ship.Replayed{}) {
		t.Errorf("replayed %+v, error %v; want nothing", got, err)
	}
}

// A flood of refused lines must not fill the disk: beyond the cap the newest
// are lost, counted, and said once.
func TestDeadLettersDoNotGrowBeyondTheirCap(t *testing.T) {
	const most = 4000
	var log lockedBuffer
	srv := shiptest.Start(t)
	srv.Refuse(func(e *loggingpb.LogEntry) codes.Code {
		if e.HttpRequest != nil {
			return codes.InvalidArgument
		}
		return codes.OK
	})
	dead := filepath.Join(t.TempDir(), "dead")
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) {
		o.DeadLetters, o.DeadLetterBytes, o.InFlight, o.MaxBytes = dead, most, 1, 2000
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	fill(t, s, 0, 100)
	eventually(t, "all were tried", func() bool { return pending(s, ship.CloudLoggingName) == 0 })
	st, kept := r.Stats(), letters(t, dead)
	if st.DeadLettered != int64(len(kept)) || st.DeadLettered == 0 || st.Dropped != 100-st.DeadLettered || st.Shipped != 0 {
		t.Errorf("stats %+v, %d letters; want as many dead-lettered and the rest dropped", st, len(kept))
	}
	for i, l := range kept {
		e, err := ship.DecodeEnvelope(l.Envelope)
		if err != nil || !bytes.Contains(e.Line, fmt.Appendf(nil, `"/item/%d"`, i)) {
			t.Errorf("letter %d is %q, want the oldest kept", i, e.Line)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dead, "*.ndjson"))
	for _, f := range files {
		if fi, err := os.Stat(f); err != nil || fi.Size() > most {
			t.Errorf("%s has %d bytes, want at most %d", f, fi.Size(), most)
		}
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, s, 100, 1)
	r.drain(t)
	if st := r.Stats(); st.Shipped+st.DeadLettered+st.Dropped != 101 || len(letters(t, dead)) != 1 {
		t.Errorf("with room again: stats %+v, %d letters", st, len(letters(t, dead)))
	}
	for _, want := range []string{"dead-letter files are full", "dead-letter files have room again"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q is said %d times, want once:\n%s", want, n, log.String())
		}
	}
}
