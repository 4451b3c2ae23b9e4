package acl_test

import (
	"testing"

	"edgewarden/internal/acl"
	"edgewarden/internal/policy"
)

func TestChangesAreCountedByWhatTheyMean(t *testing.T) {
	var changes []acl.Change
	for _, kind := range []policy.Kind{policy.KindBlock, policy.KindExempt, policy.KindAllow, policy.KindShadow} {
		for _, op := range []acl.Op{acl.Create, acl.Update, acl.Delete} {
			changes = append(changes, acl.Change{Op: op, Mark: acl.Mark{Kind: kind}})
		}
	}
	var n acl.Tally
	n.Add(changes[:5])
	n.Add(changes[5:])
	if want := (acl.Tally{Block: 1, Extend: 1, Release: 1, Exempt: 4, Unexempt: 2, Shadow: 3}); n != want {
		t.Errorf("got %+v, want %+v", n, want)
	}
}
