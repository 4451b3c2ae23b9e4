package policy

import (
	"net/netip"

	"edgewarden/internal/lists"
)

// DecideByHand is Decide for a person's command: it sets ByHand and returns only what the command is about, so
// that nothing else at the edge changes.
func DecideByHand(in Input) []Decision {
	in.ByHand = true
	wanted := in.commandedPrefixes()
	var ds []Decision
	for _, d := range Decide(in) {
		switch {
		case d.Verb == VerbRefuse, d.Verb == VerbRelease && d.Code == CodeByHand,
			(d.Verb == VerbBlock || d.Verb == VerbExtend) && d.Kind == KindBlock && wanted[d.Prefix]:
			ds = append(ds, d)
		}
	}
	return ds
}

// commandedPrefixes are the prefixes that the offenders name.
func (in Input) commandedPrefixes() map[netip.Prefix]bool {
	wanted := map[netip.Prefix]bool{}
	for _, o := range in.Offenders {
		if p, err := ParseKey(o.Key); err == nil {
			wanted[p] = true
		}
	}
	return wanted
}

// overridden are the prefixes whose exemption does not count; nil when rules decide.
func (in Input) overridden() map[netip.Prefix]bool {
	if !in.ByHand {
		return nil
	}
	return in.commandedPrefixes()
}

// commanded are the candidates of a command, by prefix: those that may be blocked.
func commanded(candidates []*candidate) map[netip.Prefix]*candidate {
	out := map[netip.Prefix]*candidate{}
	for _, c := range candidates {
		if len(c.enforce) > 0 {
			out[c.prefix] = c
		}
	}
	return out
}

// setEnd gives a present block the end that a person commands, and makes it that person's: no rule extends it.
func (d *decider) setEnd(b Block, c *candidate) *Decision {
	o := c.enforce[0]
	length := d.s.length(d.in.Actions[o.Rule], 1)
	until := d.now.Add(length)
	dec := entryDecision(VerbExtend, b, "", sentence("Blocked by hand for %s: until %s instead of %s, as %s had it.",
		shortDuration(length), stamp(until), stamp(d.end(b)), ruleText(b.Rule)))
	dec.Rule, dec.Until, dec.Strikes = o.Rule, until, max(1, b.Strikes)
	if dec.Since.IsZero() {
		dec.Since = d.now
	}
	dec.attach(c.enforce)
	return &dec
}

// presentAllow is the allowlist with what the exempt ACL holds of it.
func (d *decider) presentAllow() *lists.Set {
	entries := d.in.Allow.Entries()
	for _, b := range d.present[KindAllow] {
		if _, ok := d.in.Allow.Covers(b.Prefix, d.now); ok {
			continue
		}
		if b.Until.IsZero() || d.now.Before(b.Until) {
			entries = append(entries, lists.Entry{Prefix: b.Prefix, Until: b.Until, List: lists.Allowlist,
				Reason: "as the exempt ACL has it: a part of the allowlist cannot be read"})
		}
	}
	return lists.New(entries...)
}
