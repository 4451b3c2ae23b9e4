package ship_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
	"edgewarden/internal/spool"
)

const (
	project = "acme-prod"
	logID   = "fastly"
)

var received = time.Now().UTC().Truncate(time.Microsecond).Add(-time.Minute)

// deadline is the longest any test waits for what has to happen.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// line is a log line of our format; n makes it differ from others.
func line(n int) []byte {
	b, _ := json.Marshal(map[string]any{
		"timestamp": received.Add(time.Duration(n) * time.Millisecond).Format("2006-01-02T15:04:05.000000Z"), "service_id": "SVC1",
		"request_id": fmt.Sprintf("req-%d", n), "pop": "AMS", "client_ip": "203.0.113.9", "client_asn": 64500, "host": "shop.example",
		"method": "GET", "path": fmt.Sprintf("/item/%d", n), "query": "a=1", "protocol": "HTTP/2", "status": 200,
		"response_bytes": 1234, "elapsed_usec": 5678, "cache": "HIT", "user_agent": "curl/8", "tls_version": "TLSv1.3", "first_hop": true,
	})
	return b
}

func envelope(l []byte) []byte {
	e := ship.Envelope{Received: received, Sender: record.SenderToken, Conn: 7, Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Line: l}
	return e.Append(nil)
}

// batch is a batch of records that are already parsed.
func batch(rs ...record.Record) *ship.Batch {
	return &ship.Batch{SpoolID: spoolID, To: 1 << 20, Len: len(rs), Records: func(yield func(int, *record.Record) bool) {
		for i := range rs {
			if r := rs[i]; !yield(i, &r) {
				return
			}
		}
	}}
}

// openSpool opens a spool with a cursor of each sink.
func openSpool(t testing.TB, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: dir, SyncInterval: time.Millisecond, Cursors: []string{ship.CloudLoggingName, ship.LakeName}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fill appends n lines, numbered from first, and syncs them.
func fill(t testing.TB, s *spool.Spool, first, n int) {
	t.Helper()
	var payloads [][]byte
	for i := range n {
		payloads = append(payloads, envelope(line(first+i)))
	}
	put(t, s, payloads...)
}

func put(t testing.TB, s *spool.Spool, payloads ...[]byte) {
	t.Helper()
	if err := s.Append(payloads); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
}

// cloud returns a sink that writes to the stand-in.
func cloud(t testing.TB, srv *shiptest.Server, change ...func(*ship.CloudLoggingOptions)) *ship.CloudLogging {
	t.Helper()
	o := ship.CloudLoggingOptions{Project: project, LogID: logID, Endpoint: srv.Addr(), Insecure: true}
	for _, c := range change {
		c(&o)
	}
	sink, err := ship.NewCloudLogging(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

// running is a shipper that runs.
type running struct {
	*ship.Shipper
	cancel context.CancelFunc
	done   chan error
}

// start runs a shipper from the spool to the sink until the test ends.
func start(t testing.TB, s *spool.Spool, sink ship.Sink, change ...func(*ship.Options)) *running {
	t.Helper()
	o := ship.Options{
		Cursor: s.Cursor(sink.Name()), SpoolID: s.ID(), Sink: sink, DeadLetters: filepath.Join(t.TempDir(), "dead"),
		MaxAge: 5 * time.Millisecond, InFlight: 2, Backoff: time.Millisecond, LongestBackoff: 10 * time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	sh, err := ship.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{sh, cancel, make(chan error, 1)}
	go func() { r.done <- sh.Run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

// stop breaks the shipper off and waits for it.
func (r *running) stop() {
	r.cancel()
	if err, ok := <-r.done; ok {
		close(r.done)
		_ = err
	}
}

// drain has the shipper finish and fails the test when it does not.
func (r *running) drain(t testing.TB) {
	t.Helper()
	r.Drain()
	select {
	case err := <-r.done:
		close(r.done)
		if err != nil {
			t.Fatal(err)
		}
	case <-deadline(t).Done():
		t.Fatalf("the shipper does not end its drain: %+v", r.Stats())
	}
}

// pending is what a sink has not acknowledged yet.
func pending(s *spool.Spool, sink string) int64 { return s.Stats().Pending[sink] }

// eventually fails the test unless cond becomes true.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, again := deadline(t), time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !cond() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("waiting until %s: %v", what, ctx.Err())
		}
	}
}
