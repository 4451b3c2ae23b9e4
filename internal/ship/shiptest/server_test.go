package shiptest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	logtype "google.golang.org/genproto/googleapis/logging/type"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"edgewarden/internal/ship/shiptest"
)

// client talks to the stand-in with the service's own stub, no library between.
func client(t *testing.T, s *shiptest.Server) loggingpb.LoggingServiceV2Client {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return loggingpb.NewLoggingServiceV2Client(conn)
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func entry(id string) *loggingpb.LogEntry {
	return &loggingpb.LogEntry{InsertId: id, Timestamp: timestamppb.New(now), Payload: &loggingpb.LogEntry_TextPayload{TextPayload: "x"}}
}

func request(es ...*loggingpb.LogEntry) *loggingpb.WriteLogEntriesRequest {
	return &loggingpb.WriteLogEntriesRequest{
		LogName: "projects/acme/logs/fastly", Resource: &monitoredres.MonitoredResource{Type: "global"}, Entries: es, PartialSuccess: true,
	}
}

func TestItRefusesWhatTheRealOneRefuses(t *testing.T) {
	many := make(map[string]string)
	for i := range 65 {
		many[strings.Repeat("k", i+1)] = "v"
	}
	for name, change := range map[string]func(*loggingpb.WriteLogEntriesRequest){
		"no resource":              func(r *loggingpb.WriteLogEntriesRequest) { r.Resource = nil },
		"no entries":               func(r *loggingpb.WriteLogEntriesRequest) { r.Entries = nil },
		"no log name":              func(r *loggingpb.WriteLogEntriesRequest) { r.LogName = "" },
		"a log name with a slash":  func(r *loggingpb.WriteLogEntriesRequest) { r.LogName = "projects/acme/logs/a/b" },
		"a log name with a space":  func(r *loggingpb.WriteLogEntriesRequest) { r.LogName = "projects/acme/logs/a%20b" },
		"a log name too long":      func(r *loggingpb.WriteLogEntriesRequest) { r.LogName += strings.Repeat("x", 512) },
		"no insert id":             func(r *loggingpb.WriteLogEntriesRequest) { r.Entries[0].InsertId = "" },
		"no timestamp":             func(r *loggingpb.WriteLogEntriesRequest) { r.Entries[0].Timestamp = nil },
		"a timestamp that is none": func(r *loggingpb.WriteLogEntriesRequest) { r.Entries[0].Timestamp.Nanos = -1 },
		"over a day ahead": func(r *loggingpb.WriteLogEntriesRequest) {
			r.Entries[0].Timestamp = timestamppb.New(now.Add(25 * time.Hour))
		},
		"no payload": func(r *loggingpb.WriteLogEntriesRequest) { r.Entries[0].Payload = nil },
		"an entry over 256 KiB": func(r *loggingpb.WriteLogEntriesRequest) {
			r.Entries[0].Payload = &loggingpb.LogEntry_TextPayload{TextPayload: strings.Repeat("x", 256<<10)}
		},
		"a request over 10 MB": func(r *loggingpb.WriteLogEntriesRequest) {
			for range 101 {
				e := entry("x")
				e.Payload = &loggingpb.LogEntry_TextPayload{TextPayload: strings.Repeat("x", 100_000)}
				r.Entries = append(r.Entries, e)
			}
		},
		"too many labels": func(r *loggingpb.WriteLogEntriesRequest) { r.Labels = many },
		"a latency that is none": func(r *loggingpb.WriteLogEntriesRequest) {
			r.Entries[0].HttpRequest = &logtype.HttpRequest{Latency: &durationpb.Duration{Seconds: 1, Nanos: -1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := shiptest.StartWith(t, shiptest.Options{Now: func() time.Time { return now }})
			r := request(entry("a"))
			change(r)
			_, err := client(t, s).WriteLogEntries(deadline(t), r)
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("error %v, want InvalidArgument", err)
			}
			if s.Written() != 0 {
				t.Errorf("%d entries written", s.Written())
			}
		})
	}
}

func TestOneBadEntryAmongGoodOnes(t *testing.T) {
	for _, c := range []struct {
		name            string
		partial, silent bool
		written         int
		details         bool
	}{
		{"success in part: the others are written and it is named", true, false, 2, true},
		{"without it nothing is written and nobody is named", false, false, 0, false},
		{"asked to be silent", true, true, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shiptest.Start(t)
			s.Silent(c.silent)
			r := request(entry("a"), entry(""), entry("b"))
			r.PartialSuccess = c.partial
			_, err := client(t, s).WriteLogEntries(deadline(t), r)
			var named []int32
			for _, d := range status.Convert(err).Details() {
				for i := range d.(*loggingpb.WriteLogEntriesPartialErrors).LogEntryErrors {
					named = append(named, i)
				}
			}
			if status.Code(err) != codes.InvalidArgument || s.Written() != c.written || (len(named) == 1 && named[0] == 1) != c.details {
				t.Errorf("error %v, %d written, named %v; want %d written, entry 1 named %v", err, s.Written(), named, c.written, c.details)
			}
		})
	}
}

func TestEntriesThatShareLogTimeAndIDAreOne(t *testing.T) {
	s := shiptest.Start(t)
	c := client(t, s)
	later := entry("a")
	later.Timestamp = timestamppb.New(now.Add(time.Nanosecond))
	other := entry("a")
	other.LogName = "projects/acme/logs/other"
	for range 2 {
		if _, err := c.WriteLogEntries(deadline(t), request(entry("a"), later, other)); err != nil {
			t.Fatal(err)
		}
	}
	if s.Written() != 6 || len(s.Entries()) != 3 || s.Count("fastly") != 2 || len(s.Log("other")) != 1 {
		t.Errorf("%d written, %d different, %d and %d by log; want 6, 3, 2, 1", s.Written(), len(s.Entries()), s.Count("fastly"), len(s.Log("other")))
	}
	if e := s.Entries()[0]; e.Resource.GetType() != "global" || e.LogName != "projects/acme/logs/fastly" {
		t.Errorf("the request's defaults are not filled in: %v", e)
	}
}

func TestADryRunChecksAndStoresNothing(t *testing.T) {
	s := shiptest.Start(t)
	c := client(t, s)
	r := request(entry("a"))
	r.DryRun = true
	if _, err := c.WriteLogEntries(deadline(t), r); err != nil || s.Written() != 0 {
		t.Errorf("error %v, %d written; want neither", err, s.Written())
	}
	r.Entries[0].InsertId = ""
	if _, err := c.WriteLogEntries(deadline(t), r); status.Code(err) != codes.InvalidArgument {
		t.Errorf("error %v, want InvalidArgument", err)
	}
}

func TestFaultsComeInTheOrderTheyWereAskedFor(t *testing.T) {
	s := shiptest.Start(t)
	c := client(t, s)
	s.Fail(codes.Aborted, 1)
	s.Fail(codes.OK, 1)
	s.Fail(codes.NotFound, -1)
	for i, want := range []codes.Code{codes.Aborted, codes.OK, codes.NotFound, codes.NotFound} {
		if _, err := c.WriteLogEntries(deadline(t), request(entry("a"))); status.Code(err) != want {
			t.Errorf("call %d: %v, want %s", i, err, want)
		}
	}
	s.Fail(codes.OK, 0)
	if _, err := c.WriteLogEntries(deadline(t), request(entry("a"))); err != nil {
		t.Errorf("after the end of the fault: %v", err)
	}
}

// Each has a server of its own: once released, a call may be carried out although its caller has gone.
func TestADelayAndAHangLastAsLongAsTheCallerWaits(t *testing.T) {
	for name, fault := range map[string]func(*shiptest.Server){"delay": func(s *shiptest.Server) { s.Delay(time.Hour) }, "hang": (*shiptest.Server).Hang} {
		t.Run(name, func(t *testing.T) {
			s := shiptest.Start(t)
			c := client(t, s)
			fault(s)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			_, err := c.WriteLogEntries(ctx, request(entry("a")))
			cancel()
			if status.Code(err) != codes.DeadlineExceeded || s.Written() != 0 {
				t.Errorf("error %v, %d written", err, s.Written())
			}
			s.Delay(0)
			s.Release()
			if _, err := c.WriteLogEntries(deadline(t), request(entry("a"))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCountingOnlyKeepsNoEntries(t *testing.T) {
	s := shiptest.StartWith(t, shiptest.Options{CountOnly: true})
	c := client(t, s)
	for range 2 {
		if _, err := c.WriteLogEntries(deadline(t), request(entry("a"), entry("b"))); err != nil {
			t.Fatal(err)
		}
	}
	if s.Count("fastly") != 2 || s.Written() != 4 || len(s.Entries()) != 0 {
		t.Errorf("%d different, %d written, %d kept; want 2, 4, 0", s.Count("fastly"), s.Written(), len(s.Entries()))
	}
}
