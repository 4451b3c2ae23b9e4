package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// page reads the page that a call was told to keep.
func (w *world) page(name string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		w.t.Errorf("the page has mode %v, %v", info.Mode(), err)
	}
	return string(b)
}

func TestThePageOfDryRunRunPlanAndStatus(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests("203.0.113.9", 300, nil)
	w.store()
	says := func(page string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(page, p) {
				t.Errorf("the page does not say %q", p)
			}
		}
	}
	ledger := filepath.Join(w.dir, "ledger.jsonl")
	file := func(name string) string { return "--report=" + filepath.Join(w.dir, name) }

	w.want(w.run("run", "--dry-run", file("dry.html")), exitOK)
	says(w.page("dry.html"), "1 to block, 0 to release, 0 refused", "Dry run, nothing was written", "203.0.113.9", "demo/1.0", "Requests per minute from")
	if n := len(w.prefixes("edgewarden_1")); n != 0 {
		t.Fatalf("a dry run with a page wrote %d entries", n)
	}
	w.want(w.run("plan", "-o", filepath.Join(w.dir, "plan.json"), file("plan.html")), exitOK)
	says(w.page("plan.html"), "1 to block")

	w.want(w.run("run", "--ledger", ledger, file("run.html")), exitOK)
	says(w.page("run.html"), "1 blocked, 0 released", "blocker unblock 203.0.113.9", "--service-id SVC1", "--acl edgewarden_1,edgewarden_2")
	w.T = w.T.Add(time.Minute)
	w.want(w.run("run", "--ledger", ledger, file("run.html")), exitOK)
	says(w.page("run.html"), "0 blocked", "From the ledger", "Since the last run (1m ago)")

	w.want(w.run("status", "--ledger", ledger, file("status.html")), exitOK)
	says(w.page("status.html"), "1 entry at the edge", "What is at the edge", "Rule flood: 300 requests")
	for _, name := range []string{"dry.html", "plan.html", "run.html", "status.html"} {
		if strings.Contains(w.page(name), w.token) {
			t.Errorf("%s holds the token", name)
		}
	}
}

func TestAPageThatCannotBeWrittenIsRefusedBeforeAnythingIsDone(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests("203.0.113.9", 300, nil)
	w.store()
	for _, args := range [][]string{{"run"}, {"plan", "-o", filepath.Join(w.dir, "plan.json")}, {"status"}} {
		w.want(w.run(append(args, "--report", filepath.Join(w.dir, "none", "page.html"))...), exitUsage)
	}
	if n := len(w.prefixes("edgewarden_1")); n != 0 {
		t.Errorf("%d entries were written", n)
	}
	w.want(w.raw("run", "--schedule", "*/5 * * * *", "--report", w.dir), exitUsage)
}

// TestAPageLostOnTheWayDoesNotFailTheRun takes the folder away while the run is on its way: the block stands, and the log says it.
func TestAPageLostOnTheWayDoesNotFailTheRun(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests("203.0.113.9", 300, nil)
	w.store()
	dir := filepath.Join(w.dir, "pages")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = os.Remove(dir)
		w.edge.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	o := w.want(w.run("run", "--report", filepath.Join(dir, "page.html")), exitOK)
	if !strings.Contains(o.stderr, "the page is not written") || len(w.prefixes("edgewarden_1")) != 1 {
		t.Errorf("stderr: %s; entries: %v", o.stderr, w.prefixes("edgewarden_1"))
	}
}
