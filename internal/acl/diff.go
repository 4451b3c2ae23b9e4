package acl

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/policy"
)

// DefaultCapacity is how many entries Fastly lets an ACL hold unless support raised it.
// https://github.com/fastly/terraform-provider-fastly/pull/203
const DefaultCapacity = 1000

// DefaultMax is how long an entry of ours with an unreadable mark stays.
const DefaultMax = 24 * time.Hour

// DiffOptions are what a diff needs besides state and decisions.
type DiffOptions struct {
	Run           string
	Now           time.Time
	Capacity      int           // entries an ACL holds; 0 means 1000
	Max           time.Duration // unreadable marks are released this long after created_at; 0 means 24 h
	OnlyDecisions bool          // no expiry, no clearing up: just what the decisions say. For commands by hand
	Purge         bool          // everything of ours goes, unreadable marks too; decisions are ignored
}

// place is a prefix in an ACL of one role: at most one entry of ours belongs there.
type place struct {
	role   role
	prefix netip.Prefix
}

// differ holds what Diff works on.
type differ struct {
	s         *Snapshot
	o         DiffOptions
	p         *Plan
	have      map[place][]Entry // ours, readable, the one to keep first
	broken    []Entry           // ours, unreadable
	foreign   map[place]Entry
	negated   []Entry // foreign, in block ACLs
	decided   map[place]*policy.Decision
	order     []place // of decided, as they came
	gone      map[string]bool
	touched   map[string]bool
	room      map[string]int // by ACL name
	lists     map[role][]*List
	newcomers int
}

// Diff compares what is with what was decided. It is pure, its result is in a fixed order, and after the plan has been
// applied the same decisions give an empty plan. Entries that are not ours are never in a change.
//
//	decision        no entry of ours   an entry of ours            several
//	block, allow    create             update if it says else      the longest-lived stays and is updated, the others go
//	extend          refused            update if it says else      the same
//	keep            -                  kept                        the others go
//	release         -                  delete                      all go
//	refuse          refused            as without a decision       as without a decision
//	none            -                  delete once expired         the longest-lived stays until it expires
func Diff(s *Snapshot, ds []policy.Decision, o DiffOptions) *Plan {
	if o.Capacity == 0 {
		o.Capacity = DefaultCapacity
	}
	if o.Max == 0 {
		o.Max = DefaultMax
	}
	d := &differ{s: s, o: o, p: &Plan{Run: o.Run, Target: s.Target, Now: o.Now},
		have: map[place][]Entry{}, foreign: map[place]Entry{}, decided: make(map[place]*policy.Decision, len(ds)),
		gone: map[string]bool{}, touched: map[string]bool{}, room: map[string]int{}, lists: map[role][]*List{}}
	d.index()
	d.missing()
	if o.Purge {
		d.purge()
	} else {
		d.reduce(ds)
		newcomers := d.decide()
		if !o.OnlyDecisions {
			d.clearUp()
		}
		d.settle(newcomers)
	}
	sortChanges(d.p.Changes)
	sortDecisions(d.p.NoRoom)
	return d.p
}

// index sorts the present entries into ours, broken and foreign.
func (d *differ) index() {
	for _, r := range []role{roleBlock, roleExempt, roleShadow} {
		d.lists[r] = d.s.of(r)
		for _, l := range d.lists[r] {
			d.room[l.Name] = d.o.Capacity - len(l.Entries)
			for _, e := range l.Entries {
				d.indexEntry(r, e)
			}
		}
	}
}

func (d *differ) indexEntry(r role, e Entry) {
	at := place{r, e.Prefix}
	switch {
	case !e.Ours && e.Negated && r == roleBlock:
		d.negated = append(d.negated, e)
	case !e.Ours && !e.Negated:
		d.foreign[at] = e
	case !e.Ours:
	case e.MarkErr != nil:
		d.broken = append(d.broken, e)
	default:
		es := append(d.have[at], e)
		for i := len(es) - 1; i > 0 && outlives(es[i], es[i-1]); i-- {
			es[i], es[i-1] = es[i-1], es[i]
		}
		d.have[at] = es
	}
}

func (d *differ) missing() {
	vital, _ := d.s.Missing()
	for _, name := range vital {
		d.problem("the active version %d has no %s", d.s.Version, name)
	}
}

// reduce leaves one decision a place. A release wins, unless it is only for having expired; of two others the one that
// lasts longer does.
func (d *differ) reduce(ds []policy.Decision) {
	ds = slices.Clone(ds) // the caller's stay as they are
	d.order = make([]place, 0, len(ds))
	for i := range ds {
		n := &ds[i]
		if n.Verb == policy.VerbRefuse {
			d.p.Refusals = append(d.p.Refusals, *n)
			continue
		}
		n.Prefix = canonical(n.Prefix)
		at := place{roleOf(n.Kind), n.Prefix}
		old, there := d.decided[at]
		if !there {
			d.order = append(d.order, at)
		}
		if !there || stronger(n, old) {
			d.decided[at] = n
		}
	}
}

// stronger decides between two decisions about one place.
func stronger(a, b *policy.Decision) bool {
	weight := func(d *policy.Decision) int {
		switch {
		case d.Verb == policy.VerbRelease && d.Code == policy.CodeExpired:
			return 0
		case d.Verb == policy.VerbKeep:
			return 1
		case d.Verb == policy.VerbRelease:
			return 3
		}
		return 2
	}
	if wa, wb := weight(a), weight(b); wa != wb {
		return wa > wb
	}
	return compareUntil(a.Until, b.Until) > 0
}

// decide turns decisions into changes of present entries and returns those that need a new one.
func (d *differ) decide() (newcomers []*policy.Decision) {
	for _, at := range d.order {
		n := d.decided[at]
		switch n.Verb {
		case policy.VerbRelease:
			d.release(at, n)
		case policy.VerbKeep:
			if len(d.have[at]) > 0 {
				d.p.Kept = append(d.p.Kept, *n)
			}
		default:
			if !d.renew(at, n) {
				newcomers = append(newcomers, n)
			}
		}
	}
	return newcomers
}

// release deletes every entry of ours at a place, of whichever ACL and however many.
func (d *differ) release(at place, n *policy.Decision) {
	for _, e := range d.have[at] {
		// An exemption made by hand is not what a prefix that left the allowlist takes with it.
		if e.Mark.Kind == n.Kind {
			d.remove(e, n, n.Code, n.Reason)
		}
	}
	for _, e := range d.broken {
		if e.Prefix == at.prefix && d.roleOfEntry(e) == at.role {
			d.remove(e, n, n.Code, n.Reason)
		}
	}
}

// renew makes the present entry say what was decided; false means there is none. An entry with an unreadable mark is
// mended rather than doubled.
func (d *differ) renew(at place, n *policy.Decision) bool {
	es := d.have[at]
	if len(es) == 0 {
		for _, e := range d.broken {
			if e.Prefix == at.prefix && !e.Negated && d.roleOfEntry(e) == at.role && !d.touched[e.ID] {
				d.update(e, n, n.Since)
				return true
			}
		}
		return false
	}
	e := es[0]
	since := n.Since
	if since.IsZero() || at.role == roleExempt {
		since = e.Mark.Since
	}
	want := d.mark(n, since)
	if e.Mark.Kind == policy.KindAllow && want.Kind == policy.KindExempt && compareUntil(e.Mark.Until, want.Until) >= 0 || e.Mark.Same(want) {
		d.p.Kept = append(d.p.Kept, *n)
		return true
	}
	d.update(e, n, since)
	return true
}

func (d *differ) update(e Entry, n *policy.Decision, since time.Time) {
	d.touched[e.ID] = true
	d.p.Changes = append(d.p.Changes, Change{Op: Update, ACL: e.ACL, Prefix: e.Prefix, EntryID: e.ID, Mark: d.mark(n, since), Decision: n, Code: n.Code, Reason: n.Reason})
}

func (d *differ) remove(e Entry, n *policy.Decision, code, reason string) {
	if d.gone[e.ID] {
		return
	}
	d.gone[e.ID] = true
	d.room[e.ACL]++
	m := e.Mark
	if e.MarkErr != nil {
		m.Kind = kindOfRole[d.roleOfEntry(e)]
	}
	ch := Change{Op: Delete, ACL: e.ACL, Prefix: e.Prefix, EntryID: e.ID, Mark: m, Decision: n, Code: code, Reason: reason}
	if n != nil {
		ch.EvictFor = n.ReplacedBy
	}
	d.p.Changes = append(d.p.Changes, ch)
}

var kindOfRole = map[role]policy.Kind{roleExempt: policy.KindExempt, roleBlock: policy.KindBlock, roleShadow: policy.KindShadow}

func (d *differ) roleOfEntry(e Entry) role {
	switch e.ACL {
	case d.s.Exempt.Name:
		return roleExempt
	case d.s.Shadow.Name:
		return roleShadow
	}
	return roleBlock
}

func (d *differ) mark(n *policy.Decision, since time.Time) Mark {
	return Mark{Owner: d.s.Target.Owner, Kind: n.Kind, Until: n.Until, Since: since, Strikes: n.Strikes, Rule: n.Rule, Run: d.o.Run}.mended()
}

// clearUp is what needs no decision: duplicates, entries that expired although nobody said so, unreadable marks.
func (d *differ) clearUp() {
	for _, l := range d.s.lists() {
		for _, e := range l.Entries {
			if e.Ours && e.MarkErr == nil {
				d.clearEntry(place{d.roleOfEntry(e), e.Prefix}, e)
			}
		}
	}
	for _, e := range d.broken {
		d.clearBroken(e)
	}
}

func (d *differ) clearEntry(at place, e Entry) {
	if d.gone[e.ID] {
		return
	}
	n, decided := d.decided[at]
	switch best := d.have[at][0]; {
	case best.ID != e.ID && !d.gone[best.ID]:
		d.problem("%s was listed twice in %s and %s: the entry that lasts longer stays", e.Prefix, best.ACL, e.ACL)
		d.remove(e, nil, CodeDuplicate, "a second entry for the same prefix; the one that lasts longer stays")
	case !e.Mark.Until.IsZero() && !d.o.Now.Before(e.Mark.Until) && (!decided || n.Verb == policy.VerbRelease):
		d.remove(e, nil, policy.CodeExpired, "its time is over: "+e.Mark.Until.Format(time.RFC3339))
	}
}

func (d *differ) clearBroken(e Entry) {
	if d.gone[e.ID] || d.touched[e.ID] {
		return
	}
	end := e.CreatedAt.Add(d.o.Max)
	if d.o.Now.Before(end) {
		d.problem("%s in %s is ours but its comment cannot be read (%v): it stays until %s", e.Prefix, e.ACL, e.MarkErr, end.UTC().Format(time.RFC3339))
		return
	}
	d.problem("%s in %s is ours but its comment cannot be read (%v): released", e.Prefix, e.ACL, e.MarkErr)
	d.remove(e, nil, policy.CodeUnreadable, "its comment cannot be read, and the longest time a block can have is over")
}

func (d *differ) purge() {
	for _, l := range d.s.lists() {
		for _, e := range l.Entries {
			if e.Ours {
				d.remove(e, nil, CodePurged, "everything of ours goes")
			}
		}
	}
}

func (d *differ) problem(format string, args ...any) {
	d.p.Problems = append(d.p.Problems, fmt.Sprintf(format, args...))
}
