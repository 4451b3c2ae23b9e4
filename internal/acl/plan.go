package acl

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/policy"
)

// Op is what a change does.
type Op string

// The operations.
const (
	Create Op = "create"
	Update Op = "update"
	Delete Op = "delete"
)

// Codes of changes and refusals that are this room's own; the others are policy's codes and the names of limits.
const (
	CodeDuplicate      = "duplicate"       // a second entry of ours for one prefix goes
	CodeEvicted        = "evicted"         // made room for a more harmful one
	CodePurged         = "purged"          // everything of ours goes
	CodeNoRoom         = "no_room"         // decided, but no ACL has room
	CodeForeignEntry   = "foreign_entry"   // somebody else lists the same prefix already
	CodeForeignNegated = "foreign_negated" // somebody else exempts it by a negated entry
	CodeNoShadowACL    = "no_shadow_acl"   // decided by a shadow rule; there is no ACL to write it to
	CodeNoEntry        = "no_entry"        // an extension of an entry that is gone
)

// Change is one difference between what is and what should be.
type Change struct {
	Op       Op
	ACL      string // name
	Prefix   netip.Prefix
	EntryID  string // update and delete
	Mark     Mark   // new mark for create and update; old mark for delete
	Decision *policy.Decision
	Code     string // why, for programs: a code of policy or of this room; "" for a block
	Reason   string // why, for a person
	// EvictFor is the prefix whose block this delete makes room for, or whose block takes its place: without that block the
	// delete is not carried out. The zero Prefix for any other change.
	EvictFor netip.Prefix
}

// Plan is all changes of one run on one service, plus what is refused.
type Plan struct {
	Run      string
	Target   Target
	Now      time.Time
	Changes  []Change // deletes, then creates, then updates; in each what lets traffic through first, then most harmful first, then by prefix
	Refusals []policy.Decision
	Kept     []policy.Decision
	NoRoom   []policy.Decision // decided, but no ACL has room
	Problems []string          // duplicates removed, unreadable marks, missing ACLs …: said, not acted on
	Verdict  Verdict
}

// KeepReleases takes out every change that blocks, and evictions, which only make room for one. It is for a run that
// may not block: stopped, for one.
func (p *Plan) KeepReleases() {
	p.Changes = slices.DeleteFunc(p.Changes, func(c Change) bool { return c.blocks() || c.EvictFor.IsValid() })
}

// blocks is true for a change that puts a client under a block or keeps it there, or would in the shadow ACL.
func (c Change) blocks() bool {
	return c.Op != Delete && (c.Mark.Kind == policy.KindBlock || c.Mark.Kind == policy.KindShadow)
}

// harm ranks a change or decision: requests that speak for it.
func (c Change) harm() int64 {
	if c.Decision == nil {
		return 0
	}
	return harmOf(c.Decision)
}

func harmOf(d *policy.Decision) int64 {
	if d.Harm == 0 && d.Offender != nil {
		return d.Offender.Measures.Requests
	}
	return d.Harm
}

var opOrder = map[Op]int{Delete: 0, Create: 1, Update: 2}

// sortChanges puts changes in the order they are written. Creates begin with the exempt ACL and deletes end with it, so
// that an exemption is never missing while the block it lifts is there.
func sortChanges(cs []Change) {
	slices.SortStableFunc(cs, func(a, b Change) int {
		ra, rb := roleOf(a.Mark.Kind), roleOf(b.Mark.Kind)
		if a.Op == Delete {
			ra, rb = -ra, -rb
		}
		return cmp.Or(cmp.Compare(opOrder[a.Op], opOrder[b.Op]), cmp.Compare(ra, rb), cmp.Compare(b.harm(), a.harm()),
			comparePrefix(a.Prefix, b.Prefix), cmp.Compare(a.ACL, b.ACL), cmp.Compare(a.EntryID, b.EntryID))
	})
}

func sortDecisions(ds []policy.Decision) {
	slices.SortStableFunc(ds, func(a, b policy.Decision) int {
		return cmp.Or(cmp.Compare(harmOf(&b), harmOf(&a)), comparePrefix(a.Prefix, b.Prefix), cmp.Compare(a.Rule, b.Rule))
	})
}
