package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
	"edgewarden/internal/record"
)

// says fails the test unless the output holds every text, and none of those that begin with "!".
func says(t *testing.T, output string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if not, ok := strings.CutPrefix(text, "!"); ok == strings.Contains(output, strings.TrimPrefix(text, "!")) {
			t.Errorf("%q (wanted: %v) in %s", not, !ok, output)
		}
	}
}

// asked is a change that gives a request an id.
func asked(id string, more ...func(*record.Record)) func(*record.Record) {
	return func(r *record.Record) {
		r.RequestID = id
		for _, f := range more {
			f(r)
		}
	}
}

func refusedByUs(r *record.Record) {
	r.SetBool(record.Blocked, true)
	r.SetInt(record.Status, 403)
}

func byAnyone(r *record.Record) { r.Sender = record.SenderNone }

func byShield(r *record.Record) {
	r.SetBool(record.FirstHop, false)
	r.AddressSource = record.AddressHeader
}

// The id of the block page is that of a request that was refused.
func TestExplainFindsWhoMadeARequestHoweverItIsStored(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 1, asked("refused", refusedByUs))
	w.requests("192.0.2.1", 1, asked("refused", byShield, refusedByUs))
	w.requests("198.51.100.9", 120, asked("refused", byAnyone))
	w.requests(attacker, 1, asked("late", func(r *record.Record) { r.TimeSource = record.TimeReceived }))
	w.requests("198.51.100.9", 1, asked("made-up", byAnyone))
	w.requests("198.51.100.9", 1, asked("shielded", byShield))
	w.requests("198.51.100.9", 1, asked("passed"))
	w.requests("", 1, asked("nobody", func(r *record.Record) { r.ClientKey = "" }))
	w.store()
	for id, want := range map[string][]string{
		"refused": {"request refused at 2031-05-06T07:29:50Z from " + attacker + " was refused at the edge; lines less to be trusted, or older, name ", "198.51.100.9", "192.0.2.1",
			"\n" + attacker + " of service SVC1", "not met: no request of it that was let through matches", "the edge refused 1 requests and let 0 through"},
		"late":     {" from " + attacker + " was let through and answered with status 200\n"},
		"made-up":  {" from 198.51.100.9 ", "only lines that are not trusted have it, so it may be made up: unauthenticated_sender"},
		"shielded": {" from 198.51.100.9 ", "only a shield's line has it"},
		"passed":   {" from 198.51.100.9 was let through and answered with status 200\n"},
	} {
		says(t, w.want(w.run("explain", "--request-id", id), exitOK).stdout, want...)
	}
	says(t, w.want(w.run("explain", "--request-id", "refused", "--json"), exitOK).stdout, `"refused": true`, `"at": "2031-05-06T07:29:50Z"`, `"others": [`)
	says(t, w.want(w.run("explain", "--request-id", "nobody"), exitFailed).stderr, "no line of request nobody of service SVC1 has an address")
}

// twoServices is a configuration of SVC1 and SVC2, the second of which may have an engine that fails.
func (w *world) twoServices(store string) string {
	w.edge = acltest.NewWith(acltest.Options{Services: []string{"SVC1", "SVC2"}})
	server := httptest.NewServer(w.edge)
	w.t.Cleanup(server.Close)
	return w.file("two.yaml", fmt.Sprintf("%s\nfastly: {endpoint: %q}\nservices:\n  - {id: SVC1, acls: [edgewarden_1]}\n  - {id: SVC2, acls: [edgewarden_1]}\n%s", store, server.URL, rulesText))
}

func TestExplainLooksForARequestOnEveryService(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 1, asked("first"))
	w.requests(attacker, 1, asked("second", func(r *record.Record) { r.ServiceID = "SVC2" }))
	w.requests(attacker, 1, asked("both"))
	w.requests("203.0.113.67", 1, asked("both", func(r *record.Record) { r.ServiceID = "SVC2" }))
	w.store()
	config := w.twoServices("lake: " + w.lake())
	explain := func(id string) outcome {
		return w.raw("explain", "--request-id", id, "--config", config, "--now", w.T.Format(time.RFC3339))
	}
	says(t, w.want(explain("first"), exitOK).stdout, attacker+" of service SVC1", "!SVC2")
	says(t, w.want(explain("second"), exitOK).stdout, attacker+" of service SVC2", "!SVC1")
	says(t, w.want(explain("both"), exitOK).stdout, attacker+" of service SVC1", "203.0.113.67 of service SVC2")
	o := w.want(explain("neither"), exitFailed)
	if o.stdout != "" || o.stderr != "blocker: no request neither in the last 24h of service SVC1, nor in the last 24h of service SVC2\n" {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
}

func TestExplainSaysWhichStoreFailedWhileItLookedForARequest(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	table.Answers["lookup"] = bqtest.LookupAnswer(detect.Sighting{Key: attacker, Us: w.T.Add(-time.Minute).UnixMicro(), Status: 403, Refused: 1})
	config := w.twoServices(fmt.Sprintf("bigquery: {table: logs-project.edge_logs.fastly, kind: sink, location: EU, endpoint: %q}", url))
	table.Fail(bqtest.JobRun, bqtest.Failure{Status: 400, Reason: "invalidQuery", Message: "the first service fails"})
	o := w.want(w.raw("explain", "--request-id", "x", "--config", config, "--now", w.T.Format(time.RFC3339)), exitFailed)
	says(t, o.stdout, attacker+" of service SVC2", "was refused at the edge", "!SVC1")
	says(t, o.stderr, "blocker: looking for request x of service SVC1: ", "the first service fails")
}

// An hour of this table is 10 GiB: a day is more than may be read, six hours are not.
func TestExplainLooksLessFarBackForARequestWhereADayIsTooDear(t *testing.T) {
	w := newWorld(t)
	table, url := w.growing()
	table.Answers["detect"] = w.answerFor(1)
	table.Answers["lookup"] = bqtest.LookupAnswer()
	o := w.want(w.runBigQuery(url, "explain", "--request-id", "x", "--max-bytes", "107374182400"), exitFailed)
	says(t, o.stderr, "blocker: no request x in the last 6h of service SVC1\n", "the query would read", "bytes=64424509440 window=6h", "bytes=257698037760 window=24h", "240.0 GiB are more than --max-bytes allows")
	table.Answers["lookup"] = bqtest.LookupAnswer(detect.Sighting{Key: attacker, Us: w.T.Add(-time.Minute).UnixMicro(), Status: 200})
	o = w.want(w.runBigQuery(url, "explain", "--request-id", "x", "--max-bytes", "10737418240"), exitPartly)
	says(t, o.stdout, "request x at 2031-05-06T07:29:00Z from "+attacker+" was let through")
	says(t, o.stderr, "window=1h")
	o = w.want(w.runBigQuery(url, "explain", "--request-id", "x", "--max-bytes", "1073741824"), exitFailed)
	says(t, o.stderr, "blocker: looking for request x of service SVC1: 10.0 GiB are more than --max-bytes allows")
}
