package ship_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	logtype "google.golang.org/genproto/googleapis/logging/type"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

const spoolID = "00c0ffee00c0ffee"

func position(p int) string { return fmt.Sprintf("%s-%016x", spoolID, p) }

// request is a record as it comes out of a line of our format.
func request() record.Record {
	r := record.Record{
		Kind: record.KindRequest, ServiceID: "SVC1", ClientIP: "203.0.113.9", Host: "shop.example", Method: "GET", Path: "/a", Query: "b=c",
		Protocol: "HTTP/2", UserAgent: "curl/8", Referer: "https://ref.example/", Cache: "HIT-CLUSTER", TLSVersion: "TLSv1.3",
		Sender: record.SenderToken, AddressSource: record.AddressEdge, TimeSource: record.TimeMessage, Position: position(1),
	}
	r.SetTime(record.Timestamp, received)
	r.SetTime(record.Received, received.Add(time.Second))
	r.SetInt(record.Status, 200)
	r.SetInt(record.ResponseBytes, 5000)
	r.SetInt(record.RequestBytes, 300)
	r.SetInt(record.ElapsedUsec, 1_234_567)
	r.SetBool(record.FirstHop, true)
	r.SetBool(record.Blocked, false)
	return r
}

// sent writes records and returns the entries the API has then.
func sent(t *testing.T, rs ...record.Record) []*loggingpb.LogEntry {
	t.Helper()
	srv := shiptest.Start(t)
	refused, err := cloud(t, srv).Write(deadline(t), batch(rs...))
	if err != nil || len(refused) > 0 {
		t.Fatalf("refused %v, error %v", refused, err)
	}
	return srv.Entries()
}

func one(t *testing.T, r record.Record) *loggingpb.LogEntry {
	t.Helper()
	es := sent(t, r)
	if len(es) != 1 {
		t.Fatalf("%d entries, want 1", len(es))
	}
	return es[0]
}

func TestARequestBecomesAnEntry(t *testing.T) {
	e := one(t, request())
	if got, want := e.LogName, "projects/acme-prod/logs/fastly"; got != want {
		t.Errorf("log name %q, want %q", got, want)
	}
	if got := e.InsertId; got != position(1) {
		t.Errorf("insert id %q, want the position", got)
	}
	if got := e.Timestamp.AsTime(); !got.Equal(received) {
		t.Errorf("timestamp %s, want the event time %s", got, received)
	}
	if e.Severity != logtype.LogSeverity_INFO {
		t.Errorf("severity %s, want INFO", e.Severity)
	}
	wantHTTP := &logtype.HttpRequest{
		RequestMethod: "GET", RequestUrl: "https://shop.example/a?b=c", RequestSize: 300, Status: 200, ResponseSize: 5000,
		UserAgent: "curl/8", RemoteIp: "203.0.113.9", Referer: "https://ref.example/", Protocol: "HTTP/2", CacheHit: true, CacheLookup: true,
		Latency: &durationpb.Duration{Seconds: 1, Nanos: 234_567_000},
	}
	if diff := cmp.Diff(wantHTTP, e.HttpRequest, protocmp.Transform()); diff != "" {
		t.Errorf("httpRequest (-want +got):\n%s", diff)
	}
	wantPayload := map[string]any{
		"service_id": "SVC1", "client_ip": "203.0.113.9", "host": "shop.example", "method": "GET", "path": "/a", "query": "b=c", "protocol": "HTTP/2",
		"user_agent": "curl/8", "referer": "https://ref.example/", "cache": "HIT-CLUSTER", "tls_version": "TLSv1.3", "kind": "request", "sender": "token",
		"address_source": "edge", "time_source": "message", "received": received.Add(time.Second).Format(time.RFC3339Nano), "status": 200.0,
		"response_bytes": 5000.0, "request_bytes": 300.0, "elapsed_usec": 1234567.0, "first_hop": true, "blocked": false,
	}
	if diff := cmp.Diff(wantPayload, e.GetJsonPayload().AsMap()); diff != "" {
		t.Errorf("jsonPayload (-want +got):\n%s", diff)
	}
	if e.Resource.Type != "global" || e.Resource.Labels["project_id"] != project {
		t.Errorf("resource %v, want global", e.Resource)
	}
}

// Each field, alone, is in the payload under its name; the two that are the
// entry's own are not.
func TestEveryFieldOfTheTableIsInThePayload(t *testing.T) {
	var rs []record.Record
	var fields []record.Field
	for f := record.Field(0); f < record.NumFields; f++ {
		if f == record.Kind || f == record.Position || f == record.Timestamp {
			continue
		}
		r := record.Record{Kind: record.KindRequest, Position: position(int(f))}
		switch record.Fields[f].Type {
		case record.String:
			*r.Str(f) = "x"
		case record.Int:
			r.SetInt(f, 1)
		case record.Bool:
			r.SetBool(f, true)
		case record.Time:
			r.SetTime(f, received)
		}
		rs = append(rs, r)
		fields = append(fields, f)
	}
	byID := make(map[string]*loggingpb.LogEntry)
	for _, e := range sent(t, rs...) {
		byID[e.InsertId] = e
	}
	for _, f := range fields {
		got := byID[position(int(f))].GetJsonPayload().GetFields()
		if _, ok := got[record.Fields[f].Name]; !ok || len(got) != 2 { // it and kind
			t.Errorf("%s: payload %v, want it and kind alone", record.Fields[f].Name, got)
		}
	}
}

func TestSeverityCacheAndURL(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*record.Record)
		severity    logtype.LogSeverity
		url         string
		hit, lookup bool
	}{
		{"a server error is an error", func(r *record.Record) { r.SetInt(record.Status, 503) }, logtype.LogSeverity_ERROR, "https://shop.example/a?b=c", true, true},
		{"a refusal is a warning", func(r *record.Record) { r.SetInt(record.Status, 403) }, logtype.LogSeverity_WARNING, "https://shop.example/a?b=c", true, true},
		{"a miss was looked up", func(r *record.Record) { r.Cache = "MISS" }, logtype.LogSeverity_INFO, "https://shop.example/a?b=c", false, true},
		{"a pass was not", func(r *record.Record) { r.Cache = "PASS" }, logtype.LogSeverity_INFO, "https://shop.example/a?b=c", false, false},
		{"our format without TLS is http", func(r *record.Record) { r.TLSVersion = "" }, logtype.LogSeverity_INFO, "http://shop.example/a?b=c", true, true},
		{"another format does not tell", func(r *record.Record) { r.TLSVersion = ""; r.Present &^= 1 << record.FirstHop }, logtype.LogSeverity_INFO, "//shop.example/a?b=c", true, true},
		{"no host, no query", func(r *record.Record) { r.Host, r.Query = "", "" }, logtype.LogSeverity_INFO, "/a", true, true},
		{"numbers that make no sense", func(r *record.Record) {
			r.SetInt(record.Status, math.MaxInt64)
			r.SetInt(record.ResponseBytes, -1)
			r.SetInt(record.ElapsedUsec, -1)
		}, logtype.LogSeverity_ERROR, "https://shop.example/a?b=c", true, true},
		{"a latency of ages", func(r *record.Record) { r.SetInt(record.ElapsedUsec, 1e15) }, logtype.LogSeverity_INFO, "https://shop.example/a?b=c", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request()
			c.change(&r)
			e := one(t, r)
			h := e.HttpRequest
			if e.Severity != c.severity || h.RequestUrl != c.url || h.CacheHit != c.hit || h.CacheLookup != c.lookup {
				t.Errorf("severity %s, url %s, hit %v, lookup %v; want %s, %s, %v, %v",
					e.Severity, h.RequestUrl, h.CacheHit, h.CacheLookup, c.severity, c.url, c.hit, c.lookup)
			}
		})
	}
}

func TestALineThatWasNotUnderstoodIsATextWithTheReasonAsLabel(t *testing.T) {
	r := record.Record{Kind: record.KindText, Text: "what \xff is this", Problem: "not_understood", Sender: record.SenderNone,
		TimeSource: record.TimeReceived, Node: "cache-ams1", Position: position(1)}
	r.SetTime(record.Received, received)
	e := one(t, r)
	if got, want := e.GetTextPayload(), "what \uFFFD is this"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	want := map[string]string{"kind": "text", "problem": "not_understood", "sender": "none", "time_source": "received", "node": "cache-ams1",
		"received": received.Format(time.RFC3339Nano)}
	if diff := cmp.Diff(want, e.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if e.HttpRequest != nil || !e.Timestamp.AsTime().Equal(received) {
		t.Errorf("httpRequest %v, timestamp %s; want none, and the time of arrival", e.HttpRequest, e.Timestamp.AsTime())
	}
}

func TestAHeartbeatGoesToALogOfItsOwn(t *testing.T) {
	r := record.Record{Kind: record.KindHeartbeat, Extra: `{"received":5}`, Position: position(1)}
	r.SetTime(record.Timestamp, received)
	e := one(t, r)
	if got, want := e.LogName, "projects/acme-prod/logs/fastly_heartbeat"; got != want {
		t.Errorf("log name %q, want %q", got, want)
	}
	want := map[string]any{"kind": "heartbeat", "extra": `{"received":5}`}
	if diff := cmp.Diff(want, e.GetJsonPayload().AsMap()); diff != "" || e.HttpRequest != nil {
		t.Errorf("payload (-want +got):\n%s\nhttpRequest %v, want none", diff, e.HttpRequest)
	}
}

// The timestamp must be the same at every attempt, or a retry is another
// entry; so it may depend on the arrival, not on the attempt.
func TestATimeCloudLoggingWouldNotKeepIsClampedAndKeptInAField(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name     string
		event    time.Time
		clamped  bool
		retry    time.Duration // how much later it is sent again
		original bool
	}{
		{"just now", received, false, day, false},
		{"late, within retention", received.Add(-29 * day), false, day / 2, false},
		{"older than the retention", received.Add(-31 * day), true, 2 * day, true},
		{"a long time ago", time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), true, 2 * day, true},
		{"a little ahead", received.Add(23 * time.Hour), false, day, false},
		{"over a day ahead", received.Add(25 * time.Hour), true, day, true},
		{"in another age", time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), true, day, true},
	} {
		for _, kind := range []string{record.KindRequest, record.KindText} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				r := request()
				r.Kind = kind
				r.Text = "x"
				r.SetTime(record.Timestamp, c.event)
				r.SetTime(record.Received, received)
				want := c.event
				if c.clamped {
					want = received
				}
				srv := shiptest.StartWith(t, shiptest.Options{Now: func() time.Time { return received.Add(time.Second) }})
				for _, now := range []time.Time{received.Add(time.Second), received.Add(c.retry)} {
					sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) { o.Now = func() time.Time { return now } })
					if refused, err := sink.Write(deadline(t), batch(r)); err != nil || len(refused) > 0 {
						t.Fatalf("refused %v, error %v", refused, err)
					}
				}
				es := srv.Entries()
				if len(es) != 1 {
					t.Fatalf("%d entries of two attempts, want them recognised as one", len(es))
				}
				if got := es[0].Timestamp.AsTime(); !got.Equal(want) {
					t.Errorf("timestamp %s, want %s", got, want)
				}
				original := es[0].Labels[ship.OriginalTimestamp]
				if kind == record.KindRequest {
					original = es[0].GetJsonPayload().GetFields()[ship.OriginalTimestamp].GetStringValue()
				}
				if (original != "") != c.original || c.original && original != c.event.Format(time.RFC3339Nano) {
					t.Errorf("original timestamp %q, event %s, want it %v", original, c.event, c.original)
				}
			})
		}
	}
}

func TestALineThatWaitedLongerThanTheRetentionIsStoredAsOfToday(t *testing.T) {
	r := request()
	now := received.Add(40 * 24 * time.Hour)
	srv := shiptest.StartWith(t, shiptest.Options{Now: func() time.Time { return now }})
	sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) { o.Now = func() time.Time { return now } })
	if _, err := sink.Write(deadline(t), batch(r)); err != nil {
		t.Fatal(err)
	}
	e := srv.Entries()[0]
	if got, want := e.Timestamp.AsTime(), now.Truncate(24*time.Hour); !got.Equal(want) {
		t.Errorf("timestamp %s, want the beginning of the day it was sent, %s", got, want)
	}
	if got := e.GetJsonPayload().GetFields()[ship.OriginalTimestamp].GetStringValue(); got != received.Format(time.RFC3339Nano) {
		t.Errorf("original timestamp %q, want %s", got, received)
	}
}

func TestAnEntryThatIsTooLargeIsCutAndSaysSo(t *testing.T) {
	huge := strings.Repeat("é", 300<<10/2)
	for name, change := range map[string]func(*record.Record){
		"one long field":           func(r *record.Record) { r.Extra = huge },
		"a field that is twice in": func(r *record.Record) { r.UserAgent = huge },
		"all of the URL":           func(r *record.Record) { r.Host, r.Path, r.Query = huge, huge, huge },
		"every field": func(r *record.Record) {
			for f := record.Field(0); f < record.NumFields; f++ {
				if record.Fields[f].Type == record.String && f != record.Position && f != record.Kind {
					*r.Str(f) = huge
				}
			}
		},
		"a text":                   func(r *record.Record) { r.Kind, r.Text = record.KindText, huge },
		"bytes that are not UTF-8": func(r *record.Record) { r.Extra = strings.Repeat("a\xff", 200<<10) },
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			change(&r)
			srv := shiptest.Start(t)
			refused, err := cloud(t, srv).Write(deadline(t), batch(r))
			if err != nil || len(refused) > 0 {
				t.Fatalf("refused %v, error %v", refused, err)
			}
			e := srv.Entries()[0]
			if n := proto.Size(e); n > 256<<10 || n < 64<<10 {
				t.Errorf("%d bytes are left", n)
			}
			if e.Labels[ship.CutLabel] == "" {
				t.Error("no label says that it was cut")
			}
			text := fmt.Sprint(e)
			if !strings.Contains(text, "[cut from ") || !utf8.ValidString(text) {
				t.Error("no mark with the original length, or a character cut in two")
			}
		})
	}
}

func TestALabelIsCutToWhatGoogleKeepsOfIt(t *testing.T) {
	r := request()
	r.Kind, r.Text, r.Problem = record.KindText, "x", strings.Repeat("p", 70_000)
	got := one(t, r).Labels["problem"] // the stand-in refuses longer ones than 64 KiB
	if !strings.HasSuffix(got, "…[cut from 70000 bytes]") || len(got) < 60_000 {
		t.Errorf("label of %d bytes ends in %q", len(got), got[max(0, len(got)-40):])
	}
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	_, err := ship.NewCloudLogging(context.Background(), ship.CloudLoggingOptions{Project: "A B", LogID: "fast ly", Insecure: true, CAFile: "x", Timeout: -1})
	for _, want := range []string{`project "A B"`, `log id "fast ly"`, "endpoint", "CA file", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestALogIDWithASlashIsEncodedAndTheResourceIsSent(t *testing.T) {
	srv := shiptest.Start(t)
	sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) {
		o.LogID = "edge/fastly.v1_x-y"
		o.Resource = &monitoredres.MonitoredResource{Type: "k8s_container", Labels: map[string]string{"pod_name": "p"}}
	})
	if _, err := sink.Write(deadline(t), batch(request())); err != nil {
		t.Fatal(err)
	}
	e := srv.Entries()[0]
	if want := "projects/acme-prod/logs/edge%2Ffastly.v1_x-y"; e.LogName != want || e.Resource.Labels["pod_name"] != "p" {
		t.Errorf("log name %q, resource %v; want %q and the resource given", e.LogName, e.Resource, want)
	}
}
