package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
	"edgewarden/internal/record"
)

// Share and score are those against everybody, as a run has them.
func TestExplainMeasuresAgainstEverybodyAsARunDoes(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, nil)
	w.requests("203.0.113.67", 100, nil)
	w.store()
	w.file("rules.yaml", `rules:
  - {name: most, when: share >= 0.25, window: 10m, mode: enforce}
  - {name: outlier, when: score > 3.0 && requests >= 200, window: 10m, mode: enforce}
`)
	d := w.json(w.want(w.run("run", "--dry-run", "--json"), exitOK))
	if len(d.Offenders) != 2 || d.Offenders[0].Key != attacker || d.Offenders[1].Key != attacker {
		t.Fatalf("offenders %+v", d.Offenders)
	}
	says(t, w.want(w.run("explain", attacker), exitOK).stdout, "share >= 0.25: 0.3, met, 1.2 times", "score > 3: 46.1, met", "!of this address alone")
	says(t, w.want(w.run("explain", "203.0.113.67"), exitOK).stdout, "share >= 0.25: 0.1, not met, 0.4 times", "score > 3: 35.1, met", "requests >= 200: 100, not met", "!: MET")
	says(t, w.want(w.run("explain", "198.51.100.7"), exitOK).stdout, "share >= 0.25: 0.003, not met", "score > 3: 0, not met")
}

func TestExplainKnowsTheBaselinesOfARun(t *testing.T) {
	w := crowded(t)
	w.file("rules.yaml", strings.Replace(loginRule, "requests >= 60", "requests >= 5 && baseline_ratio > 10.0", 1))
	address := w.json(w.want(w.run("run", "--json", "--dry-run", "--ledger", w.earlierDays(100)), exitOK)).Offenders[0].Key
	says(t, w.want(w.run("explain", address, "--ledger", w.earlierDays(100)), exitOK).stdout, "    MET: 5 of at least 5", "baseline_ratio > 10: 15, met, 1.5 times")
	says(t, w.want(w.run("explain", address), exitOK).stdout, "    NOT met: 5 of at least 5", "baseline_ratio > 10: not known, not met")
}

// prefixRules are rules of every kind of group.
const prefixRules = `rules:
  - {name: flood, when: requests >= 100, window: 10m, mode: enforce}
  - {name: net, group: prefix, when: requests >= 100 && addresses >= 3, window: 10m, mode: enforce}
  - {name: network, group: asn, when: requests >= 100, window: 10m, mode: enforce}
  - {name: finger, group: ja4, when: requests >= 100, window: 10m, mode: enforce}
`

func inPrefix(r *record.Record) { r.ClientPrefix = "203.0.113.0/24" }

func TestExplainSaysWhatIsBlockedInAPrefixAndWhatCannotBeMeasuredOfIt(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, inPrefix)
	w.requests("203.0.113.67", 200, inPrefix)
	w.store()
	w.file("rules.yaml", prefixRules)
	ledger := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", ledger), exitOK)

	single, groups := "rule flood (10m, enforce): requests >= 100\n    this rule counts single addresses; name one\n", "    groups by asn: reported, never blocked; not measured here\n"
	o := w.want(w.run("explain", "203.0.113.0/24", "--ledger", ledger), exitOK)
	says(t, o.stdout, "\nnot blocked as a whole; 2 addresses in it are blocked\n", single, groups, "groups by ja4: reported", "\n    NOT met: 500 of at least 100 requests", "addresses >= 3: 2, not met",
		"at the edge: "+attacker+"/32 in it is blocked in edgewarden_1: rule flood", "at the edge: 203.0.113.67/32 in it is blocked", "!undo:", "!no request",
		"ledger: 2031-05-06T07:30:00Z block success by tester: Rule flood: 200 requests")
	o = w.want(w.run("explain", "203.0.0.0/16"), exitOK)
	says(t, o.stdout, "\nnot blocked as a whole; 2 addresses in it are blocked\n", single, groups, "    this rule counts prefixes of /24; name one\n", "!no request")
	o = w.want(w.run("explain", "203.0.113.64/29"), exitOK)
	says(t, o.stdout, "not blocked as a whole; 2 addresses in it", single, "    of 203.0.113.0/24: NOT met: 500 of at least 100 requests")
	says(t, w.want(w.run("explain", attacker), exitOK).stdout, "\nBLOCKED by ", "    MET: 300 of at least 100", "    of 203.0.113.0/24: NOT met: 500 of at least 100 requests", groups)
	says(t, w.want(w.run("explain", "198.51.100.0/24"), exitOK).stdout, "\nnot blocked\n", single, "    not met: no request of it that was let through matches\n", "at the edge: nothing")

	w.want(w.run("unblock", "203.0.113.67", "--reason", "a friend"), exitOK)
	says(t, w.want(w.run("explain", "203.0.113.0/24"), exitOK).stdout, "\nnot blocked as a whole; 1 address in it is blocked\n")
}

// Once all requests of an address are refused no rule counts one, and still it is not silent.
func TestExplainCountsWhatTheEdgeRefused(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 30, refusedByUs)
	w.requests("203.0.113.67", 20, refusedByUs)
	w.requests("203.0.113.67", 5, nil)
	w.store()
	since := fmt.Sprintf("s=%d", w.T.Add(-8*time.Minute).Unix()) // it took hold two minutes later
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: attacker, Comment: strings.Replace(mark(w.T.Add(time.Hour), "flood"), "s=1935800000", since, 1)})
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.67", Comment: "blocked by the fraud team"})
	says(t, w.want(w.run("explain", attacker), exitOK).stdout, "\nBLOCKED by ", "not met: no request of it that was let through matches\n    still hammers: 30 requests refused and let 0 through since 2031-05-06T07:24:00Z, last at 2031-05-06T07:29:50Z\n")
	o := w.want(w.run("explain", "203.0.113.67"), exitOK)
	says(t, o.stdout, "NOT met: 5 of at least 100", "    the edge refused 20 requests and let 5 through since 2031-05-06T07:20:00Z, last at 2031-05-06T07:29:50Z\n", "!still hammers")
	says(t, w.want(w.run("explain", "203.0.113.67", "--json"), exitOK).stdout, `"at_edge": {`, `"refused": 20`, `"passed": 5`)
}

// The command that explain prints is one that unblock carries out, whoever made the entry.
func TestTheUndoOfExplainWorks(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.0", Subnet: new(24), Comment: "the fraud team, ticket 4711"})
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "198.51.0.0", Subnet: new(16), Comment: "the fraud team"})
	for address, foreign := range map[string]string{attacker: "; and by 203.0.113.0/24 in edgewarden_1, somebody else's entry: the fraud team, ticket 4711\n", "198.51.100.7": "BLOCKED by 198.51.0.0/16 in edgewarden_1, somebody else's entry: the fraud team"} {
		o := w.want(w.run("explain", address), exitOK)
		_, undo, _ := strings.Cut(o.stdout, "undo: blocker ")
		undo, _, _ = strings.Cut(undo, "\n")
		says(t, o.stdout, foreign)
		args := strings.Fields(strings.ReplaceAll(undo, "'undo block'", "undo-block"))
		w.want(w.raw(args...), exitOK)
		says(t, w.want(w.run("explain", address), exitOK).stdout, "\npasses: exempted by "+address+"/32", "!undo:")
	}
	says(t, w.want(w.run("explain", "198.51.0.0/16"), exitOK).stdout, "\nBLOCKED by 198.51.0.0/16", "!undo:") // unblock takes no /16
}

func TestExplainGivesTheReasonForWhichARunDoesNotBlock(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, nil)
	w.store()
	ledger := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", ledger), exitOK)
	says(t, w.want(w.run("explain", attacker, "--ledger", ledger), exitOK).stdout, "!refused:") // blocked it is
	w.want(w.run("purge", "--reason", "another day"), exitOK)
	const burst = "refused: Its last request, at 2031-05-06T07:29:50Z, belongs to the burst it was blocked for at 2031-05-06T07:30:00Z: one burst is one strike."
	says(t, w.want(w.run("explain", attacker, "--ledger", ledger), exitOK).stdout, burst)
	says(t, w.want(w.run("explain", attacker), exitOK).stdout, "!refused:") // nobody remembers

	// Who pulled the kill switch is told to whoever asks why nothing is blocked.
	w.want(w.run("stop", "--reason", "a test"), exitOK)
	says(t, w.want(w.run("explain", attacker), exitOK).stdout, "\nnot blocked; but blocking is stopped by tester", "refused: stopped by tester")
	w.want(w.run("start", "--reason", "a test"), exitOK)

	// The guard refuses what would hit too many customers.
	w.file("rules.yaml", "rules:\n  - {name: all, when: requests >= 3, window: 10m, mode: enforce}\n")
	refused := w.json(w.want(w.run("run", "--dry-run", "--json"), exitOK)).Refusals
	last := refused[len(refused)-1]
	says(t, w.want(w.run("explain", last.Key), exitOK).stdout, "    MET: 3 of at least 3", "    refused: "+last.Reason+"\n")
}

// An hour of this table is 10 GiB.
func TestExplainLeavesOutTheRulesThatARunLeavesOut(t *testing.T) {
	w := newWorld(t)
	table, url := w.growing()
	row := detect.Row{Rule: 0, Key: attacker, Requests: 30, Peak: 10, OK: 30, DistinctPaths: 7, Addresses: 1, OKAddresses: 1, Share: 0.033, FirstUs: 1, LastUs: w.T.Add(-time.Minute).UnixMicro(), Population: 201}
	table.Answers["detect"] = bqtest.DetectAnswer(detect.Row{Rule: -1, HealthRows: 900}, row)
	o := w.want(w.runBigQuery(url, "explain", attacker, "--max-bytes", "3221225472"), exitPartly)
	says(t, o.stdout, "NOT JUDGED: rule slow, rule scan: only windows of up to 10m were looked at", "rule slow (6h, enforce): requests >= 5000\n    not judged: only windows of up to 10m were looked at\n",
		"    NOT met: 30 of at least 100 requests", "1.7 GiB estimated before, 3.3 GiB billed\n", "at the edge: nothing")
	says(t, o.stderr, "the query would read", "bytes=64424509440 window=6h", "window=10m")
	o = w.want(w.runBigQuery(url, "explain", attacker, "--max-bytes", "1073741824"), exitFailed)
	says(t, o.stdout, "\nnot blocked\n", "rules: not known: asking the log store of service SVC1: not even the rules with the shortest window fit", "at the edge: nothing")
	says(t, o.stderr, "not even the rules with the shortest window fit")

	delete(table.Answers, "evidence")
	o = w.want(w.runBigQuery(url, "explain", attacker, "--max-bytes", "3221225472"), exitFailed)
	says(t, o.stdout, "    NOT met: 30 of at least 100 requests", "  evidence: not known: fetching evidence of service SVC1: ", "!rules: not known")
}

func TestExplainShowsWhatCanBeHad(t *testing.T) {
	w := flooded(t)
	ledger := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", ledger), exitOK)

	w.edge.Fault(acltest.Fault{Times: -1, Status: 401, Body: `{"msg":"no such token"}`})
	o := w.want(w.run("explain", attacker, "--ledger", ledger), exitFailed)
	says(t, o.stdout, "\nwhether it is blocked is not known, since the edge cannot be read\n", "MET: 300 of at least 100", "at the edge: not known: ", "ledger: 2031-05-06T07:30:00Z block success", "!not blocked", "!undo:")
	says(t, o.stderr, "blocker: reading the present entries of service SVC1: ")
	says(t, w.want(w.run("explain", attacker, "--json"), exitFailed).stdout, `"missing": {`, `"edge": "`)
	w.edge.ClearFaults()

	nowhere := func(args ...string) outcome {
		return w.raw(append(args, "--lake", filepath.Join(w.dir, "nowhere"), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "SVC1", "--acl", "edgewarden_1",
			"--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339))...)
	}
	o = w.want(nowhere("explain", attacker, "--ledger", ledger), exitFailed)
	says(t, o.stdout, "\nBLOCKED by "+attacker+"/32 in edgewarden_1: rule flood", "\nundo: ", "rules: not known: asking the log store", "at the edge: blocked by", "lists: nothing", "ledger: 2031-05-06T07:30:00Z block success")
	says(t, o.stderr, "there is no directory")
	if o = w.want(nowhere("explain", "--request-id", "x"), exitFailed); o.stdout != "" {
		t.Errorf("%s", o.stdout)
	}

	torn := w.file("torn.jsonl", "no event\n")
	o = w.want(w.run("explain", attacker, "--ledger", torn), exitFailed)
	says(t, o.stdout, "\nBLOCKED by ", "MET: 300 of at least 100", "ledger: not known: reading the ledger: ")
}

func TestExplainSaysWhereItDidNotAsk(t *testing.T) {
	w := flooded(t)
	o := w.want(w.raw("explain", attacker, "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--now", w.T.Format(time.RFC3339)), exitOK)
	says(t, o.stdout, "\nno service was named, so what is blocked is not known\n", "MET: 300 of at least 100", "at the edge: not known: no service was named, so it was not asked\n", "ledger: not known: there is no --ledger\n")
}
