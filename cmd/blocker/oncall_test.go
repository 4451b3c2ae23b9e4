package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
	"edgewarden/internal/record"
)

func TestTheKillSwitchDoesNotWaitForTheLedger(t *testing.T) {
	for _, args := range [][]string{{"stop", "--reason", "x"}, {"start", "--reason", "x"}, {"unblock", attacker, "--reason", "x"}, {"purge", "--reason", "x"}, {"block", "203.0.113.70", "--for", "1h", "--reason", "x"}} {
		w := flooded(t)
		before := w.edge.Writes()
		o := w.want(w.run(append(args, "--ledger", "/no/such/folder/ledger.jsonl")...), exitPartly)
		if args[0] != "purge" && w.edge.Writes() == before {
			t.Errorf("%v did not act", args)
		}
		if !strings.Contains(o.stdout+o.stderr, "/no/such/folder") {
			t.Errorf("%v does not say that it was not recorded: %s%s", args, o.stdout, o.stderr)
		}
	}
}

func TestAWrongClockReleasesNothingAndMovesNoLease(t *testing.T) {
	w := flooded(t)
	w.edge = acltest.NewWith(acltest.Options{Skew: time.Hour})
	server := httptest.NewServer(w.edge)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.want(w.run("run"), exitRefused)
	if got := w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"]; got != "" && got != "0" {
		t.Errorf("the lease moved to %s", got)
	}
}

func TestNobodyExemptsTheInternet(t *testing.T) {
	w := flooded(t)
	for _, wide := range []string{"0.0.0.0/0", "::/0", "203.0.0.0/16"} {
		o := w.want(w.run("unblock", wide, "--reason", "x"), exitUsage)
		if !strings.Contains(o.stderr, "blocker stop") {
			t.Errorf("%s: no pointer to stop: %s", wide, o.stderr)
		}
	}
}

func TestAnExemptionIsNotCalledABlock(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	o := w.want(w.run("unblock", attacker, "--reason", "office"), exitOK)
	if !strings.Contains(o.stdout, "0 blocked, 0 extended, 1 released, 1 exempted") {
		t.Errorf("%s", o.stdout)
	}
}

func TestABlockByHandKeepsItsReasonAndWarnsWhenNothingIsEnforced(t *testing.T) {
	w := flooded(t)
	o := w.want(w.run("block", "203.0.113.70", "--for", "1h", "--reason", "case 4711"), exitOK)
	for _, want := range []string{"case 4711", "enforces nothing"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in: %s", want, o.stdout)
		}
	}
	if strings.Contains(o.stdout, "0 requests") {
		t.Errorf("a measure that nobody took: %s", o.stdout)
	}
}

func TestADryRunCreatesNoLedger(t *testing.T) {
	w := flooded(t)
	file := filepath.Join(w.dir, "new.jsonl")
	w.want(w.run("run", "--dry-run", "--ledger", file), exitOK)
	w.run("check", "--ledger", file)
	if _, err := os.Stat(file); err == nil {
		t.Error("the ledger file was created")
	}
}

func TestAStoreWithoutRowsIsAnAlert(t *testing.T) {
	w := flooded(t)
	w.T = w.T.Add(5 * time.Hour)
	d := w.json(w.want(w.run("run", "--json"), exitOK))
	if len(d.Summary.Alerts) == 0 || !strings.Contains(strings.Join(d.Summary.Alerts, " "), "is ingest running") {
		t.Errorf("alerts %v", d.Summary.Alerts)
	}
}

// Two services, two causes: each stands below its service, and the sentence at the end says whose it gives.
func TestAFailureStandsWithItsService(t *testing.T) {
	w := flooded(t)
	path := w.file("config.yaml", rulesText+"services:\n  - id: NOSUCH\n    acls: [edgewarden_1]\n  - id: SVC1\n    acls: [edgewarden_1]\n")
	o := w.raw("run", "--config", path, "--fastly-endpoint", w.url, "--lake", w.lake(), "--now", w.T.Format(time.RFC3339))
	if !strings.Contains(o.stdout, "service NOSUCH\nFAILED: reading") || !strings.Contains(o.stdout, "1 of 2 services FAILED: service NOSUCH: reading") {
		t.Errorf("%s", o.stdout)
	}
}

// Whom check trusts a run trusts.
func TestCheckCountsAsTrustedWhatARunDoes(t *testing.T) {
	w := newWorld(t)
	w.requests("203.0.113.7", 90, func(r *record.Record) { r.AddressSource = record.AddressHeader })
	w.store()
	for config, says := range map[string]string{"lease: 30m\n": "none of 90 rows is trusted", "trust: {allow: [forgeable_address]}\n": "90 rows in the last 10m, newest 10s old, 90 trusted"} {
		if o := w.run("check", "--config", w.file("edgewarden.yaml", config)); !strings.Contains(o.stdout, says) {
			t.Errorf("%s: does not say %q: %s", config, says, o.stdout)
		}
	}
}

// Shares of requests and of addresses are two things.
func TestWhatNewBlocksTouchIsAShareOfRequests(t *testing.T) {
	block := acl.Change{Op: acl.Create, Mark: acl.Mark{Kind: policy.KindBlock}, Decision: &policy.Decision{Offender: &detect.Offender{Measures: detect.Measures{OK: 400, OKAddresses: 1}}}}
	s := &serviceReport{Plan: &acl.Plan{Changes: []acl.Change{block}}, Found: detect.Result{Health: detect.Health{OKRequests: 1000}}}
	if got, want := touchText([]*serviceReport{s}), "touches 1 address with 40 % of the successful requests"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestStatusShowsTheHealthyServiceBesideABrokenOne(t *testing.T) {
	w := flooded(t)
	path := w.file("config.yaml", rulesText+"services:\n  - id: SVC1\n    acls: [edgewarden_1]\n  - id: NOSUCH\n    acls: [edgewarden_1]\n")
	o := w.want(w.raw("status", "--config", path, "--fastly-endpoint", w.url), exitPartly)
	if !strings.Contains(o.stdout, "service SVC1, active version 1") || !strings.Contains(o.stdout, "NOSUCH: FAILED") {
		t.Errorf("%s", o.stdout)
	}
}

func TestTheEnvironmentGoesBeforeTheTokenFileOfTheConfiguration(t *testing.T) {
	w := flooded(t)
	path := w.file("config.yaml", rulesText+"fastly:\n  token_file: /no/such/token\nservices:\n  - id: SVC1\n    acls: [edgewarden_1]\n")
	w.want(w.raw("status", "--config", path, "--fastly-endpoint", w.url), exitOK)
	w.token = ""
	o := w.raw("check", "--config", path, "--fastly-endpoint", w.url, "--lake", w.lake(), "--now", w.T.Format(time.RFC3339))
	if o.code != exitFailed || !strings.Contains(o.stdout, "/no/such/token") || !strings.Contains(o.stdout, "store of service SVC1") {
		t.Errorf("a missing token file must be one finding among others: exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
}

func TestFlagsThatCannotBeMeant(t *testing.T) {
	w := flooded(t)
	for _, c := range []struct{ flag, want string }{
		{"--owner=Bad Owner", "--owner"}, {"--lease=1m", "--lease"}, {"--lease=1000h", "--lease"}, {"--admin=127.0.0.1:0", "--schedule"},
	} {
		o := w.want(w.run("run", c.flag), exitUsage)
		if !strings.Contains(o.stderr, c.want) {
			t.Errorf("%s: %s", c.flag, o.stderr)
		}
	}
}

func TestStoppedByIsATimeAndAName(t *testing.T) {
	if got := stoppedBy("1935828000 alice"); got != "alice at 2031-05-06T10:00:00Z" {
		t.Errorf("%q", got)
	}
	if got := stoppedBy("by hand"); got != "by hand" {
		t.Errorf("%q", got)
	}
}

func TestABlockByHandWinsOverAnExemptionAndSetsTheEnd(t *testing.T) {
	w := flooded(t)
	w.want(w.run("unblock", "203.0.113.70", "--reason", "office"), exitOK)
	w.want(w.run("block", "203.0.113.70", "--for", "1h", "--reason", "it was not the office"), exitOK)
	if len(w.prefixes("edgewarden_exempt")) != 0 {
		t.Errorf("still exempt: %v", w.prefixes("edgewarden_exempt"))
	}
	w.want(w.run("block", "203.0.113.70", "--for", "3h", "--reason", "longer"), exitOK)
	want := fmt.Sprintf("u=%d ", w.T.Add(3*time.Hour).Unix())
	if got := w.prefixes("edgewarden_1")["203.0.113.70/32"]; !strings.Contains(got, want) {
		t.Errorf("%q does not say %q", got, want)
	}
}

func TestWhenFastlyIsDownStopSaysWhatToDoByHand(t *testing.T) {
	w := flooded(t)
	w.url = "http://127.0.0.1:1"
	o := w.want(w.run("stop", "--reason", "x"), exitFailed)
	if !strings.Contains(o.stderr, "enforce_until") {
		t.Errorf("no advice: %s", o.stderr)
	}
}

func TestTheAllowlistOfAFileIsRead(t *testing.T) {
	w := flooded(t)
	list := w.file("allow.txt", attacker+" # our monitor\n")
	path := w.file("config.yaml", rulesText+"allowlist_files:\n  - "+list+"\nservices:\n  - id: SVC1\n    acls: [edgewarden_1]\n")
	flags := []string{"run", "--json", "--config", path, "--lake", w.lake(), "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339)}
	d := w.json(w.want(w.raw(flags...), exitOK))
	if len(d.Refusals) != 1 || d.Refusals[0].Code != "allowlisted" || len(w.prefixes("edgewarden_exempt")) != 1 {
		t.Errorf("refusals %+v, exempt %v", d.Refusals, w.prefixes("edgewarden_exempt"))
	}
	// A list that cannot be read must not let anybody be blocked whom it might have spared.
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	d = w.json(w.want(w.raw(flags...), exitOK))
	if len(w.prefixes("edgewarden_1")) != 0 || len(w.prefixes("edgewarden_exempt")) != 1 || !strings.Contains(strings.Join(d.Summary.Alerts, " "), "allow.txt") {
		t.Errorf("entries %v, alerts %v", w.prefixes("edgewarden_1"), d.Summary.Alerts)
	}
}

// The configurations beside the manifests are ones that the program takes.
func TestTheManifestsConfigurationsLoad(t *testing.T) {
	for overlay, flags := range map[string][]string{"gke": nil, "local": {"--service-id", "SERVICE_ID", "--acl", "edgewarden_1"}} {
		w := newWorld(t)
		path := filepath.Join("../../deploy/kubernetes/overlays", overlay, "edgewarden.yaml")
		o := w.raw(append([]string{"check", "--config", path, "--fastly-endpoint", w.url, "--lake", w.lake(), "--ledger", filepath.Join(w.dir, "ledger.jsonl")}, flags...)...)
		if o.code == exitUsage || !strings.Contains(o.stdout, "ok   rules of SERVICE_ID: ") {
			t.Errorf("%s: exit %d: %s%s", overlay, o.code, o.stdout, o.stderr)
		}
	}
}

// Lines that Fastly sent and nobody stored show nowhere but against Fastly's own count.
func TestLinesThatNeverArrivedAreAnAlert(t *testing.T) {
	w := newWorld(t)
	w.T = time.Now().UTC().Truncate(time.Second)
	w.everyday()
	w.store()
	_, to := acl.LogWindow(time.Now())
	flags := []string{"--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "SVC1", "--acl", "edgewarden_1", "--fastly-endpoint", w.url}
	o := w.want(w.raw(append([]string{"run"}, flags...)...), exitOK)
	if strings.Contains(o.stdout, "did not arrive") || strings.Contains(o.stdout, "none arrived") {
		t.Errorf("nothing was sent and nothing is missing: %s", o.stdout)
	}
	w.edge.AddLogged("SVC1", to.Add(-10*time.Minute), 50_000)
	o = w.want(w.raw(append([]string{"run"}, flags...)...), exitOK)
	if !strings.Contains(o.stdout, "Fastly says it sent 50000 log lines") {
		t.Errorf("no alert: %s", o.stdout)
	}
	o = w.want(w.raw(append([]string{"check"}, flags...)...), exitFailed)
	if !strings.Contains(o.stdout, "FAIL loss of service SVC1") {
		t.Errorf("no finding: %s", o.stdout)
	}
}

// Fastly counts the lines of all logging endpoints, and only one of them is ingest.
func TestASecondLoggingEndpointIsNoLoss(t *testing.T) {
	w := newWorld(t)
	_, to := acl.LogWindow(time.Now())
	w.T = to.Add(-10 * time.Minute)
	w.everyday()
	w.store()
	w.edge.AddLogged("SVC1", w.T, uint64(2*len(w.rows)))
	const config = "lake: %s\nservices:\n  - {id: SVC1, acls: [edgewarden_1]%s}\nrules:\n  - {name: flood, when: requests >= 100, window: 10m, block: 1h}\n"
	for endpoints, say := range map[string]string{"": "FAIL loss of service SVC1", ", log_endpoints: 2": "ok   loss of service SVC1"} {
		o := w.raw("check", "--config", w.file("edgewarden.yaml", fmt.Sprintf(config, w.lake(), endpoints)), "--fastly-endpoint", w.url)
		if !strings.Contains(o.stdout, say) {
			t.Errorf("%q: does not say %q: %s", endpoints, say, o.stdout)
		}
	}
}
