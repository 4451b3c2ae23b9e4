package main

import (
	"strings"
	"testing"

	"edgewarden/internal/record"
)

func TestExplainTellsWhyAnAddressIsBlockedAndAnotherIsNot(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, func(r *record.Record) { r.RequestID = "4f0e-req" })
	w.store()
	ledger := w.dir + "/ledger.jsonl"
	w.want(w.run("run", "--ledger", ledger), exitOK)

	o := w.want(w.run("explain", attacker, "--ledger", ledger), exitOK)
	for _, want := range []string{"rule flood", "MET: 300 of at least 100 requests", "rule scan", "no request of it matches", "blocked by " + attacker + "/32 in edgewarden_1", "block success by tester"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %s", want, o.stdout)
		}
	}
	o = w.want(w.run("explain", "198.51.100.7"), exitOK)
	for _, want := range []string{"NOT met: 3 of at least 100", "at the edge: nothing", "ledger: nothing"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %s", want, o.stdout)
		}
	}
	o = w.want(w.run("explain", "151.101.1.1"), exitOK)
	if !strings.Contains(o.stdout, "never blocked") {
		t.Errorf("%s", o.stdout)
	}
	o = w.want(w.run("explain", "--request-id", "4f0e-req", "--json"), exitOK)
	if !strings.Contains(o.stdout, `"address": "`+attacker+`"`) {
		t.Errorf("%s", o.stdout)
	}
}

func TestExplainRefusesWhatItCannotKnow(t *testing.T) {
	w := flooded(t)
	for _, args := range [][]string{{"explain"}, {"explain", "x"}, {"explain", attacker, "--request-id", "y"}, {"explain", "--request-id", "a b\" || true"}} {
		w.want(w.run(args...), exitUsage)
	}
	w.want(w.run("explain", "--request-id", "nosuch"), exitFailed)
}
