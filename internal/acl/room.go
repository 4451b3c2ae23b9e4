package acl

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
)

// RuleManual is the rule in the mark of a block that a person made. It is never evicted by one that a rule made.
const RuleManual = "manual"

// settle gives newcomers their places, most harmful first, and makes room for them where they rank above what is there.
func (d *differ) settle(newcomers []*policy.Decision) {
	slices.SortStableFunc(newcomers, func(a, b *policy.Decision) int {
		return cmp.Or(compareRank(rankOf(b), rankOf(a)), comparePrefix(a.Prefix, b.Prefix))
	})
	d.newcomers = len(newcomers)
	var weakest []candidate // ours in the block ACLs, least harmful first; made when first needed
	for _, n := range newcomers {
		at := place{roleOf(n.Kind), n.Prefix}
		if !d.admissible(at, n) {
			continue
		}
		if acl := d.firstWithRoom(at.role); acl != "" {
			d.create(acl, n)
			continue
		}
		if at.role == roleBlock {
			if weakest == nil {
				weakest = d.candidates()
			}
			if len(weakest) > 0 && compareRank(weakest[0].rank, rankOf(n)) < 0 {
				d.evict(weakest[0], n)
				weakest = weakest[1:]
				continue
			}
		}
		d.noRoom(*n, fmt.Sprintf("no %s ACL has room for it", roleNames[at.role]))
	}
	d.sayFull()
}

var roleNames = map[role]string{roleExempt: "exempt", roleBlock: "block", roleShadow: "shadow"}

// admissible sorts out what needs no entry or must not have one.
func (d *differ) admissible(at place, n *policy.Decision) bool {
	refuse := func(code, format string, args ...any) bool {
		r := *n
		r.Verb, r.Code, r.Reason = policy.VerbRefuse, code, fmt.Sprintf(format, args...)
		d.p.Refusals = append(d.p.Refusals, r)
		return false
	}
	if !at.prefix.IsValid() {
		return refuse(policy.CodeBadKey, "%q is neither an address nor a prefix", n.Key)
	}
	if n.Verb == policy.VerbExtend {
		return refuse(CodeNoEntry, "its entry is no longer there")
	}
	if f, there := d.foreign[at]; there {
		return refuse(CodeForeignEntry, "already in %s by somebody else's entry %s, comment \"%s\"", f.ACL, f.ID, plain.Text(f.Comment, 100))
	}
	if at.role == roleBlock {
		for _, f := range d.negated {
			if f.Prefix.IsValid() && f.Prefix.Overlaps(at.prefix) {
				return refuse(CodeForeignNegated, "somebody else exempts %s in %s by the negated entry %s, comment \"%s\"", f.Prefix, f.ACL, f.ID, plain.Text(f.Comment, 100))
			}
		}
	}
	if at.role == roleShadow && d.s.Shadow.ID == "" {
		return refuse(CodeNoShadowACL, "would be blocked; the rule is in shadow mode and there is no ACL %s", d.s.Target.Shadow)
	}
	return true
}

func (d *differ) firstWithRoom(r role) string {
	for _, l := range d.lists[r] {
		if l.ID != "" && d.room[l.Name] > 0 {
			return l.Name
		}
	}
	return ""
}

func (d *differ) create(acl string, n *policy.Decision) {
	d.room[acl]--
	since := n.Since
	if since.IsZero() {
		since = d.o.Now
	}
	d.p.Changes = append(d.p.Changes, Change{Op: Create, ACL: acl, Prefix: n.Prefix, Mark: d.mark(n, since), Decision: n, Code: n.Code, Reason: n.Reason})
}

func (d *differ) noRoom(n policy.Decision, reason string) {
	n.Code, n.Reason = CodeNoRoom, joinReason(reason, n.Reason)
	if d.p.NoRoom == nil {
		d.p.NoRoom = make([]policy.Decision, 0, d.newcomers)
	}
	d.p.NoRoom = append(d.p.NoRoom, n)
}

func joinReason(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

// rank says how much a block is worth its place: a person's word first, then requests, then strikes, then how recent.
type rank struct {
	manual  int
	harm    int64
	strikes int
	since   int64
}

func rankOf(n *policy.Decision) rank {
	r := rank{harm: harmOf(n), strikes: n.Strikes, since: unix(n.Since)}
	if n.Rule == RuleManual {
		r.manual = 1
	}
	return r
}

func compareRank(a, b rank) int {
	return cmp.Or(cmp.Compare(a.manual, b.manual), cmp.Compare(a.harm, b.harm), cmp.Compare(a.strikes, b.strikes), cmp.Compare(a.since, b.since))
}

type candidate struct {
	rank  rank
	entry Entry
}

// candidates are the blocks of ours that could make room: those that stay as they are.
func (d *differ) candidates() []candidate {
	var out []candidate
	for _, l := range d.s.of(roleBlock) {
		for _, e := range l.Entries {
			if !e.Ours || e.MarkErr != nil || d.gone[e.ID] || d.touched[e.ID] {
				continue
			}
			r := rankOf(&policy.Decision{Rule: e.Mark.Rule, Strikes: e.Mark.Strikes, Since: e.Mark.Since})
			if n, ok := d.decided[place{roleBlock, e.Prefix}]; ok {
				r.harm = harmOf(n)
			}
			out = append(out, candidate{r, e})
		}
	}
	slices.SortStableFunc(out, func(a, b candidate) int {
		return cmp.Or(compareRank(a.rank, b.rank), comparePrefix(a.entry.Prefix, b.entry.Prefix))
	})
	return out
}

// evict takes c out and puts n in its place.
func (d *differ) evict(c candidate, n *policy.Decision) {
	e := c.entry
	d.remove(e, nil, CodeEvicted, fmt.Sprintf("makes room for %s, which does more harm", n.Prefix))
	d.p.Changes[len(d.p.Changes)-1].EvictFor = n.Prefix
	d.create(e.ACL, n)
	d.p.Kept = slices.DeleteFunc(d.p.Kept, func(k policy.Decision) bool { return k.Prefix == e.Prefix && roleOf(k.Kind) == roleBlock })
	d.noRoom(policy.Decision{Verb: policy.VerbRelease, Kind: e.Mark.Kind, Key: policy.Key(e.Prefix), Prefix: e.Prefix, Rule: e.Mark.Rule,
		Since: e.Mark.Since, Until: e.Mark.Until, Strikes: e.Mark.Strikes},
		fmt.Sprintf("evicted for %s, although it was to last until %s", n.Prefix, untilText(e.Mark.Until)))
}

func untilText(t time.Time) string {
	if t.IsZero() {
		return "further notice"
	}
	return t.UTC().Format(time.RFC3339)
}

func (d *differ) sayFull() {
	if n := len(d.p.NoRoom); n > 0 {
		d.problem("%d decisions have no room: the ACLs hold %d entries each; add a block ACL or have Fastly raise the limit", n, d.o.Capacity)
	}
}
