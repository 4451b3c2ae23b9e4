package sink_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	ltype "google.golang.org/genproto/googleapis/logging/type"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/sink"
)

func dial(t *testing.T, s *sink.Sink, creds credentials.TransportCredentials) loggingpb.LoggingServiceV2Client {
	t.Helper()
	c, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return loggingpb.NewLoggingServiceV2Client(c)
}

func listen(t *testing.T, o sink.Options) *sink.Sink {
	t.Helper()
	s, err := sink.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func entry(i int) *loggingpb.LogEntry {
	payload, err := structpb.NewStruct(map[string]any{"request_id": fmt.Sprintf("marker-%d", i), "status": 200, "path": strings.Repeat("/long", 100)})
	if err != nil {
		panic(err)
	}
	return &loggingpb.LogEntry{
		InsertId: fmt.Sprint(i), Timestamp: timestamppb.Now(), Payload: &loggingpb.LogEntry_JsonPayload{JsonPayload: payload},
		HttpRequest: &ltype.HttpRequest{Status: 200, RequestMethod: "GET"},
	}
}

// request has every field that a request can have, so that all are walked over.
func request(from, n int) *loggingpb.WriteLogEntriesRequest {
	r := &loggingpb.WriteLogEntriesRequest{
		LogName: "projects/p/logs/fastly", Resource: &monitoredres.MonitoredResource{Type: "global"},
		Labels: map[string]string{"a": "b"}, PartialSuccess: true, DryRun: true,
	}
	for i := range n {
		r.Entries = append(r.Entries, entry(from+i))
	}
	return r
}

func TestEntriesAreCountedWithoutDecoding(t *testing.T) {
	reached := make(chan time.Time, 1)
	s := listen(t, sink.Options{Marker: "marker-", Until: 5000, Reached: func(at time.Time) { reached <- at }})
	c := dial(t, s, insecure.NewCredentials())
	want := int64(0)
	for _, n := range []int{1, 0, 1999, 3000, 1} {
		resp, err := c.WriteLogEntries(context.Background(), request(0, n))
		if err != nil || resp == nil {
			t.Fatalf("%d entries: %v", n, err)
		}
		want += int64(n)
	}
	got := s.Counts()
	if got.Entries != want || got.Marked != want || got.Requests != 5 || got.Refused != 0 {
		t.Errorf("counted %+v, want %d entries in 5 requests", got, want)
	}
	select {
	case at := <-reached:
		if at.UnixNano() < got.First || at.UnixNano() > got.Last {
			t.Errorf("reached at %d, between %d and %d?", at.UnixNano(), got.First, got.Last)
		}
	default:
		t.Error("it did not say that 5000 were reached")
	}
}

func TestItServesTLS(t *testing.T) {
	p, err := cert.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, sink.Options{Certificate: &pair})
	config, err := cert.Client(p.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, s, credentials.NewTLS(config)).WriteLogEntries(context.Background(), request(0, 3)); err != nil {
		t.Fatal(err)
	}
	if n := s.Counts().Entries; n != 3 {
		t.Errorf("%d entries", n)
	}
}

func TestTheCheckFindsRepeatsAndFaults(t *testing.T) {
	var lines atomic.Int64
	check := &sink.Check{Line: func(id string, _ *loggingpb.LogEntry) error {
		if !strings.HasPrefix(id, "marker-") {
			return fmt.Errorf("request id %q", id)
		}
		lines.Add(1)
		return nil
	}}
	s := listen(t, sink.Options{Entry: check.Entry})
	c := dial(t, s, insecure.NewCredentials())
	good := request(0, 4)
	faulty := request(100, 6)
	faulty.Entries[0].InsertId = ""
	faulty.Entries[1].Timestamp = nil
	faulty.Entries[2].Payload = nil
	faulty.Entries[3].HttpRequest = nil
	faulty.Entries[4].Timestamp = timestamppb.New(time.Now().Add(-40 * 24 * time.Hour))
	faulty.Entries[5].Payload = &loggingpb.LogEntry_TextPayload{TextPayload: strings.Repeat("x", 257<<10)}
	for _, r := range []*loggingpb.WriteLogEntriesRequest{good, good, faulty} {
		if _, err := c.WriteLogEntries(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	n := check.Checked()
	if n.Lines != 10 || n.Repeated != 4 || n.Invalid != 6 || n.Text != 2 || lines.Load() != 8 {
		t.Errorf("%+v; %d lines with an id", n, lines.Load())
	}
}

func TestAnEntryIsTheSameOnlyWithTheSameTimestamp(t *testing.T) {
	var check sink.Check
	a, b := entry(1), entry(1)
	b.Timestamp = timestamppb.New(a.Timestamp.AsTime().Add(time.Microsecond))
	for _, e := range []*loggingpb.LogEntry{a, b, a} {
		if err := check.Entry(e); err != nil {
			t.Fatal(err)
		}
	}
	if n := check.Checked(); n.Lines != 2 || n.Repeated != 1 {
		t.Errorf("%+v", n)
	}
}
