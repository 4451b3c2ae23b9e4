package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
)

// Decide is pure: the same input gives the same decisions in the same order,
// whatever the order of offenders and present entries. Blocks come first, then extensions,
// releases, allow entries, what is kept and what is refused; within each the most harmful first.
//
// Every offender is accounted for: it is refused, or its rule is named in the
// decision on the entry that covers it. Every present entry is kept, extended, released or
// blocked anew. A nil Allow means that the allowlist is not known: present allow entries are
// kept; an empty Set means that there is none, and they are released.
func Decide(in Input) []Decision {
	d := newDecider(in)
	candidates := d.sift()
	if in.ByHand {
		d.hand = commanded(candidates)
	}
	d.lane(KindBlock, candidates)
	d.rollUp(candidates)
	d.lane(KindShadow, candidates)
	d.exemptions()
	slices.SortStableFunc(d.out, compareDecisions)
	decisions := make([]Decision, len(d.out))
	for i, dec := range d.out {
		decisions[i] = *dec
	}
	return decisions
}

// decider holds what all steps of one Decide need.
type decider struct {
	in      Input
	s       Settings
	now     time.Time                           // whole seconds: a mark holds no less
	exempt  *lists.Set                          // what was unblocked by hand
	after   map[afterKey]detect.After           // answers, by entry
	present map[Kind][]Block                    // one per prefix, in order
	live    map[Kind]map[netip.Prefix]*Decision // entries that are there after this run
	lengths [129]bool                           // prefix lengths that live has
	hand    map[netip.Prefix]*candidate         // what a person commands
	out     []*Decision
}

type afterKey struct {
	prefix netip.Prefix
	rule   string
}

func newDecider(in Input) *decider {
	d := &decider{
		in: in, s: in.Settings.WithDefaults(), now: in.Now.UTC().Truncate(time.Second),
		after:   map[afterKey]detect.After{},
		present: map[Kind][]Block{},
		live:    map[Kind]map[netip.Prefix]*Decision{KindBlock: {}, KindShadow: {}},
	}
	for _, a := range in.After {
		p, err := ParseKey(a.Key)
		if err != nil {
			continue // not the key of an entry of ours
		}
		if k := (afterKey{p, a.Rule}); a.Requests > d.after[k].Requests {
			d.after[k] = a
		}
	}
	d.sortPresent()
	if in.AllowPartial {
		d.in.Allow = d.presentAllow()
	}
	overridden := in.overridden()
	var exempt []lists.Entry
	for _, b := range d.present[KindExempt] {
		if overridden[b.Prefix] {
			continue
		}
		if until := d.exemptUntil(b); until.IsZero() || d.now.Before(until) {
			exempt = append(exempt, lists.Entry{Prefix: b.Prefix, Until: until, Reason: "unblocked by hand"})
		}
	}
	d.exempt = lists.New(exempt...)
	return d
}

// sortPresent brings the present entries into order, by kind; of two for the same
// prefix the longer one speaks (the diff removes the other).
func (d *decider) sortPresent() {
	all := slices.Clone(d.in.Present)
	slices.SortStableFunc(all, func(a, b Block) int {
		return cmp.Or(comparePrefix(a.Prefix, b.Prefix), b.Until.Compare(a.Until), b.Since.Compare(a.Since),
			cmp.Compare(b.Strikes, a.Strikes), cmp.Compare(a.Rule, b.Rule))
	})
	for _, b := range all {
		b.Prefix = lists.Canonical(b.Prefix)
		same := d.present[b.Kind]
		if !b.Prefix.IsValid() || len(same) > 0 && same[len(same)-1].Prefix == b.Prefix {
			continue
		}
		d.present[b.Kind] = append(same, b)
	}
}

// enter remembers an entry that will be there after this run.
func (d *decider) enter(kind Kind, dec *Decision) {
	d.live[kind][dec.Prefix] = dec
	d.lengths[dec.Prefix.Bits()] = true
}

func (d *decider) add(dec Decision) *Decision {
	d.out = append(d.out, &dec)
	return &dec
}

// covering finds the narrowest entry of the kind that will be there after this run
// and contains p.
func (d *decider) covering(kind Kind, p netip.Prefix) *Decision {
	for bits := p.Bits(); bits >= 0; bits-- {
		if !d.lengths[bits] {
			continue
		}
		wider := netip.PrefixFrom(p.Addr(), bits).Masked()
		if dec := d.live[kind][wider]; dec != nil {
			return dec
		}
	}
	return nil
}

var verbOrder = []Verb{VerbBlock, VerbExtend, VerbRelease, VerbAllow, VerbKeep, VerbRefuse}

func compareDecisions(a, b *Decision) int {
	return cmp.Or(
		cmp.Compare(slices.Index(verbOrder, a.Verb), slices.Index(verbOrder, b.Verb)),
		cmp.Compare(b.Harm, a.Harm),
		comparePrefix(a.Prefix, b.Prefix),
		cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Reason, b.Reason),
	)
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
