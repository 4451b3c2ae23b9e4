package acl_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// crowded is ten full ACLs and a hundred thousand offenders.
func crowded() (*acl.Snapshot, []policy.Decision) {
	s := acl.EmptySnapshot(acl.Target{ACLs: []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10"}})
	n := 0
	for i := range s.Blocks {
		for range 1000 {
			p := prefix(fmt.Sprintf("%d.%d.%d.%d", 20+n>>16, n>>12&15, n>>4&255, n&15))
			m := mark(policy.KindBlock, later)
			s.Blocks[i].Entries = append(s.Blocks[i].Entries, acl.Entry{ID: fmt.Sprint(n), ACL: s.Blocks[i].Name, Prefix: p, Comment: m.String(), Ours: true, Mark: m})
			n++
		}
	}
	var ds []policy.Decision
	for i := range 100_000 {
		ds = append(ds, block(fmt.Sprintf("%d.%d.%d.%d", 100+i>>16, i>>8&255, i&255, 7), int64(i)))
	}
	return s, ds
}

func planAndGuard(s *acl.Snapshot, ds []policy.Decision, never *lists.Set) *acl.Plan {
	p := acl.Diff(s, ds, acl.DiffOptions{Now: t0, Run: "now"})
	acl.Guard(p, s, acl.GuardInput{Health: healthy(), HasData: true, Actions: actions, Never: never, Allow: lists.New()})
	return p
}

// TestAHundredThousandOffendersFitIntoASmallMachine bounds what plan and guard allocate. The time is the benchmark's: a
// second on two quiet cores; here it only must not explode.
func TestAHundredThousandOffendersFitIntoASmallMachine(t *testing.T) {
	s, ds := crowded()
	never := lists.New(lists.NeverBlock()...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	p := planAndGuard(s, ds, never)
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	if mb := float64(after.TotalAlloc-before.TotalAlloc) / 1e6; mb > 200 {
		t.Errorf("%.0f MB were allocated, want at most 200", mb)
	}
	if took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(p.Changes) > 200 || len(p.NoRoom) == 0 || p.Verdict.Verdict == acl.VerdictPass {
		t.Errorf("%d changes, %d without room, %s: the limits do not hold", len(p.Changes), len(p.NoRoom), p.Verdict.Verdict)
	}
}

func BenchmarkDiffAndGuard(b *testing.B) {
	s, ds := crowded()
	never := lists.New(lists.NeverBlock()...)
	b.ReportAllocs()
	for b.Loop() {
		planAndGuard(s, ds, never)
	}
}
