package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edgewarden/internal/ledger"
	"edgewarden/internal/ship/shiptest"
)

// filled leaves a spool with three lines that no sink has taken.
func filled(t *testing.T) (dir string) {
	t.Helper()
	google := shiptest.Start(t)
	google.Hang()
	defer google.Release()
	dir = t.TempDir()
	s := serve(t, dir, nil, "--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure", "--shutdown-timeout", "100ms")
	send(t, dial(t, s.addr), classic("", "a")+classic("", "b")+"caf\xe9\n")
	s.until(t, "edgewarden_ingest_received_lines_total", 3)
	s.stop(t)
	return s.spool
}

func TestLookingIntoASpool(t *testing.T) {
	dir := filled(t)
	code, out, stderr := invoke(t, nil, "spool", "verify", "--spool", dir)
	if code != 0 || !strings.Contains(out, " 4 records,") || !strings.Contains(out, " 0 problems") {
		t.Errorf("verify: exit %d, %q, %q; want 3 lines and a heartbeat", code, out, stderr)
	}
	code, out, _ = invoke(t, nil, "spool", "stats", "--spool", dir)
	if code != 0 || !strings.Contains(out, "cloudlogging: 4 records not shipped, the oldest of 20") {
		t.Errorf("stats: exit %d, %q", code, out)
	}
	code, out, _ = invoke(t, nil, "spool", "stats", "--spool", dir, "--json")
	var stats struct{ Queued map[string]int64 }
	if err := json.Unmarshal([]byte(out), &stats); err != nil || code != 0 || stats.Queued["cloudlogging"] != 4 {
		t.Errorf("stats --json: exit %d, %q, %v", code, out, err)
	}
	code, out, _ = invoke(t, nil, "spool", "dump", "--spool", dir)
	if code != 0 {
		t.Errorf("dump: exit %d", code)
	}
	var got []dumped
	for l := range strings.Lines(out) {
		var d dumped
		if err := json.Unmarshal([]byte(l), &d); err != nil {
			t.Fatalf("%v in %s", err, l)
		}
		got = append(got, d)
	}
	if len(got) != 4 || !strings.Contains(got[0].Line, `"request_id":"a"`) || got[0].Sender != "none" || !strings.HasPrefix(got[0].Remote, "127.0.0.1:") ||
		string(got[2].LineBase64) != "caf\xe9" || !got[3].Heartbeat {
		t.Errorf("dumped %+v", got)
	}
}

func TestADamagedSpoolIsAFinding(t *testing.T) {
	dir := filled(t)
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segments) == 0 {
		all, _ := os.ReadDir(dir)
		t.Fatalf("no segment in %v (%v)", all, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(segments[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := invoke(t, nil, "spool", "verify", "--spool", dir)
	if code != exitFailed || !strings.Contains(out, filepath.Base(segments[0])) || !strings.Contains(out, "damaged") {
		t.Errorf("verify: exit %d, %q", code, out)
	}
}

func TestASpoolThatIsNotThereIsNoEmptySpool(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, cmd := range []string{"verify", "stats", "dump", "replay"} {
		code, _, stderr := invoke(t, nil, "spool", cmd, "--spool", nowhere)
		if code != exitFailed || !strings.Contains(stderr, nowhere) {
			t.Errorf("%s: exit %d, %q", cmd, code, stderr)
		}
	}
}

func TestDeadLettersCanBeSentAgain(t *testing.T) {
	google := shiptest.Start(t)
	google.Refuse(func(e *entry) code {
		if strings.Contains(e.String(), "unwanted") {
			return invalidArgument
		}
		return 0
	})
	dir := t.TempDir()
	cloud := []string{"--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure"}
	s := serve(t, dir, nil, cloud...)
	send(t, dial(t, s.addr), classic("", "unwanted")+classic("", "wanted"))
	s.until(t, `edgewarden_ingest_dead_letters_total{sink="cloudlogging"}`, 1)
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="cloudlogging"}`, 1)
	s.stop(t)
	if _, out, _ := invoke(t, nil, "spool", "stats", "--spool", s.spool); !strings.Contains(out, "cloudlogging: 1 dead letters") {
		t.Errorf("stats: %q", out)
	}
	replay := append([]string{"spool", "replay", "--spool", s.spool}, cloud...)
	if code, out, stderr := invoke(t, nil, replay...); code != 0 || !strings.Contains(out, "0 dead letters delivered, 1 refused again") {
		t.Errorf("replay while it is refused: exit %d, %q, %q", code, out, stderr)
	}
	google.Refuse(nil)
	if code, out, stderr := invoke(t, nil, replay...); code != 0 || !strings.Contains(out, "1 dead letters delivered, 0 refused again") {
		t.Errorf("replay: exit %d, %q, %q", code, out, stderr)
	}
	if n := google.Count("fastly"); n != 2 {
		t.Errorf("Google has %d entries, want 2", n)
	}
	if code, _, stderr := invoke(t, nil, "spool", "replay", "--spool", s.spool); code != exitUsage || !strings.Contains(stderr, "--project") {
		t.Errorf("replay to nowhere: exit %d, %q", code, stderr)
	}
}

func TestTheLedgerSaysWhenLoggingStartedAndStopped(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.jsonl")
	s := serve(t, dir, map[string]string{"EDGEWARDEN_TOKEN": "hunter2"}, "--ledger", file)
	send(t, dial(t, s.addr), classic("hunter2", "a"))
	s.until(t, "edgewarden_ingest_shipped_records_total", 1)
	s.stop(t)
	store, err := ledger.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	events, err := store.Since(t.Context(), s.began)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0].Event != "start-ingest" || events[1].Event != "stop-ingest" || events[1].Detail["received"] != "1" {
		t.Fatalf("events %+v", events)
	}
	if p := ledger.Verify(events); len(p) != 0 {
		t.Errorf("the chain is broken: %v", p)
	}
	for _, e := range events {
		if e.Actor == "" || e.Source == "" || e.Target == "" || e.Outcome != "success" || e.Time.IsZero() {
			t.Errorf("PCI DSS 10.2.2 asks for more than %+v", e)
		}
	}
	if f := grep(t, dir, "hunter2"); f != "" {
		t.Errorf("the token stands in %s", f)
	}
}
