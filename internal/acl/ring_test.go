package acl_test

import (
	"fmt"
	"testing"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// TestARingIsBlockedInAsManyRunsAsTheLimitSays is what docs/scale.md counts with: a ring of n addresses, all seen at once, is
// blocked after n/limit runs, rounded up, with few writes a run; beyond the room of the ACLs the most harmful stay.
func TestARingIsBlockedInAsManyRunsAsTheLimitSays(t *testing.T) {
	for _, c := range []struct{ ring, acls, limit, runs, blocked, writes int }{
		{ring: 600, acls: 2, limit: 100, runs: 6, blocked: 600, writes: 6},
		{ring: 5000, acls: 5, limit: 1000, runs: 5, blocked: 5000, writes: 10},
		{ring: 2500, acls: 2, limit: 1000, runs: 2, blocked: 2000, writes: 4},
	} {
		t.Run(fmt.Sprintf("%d addresses, %d ACLs, %d a run", c.ring, c.acls, c.limit), func(t *testing.T) {
			tg := target
			tg.ACLs = nil
			for i := range c.acls {
				tg.ACLs = append(tg.ACLs, fmt.Sprintf("r%d", i))
			}
			srv, url := edge(t, acltest.Options{ACLs: append(tg.ACLs[:c.acls:c.acls], ex, sh)})
			cl := client(t, url)
			var ds []policy.Decision
			for i := range c.ring {
				ds = append(ds, with(block(fmt.Sprintf("100.%d.%d.7", i>>8, i&255), int64(1000+i)), func(d *policy.Decision) {
					d.Offender.Measures.OK, d.Offender.Measures.OKAddresses = 0, 0 // guessers: no successful request, so no collateral
				}))
			}
			runs := 0
			for ; runs <= c.runs; runs++ {
				s, err := cl.Read(t.Context(), tg)
				if err != nil {
					t.Fatal(err)
				}
				p := acl.Diff(s, ds, acl.DiffOptions{Now: t0, Run: "ring"})
				acl.Guard(p, s, acl.GuardInput{Limits: acl.Limits{NewBlocks: c.limit}, Health: healthy(), HasData: true, Actions: actions, Never: lists.New(), Allow: lists.New()})
				if len(p.Changes) == 0 {
					break
				}
				if _, err := cl.Apply(t.Context(), s, p); err != nil {
					t.Fatal(err)
				}
			}
			s, err := cl.Read(t.Context(), tg)
			if err != nil {
				t.Fatal(err)
			}
			blocked, weakest := 0, int64(1<<62)
			for _, l := range s.Blocks {
				blocked += len(l.Entries)
				for _, e := range l.Entries {
					a := e.Prefix.Addr().As4()
					weakest = min(weakest, 1000+int64(a[1])<<8+int64(a[2]))
				}
			}
			if runs != c.runs || blocked != c.blocked || srv.Writes() != c.writes {
				t.Errorf("%d runs, %d blocked, %d writes; want %d, %d, %d", runs, blocked, srv.Writes(), c.runs, c.blocked, c.writes)
			}
			if want := int64(1000 + c.ring - c.blocked); weakest != want {
				t.Errorf("the weakest that is blocked made %d requests, want %d", weakest, want)
			}
		})
	}
}
