package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/ledger"
	"edgewarden/internal/record"
)

const attacker = "203.0.113.66"

func flooded(t *testing.T) *world {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, nil)
	w.store()
	return w
}

func TestARunBlocksAFloodAndNobodyElse(t *testing.T) {
	w := flooded(t)
	d := w.json(w.want(w.run("run", "--json"), exitOK))
	if len(d.Offenders) != 1 || d.Offenders[0].Key != attacker || d.Offenders[0].Evidence.Requests != 300 {
		t.Fatalf("offenders %+v", d.Offenders)
	}
	got := w.prefixes("edgewarden_1")
	if len(got) != 1 || !strings.HasPrefix(got[attacker+"/32"], "ew1 o=edgewarden k=b u=") {
		t.Fatalf("entries %v", got)
	}
	until := fmt.Sprint(w.T.Add(24 * time.Hour).Unix())
	if got := w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"]; got != until {
		t.Errorf("enforce_until %q, want %q: now + 24 h", got, until)
	}
	if c := d.Changes[0]; c.Prefix != attacker+"/32" || string(c.Op) != "create" || c.ACL != "edgewarden_1" || c.Rule != "flood" || c.Reason == "" || !c.Until.Equal(w.T.Add(time.Hour)) {
		t.Errorf("change %+v", c)
	}
	if len(d.Offenders[0].Evidence.Paths) == 0 || len(d.Offenders[0].Evidence.Agents) == 0 {
		t.Error("no evidence beside the counts")
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	d := w.json(w.want(w.run("run", "--json"), exitOK))
	if len(d.Changes) != 0 || len(w.prefixes("edgewarden_1")) != 1 {
		t.Errorf("changes %+v, entries %v", d.Changes, w.prefixes("edgewarden_1"))
	}
}

func TestABlockIsReleasedWhenDue(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	w.T = w.T.Add(61 * time.Minute) // no rows any more: releases never depend on data
	d := w.json(w.want(w.run("run", "--json"), exitOK))
	if len(w.prefixes("edgewarden_1")) != 0 {
		t.Errorf("entries %v, changes %+v", w.prefixes("edgewarden_1"), d.Changes)
	}
}

func TestForgedAndUnauthenticatedRowsNeverBlock(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests("203.0.113.7", 200, func(r *record.Record) { r.AddressSource = record.AddressHeader })
	w.requests("203.0.113.8", 200, func(r *record.Record) { r.Sender = record.SenderNone })
	w.store()
	d := w.json(w.want(w.run("run", "--json"), exitOK))
	codes := map[string]string{}
	for _, r := range d.Refusals {
		codes[r.Key] = r.Code
		if !strings.Contains(r.Reason, "trust") {
			t.Errorf("%s: the reason names no key that lifts it: %s", r.Key, r.Reason)
		}
	}
	if codes["203.0.113.7"] != "forgeable_address" || codes["203.0.113.8"] != "unauthenticated_sender" || len(d.Changes) != 0 {
		t.Errorf("refusals %v, changes %+v", codes, d.Changes)
	}
}

func TestAllowlistedAndFastlyAddressesAreRefused(t *testing.T) {
	w := flooded(t)
	w.requests("151.101.1.1", 300, nil) // Fastly's own
	w.store()
	w.file("config.yaml", rulesText+"allowlist:\n  - prefix: 203.0.113.0/26\n    reason: our office\n  - prefix: 203.0.113.64/29\n    reason: payment provider\n")
	d := w.json(w.want(w.raw("run", "--json", "--config", filepath.Join(w.dir, "config.yaml"), "--lake", w.lake(), "--service-id", "SVC1", "--acl", "edgewarden_1",
		"--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339)), exitOK))
	codes := map[string]string{}
	for _, r := range d.Refusals {
		codes[r.Key] = r.Code
	}
	if codes[attacker] != "allowlisted" || codes["151.101.1.1"] != "never_block" || len(w.prefixes("edgewarden_1")) != 0 {
		t.Errorf("refusals %v, entries %v", codes, w.prefixes("edgewarden_1"))
	}
}

func TestShadowRulesWriteOnlyTheShadowACL(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 40, func(r *record.Record) { r.SetInt(record.Status, 404) })
	w.store()
	w.want(w.run("run"), exitOK)
	if len(w.prefixes("edgewarden_1")) != 0 || len(w.prefixes("edgewarden_shadow")) != 1 {
		t.Errorf("block %v, shadow %v", w.prefixes("edgewarden_1"), w.prefixes("edgewarden_shadow"))
	}
}

// Every command and flag that can stand beside --dry-run, against an edge that answers but counts writes.
func TestADryRunCannotWrite(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK) // something to release, purge and unblock
	ledgerFile := filepath.Join(w.dir, "dry.jsonl")
	w.edge.Fault(acltest.Fault{Times: -1, Before: func() {}}) // every request goes through the recorder
	before := w.edge.Writes()
	calls := [][]string{
		{"run"}, {"run", "--json"}, {"run", "--detailed-exitcode"}, {"--json"}, {},
		{"status"}, {"status", "--json"}, {"check"}, {"check", "--json"},
		{"block", "203.0.113.70", "--for", "1h", "--reason", "test"}, {"block", "203.0.113.70", "--for", "1h", "--reason", "test", "--json"},
		{"unblock", attacker, "--reason", "test"}, {"unblock", attacker, "--reason", "test", "--override-foreign", "--exempt", "1h"},
		{"stop", "--reason", "test"}, {"start", "--reason", "test"}, {"purge", "--reason", "test"}, {"purge", "--reason", "test", "--json"},
	}
	for _, args := range calls {
		o := w.run(append(args, "--dry-run", "--ledger", ledgerFile)...)
		if o.code == exitUsage {
			t.Errorf("%v: usage error: %s", args, o.stderr)
		}
		if got := w.edge.Writes(); got != before {
			t.Fatalf("%v wrote to the edge", args)
		}
		if b, err := os.ReadFile(ledgerFile); err == nil && len(b) > 0 {
			t.Fatalf("%v wrote to the ledger: %s", args, b)
		}
	}
}

func TestADryRunTellsPendingChanges(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run", "--dry-run", "--detailed-exitcode"), exitPending)
	o := w.want(w.run("run", "--dry-run"), exitOK)
	for _, want := range []string{"+ block", attacker, "flood", "300", "dry run"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the plan does not say %q:\n%s", want, o.stdout)
		}
	}
}

func TestWithoutAServiceADryRunNeedsNoToken(t *testing.T) {
	w := flooded(t)
	w.token = ""
	d := w.json(w.want(w.raw("--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--now", w.T.Format(time.RFC3339), "--dry-run", "--json"), exitOK))
	if len(d.Offenders) != 1 || len(d.Changes) != 1 {
		t.Errorf("offenders %+v, changes %+v", d.Offenders, d.Changes)
	}
	o := w.want(w.raw("--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml")), exitUsage)
	if !strings.Contains(o.stderr, "--service-id") {
		t.Errorf("no hint: %s", o.stderr)
	}
}

func TestStoppedMeansExit3AndNoBlocks(t *testing.T) {
	w := flooded(t)
	w.want(w.run("stop", "--reason", "customers report 403"), exitOK)
	if w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"] != "0" {
		t.Error("stop leaves the lease")
	}
	o := w.want(w.run("run"), exitRefused)
	if !strings.Contains(o.stdout, "stopped") || len(w.prefixes("edgewarden_1")) != 0 {
		t.Errorf("%s", o.stdout)
	}
	w.want(w.run("start", "--reason", "rule fixed"), exitOK)
	w.want(w.run("run"), exitOK)
	if len(w.prefixes("edgewarden_1")) != 1 {
		t.Error("start does not let the run block")
	}
}

func TestWithoutExemptACLOrDictionaryNothingIsWritten(t *testing.T) {
	for _, flag := range []string{"--owner=x", "exempt", "control"} {
		w := flooded(t)
		text := rulesText + "services:\n  - id: SVC1\n    acls: [edgewarden_1]\n"
		want := exitOK
		if !strings.HasPrefix(flag, "--") {
			text += "    " + flag + ": no_such_thing\n"
			want = exitRefused
		}
		path := w.file("config.yaml", text)
		before := w.edge.Writes()
		w.want(w.raw("run", "--config", path, "--lake", w.lake(), "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339)), want)
		if wrote := w.edge.Writes() > before; wrote != (want == exitOK) {
			t.Errorf("%s: wrote = %v", flag, wrote)
		}
	}
}

func TestStaleDataIsRefusedWithExit3(t *testing.T) {
	w := newWorld(t)
	w.T = w.T.Add(-8 * time.Minute)
	w.requests(attacker, 300, nil)
	w.T = w.T.Add(8 * time.Minute)
	w.store()
	w.file("rules.yaml", strings.ReplaceAll(rulesText, "10m", "30m"))
	w.file("config.yaml", strings.ReplaceAll(rulesText, "10m", "30m")+"guard:\n  stale_data: 5m\n")
	o := w.raw("run", "--config", filepath.Join(w.dir, "config.yaml"), "--lake", w.lake(), "--service-id", "SVC1", "--acl", "edgewarden_1", "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339), "--json")
	d := w.json(w.want(o, exitRefused))
	if d.Guard.Verdict != "refused" || len(w.prefixes("edgewarden_1")) != 0 {
		t.Errorf("guard %+v", d.Guard)
	}
}

func TestOneOfTwoServicesFailing(t *testing.T) {
	w := flooded(t)
	path := w.file("config.yaml", rulesText+"services:\n  - id: SVC1\n    acls: [edgewarden_1]\n  - id: NOSUCH\n    acls: [edgewarden_1]\n")
	d := w.json(w.want(w.raw("run", "--config", path, "--lake", w.lake(), "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339), "--json"), exitPartly))
	if len(w.prefixes("edgewarden_1")) != 1 {
		t.Error("the healthy service was not served")
	}
	if d.Summary.Services[0].Error != "" || d.Summary.Services[1].Error == "" {
		t.Errorf("the summary does not say which failed: %+v", d.Summary.Services)
	}
}

func TestALedgerThatCannotBeWrittenAfterAWriteIsExit4(t *testing.T) {
	w := flooded(t)
	file := w.file("ledger.jsonl", "")
	w.edge.Fault(acltest.Fault{Method: http.MethodPatch, Before: func() { // while the run is on its way, a folder takes the file's place
		if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
			t.Error(err)
		}
	}})
	o := w.want(w.run("run", "--ledger", file), exitPartly)
	if !strings.Contains(o.stdout, "LEDGER NOT WRITTEN") || len(w.prefixes("edgewarden_1")) != 1 {
		t.Errorf("%s", o.stdout)
	}
}

func TestTheLedgerHoldsWhatWasDone(t *testing.T) {
	w := flooded(t)
	file := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", file), exitOK)
	w.want(w.run("unblock", attacker, "--reason", "false alarm", "--ledger", file), exitOK)
	w.want(w.run("stop", "--reason", "customers report 403", "--ledger", file), exitOK)
	w.want(w.run("start", "--reason", "rule fixed", "--ledger", file), exitOK)
	store, err := ledger.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	events, err := store.Since(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if problems := ledger.Verify(events); len(problems) > 0 {
		t.Error(problems)
	}
	seen := map[string]int{}
	for _, e := range events {
		seen[e.Event]++
		if e.Actor != "tester" || e.Source == "" || e.Target == "" || e.Outcome == "" || e.Time.IsZero() {
			t.Errorf("a field of PCI DSS 10.2.2 is missing: %+v", e)
		}
	}
	for _, want := range []string{"block", "lease", ledger.RunEvent, "unblock", "release", "exempt-create", "stop", "start"} {
		if seen[want] == 0 {
			t.Errorf("no event %q in %v", want, seen)
		}
	}
}

func TestUnblockSticks(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	w.want(w.run("unblock", attacker, "--reason", "office"), exitOK)
	if len(w.prefixes("edgewarden_1")) != 0 || len(w.prefixes("edgewarden_exempt")) != 1 {
		t.Fatalf("block %v, exempt %v", w.prefixes("edgewarden_1"), w.prefixes("edgewarden_exempt"))
	}
	d := w.json(w.want(w.run("run", "--json"), exitOK))
	if len(w.prefixes("edgewarden_1")) != 0 || len(d.Refusals) != 1 || d.Refusals[0].Code != "exempt" {
		t.Errorf("blocked again: %v, refusals %+v", w.prefixes("edgewarden_1"), d.Refusals)
	}
}

func TestUnblockRefusesAForeignEntry(t *testing.T) {
	w := flooded(t)
	twentyFour := 24
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.0", Subnet: &twentyFour, Comment: "by hand, ask ops"})
	o := w.want(w.run("unblock", attacker, "--reason", "office"), exitFailed)
	if !strings.Contains(o.stdout+o.stderr, "203.0.113.0/24") || !strings.Contains(o.stdout+o.stderr, "--override-foreign") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	w.want(w.run("unblock", attacker, "--reason", "office", "--override-foreign"), exitOK)
	if len(w.prefixes("edgewarden_1")) != 1 || len(w.prefixes("edgewarden_exempt")) != 1 {
		t.Errorf("block %v, exempt %v", w.prefixes("edgewarden_1"), w.prefixes("edgewarden_exempt"))
	}
}

func TestBlockByHandPassesThePolicy(t *testing.T) {
	w := flooded(t)
	w.file("list.txt", "203.0.113.70 # one\n2001:db8:1:2::5\n\n")
	w.want(w.run("block", "-f", filepath.Join(w.dir, "list.txt"), "--for", "2h", "--reason", "case 4711"), exitOK)
	got := w.prefixes("edgewarden_1")
	if len(got) != 2 || got["2001:db8:1:2::/64"] == "" || !strings.Contains(got["203.0.113.70/32"], "r=manual") {
		t.Errorf("entries %v", got)
	}
	d := w.json(w.run("block", "151.101.1.1", "10.0.0.0/8", "--for", "1h", "--reason", "mistake", "--json"))
	if len(d.Refusals) != 2 || len(w.prefixes("edgewarden_1")) != 2 {
		t.Errorf("refusals %+v, entries %v", d.Refusals, w.prefixes("edgewarden_1"))
	}
}

func TestPurgeLeavesForeignEntries(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.1", Comment: "by hand"})
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.2", Comment: "ew1 o=staging k=b u=0 s=1 n=1 r=flood i=x"})
	w.want(w.run("purge", "--reason", "start over"), exitOK)
	if got := w.prefixes("edgewarden_1"); len(got) != 2 || got[attacker+"/32"] != "" {
		t.Errorf("entries %v", got)
	}
}

func TestStatusSaysWhatIsBlocked(t *testing.T) {
	w := flooded(t)
	w.want(w.run("run"), exitOK)
	o := w.want(w.run("status"), exitOK)
	for _, want := range []string{attacker + "/32", "rule flood", "enforcing until", "1 ours, 0 foreign"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("status does not say %q:\n%s", want, o.stdout)
		}
	}
}

func TestUsageErrorsSayWhatToDo(t *testing.T) {
	w := flooded(t)
	w.file("bad.yaml", "rules:\n  - name: x\n    where: statuss == 404\n    when: requests >= 1\n    window: 10m\n")
	cases := []struct {
		name string
		args []string
		want []string
	}{
		{"no store", []string{"--rules", filepath.Join(w.dir, "rules.yaml"), "--dry-run"}, []string{"--lake", "--bigquery"}},
		{"no rules", []string{"--lake", w.lake(), "--dry-run"}, []string{"--rules"}},
		{"misspelt field", []string{"--lake", w.lake(), "--rules", filepath.Join(w.dir, "bad.yaml"), "--dry-run"}, []string{"bad.yaml", "3:", "statuss", "status"}},
		{"window too short", []string{"--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--dry-run", "--period", "6m"}, []string{"window", "12m"}},
		{"unknown flag", []string{"--no-such-flag"}, []string{"--no-such-flag"}},
		{"acl without service", []string{"--lake", w.lake(), "--acl", "x", "--dry-run"}, []string{"--service-id"}},
		{"now on a real endpoint", []string{"block", "203.0.113.9", "--for", "1h", "--reason", "x", "--service-id", "SVC1", "--acl", "edgewarden_1", "--now", "2031-05-06T07:08:09Z"}, []string{"--now", "loopback"}},
		{"bad time", []string{"--now", "yesterday", "--dry-run", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml")}, []string{"--now", "RFC 3339"}},
		{"bad schedule", []string{"run", "--schedule", "@every 1s", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--dry-run"}, []string{"--schedule", "minute"}},
		{"a schedule that makes the parser panic", []string{"run", "--schedule", "CRON_TZ=UTC", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--dry-run"}, []string{"--schedule", "five fields"}},
		{"garbage address", []string{"block", "203.0.113", "--for", "1h", "--reason", "x"}, []string{"203.0.113"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			o := w.want(w.raw(c.args...), exitUsage)
			for _, want := range c.want {
				if !strings.Contains(o.stderr, want) {
					t.Errorf("stderr does not say %q: %s", want, o.stderr)
				}
			}
		})
	}
}

func TestNowWithARealEndpointIsDry(t *testing.T) {
	w := flooded(t)
	o := w.raw("run", "--json", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--now", w.T.Format(time.RFC3339))
	d := w.json(w.want(o, exitOK))
	if !d.Summary.DryRun {
		t.Error("it is no dry run")
	}
}

func TestAWrongTokenIsSaidWithoutPrintingIt(t *testing.T) {
	w := flooded(t)
	w.token = "bad"
	o := w.run("run")
	if o.code != exitFailed || !strings.Contains(o.stderr, "401") && !strings.Contains(strings.ToLower(o.stderr), "token") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

func TestALakeThatDoesNotExist(t *testing.T) {
	w := newWorld(t)
	o := w.want(w.run("run"), exitFailed)
	if !strings.Contains(o.stderr, w.lake()) {
		t.Errorf("the error does not name the folder: %s", o.stderr)
	}
}
