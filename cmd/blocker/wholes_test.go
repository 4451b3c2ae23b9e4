package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
	"edgewarden/internal/record"
)

const scanRule = `rules:
  - {name: scan, where: status == 404, when: requests >= 20, window: 10m, block: 1h, mode: enforce}
`

// Behind one address an office works and one of its machines scans; another address scans and does nothing else.
func TestAnOfficeInWhichSomebodyScansIsNoScanner(t *testing.T) {
	w := newWorld(t)
	w.file("rules.yaml", scanRule)
	w.everyday()
	i := 0
	w.requests("203.0.113.60", 300, func(r *record.Record) { i++; r.JA4 = fmt.Sprint("ja4-", i%9) })
	for _, scanner := range []string{"203.0.113.60", "203.0.113.61"} {
		w.requests(scanner, 40, func(r *record.Record) { r.SetInt(record.Status, 404) })
	}
	w.requests("203.0.113.61", 3, nil)
	w.store()
	o := w.want(w.run("run", "--dry-run"), exitOK)
	for _, say := range []string{
		"203.0.113.60 looks shared: 9 TLS fingerprints, and 300 of 340 requests went well. Such a one is blocked from 80 requests on",
		"of 43 requests in all, 3 ok",
		"1 to block", "1 refused: looks shared", "touches 1 address with 0.33 % of the successful requests",
	} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q: %s", say, o.stdout)
		}
	}
	all := map[string]inAll{}
	for _, o := range w.json(w.want(w.run("run", "--dry-run", "--json"), exitOK)).Offenders {
		all[o.Key] = *o.Evidence.InAll
	}
	for address, say := range map[string][]string{
		"203.0.113.60": {"MET: 40 of at least 20 requests", "in all it asked for 340, 300 ok", "refused: 203.0.113.60 looks shared: 9 TLS fingerprints"},
		"203.0.113.61": {"MET: 40 of at least 20 requests", "in all it asked for 43, 3 ok"},
	} {
		o := w.want(w.run("explain", address), exitOK)
		for _, say := range say {
			if !strings.Contains(o.stdout, say) {
				t.Errorf("explain %s does not say %q: %s", address, say, o.stdout)
			}
		}
	}
	if all["203.0.113.60"] != (inAll{340, 300, 1, 9}) || all["203.0.113.61"] != (inAll{43, 3, 1, 0}) {
		t.Errorf("in all: %v", all)
	}
}

// Over BigQuery it is a query of its own, estimated and billed like the others. When it fails, who is found has the room of an office, with an alert.
func TestTheCountOfAllThatWasAskedForIsAQueryOfItsOwn(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes int64
		say   string
		code  int
	}{
		"an answer": {1 << 30, "looks shared: 9 TLS fingerprints, and 4000 of 5000 requests went well", exitOK},
		"too large": {101 << 30, "could not be counted, so each has the room of an office", exitOK},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			table, url := w.table()
			w.file("rules.yaml", strings.Replace(scanRule, ">= 20", ">= 100", 1))
			table.Answers["detect"] = w.answerFor(0)
			table.Answers["wholes"] = bqtest.WholesAnswer(attacker, 10*time.Minute, detect.Whole{Requests: 5000, OK: 4000, OKAddresses: 1, JA4s: 9})
			table.Scan = func(q bqtest.Query) int64 {
				if q.Labels["query"] == "wholes" {
					return tc.bytes
				}
				return 2 << 30
			}
			o := w.want(w.runBigQuery(url, "run", "--dry-run", "--max-bytes", "107374182400"), tc.code)
			if !strings.Contains(o.stdout, tc.say) || !strings.Contains(o.stdout, "1 refused: looks shared") {
				t.Errorf("does not say %q, or blocks: %s", tc.say, o.stdout)
			}
			if tc.bytes == 1<<30 && (!strings.Contains(o.stdout, "3.0 GiB estimated before") || !strings.Contains(o.stdout, "5.0 GiB billed")) {
				t.Errorf("the query is not in the bill: %s", o.stdout)
			}
		})
	}
}

// More offenders than are asked about, of a rule that blocks nobody and of senders whom nobody trusts, do not keep the office from
// being asked about.
func TestACrowdDoesNotKeepAnOfficeFromBeingKnown(t *testing.T) {
	w := newWorld(t)
	w.file("rules.yaml", "rules:\n  - {name: few, where: status == 404, when: requests >= 2, window: 10m, block: 1h}\n"+strings.TrimPrefix(scanRule, "rules:\n"))
	w.everyday()
	for i := range detect.MaxWholes {
		w.requests(fmt.Sprintf("2001:db8:%x:%x::1", i/256, i%256), 2, func(r *record.Record) { r.SetInt(record.Status, 404) })
		w.requests(fmt.Sprintf("10.%d.%d.1", i/256, i%256), 2, func(r *record.Record) {
			r.SetInt(record.Status, 404)
			r.Sender = record.SenderNone
		})
	}
	i := 0
	w.requests("203.0.113.60", 300, func(r *record.Record) { i++; r.JA4 = fmt.Sprint("ja4-", i%9) })
	w.requests("203.0.113.60", 30, func(r *record.Record) { r.SetInt(record.Status, 404) })
	w.store()
	o := w.want(w.run("run", "--dry-run", "--all"), exitOK)
	for _, say := range []string{"203.0.113.60 looks shared: 9 TLS fingerprints, and 300 of 330 requests went well", "ALERT: of 1 offender it was not counted what else they asked for"} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q: %s", say, o.stdout[:min(len(o.stdout), 5000)])
		}
	}
	if strings.Contains(o.stdout, "+ block    203.0.113.60") {
		t.Error("the office is blocked")
	}
}
