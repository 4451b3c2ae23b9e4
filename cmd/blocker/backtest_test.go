package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/backtest"
	"edgewarden/internal/record"
)

// backtests reads what backtest --json prints.
func (w *world) backtests(o outcome) []backtest.Report {
	w.t.Helper()
	var d struct{ Backtests []backtest.Report }
	if err := json.Unmarshal([]byte(o.stdout), &d); err != nil {
		w.t.Fatalf("%v\nstdout: %s\nstderr: %s", err, o.stdout, o.stderr)
	}
	return d.Backtests
}

func TestABacktestSaysWhoWouldHaveBeenBlocked(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, nil)
	w.requests("203.0.113.60", 40, func(r *record.Record) { r.SetInt(record.Status, 404) })
	w.store()
	w.token = "" // the past needs no edge
	w.T = w.T.Add(10 * time.Minute)

	o := w.want(w.run("backtest", "--since", "1h"), exitOK)
	for _, want := range []string{"MODE NOW", "flood", "enforce", "scan", "shadow", attacker, "203.0.113.60", "there are rows of 5m in the 1h asked for, from 2031-05-06 07:25 to 2031-05-06 07:30", "In 5m of data these rules would have made 2 blocks of 2 entries", "The guard's limits and the room in the ACL are left out"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the text does not say %q:\n%s", want, o.stdout)
		}
	}
	if w.edge.Writes() != 0 {
		t.Error("a backtest wrote to the edge")
	}
	r := w.backtests(w.want(w.run("backtest", "--since", "1h", "--json"), exitOK))[0]
	if len(r.Blocks) != 2 || r.Requests != 940 || r.Steps != 12 || r.Rules[0].Mode != "enforce" || r.Rules[1].Mode != "shadow" || r.Rules[1].Blocks != 1 || r.Real != nil {
		t.Errorf("%+v", r)
	}
	only := w.backtests(w.want(w.run("backtest", "--since", "1h", "--json", "--enforced-only", "--step", "10m"), exitOK))[0]
	if len(only.Rules) != 1 || len(only.Blocks) != 1 || only.Steps != 6 {
		t.Errorf("%+v", only)
	}
}

func TestABacktestHoldsTheLedgerAgainstTheRules(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, nil)
	w.store()
	ledger := w.file("ledger.jsonl", "")
	w.want(w.run("run", "--ledger", ledger), exitOK)
	w.want(w.run("block", "192.0.2.44", "--for", "1h", "--reason", "seen elsewhere", "--ledger", ledger), exitOK)
	w.T = w.T.Add(5 * time.Minute)
	o := w.want(w.run("backtest", "--since", "1h", "--ledger", ledger), exitOK)
	for _, want := range []string{"1 of 1 by rules would be made again", "0 of 1 by hand would be found", "missed: 192.0.2.44, blocked by hand"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the text does not say %q:\n%s", want, o.stdout)
		}
	}
}

func TestABacktestThatCannotBeIsRefused(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.store()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--since", "soon"}, exitUsage, "no duration"},
		{[]string{"--since", "14d", "--step", "1s"}, exitUsage, "use a longer step"},
	} {
		o := w.want(w.run(append([]string{"backtest"}, c.args...)...), c.code)
		if !strings.Contains(o.stderr, c.want) {
			t.Errorf("%v: stderr does not say %q: %s", c.args, c.want, o.stderr)
		}
	}
}

func TestABacktestOverBigQuerySaysItsPriceFirst(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	o := w.want(w.runBigQuery(url, "backtest", "--since", "2h", "--max-bytes", fmt.Sprint(212<<20)), exitFailed)
	for _, want := range []string{"estimate: at most 848 MiB in up to 4 queries", "--max-bytes allows (212 MiB)", "--since", "raise --max-bytes to 848MiB"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("stderr does not say %q: %s", want, o.stderr)
		}
	}
	for _, q := range table.Queries() {
		if !q.DryRun {
			t.Errorf("a query ran above the limit: %s", q.Labels["query"])
		}
	}
}

func TestSuggestSaysWhatAThresholdWouldMeet(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, nil)
	w.store()
	o := w.want(w.run("suggest", "--since", "1h"), exitOK)
	for _, want := range []string{"flood", "3 to 300", "in the middle of the gap", "weak", "scan, requests: no request was counted"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the text does not say %q:\n%s", want, o.stdout)
		}
	}
	var d struct{ Suggestions []backtest.Suggestions }
	if err := json.Unmarshal([]byte(w.want(w.run("suggest", "--since", "1h", "--json"), exitOK).stdout), &d); err != nil {
		t.Fatal(err)
	}
	if s := d.Suggestions[0].Suggestions[0]; s.Samples != 201 || s.Proposed == nil || s.Proposed.Value != 30 || s.Proposed.Keys != 1 || s.Proposed.OK != 300 {
		t.Errorf("%+v", s)
	}
	if o := w.want(w.run("suggest", "--since", "5m"), exitUsage); !strings.Contains(o.stderr, "longest window, 10m") {
		t.Errorf("stderr: %s", o.stderr)
	}
}

// Where there is nothing to look at, nothing was found out: that is no success.
func TestWithoutRowsNothingIsSaidAboutTheRules(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.store()
	for _, command := range []string{"backtest", "suggest"} {
		o := w.want(w.raw(command, "--since", "14d", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "WRONG", "--now", w.T.Format(time.RFC3339)), exitFailed)
		if !strings.Contains(o.stdout, "NO ROWS of service WRONG from 2031-04-22 07:30 to 2031-05-06 07:30: this says nothing about the rules. Is the service id right") || strings.Contains(o.stdout, "blocked nobody") {
			t.Errorf("%s: %s", command, o.stdout)
		}
		w.want(w.raw(command, "--since", "14d", "--lake", t.TempDir(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "SVC1", "--now", w.T.Format(time.RFC3339), "--json"), exitFailed)
		two := w.file("two.yaml", rulesText+"services:\n  - {id: SVC1, acls: [edgewarden_1]}\n  - {id: WRONG, acls: [edgewarden_1]}\n")
		if o := w.want(w.raw(command, "--since", "14d", "--lake", w.lake(), "--config", two, "--now", w.T.Format(time.RFC3339)), exitPartly); !strings.Contains(o.stdout, "NO ROWS of service WRONG") || strings.Contains(o.stdout, "NO ROWS of service SVC1") {
			t.Errorf("%s of two services: %s", command, o.stdout)
		}
	}
}

func TestABacktestNamesTheRulesItHasNoBaselineFor(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.store()
	w.file("rules.yaml", rulesText+"  - {name: usual, window: 10m, when: baseline_ratio >= 2.0 && requests >= 2}\n")
	o := w.want(w.run("backtest", "--since", "1h"), exitOK)
	if !strings.Contains(o.stdout, "Not judged by its baseline: rule usual. A backtest knows no baseline") {
		t.Error(o.stdout)
	}
	if r := w.backtests(w.want(w.run("backtest", "--since", "1h", "--json"), exitOK))[0]; len(r.Baselines) != 1 || r.Baselines[0] != "usual" {
		t.Errorf("%+v", r.Baselines)
	}
}
