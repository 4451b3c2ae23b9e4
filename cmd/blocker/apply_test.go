package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
)

// planned makes a plan for a flood and returns its file.
func planned(t *testing.T, w *world, flags ...string) string {
	t.Helper()
	file := filepath.Join(w.dir, "plan.json")
	before := w.edge.Writes()
	w.want(w.run(append([]string{"plan", "-o", file}, flags...)...), exitOK)
	if w.edge.Writes() != before {
		t.Fatal("plan wrote to the edge")
	}
	return file
}

func TestAReviewedPlanIsApplied(t *testing.T) {
	w := flooded(t)
	file := planned(t, w)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	w.want(w.run("apply", file), exitOK)
	if got := w.prefixes("edgewarden_1"); len(got) != 1 || !strings.Contains(got[attacker+"/32"], "r=flood") {
		t.Errorf("entries %v", got)
	}
	if w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"] == "" {
		t.Error("the lease did not move")
	}
}

func TestApplyDoesOnlyWhatWasReviewedAndSaysWhatDiffers(t *testing.T) {
	w := flooded(t)
	file := planned(t, w)
	// Since the review: the address was unblocked by hand, and an entry of ours has expired.
	w.want(w.run("unblock", attacker, "--reason", "office"), exitOK)
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.5", Comment: "ew1 o=edgewarden k=b u=1 s=1 n=1 r=flood i=x"})
	o := w.want(w.run("apply", file), exitRefused)
	for _, want := range []string{"create " + attacker + "/32 (rule flood) is not done", "delete 203.0.113.5/32 (rule flood) was not in the plan"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %s", want, o.stdout)
		}
	}
	if got := w.prefixes("edgewarden_1"); len(got) != 1 || got["203.0.113.5/32"] == "" {
		t.Errorf("entries %v", got)
	}
}

func TestAPlanThatWasEditedOrIsOldIsRefused(t *testing.T) {
	w := flooded(t)
	file := planned(t, w)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := w.file("edited.json", strings.ReplaceAll(string(content), attacker, "203.0.113.67"))
	w.want(w.run("apply", edited), exitUsage)
	f, err := readPlan(file)
	if err != nil {
		t.Fatal(err)
	}
	f.Made = f.Made.Add(-time.Hour)
	old := filepath.Join(w.dir, "old.json")
	if err := f.write(old); err != nil {
		t.Fatal(err)
	}
	o := w.want(w.run("apply", old), exitRefused)
	if !strings.Contains(o.stderr, "expired") {
		t.Errorf("%s", o.stderr)
	}
	w.want(w.run("apply", w.file("not.json", "{}")), exitUsage)
	newer := w.file("newer.json", strings.Replace(string(content), `"version": 1,`, `"version": 2, "tomorrow": true,`, 1))
	if o := w.want(w.run("apply", newer), exitUsage); !strings.Contains(o.stderr, "apply it with the release that made it") {
		t.Errorf("%s", o.stderr)
	}
}

func TestAnOverrideLiftsOneLimitForWhatWasShown(t *testing.T) {
	w := flooded(t)
	w.file("config.yaml", rulesText+"guard:\n  too_many_blocks: 1\nservices:\n  - id: SVC1\n    acls: [edgewarden_1]\n")
	w.requests("203.0.113.67", 200, nil)
	w.store()
	flags := []string{"--config", filepath.Join(w.dir, "config.yaml"), "--lake", w.lake(), "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339), "--ledger", filepath.Join(w.dir, "l.jsonl")}
	file := filepath.Join(w.dir, "plan.json")
	w.want(w.raw(append([]string{"plan", "-o", file}, flags...)...), exitOK)
	w.want(w.raw(append([]string{"apply", file, "--override", "too-many-blocks"}, flags...)...), exitUsage)              // no reason
	w.want(w.raw(append([]string{"apply", file, "--override", "never-block", "--reason", "x"}, flags...)...), exitUsage) // cannot be lifted
	w.want(w.raw(append([]string{"apply", file, "--override", "too-many-blocks", "--reason", "botnet"}, flags...)...), exitOK)
	if got := w.prefixes("edgewarden_1"); len(got) != 2 {
		t.Errorf("entries %v", got)
	}
	o := w.want(w.raw("audit", "show", "--json", "--ledger", filepath.Join(w.dir, "l.jsonl")), exitOK)
	if !strings.Contains(o.stdout, `"event":"override"`) || !strings.Contains(o.stdout, "botnet") {
		t.Errorf("the override is not audited: %s", o.stdout)
	}
}
