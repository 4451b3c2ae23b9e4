package policy

import (
	"net/netip"
	"time"

	"edgewarden/internal/lists"
)

// exemptions decides what stands in the exempt ACL: allowlist prefixes as long as
// they are listed, and what was unblocked by hand until it expires.
func (d *decider) exemptions() {
	wanted := d.wantedAllow()
	there := map[netip.Prefix]bool{}
	for _, b := range d.present[KindExempt] {
		until := d.exemptUntil(b)
		if !until.IsZero() && !d.now.Before(until) {
			d.add(entryDecision(VerbRelease, b, CodeExpired, sentence("The exemption of %s has expired%s.", Key(b.Prefix), atText(until))))
			continue
		}
		if c := d.hand[b.Prefix]; c != nil && d.live[KindBlock][b.Prefix] != nil {
			dec := entryDecision(VerbRelease, b, CodeByHand, sentence("The exemption of %s ends: it is blocked by hand.", Key(b.Prefix)))
			dec.ReplacedBy = b.Prefix
			d.add(dec)
			continue
		}
		// The edge asks for the address only, so one entry is enough; the allow entry follows when this one ends.
		there[b.Prefix] = true
		d.add(entryDecision(VerbKeep, b, "", sentence("%s was unblocked by hand and is exempt%s.", Key(b.Prefix), untilText(until))))
	}
	for _, b := range d.present[KindAllow] {
		e, listed := wanted[b.Prefix]
		switch {
		case d.in.Allow == nil:
			d.add(entryDecision(VerbKeep, b, "", sentence("%s stays exempt: no allowlist was given, so nothing says that it left one.", Key(b.Prefix))))
		case !listed:
			d.add(entryDecision(VerbRelease, b, CodeUnlisted, sentence("%s is no longer on the allowlist.", Key(b.Prefix))))
		case there[b.Prefix]:
			d.add(entryDecision(VerbKeep, b, "", allowReason(e)))
		case b.Until.Equal(e.Until):
			there[b.Prefix] = true
			d.add(entryDecision(VerbKeep, b, "", allowReason(e)))
		}
	}
	for _, e := range d.in.Allow.Entries() {
		if w, ok := wanted[e.Prefix]; ok && !there[e.Prefix] {
			there[e.Prefix] = true
			d.add(Decision{Verb: VerbAllow, Kind: KindAllow, Key: Key(e.Prefix), Prefix: e.Prefix,
				Since: d.allowSince(e.Prefix), Until: w.Until, Reason: allowReason(w)})
		}
	}
}

// wantedAllow gives the allowlist entries valid now; of two for one prefix the one
// that lasts longer.
func (d *decider) wantedAllow() map[netip.Prefix]lists.Entry {
	wanted := map[netip.Prefix]lists.Entry{}
	for _, e := range d.in.Allow.Entries() {
		e.Until = e.Until.Truncate(time.Second)
		if !e.ValidAt(d.now) {
			continue
		}
		was, ok := wanted[e.Prefix]
		if !ok || !was.Until.IsZero() && (e.Until.IsZero() || e.Until.After(was.Until)) {
			wanted[e.Prefix] = e
		}
	}
	return wanted
}

// allowSince keeps the beginning of an entry whose expiry changes.
func (d *decider) allowSince(p netip.Prefix) time.Time {
	for _, b := range d.present[KindAllow] {
		if b.Prefix == p && !b.Since.IsZero() {
			return b.Since
		}
	}
	return d.now
}

// exemptUntil is the end of an exemption, at most MaxExempt after its beginning.
// Without either it is zero: releasing it could shut a customer out, and status shows it.
func (d *decider) exemptUntil(b Block) time.Time {
	until := b.Until
	if last := b.Since.Add(MaxExempt); !b.Since.IsZero() && (until.IsZero() || until.After(last)) {
		return last
	}
	return until
}

func allowReason(e lists.Entry) string {
	return sentence("%s is on the allowlist%s (%s).", Key(e.Prefix), untilText(e.Until), e.Reason)
}
