package acl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// command is what `block KEY… --for D` decides on a snapshot.
func command(s *acl.Snapshot, at time.Time, length time.Duration, keys ...string) []policy.Decision {
	in := policy.Input{Now: at, Present: s.Present(), Settings: policy.Settings{Max: max(24*time.Hour, length)},
		Actions: map[string]policy.Action{acl.RuleManual: {Block: length, Enforce: true, CountsOnly: true, Floor: 1}}}
	for _, k := range keys {
		in.Offenders = append(in.Offenders, detect.Offender{Key: k, Group: detect.ByAddress, Rule: acl.RuleManual})
	}
	return policy.DecideByHand(in)
}

func TestBlockAfterUnblockWins(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	put(s, "exempt", row{acl: acltest.Exempt, prefix: "203.0.113.9", comment: mark(policy.KindExempt, t0.Add(24*time.Hour)).String()})
	put(s, "other", row{acl: acltest.Exempt, prefix: "203.0.113.8", comment: mark(policy.KindExempt, t0.Add(24*time.Hour)).String()})
	step := func(at time.Time, length time.Duration, want string) {
		t.Helper()
		snapshot := read(t, c)
		p := acl.Diff(snapshot, command(snapshot, at, length, "203.0.113.9"), acl.DiffOptions{Now: at, Run: "hand", OnlyDecisions: true})
		snapshot.Skew = 0
		acl.Guard(p, snapshot, acl.GuardInput{})
		if lines(p) != want {
			t.Fatalf("the plan is\n%s\nwant\n%s", lines(p), want)
		}
		if res, err := c.Apply(t.Context(), snapshot, p); err != nil || len(res.Failed) > 0 {
			t.Fatalf("%+v, %v", res, err)
		}
		got := strings.Join(comments(s, acltest.Block1), "\n")
		if !strings.HasPrefix(got, fmt.Sprintf("203.0.113.9/32 ew1 o=edgewarden k=b u=%d ", at.Add(length).Unix())) || !strings.Contains(got, " r=manual ") || strings.Contains(got, "\n") {
			t.Errorf("the edge holds %s", got)
		}
	}
	step(t0, 2*time.Hour, "delete edgewarden_exempt 203.0.113.9/32 exempt by_hand\ncreate edgewarden_1 203.0.113.9/32")
	if left := comments(s, acltest.Exempt); len(left) != 1 || !strings.HasPrefix(left[0], "203.0.113.8/32 ") {
		t.Errorf("of the exemptions there are left: %v", left)
	}
	id := s.Entries("SVC1", acltest.Block1)[0].ID
	step(t0.Add(time.Minute), 5*time.Hour, "update edgewarden_1 203.0.113.9/32 "+id)
	step(t0.Add(2*time.Minute), time.Hour, "update edgewarden_1 203.0.113.9/32 "+id)
}

func TestAnExemptionStaysWhenTheBlockThatEndsItIsRefused(t *testing.T) {
	s := snap(t, row{acl: acltest.Exempt, prefix: "203.0.113.9", comment: mark(policy.KindExempt, later).String()})
	s.Skew = 0
	for name, g := range map[string]acl.GuardInput{
		"too many":  {Limits: acl.Limits{NewBlocks: 1}},
		"allowlist": {AllowPartial: true},
	} {
		p := acl.Diff(s, command(s, t0, time.Hour, "203.0.113.8", "203.0.113.9"), acl.DiffOptions{Now: t0, Run: "hand", OnlyDecisions: true})
		acl.Guard(p, s, g)
		if strings.Contains(lines(p), "delete") || strings.Contains(lines(p), "203.0.113.9") {
			t.Errorf("%s: the plan is\n%s", name, lines(p))
		}
	}
	p := acl.Diff(s, command(s, t0, time.Hour, "203.0.113.9"), acl.DiffOptions{Now: t0, Run: "hand", OnlyDecisions: true})
	p.KeepReleases()
	if len(p.Changes) > 0 {
		t.Errorf("a stopped run would end an exemption:\n%s", lines(p))
	}
}

func TestTooManyBlocksByHandAreNotCalledHarmful(t *testing.T) {
	s := snap(t)
	s.Skew = 0
	p := acl.Diff(s, command(s, t0, time.Hour, "203.0.113.3", "203.0.113.1", "203.0.113.2"), acl.DiffOptions{Now: t0, Run: "hand", OnlyDecisions: true})
	acl.Guard(p, s, acl.GuardInput{Limits: acl.Limits{NewBlocks: 2}})
	if len(p.Changes) != 2 || len(p.Refusals) != 1 || p.Refusals[0].Key != "203.0.113.3" || p.Verdict.Verdict != acl.VerdictWarn {
		t.Fatalf("%s\n%s", lines(p), codes(p.Refusals))
	}
	if r := p.Refusals[0].Reason; strings.Contains(r, "harm") || !strings.Contains(r, "by hand") || !strings.Contains(r, "too_many_blocks") {
		t.Errorf("it says %q", r)
	}
}

func TestARollUpIsTakenBackWhole(t *testing.T) {
	var rows []row
	var ds []policy.Decision
	for i := range 5 {
		p := fmt.Sprintf("203.0.113.%d", i)
		rows = append(rows, row{acl: b1, prefix: p, comment: mark(policy.KindBlock, later).String()})
		ds = append(ds, with(release(p, policy.KindBlock, policy.CodeRolledUp), func(d *policy.Decision) { d.ReplacedBy = prefix("203.0.113.0/24") }))
	}
	wide := with(block("203.0.113.0/24", 5000), func(d *policy.Decision) { d.Offender.Measures.OKAddresses = 60 })
	s := snap(t, rows...)
	s.Skew = 0
	plan := func(g acl.GuardInput) *acl.Plan {
		p := acl.Diff(s, append(ds[:5:5], wide), acl.DiffOptions{Now: t0, Run: "now"})
		acl.Guard(p, s, g)
		return p
	}
	if p := plan(acl.GuardInput{}); len(p.Changes) != 6 {
		t.Errorf("the plan is\n%s", lines(p))
	}
	if p := plan(acl.GuardInput{Health: healthy(), HasData: true, Actions: actions}); len(p.Changes) != 0 || codes(p.Refusals) != "203.0.113.0/24 collateral" {
		t.Errorf("without the prefix its hosts would be let go:\n%s\n%s", lines(p), codes(p.Refusals))
	}
}

func TestWhatThePolicyRollsUpSettles(t *testing.T) {
	s, url := edge(t, acltest.Options{Capacity: 6})
	c := client(t, url)
	in := policy.Input{Now: t0, Settings: policy.Settings{RollUp: 5}, Actions: map[string]policy.Action{
		"flood": {Block: time.Hour, Enforce: true, CountsOnly: true, Floor: 10, Window: 10 * time.Minute},
		"watch": {Block: time.Hour, AllRows: true, Floor: 10, Window: 10 * time.Minute}}}
	for i := range 6 {
		in.Offenders = append(in.Offenders, detect.Offender{Key: fmt.Sprintf("203.0.113.%d", i), Group: detect.ByAddress, Rule: "flood", Measures: detect.Measures{Requests: 500}})
	}
	run := func() acl.Result {
		t.Helper()
		snapshot := read(t, c)
		in.Present = snapshot.Present()
		res, err := apply(t, c, snapshot, policy.Decide(in), acl.DiffOptions{Now: t0, Run: "now"})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := run(); res.Created != 6 {
		t.Fatalf("%+v", res)
	}
	in.Offenders = append(in.Offenders, detect.Offender{Key: "203.0.113.0/24", Group: detect.ByPrefix, Rule: "watch", Measures: detect.Measures{Requests: 3000, Addresses: 6}})
	if res := run(); res.Created != 1 || res.Deleted != 6 {
		t.Errorf("%+v", res)
	}
	if res := run(); res.Created+res.Deleted+res.Updated != 0 {
		t.Errorf("again: %+v", res)
	}
	if got := comments(s, acltest.Block1); len(got) != 1 || !strings.HasPrefix(got[0], "203.0.113.0/24 ") {
		t.Errorf("the edge holds %v", got)
	}
}
