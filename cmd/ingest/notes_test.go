package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edgewarden/internal/ledger"
	"edgewarden/internal/ship/shiptest"
)

func TestANoteIsWrittenAtOnceAndThenOnceAnHourWithACount(t *testing.T) {
	var got []string
	n := notes{write: func(event, target, outcome string, d map[string]string) {
		got = append(got, fmt.Sprintf("%s %s %s %s x%s from %s since %s", event, target, outcome, d["reason"], d["count"], d["remote"], d["since"]))
	}}
	start := time.Unix(1_800_000_000, 0)
	refuse := func(after time.Duration, reason, remote string, lines int64) {
		n.note(start.Add(after), "refuse-sender", "spool", ledger.Refused, reason, remote, lines)
	}
	refuse(0, "auth", "203.0.113.9:1", 3)
	for i := range 1000 {
		refuse(time.Minute, "auth", fmt.Sprintf("203.0.113.10:%d", i), 2)
	}
	refuse(time.Minute, "tls_handshake", "203.0.113.11:1", 1)
	n.flush(start.Add(59*time.Minute), false)
	if len(got) != 2 {
		t.Fatalf("wrote %q, want one record a reason", got)
	}
	n.flush(start.Add(61*time.Minute), false)
	refuse(62*time.Minute, "auth", "203.0.113.12:1", 5)
	n.flush(start.Add(63*time.Minute), true)
	n.flush(start.Add(64*time.Minute), true)
	want := []string{
		"refuse-sender spool refused auth x3 from 203.0.113.9:1 since ",
		"refuse-sender spool refused tls_handshake x1 from 203.0.113.11:1 since ",
		"refuse-sender spool refused auth x2000 from 203.0.113.10:0 since 2027-01-15T08:00:00Z",
		"refuse-sender spool refused auth x5 from 203.0.113.12:1 since 2027-01-15T09:01:00Z",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("wrote\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNotesMayBeTakenAtTheSameTime(t *testing.T) {
	total := int64(0)
	n := notes{write: func(_, _, _ string, d map[string]string) {
		var c int64
		fmt.Sscan(d["count"], &c)
		total += c
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				n.note(time.Now(), "refuse-sender", "spool", ledger.Refused, "auth", "", 1)
			}
		})
	}
	wg.Wait()
	if n.flush(time.Now(), true); total != 8000 {
		t.Errorf("%d counted, want 8000", total)
	}
}

// events are the audit records of a ledger file by event and reason.
func events(t *testing.T, file string) map[string][]ledger.Event {
	t.Helper()
	store, err := ledger.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	all, err := store.Since(t.Context(), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if p := ledger.Verify(all); len(p) != 0 {
		t.Errorf("the chain is broken: %v", p)
	}
	by := map[string][]ledger.Event{}
	for _, e := range all {
		key := strings.TrimSpace(e.Event + " " + e.Detail["reason"])
		by[key] = append(by[key], e)
	}
	return by
}

func TestRefusedSendersAndDroppedLinesAreInTheLedger(t *testing.T) {
	google := shiptest.Start(t)
	google.Hang()
	defer google.Release()
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.jsonl")
	s := serve(t, dir, map[string]string{"EDGEWARDEN_TOKEN": "tok"}, "--ledger", file, "--spool-max-bytes", "2097152", "--shutdown-timeout", "100ms",
		"--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure")
	nc := dial(t, s.addr)
	for i := range 50 {
		send(t, nc, classic("wrong", fmt.Sprint(i)))
		s.until(t, "edgewarden_ingest_received_lines_total", int64(i+1))
	}
	send(t, nc, strings.Repeat(classic("tok", strings.Repeat("a", 1000)), 2000))
	s.until(t, "edgewarden_ingest_received_lines_total", 2050)
	dropped := s.metric(t, `edgewarden_ingest_dropped_lines_total{reason="sender_share"}`)
	s.stop(t)
	got := events(t, file)
	for _, c := range []struct {
		key, outcome string
		lines        int64
	}{{"refuse-sender auth", ledger.Refused, 50}, {"drop sender_share", ledger.Failure, dropped}} {
		var lines int64
		for _, e := range got[c.key] {
			var n int64
			fmt.Sscan(e.Detail["count"], &n)
			lines += n
			if e.Outcome != c.outcome || e.Detail["remote"] != nc.LocalAddr().String() || e.Target != s.spool {
				t.Errorf("event %+v", e)
			}
		}
		// The first at once, the rest when the program stops within the hour.
		if lines != c.lines || lines == 0 || len(got[c.key]) > 2 {
			t.Errorf("%s: %d lines in %d records, want %d in at most two", c.key, lines, len(got[c.key]), c.lines)
		}
	}
}

func TestDamageOfTheSpoolIsInTheLedger(t *testing.T) {
	google := shiptest.Start(t)
	google.Hang()
	defer google.Release()
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.jsonl")
	args := []string{"--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure", "--shutdown-timeout", "100ms"}
	s := serve(t, dir, nil, args...)
	for i := range 20 {
		send(t, dial(t, s.addr), classic("", fmt.Sprint(i)))
	}
	s.until(t, `edgewarden_ingest_queued_records{sink="cloudlogging"}`, 20)
	s.stop(t)
	spoil(t, s.spool)
	google.Release()
	s = serve(t, dir, nil, append(args, "--ledger", file)...)
	eventually(t, "an empty queue", func() bool { return s.metric(t, `edgewarden_ingest_queued_records`) == 0 })
	s.stop(t)
	got := events(t, file)
	if e := got["spool-damage segments"]; len(e) != 1 || e[0].Outcome != ledger.Failure || e[0].Detail["count"] != "1" {
		t.Errorf("events %+v of %v", e, got)
	}
}

// spoil changes a byte in the middle of the oldest segment with records.
func spoil(t *testing.T, spoolDir string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(spoolDir, "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segment: %v", err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	writeFile(t, segments[0], string(b))
}
