package acl_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/policy"
)

func TestAContextThatEndsOnTheWayLeavesWhatTheNextRunRepairs(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprintf("after %d batches", n), func(t *testing.T) {
			s, url, ds := world(t, acltest.Options{})
			c := client(t, url)
			present := read(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			s.Fault(acltest.Fault{Method: "PATCH", Skip: n, After: cancel, Reset: true})
			res, err := c.Apply(ctx, present, acl.Diff(present, ds, acl.DiffOptions{Now: t0}))
			if err == nil || res.After == nil {
				t.Errorf("%v, after %v", err, res.After)
			}
			if done := res.Created + res.Updated + res.Deleted; done+len(res.Failed) != 6 || done == 0 {
				t.Errorf("%d done and %d failed of 6", done, len(res.Failed))
			}
			if _, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0}); err != nil {
				t.Error(err)
			}
			settled(t, s, c, ds)
		})
	}
}

// A run that dies leaves what was written so far; here it dies at every single call, before or after that call is applied.
func TestARunKilledAtAnyCallIsRepairedByTheNext(t *testing.T) {
	total := 0
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			s, url, ds := world(t, acltest.Options{})
			ctx, kill := context.WithCancel(t.Context())
			f := acltest.Fault{Skip: n, Times: -1, Drop: true, Before: kill}
			if after {
				f = acltest.Fault{Skip: n, Times: -1, Reset: true, After: kill}
			}
			s.Fault(f)
			c := client(t, url)
			run := func(ctx context.Context) error {
				present, err := c.Read(ctx, target)
				if err != nil {
					return err
				}
				res, err := c.Apply(ctx, present, acl.Diff(present, ds, acl.DiffOptions{Now: t0}))
				if err != nil || len(res.Failed) > 0 {
					return errors.Join(err, fmt.Errorf("%d failed", len(res.Failed)))
				}
				return c.SetLease(ctx, present, later)
			}
			died := run(ctx) != nil
			s.ClearFaults()
			if !died {
				break
			}
			total++
			if err := run(t.Context()); err != nil {
				t.Fatalf("killed at call %d, the next run says %v", n, err)
			}
			settled(t, s, c, ds)
			if got := s.Dictionary("SVC1", acltest.Control)["enforce_until"]; got != strconv.FormatInt(later.Unix(), 10) {
				t.Fatalf("killed at call %d, the lease is %q", n, got)
			}
		}
	}
	if total < 40 {
		t.Errorf("only %d calls were tried", total)
	}
}

func TestTwoRunsAtOnceLeaveNoDuplicateAfterTheNext(t *testing.T) {
	for round := range 5 {
		s, url := edge(t, acltest.Options{})
		var ds []policy.Decision
		for i := range 30 {
			ds = append(ds, block(fmt.Sprintf("203.0.113.%d", i), int64(i)))
		}
		put(s, "freed", row{acl: b1, prefix: "198.51.100.9", comment: ours})
		releasing := append(ds[:len(ds):len(ds)], release("198.51.100.9", policy.KindBlock, "unblocked"))
		extending := append(ds[:len(ds):len(ds)], extension("198.51.100.9"))
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i, decisions := range [][]policy.Decision{releasing, extending} {
			c := client(t, url)
			present := read(t, c)
			wg.Go(func() {
				<-start
				_, _ = apply(t, c, present, decisions, acl.DiffOptions{Now: t0, Run: fmt.Sprint("run", i)}) // one may lose its extension
			})
		}
		close(start)
		wg.Wait()
		c := client(t, url)
		res, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0, Run: "next"})
		if err != nil || len(res.Failed) > 0 {
			t.Fatalf("round %d: %v", round, err)
		}
		seen := map[string]int{}
		for _, name := range []string{b1, b2} {
			for _, e := range s.Entries("SVC1", name) {
				seen[e.Prefix().String()]++
			}
		}
		if len(seen) != 30 || seen["198.51.100.9/32"] != 0 {
			t.Errorf("round %d: %d prefixes; the released one %d times", round, len(seen), seen["198.51.100.9/32"])
		}
		for p, n := range seen {
			if n != 1 {
				t.Errorf("round %d: %s is there %d times", round, p, n)
			}
		}
	}
}

func TestTwoOwnersNeverTouchEachOther(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	staging := target
	staging.Owner = "staging"
	for _, tg := range []acl.Target{target, staging, target, staging} {
		present, err := c.Read(t.Context(), tg)
		if err != nil {
			t.Fatal(err)
		}
		ip := map[string]string{"edgewarden": "203.0.113.1", "staging": "203.0.113.2"}[tg.Owner]
		if _, err := c.Apply(t.Context(), present, acl.Diff(present, []policy.Decision{block(ip, 9)}, acl.DiffOptions{Now: t0})); err != nil {
			t.Fatal(err)
		}
	}
	present := read(t, c)
	if _, err := c.Apply(t.Context(), present, acl.Diff(present, nil, acl.DiffOptions{Now: t0, Purge: true})); err != nil {
		t.Fatal(err)
	}
	got := comments(s, b1)
	if len(got) != 1 || !strings.HasPrefix(got[0], "203.0.113.2/32 ew1 o=staging ") {
		t.Errorf("%q", got)
	}
}

func TestFiveThousandChangesStayWithinTheBudgetAndAreIdempotent(t *testing.T) {
	names := []string{"a1", "a2", "a3", "a4", "a5"}
	s, url := edge(t, acltest.Options{ACLs: append(names, ex, sh)})
	tg := target
	tg.ACLs = names
	var ds []policy.Decision
	for i := range 5000 {
		ds = append(ds, block(fmt.Sprintf("10.%d.%d.7", i>>8, i&255), int64(i)))
	}
	c := client(t, url)
	present, err := c.Read(t.Context(), tg)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Apply(t.Context(), present, acl.Diff(present, ds, acl.DiffOptions{Now: t0}))
	if err != nil || res.Created != 5000 || s.Writes() != 10 {
		t.Fatalf("%v, %d created, %d writes", err, res.Created, s.Writes())
	}
	if p := acl.Diff(res.After, ds, acl.DiffOptions{Now: t0.Add(time.Minute)}); len(p.Changes) != 0 || len(p.Kept) != 5000 {
		t.Errorf("second run: %d changes, %d kept", len(p.Changes), len(p.Kept))
	}
	if p := acl.Diff(res.After, nil, acl.DiffOptions{Now: later}); len(p.Changes) != 5000 {
		t.Errorf("at the end %d are released", len(p.Changes))
	}
}
