package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
	"edgewarden/internal/terminal"
)

// night is when everything here happens.
var night = time.Date(2031, 5, 6, 3, 0, 0, 0, time.UTC)

// fullEdge is a service with n blocks, as read from the edge.
func fullEdge(n int) *acl.Snapshot {
	s := acl.EmptySnapshot(acl.Target{ServiceID: "SVC1", ACLs: []string{"edgewarden_1", "edgewarden_2", "edgewarden_3"}})
	s.Version, s.EnforceUntil = 7, night.Add(23*time.Hour)
	for i := range n {
		l := &s.Blocks[i%len(s.Blocks)]
		mark := acl.Mark{Owner: "edgewarden", Kind: policy.KindBlock, Rule: []string{"flood", "login", ruleManual}[i%3], Strikes: 1 + i%4, Run: "mx2966x4y0cg",
			Since: night.Add(-time.Duration(i) * time.Second), Until: night.Add(time.Duration(n-i) * time.Second)}
		prefix := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:%x::/64", i/256, i%256))
		l.Entries = append(l.Entries, acl.Entry{ID: fmt.Sprint(i), ACL: l.Name, Prefix: prefix, Ours: true, Mark: mark})
	}
	return s
}

// crowdedPlan is a run that blocks n addresses.
func crowdedPlan(n int) *report {
	p := &acl.Plan{Now: night}
	for i := range n {
		prefix := netip.MustParsePrefix(fmt.Sprintf("203.0.%d.%d/32", i/250, i%250))
		o := &detect.Offender{Key: policy.Key(prefix), Rule: "flood", Measures: detect.Measures{Requests: int64(9000 - i), PeakPerMinute: 90, Errors: 400},
			Evidence: &detect.Evidence{Country: "NZ", ASN: 64500, Paths: []detect.Count{{Value: "/login\x1b[31m/漢字", N: 400}}, Agents: []detect.Count{{Value: strings.Repeat("agent ", 20), N: 400}}}}
		d := &policy.Decision{Rule: "flood", Prefix: prefix, Key: o.Key, Offender: o}
		p.Changes = append(p.Changes, acl.Change{Op: acl.Create, ACL: "edgewarden_1", Prefix: prefix, Decision: d, Reason: "Rule flood: many requests, at most 90 a minute.",
			Mark: acl.Mark{Kind: policy.KindBlock, Rule: "flood", Strikes: 1, Until: night.Add(time.Hour)}})
	}
	return &report{DryRun: true, Capacity: 1000, Now: night, To: night, Services: []*serviceReport{{Service: config.Service{ID: "SVC1"}, Snapshot: fullEdge(500), Plan: p}}}
}

// onScreen is a terminal of 24 lines of 80 columns, as an engineer has it.
func onScreen(all bool) view {
	p := &program{flags: &flags{Config: "/etc/edgewarden/edgewarden.yaml"}}
	return view{screen: terminal.Screen{Width: 80, Color: true}, all: all, undo: p.undo, again: p.again}
}

func TestStatusOf3000BlocksFitsOneScreen(t *testing.T) {
	s := fullEdge(3000)
	s.Blocks[1].Referenced = false
	v := onScreen(false)
	v.screen.Color = false
	got := statusText([]statusDoc{statusOf(s, night)}, night, v)
	if lines := strings.Count(got, "\n"); lines > 23 {
		t.Errorf("%d lines:\n%s", lines, got)
	}
	for line := range strings.Lines(got) {
		if w := terminal.Width(strings.TrimSuffix(line, "\n")); w > 80 {
			t.Errorf("%d columns: %s", w, line)
		}
	}
	for _, want := range []string{"service SVC1, active version 7", "enforcing until", "PROBLEM: ACL edgewarden_2 is not referenced", "3,000 blocked, 1,000 by hand", "by rule: flood 1,000, login 1,000, manual 1,000", " more (--all or --json)"} {
		if !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
	v.screen.Width = 60 // entries take two lines there
	if got := statusText([]statusDoc{statusOf(s, night)}, night, v); strings.Count(got, "\n") > 23 {
		t.Errorf("%d lines on 60 columns:\n%s", strings.Count(got, "\n"), got)
	}
	v.screen.Width = 0 // a pipe gets all: who searches it must not miss one
	if got := statusText([]statusDoc{statusOf(s, night)}, night, v); strings.Count(got, "  block   2001:") != 3000 {
		t.Errorf("a pipe gets %d entries", strings.Count(got, "  block   2001:"))
	}
}

func TestAPlanOf3000ShowsItsTopOnAScreen(t *testing.T) {
	var b strings.Builder
	if err := crowdedPlan(3000).text(&b, onScreen(false)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "+ … and 2,940 more (--all or --json)") || strings.Count(b.String(), "undo: blocker unblock ") != top {
		t.Errorf("%s", b.String()[max(0, b.Len()-400):])
	}
}

// The two below must stay under 300 ms a call; they take a few.

func BenchmarkStatusText3000(b *testing.B) {
	s := fullEdge(3000)
	for b.Loop() {
		if statusText([]statusDoc{statusOf(s, night)}, night, onScreen(true)) == "" {
			b.Fatal("nothing")
		}
	}
}

func BenchmarkPlanText3000(b *testing.B) {
	r := crowdedPlan(3000)
	for b.Loop() {
		if err := r.text(io.Discard, onScreen(true)); err != nil {
			b.Fatal(err)
		}
	}
}
