package ship_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

// await fails the test unless cond becomes true of the stand-in.
func await(t testing.TB, srv *shiptest.Server, what string, cond func() bool) {
	t.Helper()
	if err := srv.Await(deadline(t), cond); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// identity fails the test unless all n lines are accounted for.
func identity(t testing.TB, st ship.Stats, queued, n int64) {
	t.Helper()
	if got := st.Shipped + st.DeadLettered + queued; got != n {
		t.Errorf("shipped %d + dead-lettered %d + queued %d = %d, want %d", st.Shipped, st.DeadLettered, queued, got, n)
	}
}

func TestEveryLineArrivesOnceAndIsAcknowledged(t *testing.T) {
	srv := shiptest.Start(t)
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv))
	fill(t, s, 0, 300)
	fill(t, s, 300, 200)
	r.drain(t)
	if srv.Count(logID) != 500 || srv.Written() != 500 {
		t.Errorf("%d entries, %d written; want 500 of both", srv.Count(logID), srv.Written())
	}
	if st := r.Stats(); st.Shipped != 500 {
		t.Errorf("stats %+v, want 500 shipped", st)
	}
	identity(t, r.Stats(), pending(s, ship.CloudLoggingName), 500)
}

func TestWhatAnEntryHoldsIsWhatTheLineSaid(t *testing.T) {
	srv := shiptest.Start(t)
	s := openSpool(t, t.TempDir())
	e := ship.Envelope{Received: received, Sender: record.SenderMTLS, ServiceID: "SVC9", Line: []byte("no format at all \x01")}
	put(t, s, envelope(line(7)), e.Append(nil))
	start(t, s, cloud(t, srv)).drain(t)
	es := srv.Entries()
	if len(es) != 2 {
		t.Fatalf("%d entries, want 2", len(es))
	}
	var request, text *loggingpb.LogEntry
	for _, e := range es {
		if e.GetTextPayload() != "" {
			text = e
		} else {
			request = e
		}
	}
	if got := request.GetJsonPayload().GetFields()["path"].GetStringValue(); got != "/item/7" || !strings.HasPrefix(request.InsertId, s.ID()+"-") {
		t.Errorf("path %q, insert id %q; want /item/7 and the position", got, request.InsertId)
	}
	if text.Labels["problem"] == "" || text.Labels["sender"] != "mtls" || text.Labels["service_id"] != "SVC9" {
		t.Errorf("labels of the text %v, want problem, sender and the stamped service", text.Labels)
	}
}

// Each class: the line waits, is written again, and arrives once.
func TestNoFailureOfTheAPILosesALine(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.ResourceExhausted, codes.PermissionDenied,
		codes.Unauthenticated, codes.NotFound, codes.FailedPrecondition, codes.Aborted, codes.Unknown} {
		t.Run(code.String(), func(t *testing.T) {
			srv := shiptest.Start(t)
			srv.Fail(code, 4)
			s := openSpool(t, t.TempDir())
			r := start(t, s, cloud(t, srv))
			fill(t, s, 0, 50)
			await(t, srv, "all lines are stored", func() bool { return srv.Count(logID) == 50 })
			r.drain(t)
			st := r.Stats()
			if st.Shipped != 50 || st.DeadLettered != 0 || st.Failing != "" {
				t.Errorf("stats %+v, want 50 shipped and nothing failing", st)
			}
			if n := st.Retries[ship.Temporary] + st.Retries[ship.Throttled] + st.Retries[ship.Configuration]; n != 4 {
				t.Errorf("retries %v, want 4", st.Retries)
			}
			identity(t, st, pending(s, ship.CloudLoggingName), 50)
		})
	}
}

func TestAShipperBrokenOffLosesAndDoublesNothing(t *testing.T) {
	dir := t.TempDir()
	srv := shiptest.Start(t)
	s := openSpool(t, dir)
	// The answer to the first write never comes: it may have been stored.
	srv.LoseAnswers(1)
	srv.Fail(codes.OK, 1)
	srv.Fail(codes.Unavailable, -1)
	r := start(t, s, cloud(t, srv))
	fill(t, s, 0, 40)
	await(t, srv, "it tries again", func() bool { return srv.Calls() >= 3 })
	r.stop()
	if st := r.Stats(); st.Shipped != 0 || pending(s, ship.CloudLoggingName) != 40 {
		t.Errorf("stats %+v, %d pending; want nothing shipped and 40 pending", st, pending(s, ship.CloudLoggingName))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	srv.Fail(codes.OK, 0)
	s = openSpool(t, dir)
	fill(t, s, 40, 10)
	again := start(t, s, cloud(t, srv))
	again.drain(t)
	if got := srv.Count(logID); got != 50 {
		t.Errorf("%d entries after the restart, want 50", got)
	}
	identity(t, again.Stats(), pending(s, ship.CloudLoggingName), 50)
}

func TestStoppingDoesNotDependOnGoogle(t *testing.T) {
	for name, fault := range map[string]func(*shiptest.Server){
		"it hangs":          (*shiptest.Server).Hang,
		"it refuses":        func(s *shiptest.Server) { s.Fail(codes.PermissionDenied, -1) },
		"it is unavailable": func(s *shiptest.Server) { s.Fail(codes.Unavailable, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := shiptest.Start(t)
			fault(srv)
			s := openSpool(t, t.TempDir())
			r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.Backoff, o.LongestBackoff = time.Hour, time.Hour })
			fill(t, s, 0, 10)
			await(t, srv, "a call is made", func() bool { return srv.Calls() >= 1 })
			r.Drain()
			r.cancel() // the deadline
			select {
			case <-r.done:
				close(r.done)
			case <-deadline(t).Done():
				t.Fatal("it does not stop")
			}
			if got := pending(s, ship.CloudLoggingName); got != 10 {
				t.Errorf("%d lines left in the spool, want all 10", got)
			}
			if st := r.Stats(); !st.Oldest.IsZero() {
				t.Errorf("something is in flight after the end: %+v", st)
			}
		})
	}
}

func TestADrainOfAnEmptySpoolEndsAtOnce(t *testing.T) {
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, shiptest.Start(t)))
	r.drain(t)
	r.Drain() // again is harmless
}

func TestClosingTheSpoolEndsTheShipper(t *testing.T) {
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, shiptest.Start(t)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.done:
		close(r.done)
	case <-deadline(t).Done():
		t.Fatal("it does not end")
	}
}

func TestALineTheAPIWillNeverTakeIsADeadLetterBeforeItIsAcknowledged(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Refuse(poison(3, 11))
	dead := filepath.Join(t.TempDir(), "dead")
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.DeadLetters = dead })
	fill(t, s, 0, 20)
	put(t, s, []byte{99, 1, 2}) // no envelope
	r.drain(t)
	if st := r.Stats(); st.Shipped != 18 || st.DeadLettered != 3 {
		t.Errorf("stats %+v, want 18 shipped and 3 dead-lettered", st)
	}
	identity(t, r.Stats(), pending(s, ship.CloudLoggingName), 21)
	letters := letters(t, dead)
	if len(letters) != 3 {
		t.Fatalf("%d dead letters, want 3", len(letters))
	}
	for _, l := range letters {
		if l.Sink != "cloudlogging" || l.Reason == "" || !strings.HasPrefix(l.Position, s.ID()+"-") || time.Since(l.Time) > time.Minute {
			t.Errorf("dead letter %+v", l)
		}
		if e, err := ship.DecodeEnvelope(l.Envelope); err == nil && !bytes.Contains(e.Line, []byte("/item/")) {
			t.Errorf("dead letter without its line: %q", e.Line)
		}
	}
}

func TestWhileDeadLettersCannotBeWrittenTheLineStaysInTheSpool(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Refuse(poison(0))
	dead := filepath.Join(t.TempDir(), "dead")
	if err := os.WriteFile(dead, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.DeadLetters = dead })
	fill(t, s, 0, 1)
	await(t, srv, "it tries again", func() bool { return srv.Calls() >= 6 })
	if got := pending(s, ship.CloudLoggingName); got != 1 {
		t.Errorf("%d lines pending, want the one that cannot be put away", got)
	}
	if st := r.Stats(); st.DeadLettered != 0 || st.Failing != ship.Temporary {
		t.Errorf("stats %+v, want none dead-lettered and a failure that lasts", st)
	}
	if err := os.Remove(dead); err != nil {
		t.Fatal(err)
	}
	r.drain(t)
	if st := r.Stats(); st.DeadLettered != 1 || pending(s, ship.CloudLoggingName) != 0 {
		t.Errorf("stats %+v, want the line dead-lettered in the end", st)
	}
}

func TestHeartbeatsAreShippedAndAreNoLines(t *testing.T) {
	srv := shiptest.Start(t)
	s := openSpool(t, t.TempDir())
	beat := ship.Envelope{Received: received, Sender: record.SenderNone, Heartbeat: true, Line: []byte(`{"received":2}`)}
	put(t, s, envelope(line(0)), beat.Append(nil), envelope(line(1)))
	r := start(t, s, cloud(t, srv))
	r.drain(t)
	if st := r.Stats(); st.Shipped != 2 || st.Heartbeats != 1 {
		t.Errorf("stats %+v, want 2 lines and a heartbeat", st)
	}
	if srv.Count(logID) != 2 || srv.Count(logID+ship.HeartbeatSuffix) != 1 {
		t.Errorf("%d and %d entries, want 2 and 1", srv.Count(logID), srv.Count(logID+ship.HeartbeatSuffix))
	}
}

// lockedBuffer is a log that may be written and read at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAFailureIsSaidOnceWhenItStartsAndOnceWhenItEnds(t *testing.T) {
	var log lockedBuffer
	srv := shiptest.Start(t)
	srv.Fail(codes.PermissionDenied, 30)
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	fill(t, s, 0, 5)
	await(t, srv, "all lines are stored", func() bool { return srv.Count(logID) == 5 })
	r.drain(t)
	text := log.String()
	if strings.Count(text, "writing fails") != 1 || strings.Count(text, "writing works again") != 1 || strings.Count(text, "\n") != 2 {
		t.Errorf("log:\n%swant one line when it starts and one when it ends", text)
	}
	for _, want := range []string{"sink=cloudlogging", "class=configuration", "code=PermissionDenied", "attempts=30"} {
		if !strings.Contains(text, want) {
			t.Errorf("log:\n%swant %s in it", text, want)
		}
	}
}

func TestManyRefusedLinesAreOneLineOfTheLog(t *testing.T) {
	var log lockedBuffer
	srv := shiptest.Start(t)
	srv.Refuse(func(e *loggingpb.LogEntry) codes.Code {
		if e.HttpRequest != nil {
			return codes.InvalidArgument
		}
		return codes.OK
	})
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) {
		o.Logger, o.MaxBytes = slog.New(slog.NewTextHandler(&log, nil)), 1
	})
	fill(t, s, 0, 30)
	r.drain(t)
	if st := r.Stats(); st.DeadLettered != 30 {
		t.Fatalf("stats %+v, want 30 dead-lettered", st)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log, want 1:\n%s", n, log.String())
	}
}

func TestTheLakeGetsTheSameLinesByItsOwnCursor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	w, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	srv := shiptest.Start(t)
	srv.Fail(codes.Unavailable, -1) // the other sink is down: it must not matter
	s := openSpool(t, t.TempDir())
	start(t, s, cloud(t, srv))
	r := start(t, s, ship.NewLake(w))
	fill(t, s, 0, 100)
	r.drain(t)
	if got := len(lakeRows(t, dir)); got != 100 {
		t.Errorf("%d rows in the lake, want 100", got)
	}
	identity(t, r.Stats(), pending(s, ship.LakeName), 100)
	if got := pending(s, ship.CloudLoggingName); got != 100 {
		t.Errorf("%d lines pending for the sink that is down, want 100", got)
	}
}

func TestALakeThatCannotBeWrittenKeepsTheLinesInTheSpool(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	w, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	hour := filepath.Join(dir, received.Format("2006-01-02T15"))
	if err := os.WriteFile(hour, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, t.TempDir())
	failed := make(chan struct{}, 1)
	r := start(t, s, ship.NewLake(w), func(o *ship.Options) {
		o.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			select {
			case failed <- struct{}{}:
			default:
			}
			return len(p), nil
		}), nil))
	})
	put(t, s, envelope(line(0)))
	select {
	case <-failed:
	case <-deadline(t).Done():
		t.Fatal("it says nothing")
	}
	if got := pending(s, ship.LakeName); got != 1 {
		t.Errorf("%d lines pending, want 1", got)
	}
	if err := os.Remove(hour); err != nil {
		t.Fatal(err)
	}
	r.drain(t)
	if got := len(lakeRows(t, dir)); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func lakeRows(t testing.TB, dir string) (all []record.Record) {
	t.Helper()
	files, err := lake.Select(dir, time.Unix(0, 0), received.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		rs, err := lake.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rs...)
	}
	return all
}

func TestMetricsSayWhatStatsSay(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Fail(codes.ResourceExhausted, 2)
	srv.Refuse(poison(4))
	reg := prometheus.NewPedanticRegistry()
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv), func(o *ship.Options) { o.Registerer = reg })
	fill(t, s, 0, 10)
	r.drain(t)
	want := map[string]float64{
		"dead_letters_total": 1, "dead_letters_dropped_total": 0, "shipped_records_total": 9, "shipped_heartbeats_total": 0, "write_failing": 0, "oldest_in_flight_seconds": 0,
		"write_failures_total configuration": 0, "write_failures_total temporary": 0, "write_failures_total throttled": 2, "write_seconds": 3,
	}
	got := make(map[string]float64)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "edgewarden_ingest_")
			for _, l := range m.GetLabel() {
				if l.GetName() == "class" {
					name += " " + l.GetValue()
				} else if l.GetValue() != "cloudlogging" {
					t.Errorf("%s: label %s", name, l)
				}
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if _, err := ship.New(ship.Options{Cursor: s.Cursor(ship.CloudLoggingName), SpoolID: s.ID(), Sink: cloud(t, srv), DeadLetters: t.TempDir(), Registerer: reg}); err == nil {
		t.Error("two shippers of one name share a registry")
	}
}

func TestTheAgeOfTheOldestLineInFlightIsKnown(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Hang()
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv))
	fill(t, s, 0, 3)
	await(t, srv, "a call waits", func() bool { return srv.Waiting() == 1 })
	if st := r.Stats(); !st.Oldest.Equal(received) {
		t.Errorf("oldest %s, want %s", st.Oldest, received)
	}
	srv.Release()
	r.drain(t)
}

func TestAShipperSaysAllThatIsMissing(t *testing.T) {
	_, err := ship.New(ship.Options{MaxBytes: -1})
	for _, want := range []string{"cursor", "spool id", "sink", "dead letters", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func letters(t testing.TB, dir string) (all []ship.DeadLetter) {
	t.Helper()
	if err := ship.ReadDeadLetters(dir, func(l ship.DeadLetter) error { all = append(all, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}
