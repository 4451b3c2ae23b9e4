package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
)

// expired puts an entry of ours whose time has come.
func (w *world) expired(addr string) {
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: addr, Comment: "ew1 o=edgewarden k=b u=1935810000 s=1935806400 n=1 r=flood i=x"})
}

func TestReleasesDoNotWaitForTheLogStore(t *testing.T) {
	w := newWorld(t) // no lake at all
	w.expired("203.0.113.5")
	w.edge.PutItem("SVC1", "edgewarden_control", "enforce_until", "1935900000")
	ledgerFile := filepath.Join(w.dir, "ledger.jsonl")
	o := w.want(w.run("run", "--ledger", ledgerFile), exitPartly)
	if len(w.prefixes("edgewarden_1")) != 0 {
		t.Errorf("not released: %v", w.prefixes("edgewarden_1"))
	}
	if !strings.Contains(o.stderr, w.lake()) {
		t.Errorf("the failure is not said: %s", o.stderr)
	}
	if !strings.Contains(o.stdout, "1 of 1 services FAILED: asking the log store: ") {
		t.Errorf("the last line does not say why: %s", o.stdout)
	}
	if w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"] != "1935900000" {
		t.Error("a run that could not see moved the lease")
	}
	o = w.want(w.raw("audit", "show", "--ledger", ledgerFile), exitOK)
	if !strings.Contains(o.stdout, "release") || !strings.Contains(o.stdout, "failure") {
		t.Errorf("the ledger: %s", o.stdout)
	}
}

func TestReleasesDoNotWaitForTheLedger(t *testing.T) {
	for name, path := range map[string]string{"cannot be opened": "/no/such/folder/l.jsonl", "is damaged": ""} {
		w := flooded(t)
		if path == "" {
			path = w.file("l.jsonl", "garbage\n")
		}
		w.expired("203.0.113.5")
		o := w.run("run", "--ledger", path)
		if got := w.prefixes("edgewarden_1"); got["203.0.113.5/32"] != "" || len(got) != 1 {
			t.Errorf("%s: entries %v", name, got)
		}
		if !strings.Contains(o.stdout, "ledger") {
			t.Errorf("%s: not said: exit %d %s", name, o.code, o.stdout)
		}
	}
}

func TestARunThatFailsLeavesATraceInTheLedger(t *testing.T) {
	w := flooded(t)
	w.token = "bad"
	file := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", file), exitFailed)
	content, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(content), `"outcome":"failure"`) {
		t.Errorf("%v %s", err, content)
	}
}

func TestApplyCountsTheLeaseFromThePresent(t *testing.T) {
	w := flooded(t)
	file := planned(t, w)
	w.T = w.T.Add(20 * time.Minute) // reviewed, then applied
	w.want(w.run("apply", file), exitOK)
	if got, want := w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"], w.T.Add(24*time.Hour).Unix(); got != strconv.FormatInt(want, 10) {
		t.Errorf("enforce_until %s, want %d", got, want)
	}
}

func TestABugIsNotASuccess(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a panic became an exit code")
		}
	}()
	run(t.Context(), []string{"version"}, nil, panicWriter{}, os.Stderr)
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("a bug") }
