package acl_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// What policy decides and what diff makes of it must meet: a second run with nothing new changes nothing, and when all
// blocks are over every entry of ours goes but the allowlist.
func TestPolicyDiffAndApplySettle(t *testing.T) {
	allow := lists.New(lists.Entry{Prefix: prefix("198.51.100.0/24"), Reason: "office", List: lists.Allowlist},
		lists.Entry{Prefix: prefix("192.0.2.7/32"), Reason: "partner", List: lists.Allowlist, Until: t0.Add(90 * time.Minute)})
	never := lists.New(lists.NeverBlock()...)
	rules := map[string]policy.Action{
		"flood": {Block: time.Hour, Enforce: true, CountsOnly: true, Floor: 10, Window: 15 * time.Minute},
		"quiet": {Block: 30 * time.Minute, CountsOnly: true, Floor: 10, Window: 15 * time.Minute},
	}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 5))
		var found []detect.Offender
		for range 40 {
			key := fmt.Sprintf([]string{"203.0.113.%d", "198.51.100.%d", "10.0.0.%d", "2001:db8:0:%d::/64", "192.0.2.%d"}[r.IntN(5)], r.IntN(10))
			n := 10 + r.Int64N(1000)
			found = append(found, detect.Offender{Key: key, Group: detect.ByAddress, Rule: []string{"flood", "quiet"}[r.IntN(2)],
				Measures: detect.Measures{Requests: n, Errors: n, Addresses: 1, FirstSeen: t0.Add(-10 * time.Minute), LastSeen: t0}})
		}
		s, url := edge(t, acltest.Options{})
		c := client(t, url)
		run := func(now time.Time, found []detect.Offender) (*acl.Plan, acl.Result) {
			present := read(t, c)
			present.Skew = 0
			ds := policy.Decide(policy.Input{Now: now, Offenders: found, Actions: rules, Present: present.Present(), Allow: allow, Never: never})
			p := acl.Diff(present, ds, acl.DiffOptions{Now: now, Run: fmt.Sprint("run-", now.Unix())})
			h := healthy()
			h.TrustedNewest = now
			acl.Guard(p, present, acl.GuardInput{Health: h, HasData: true, Actions: rules, Never: never, Allow: allow})
			res, err := c.Apply(t.Context(), present, p)
			if err != nil || len(res.Failed) > 0 {
				t.Fatalf("seed %d: %v", seed, err)
			}
			return p, res
		}
		first, _ := run(t0, found)
		if first.Verdict.Verdict != acl.VerdictPass || len(first.Changes) < 5 {
			t.Errorf("seed %d: %s, %d changes", seed, first.Verdict.Verdict, len(first.Changes))
		}
		for _, ch := range first.Changes {
			if _, hit := allow.Overlaps(ch.Prefix, t0); hit && ch.Mark.Kind == policy.KindBlock {
				t.Errorf("seed %d: %s is on the allowlist", seed, ch.Prefix)
			}
		}
		if second, _ := run(t0.Add(time.Minute), found); len(second.Changes) != 0 {
			t.Errorf("seed %d: a minute later\n%s", seed, lines(second))
		}
		if _, res := run(t0.Add(2*time.Hour), nil); len(res.After.Present()) != 1 {
			t.Errorf("seed %d: two hours later there is %v", seed, res.After.Present())
		}
		if n := len(s.Entries("SVC1", ex)); n != 1 {
			t.Errorf("seed %d: %d entries in the exempt ACL, want the office", seed, n)
		}
	}
}
