package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"edgewarden/internal/detect"
)

// candidate is a prefix that may be blocked, with all offenders that name it.
type candidate struct {
	prefix          netip.Prefix
	enforce, shadow []*detect.Offender // most harmful first
}

// sift refuses the offenders that must not be blocked and groups the others by
// prefix, the widest first, so that a prefix is there before the hosts in it.
func (d *decider) sift() []*candidate {
	byPrefix := map[netip.Prefix]*candidate{}
	var all []*candidate
	for i := range d.in.Offenders {
		o := &d.in.Offenders[i]
		prefix, code, reason := d.judge(o)
		action := d.in.Actions[o.Rule]
		if code != "" {
			d.refuse(o, prefix, code, reason)
			continue
		}
		c := byPrefix[prefix]
		if c == nil {
			c = &candidate{prefix: prefix}
			byPrefix[prefix] = c
			all = append(all, c)
		}
		if action.Enforce {
			c.enforce = append(c.enforce, o)
		} else {
			c.shadow = append(c.shadow, o)
		}
	}
	for _, c := range all {
		slices.SortStableFunc(c.enforce, compareOffenders)
		slices.SortStableFunc(c.shadow, compareOffenders)
	}
	slices.SortFunc(all, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.prefix.Bits(), b.prefix.Bits()), comparePrefix(a.prefix, b.prefix))
	})
	return all
}

// judge says why an offender is not to be blocked; an empty code means that it may be.
// What can never be lifted comes first, what trust.allow lifts comes last.
func (d *decider) judge(o *detect.Offender) (prefix netip.Prefix, code, reason string) {
	action, known := d.in.Actions[o.Rule]
	if !known {
		return prefix, CodeUnknownRule, sentence("rule %q has no action, so nothing is done about %s.", o.Rule, quoteKey(o.Key))
	}
	if action.Report || o.Group == detect.ByASN || o.Group == detect.ByJA4 {
		return prefix, CodeReportOnly, sentence("Groups of %s are reported, never blocked: many strangers share one.", o.Group)
	}
	prefix, err := ParseKey(o.Key)
	if err != nil {
		return prefix, CodeBadKey, sentence("%s is neither an address nor a prefix.", quoteKey(o.Key))
	}
	if code, reason = d.forbidden(prefix); code != "" {
		return prefix, code, reason
	}
	if n := o.Measures.Addresses; o.Group == detect.ByPrefix && n > 0 && n < int64(d.s.MinAddresses) {
		return prefix, CodeFewAddresses, sentence("Only %d of the addresses in %s took part, and a prefix is blocked from %d on: use a rule that groups by address.", n, prefix, d.s.MinAddresses)
	}
	code, reason = d.mistrust(o.Trust)
	return prefix, code, reason
}

// forbidden says why a new block of p must not be, whatever it did. The lists come
// first, since they say most; width and exemption cannot be told from an address.
func (d *decider) forbidden(p netip.Prefix) (code, reason string) {
	if code, reason = d.listed(p); code != "" {
		return code, reason
	}
	if limit := d.widthLimit(p); p.Bits() < limit {
		return CodeTooWide, sentence("%s is wider than /%d, the widest prefix that may be blocked.", p, limit)
	}
	if e, ok := d.exempt.Overlaps(p, d.now); ok {
		return CodeExempt, sentence("%s was unblocked by hand and is exempt%s.", Key(e.Prefix), untilText(e.Until))
	}
	return "", ""
}

// listed says which list protects some address of p.
func (d *decider) listed(p netip.Prefix) (code, reason string) {
	if e, ok := d.in.Never.Overlaps(p, d.now); ok {
		return CodeNeverBlock, sentence("%s is never blocked: %s is on the list %s (%s).", Key(p), e.Prefix, e.List, e.Reason)
	}
	if e, ok := d.in.Allow.Overlaps(p, d.now); ok {
		return CodeAllowlisted, sentence("%s overlaps %s on the allowlist (%s).", Key(p), e.Prefix, e.Reason)
	}
	if e, ok := d.in.Crawlers.Overlaps(p, d.now); ok {
		return CodeCrawler, sentence("%s belongs to a verified crawler: %s (%s).", Key(p), e.Prefix, e.Reason)
	}
	return "", ""
}

func (d *decider) widthLimit(p netip.Prefix) int {
	if p.Addr().Is4() {
		return d.s.MaxWidth4
	}
	return d.s.MaxWidth6
}

// mistrust refuses rows that anyone could have made up. Rows with both faults get
// the code of the address; the reason names every key that has to be lifted.
func (d *decider) mistrust(t detect.Trust) (code, reason string) {
	forgeable := t.Forgeable && !d.s.TrustForgeable
	unauthenticated := t.Unauthenticated && !d.s.TrustUnauthenticated
	switch {
	case forgeable && unauthenticated:
		return CodeForgeable, "The address comes from a header that a client can forge, and the lines from a sender without token or client certificate: trust: {allow: [forgeable_address, unauthenticated_sender]} lifts this."
	case forgeable:
		return CodeForgeable, "The address comes from a header that a client can forge: trust: {allow: [forgeable_address]} lifts this."
	case unauthenticated:
		return CodeUnauthenticated, "The lines come from a sender without token or client certificate: trust: {allow: [unauthenticated_sender]} lifts this."
	}
	return "", ""
}

func (d *decider) refuse(o *detect.Offender, prefix netip.Prefix, code, reason string) {
	kind := d.in.Actions[o.Rule].kind()
	d.add(Decision{Verb: VerbRefuse, Kind: kind, Key: o.Key, Prefix: prefix, Rule: o.Rule, Rules: []string{o.Rule},
		Code: code, Reason: reason, Offender: o, Harm: o.Measures.Requests})
}

func compareOffenders(a, b *detect.Offender) int {
	return cmp.Or(cmp.Compare(b.Measures.Requests, a.Measures.Requests), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
}
