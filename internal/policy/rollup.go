package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"edgewarden/internal/detect"
)

// What a roll-up blocks: what a small network, or a customer's site, usually gets.
const (
	rollUp4 = 24
	rollUp6 = 56
)

// rollUp replaces the blocks of many hosts in one /24 or /56 by a block of it, to save places in the ACL. It needs proof
// that nobody else is there, and without data there is none:
//
//   - at least Settings.RollUp hosts of the prefix are blocked by rules, and would be no longer than the prefix will be;
//   - a rule without where that groups by prefix, in either mode, reports the prefix, on rows that can be trusted;
//   - by its measures no other address of the prefix had a successful request, and the blocked ones are at least half
//     of those that were seen;
//   - no list, exemption or width forbids it.
//
// The guard counts the prefix's successful addresses as collateral all the same. A block made by hand is left alone.
func (d *decider) rollUp(candidates []*candidate) {
	if d.s.RollUp <= 0 || d.in.ByHand {
		return
	}
	seen := map[netip.Prefix]*detect.Offender{}
	for _, c := range candidates {
		if o := c.overview(d.in.Actions); o != nil {
			seen[c.prefix] = o
		}
	}
	if len(seen) == 0 {
		return
	}
	hosts := map[netip.Prefix][]*Decision{}
	for _, dec := range d.out {
		if p, ok := d.rollable(dec); ok && seen[p] != nil {
			hosts[p] = append(hosts[p], dec)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(hosts), comparePrefix) {
		d.rollUpInto(p, seen[p], hosts[p])
	}
}

// overview is the offender that says who else is in a whole prefix; nil when there is none.
func (c *candidate) overview(actions map[string]Action) *detect.Offender {
	for _, o := range append(slices.Clone(c.enforce), c.shadow...) {
		if o.Group == detect.ByPrefix && actions[o.Rule].AllRows && o.Measures.Addresses > 0 {
			return o
		}
	}
	return nil
}

// rollable gives the prefix that a block of a host could be rolled up into.
func (d *decider) rollable(dec *Decision) (netip.Prefix, bool) {
	blocks := dec.Verb == VerbBlock || dec.Verb == VerbExtend || dec.Verb == VerbKeep
	if dec.Kind != KindBlock || !blocks || !d.in.Actions[dec.Rule].Enforce {
		return netip.Prefix{}, false
	}
	bits := rollUp6
	if dec.Prefix.Addr().Is4() {
		bits = rollUp4
	}
	if dec.Prefix.Bits() <= bits {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(dec.Prefix.Addr(), bits).Masked(), true
}

// rollUpInto makes the block of p, if what was seen of it justifies that.
func (d *decider) rollUpInto(p netip.Prefix, seen *detect.Offender, hosts []*Decision) {
	if code, _ := d.forbidden(p); code != "" || d.covering(KindBlock, p) != nil {
		return
	}
	slices.SortStableFunc(hosts, func(a, b *Decision) int {
		return cmp.Or(cmp.Compare(b.Harm, a.Harm), comparePrefix(a.Prefix, b.Prefix))
	})
	strikes, _ := d.remembered(KindBlock, p)
	strikes++
	until := d.now.Add(d.s.length(d.in.Actions[hosts[0].Rule], strikes))
	replaced, fresh, ok := map[netip.Prefix]bool{}, int64(0), int64(0)
	var rules []string
	for _, h := range hosts {
		if h.Verb == VerbBlock {
			fresh++
			// What a host did before the prefix's window says nothing of who was successful in it.
			if d.in.Actions[h.Offender.Rule].Window <= d.in.Actions[seen.Rule].Window {
				ok += h.Offender.Measures.InAll().OKAddresses
			}
		}
		if !h.Until.After(until) {
			replaced[h.Prefix] = true
			rules = append(rules, h.Rules...)
		}
	}
	m := seen.Measures
	if len(replaced) < d.s.RollUp || m.InAll().OKAddresses > ok || m.Addresses-fresh > int64(len(hosts)) {
		return
	}
	dec := Decision{Verb: VerbBlock, Kind: KindBlock, Key: Key(p), Prefix: p, Rule: hosts[0].Rule, Rules: rules,
		Since: d.now, Until: until, Strikes: strikes, Offender: seen, Harm: max(m.Requests, hosts[0].Harm),
		Reason: sentence("Roll-up of %d blocked hosts into %s: no other address there had a successful request, %d were seen; until %s.", len(replaced), p, m.Addresses, stamp(until))}
	dec.attachRules([]*detect.Offender{seen})
	d.replace(&dec, replaced)
}

// replace takes the blocks of hosts out: new ones are not made, present ones are released.
func (d *decider) replace(by *Decision, hosts map[netip.Prefix]bool) {
	d.out = slices.DeleteFunc(d.out, func(dec *Decision) bool {
		if dec.Kind != KindBlock || !hosts[dec.Prefix] || dec.Verb != VerbBlock && dec.Verb != VerbKeep && dec.Verb != VerbExtend {
			return false
		}
		delete(d.live[KindBlock], dec.Prefix)
		if dec.Verb == VerbBlock {
			return true
		}
		dec.Verb, dec.Code, dec.ReplacedBy = VerbRelease, CodeRolledUp, by.Prefix
		dec.Reason = sentence("The block of %s is replaced by one of %s.", Key(dec.Prefix), by.Prefix)
		return false
	})
	d.out = append(d.out, by)
	d.enter(KindBlock, by)
}
