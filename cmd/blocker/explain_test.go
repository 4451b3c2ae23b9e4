package main

import (
	"fmt"
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
	for _, want := range []string{"rule flood", "MET: 300 of at least 100 requests", "rule scan", "no request of it that was let through matches", "blocked by " + attacker + "/32 in edgewarden_1", "block success by tester"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %s", want, o.stdout)
		}
	}
	o = w.want(w.run("explain", "198.51.100.7"), exitOK)
	for _, want := range []string{"NOT met: 3 of at least 100", "at the edge: nothing", "ledger: not known: there is no --ledger"} {
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

// An office meets a rule and is let through: explain says so with the sentence of a run.
func TestExplainSaysWhyARunRefusesWhoMeetsARule(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	i := 0
	w.requests("203.0.113.60", 300, func(r *record.Record) { i++; r.JA4 = fmt.Sprint("ja4-", i%9) })
	w.store()
	const refused = "203.0.113.60 looks shared: 9 TLS fingerprints, and 300 of 300 requests went well. Such a one is blocked from 400 requests on"
	for _, args := range [][]string{{"run", "--dry-run"}, {"explain", "203.0.113.60"}} {
		if o := w.want(w.run(args...), exitOK); !strings.Contains(o.stdout, refused) {
			t.Errorf("%v does not say %q: %s", args, refused, o.stdout)
		}
	}
	if o := w.want(w.run("explain", "203.0.113.60", "--json"), exitOK); !strings.Contains(o.stdout, `"refused": "`+refused) {
		t.Errorf("%s", o.stdout)
	}
	// Bounds of which fewer is more, and equations, are not so many times met.
	one := margin{Measure: "distinct_paths", Operator: "<", Threshold: 50, Value: new(float64), Times: 0.02, Met: true}
	if got := one.text(); got != "distinct_paths < 50: 0, met" {
		t.Error(got)
	}
}
