package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"edgewarden/internal/ship/shiptest"
)

func TestEveryLineSentIsReceivedAndStoredOnce(t *testing.T) {
	s := serve(t, t.TempDir(), map[string]string{"EDGEWARDEN_TOKEN": "tok"})
	const conns, each = 4, 500
	var wg sync.WaitGroup
	for c := range conns {
		wg.Go(func() {
			nc := dial(t, s.addr)
			for i := range each {
				send(t, nc, classic("tok", fmt.Sprintf("%d-%d", c, i)))
			}
			nc.Close()
		})
	}
	wg.Wait()
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, conns*each)
	s.identity(t, "lake")
	s.stop(t)
	seen := map[string]int{}
	for _, r := range lines(rows(t, s.lake)) {
		if r.Kind != "request" || r.Sender != "token" || r.ServiceID != "SVC1" {
			t.Fatalf("stored %+v", r)
		}
		seen[r.RequestID]++
	}
	if len(seen) != conns*each {
		t.Errorf("%d different requests stored, sent %d", len(seen), conns*each)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("request %s is stored %d times", id, n)
		}
	}
}

// identity asserts that no line is unaccounted for. It asks more than once: a
// batch that was acknowledged a moment ago is counted a moment later.
func (s *server) identity(t testing.TB, sink string) {
	t.Helper()
	label := `{sink="` + sink + `"}`
	eventually(t, sink+": received + recovered = shipped + dead-lettered + queued + dropped", func() bool {
		in := s.metric(t, "edgewarden_ingest_received_lines_total") + s.metric(t, "edgewarden_ingest_recovered_records"+label)
		return in == s.metric(t, "edgewarden_ingest_shipped_records_total"+label)+s.metric(t, "edgewarden_ingest_dead_letters_total"+label)+
			s.metric(t, "edgewarden_ingest_dead_letters_dropped_total"+label)+
			s.metric(t, "edgewarden_ingest_queued_records"+label)+s.metric(t, "edgewarden_ingest_dropped_lines_total")
	})
}

func TestTheIdentityHoldsForEachSinkWhateverHappensToALine(t *testing.T) {
	google := shiptest.Start(t)
	google.Refuse(func(e *entry) code {
		if strings.Contains(e.String(), "unwanted") {
			return invalidArgument
		}
		return 0
	})
	dir := t.TempDir()
	env := map[string]string{"EDGEWARDEN_TOKEN": "tok"}
	args := []string{"--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure", "--lake", dir + "/lake", "--heartbeat-every", "20ms", "--shutdown-timeout", "500ms"}
	s := serve(t, dir, env, args...)
	nc := dial(t, s.addr)
	for i := range 20 {
		send(t, nc, classic("tok", fmt.Sprint("good-", i)))
		send(t, nc, classic("wrong", "x"))
	}
	for range 5 {
		send(t, nc, classic("tok", "unwanted"))
	}
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="cloudlogging"}`, 20)
	s.until(t, `edgewarden_ingest_dead_letters_total{sink="cloudlogging"}`, 5)
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, 25)
	s.until(t, "edgewarden_ingest_shipped_heartbeats_total", 4)
	s.identity(t, "lake")
	s.identity(t, "cloudlogging")
	if n := s.metric(t, `edgewarden_ingest_dropped_lines_total{reason="auth"}`); n != 20 {
		t.Errorf("%d dropped for auth, want 20", n)
	}
	// Nothing can be shipped to Google now: lines wait, and outlive a restart.
	google.Hang()
	for i := range 30 {
		send(t, nc, classic("tok", fmt.Sprint("late-", i)))
	}
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, 55)
	s.until(t, `edgewarden_ingest_queued_records{sink="cloudlogging"}`, 30)
	s.identity(t, "cloudlogging")
	s.stop(t)
	google.Release()

	s = serve(t, dir, env, args...)
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="cloudlogging"}`, 30)
	eventually(t, "an empty queue", func() bool { return s.metric(t, `edgewarden_ingest_queued_records`) == 0 })
	s.identity(t, "lake")
	s.identity(t, "cloudlogging")
	if n := s.metric(t, `edgewarden_ingest_recovered_records{sink="cloudlogging"}`); n != 30 {
		t.Errorf("%d lines recovered for Google, want 30: heartbeats are no lines", n)
	}
	s.stop(t)
	if n := google.Count("fastly"); n != 50 {
		t.Errorf("Google has %d entries, want 50", n)
	}
	if n := google.Count("fastly_heartbeat"); n == 0 {
		t.Error("Google has no heartbeat")
	}
	if n := len(lines(rows(t, s.lake))); n != 55 {
		t.Errorf("the lake has %d lines, want 55", n)
	}
}

func TestAHeartbeatCarriesTheCounters(t *testing.T) {
	s := serve(t, t.TempDir(), map[string]string{"EDGEWARDEN_TOKEN": "tok"}, "--heartbeat-every", "30ms")
	send(t, dial(t, s.addr), classic("tok", "a")+classic("bad", "b"))
	s.until(t, "edgewarden_ingest_received_lines_total", 2)
	s.stderr.wait(t, `msg=heartbeat received=(2)`, 1)
	s.stop(t)
	var last row
	for _, r := range rows(t, s.lake) {
		if r.Kind == "heartbeat" && r.Position > last.Position {
			last = r
		}
	}
	var n struct {
		Received int64
		Shipped  map[string]int64
		Dropped  map[string]int64
	}
	if err := json.Unmarshal([]byte(last.Extra), &n); err != nil {
		t.Fatalf("%v in %q", err, last.Extra)
	}
	if n.Received != 2 || n.Shipped["lake"] > 1 || n.Dropped["auth"] != 1 {
		t.Errorf("heartbeat %s", last.Extra)
	}
}

func TestCardDataAndTheTokenReachNoFileAndNoLog(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, map[string]string{"EDGEWARDEN_TOKEN": "s3cr3t-token"}, "--log-level", "debug")
	line := strings.Replace(classic("s3cr3t-token", "a"), `"query":""`, `"query":"card=4111111111111111&t=s3cr3t-token"`, 1)
	send(t, dial(t, s.addr), line)
	s.until(t, `edgewarden_ingest_shipped_records_total`, 1)
	if s.metric(t, `edgewarden_ingest_redacted_total{kind="card"}`) != 1 {
		t.Error("the masked card number is not counted")
	}
	s.stop(t)
	r := lines(rows(t, s.lake))
	if len(r) != 1 || !strings.Contains(r[0].Query, "411111") || strings.Contains(r[0].Query, "4111111111111111") {
		t.Errorf("stored %+v", r)
	}
	for _, secret := range []string{"4111111111111111", "s3cr3t-token"} {
		if f := grep(t, dir, secret); f != "" {
			t.Errorf("%s stands in %s", secret, f)
		}
		if strings.Contains(s.stderr.String(), secret) {
			t.Errorf("%s stands in the log", secret)
		}
	}
}

func TestReadyMeansListeningAndNotDraining(t *testing.T) {
	s := serve(t, t.TempDir(), nil, "--drain", "1h")
	if code, body := s.get(t, "/readyz"); code != 200 {
		t.Errorf("readyz = %d %q", code, body)
	}
	s.cancel()
	eventually(t, "not ready", func() bool {
		code, body := s.get(t, "/readyz")
		return code == 503 && strings.Contains(body, "draining")
	})
	if code, _ := s.get(t, "/healthz"); code != 200 {
		t.Errorf("healthz = %d while draining", code)
	}
	s.signal(t) // skips the rest of the drain period
	if code := <-s.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStoppingDoesNotDependOnGoogle(t *testing.T) {
	google := shiptest.Start(t)
	google.Hang()
	defer google.Release()
	dir := t.TempDir()
	args := []string{"--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure", "--shutdown-timeout", "500ms"}
	s := serve(t, dir, nil, args...)
	send(t, dial(t, s.addr), classic("", "a"))
	s.until(t, `edgewarden_ingest_queued_records`, 1)
	s.stop(t)
	google.Release()
	s = serve(t, dir, nil, args...)
	s.until(t, `edgewarden_ingest_shipped_records_total`, 1)
	s.stop(t)
	if n := google.Count("fastly"); n != 1 {
		t.Errorf("Google has %d entries, want 1", n)
	}
}

func TestTheSpoolAtItsCapDropsAndGoesOn(t *testing.T) {
	for _, c := range []struct{ name, share, reason string }{
		{"for one sender at its share", "75", "sender_share"},
		{"for all when it is full", "100", "spool_full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			google := shiptest.Start(t)
			google.Hang()
			defer google.Release()
			s := serve(t, t.TempDir(), nil, "--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure",
				"--spool-max-bytes", "2097152", "--shutdown-timeout", "200ms", "--sender-share", c.share)
			nc := dial(t, s.addr)
			const sent = 10000
			for i := range sent {
				send(t, nc, classic("", fmt.Sprint(i)))
			}
			s.until(t, "edgewarden_ingest_received_lines_total", sent)
			if n := s.metric(t, `edgewarden_ingest_dropped_lines_total{reason="`+c.reason+`"}`); n == 0 || n == sent {
				t.Errorf("%d of %d dropped", n, sent)
			}
			s.identity(t, "cloudlogging")
			if n := strings.Count(s.stderr.String(), "dropping lines"); n != 1 {
				t.Errorf("said %d times, want once:\n%s", n, s.stderr)
			}
			s.stop(t)
		})
	}
}

// The sink is gone and one sender writes all it can; another, a few lines now
// and then. Addresses come from a proxy's header, as they would from a balancer's.
func TestAHostileSenderFillsItsShareAndAnHonestOneKeepsWriting(t *testing.T) {
	google := shiptest.Start(t)
	google.Hang()
	defer google.Release()
	dir := t.TempDir()
	args := []string{"--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure",
		"--spool-max-bytes", "2097152", "--shutdown-timeout", "200ms", "--proxy-from", "127.0.0.1", "--ledger", dir + "/ledger"}
	s := serve(t, dir, nil, args...)
	hostile, honest := dial(t, s.addr), dial(t, s.addr)
	send(t, hostile, "PROXY TCP4 203.0.113.66 192.0.2.1 4711 6514\r\n")
	send(t, honest, "PROXY TCP4 203.0.113.7 192.0.2.1 4711 6514\r\n")
	sent := int64(0)
	for sent < 10 || s.metric(t, `edgewarden_ingest_dropped_lines_total{reason="sender_share"}`) == 0 {
		for i := range 500 {
			send(t, hostile, classic("", fmt.Sprint("hostile-", i)))
		}
		sent += 500
		s.until(t, "edgewarden_ingest_received_lines_total", sent)
	}
	const few = 300
	for i := range few {
		send(t, honest, classic("", fmt.Sprint("honest-", i)))
		send(t, hostile, classic("", fmt.Sprint("more-", i)))
	}
	s.until(t, "edgewarden_ingest_received_lines_total", sent+2*few)
	s.stderr.wait(t, `msg="dropping lines" reason=sender_share remote=(203\.0\.113\.66:4711)`, 1)
	s.identity(t, "cloudlogging")
	if n := s.metric(t, `edgewarden_ingest_spool_senders`); n != 2 {
		t.Errorf("%d senders, want 2", n)
	}
	s.stop(t)
	google.Release()
	s = serve(t, dir, nil, args...) // what is in the spool belongs to nobody now
	eventually(t, "an empty queue", func() bool { return s.metric(t, `edgewarden_ingest_queued_records`) == 0 })
	s.stop(t)
	n := 0
	for _, e := range google.Log("fastly") {
		if strings.Contains(e.String(), "honest-") {
			n++
		}
	}
	if n != few {
		t.Errorf("%d of %d honest lines arrived", n, few)
	}
}

func TestProfilesHaveAPortOfTheirOwn(t *testing.T) {
	s := serve(t, t.TempDir(), nil, "--profile", "127.0.0.1:0")
	if code, _ := s.get(t, "/debug/pprof/"); code != 404 {
		t.Errorf("the operator's port answers %d for profiles, want 404", code)
	}
	s.admin = s.stderr.wait(t, `msg="profiling" addr=(\S+)`, 1)
	if code, body := s.get(t, "/debug/pprof/goroutine?debug=1"); code != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("goroutines = %d", code)
	}
	s.stop(t)
}

func TestAConnectionIsPlacedAnewAtItsAge(t *testing.T) {
	s := serve(t, t.TempDir(), nil, "--max-connection-age", "50ms")
	nc := dial(t, s.addr)
	send(t, nc, classic("", "a"))
	if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v; want the end of the connection", n, err)
	}
	send(t, dial(t, s.addr), classic("", "b"))
	s.until(t, "edgewarden_ingest_shipped_records_total", 2)
	s.until(t, "edgewarden_ingest_aged_connections_total", 1)
	s.stop(t)
}
