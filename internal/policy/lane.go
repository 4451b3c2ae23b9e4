package policy

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/detect"
)

// lane decides one kind of entry, blocks or shadows: first what is there, then
// what is new. Enforcing goes before shadow: what a block covers needs no shadow entry.
func (d *decider) lane(kind Kind, candidates []*candidate) {
	ended := map[netip.Prefix]Block{}
	for _, b := range d.present[kind] {
		dec := d.judgePresent(b)
		if c := d.hand[b.Prefix]; c != nil && kind == KindBlock {
			dec = d.setEnd(b, c)
		}
		if dec == nil {
			ended[b.Prefix] = b
			continue
		}
		if dec = d.add(*dec); dec.Verb != VerbRelease {
			d.enter(kind, dec)
		}
	}
	for _, c := range candidates {
		offenders := c.enforce
		if kind == KindShadow {
			offenders = c.shadow
			if block := d.covering(KindBlock, c.prefix); block != nil {
				block.attach(offenders)
				continue
			}
		}
		if len(offenders) == 0 {
			continue
		}
		dec := d.covering(kind, c.prefix)
		if dec != nil && d.hand[c.prefix] != nil && dec.Prefix != c.prefix {
			dec = nil // what is blocked by hand has an entry, and an end, of its own
		}
		if dec != nil {
			dec.attach(offenders)
			continue
		}
		was, had := ended[c.prefix]
		if dec := d.begin(kind, c, offenders, was); dec != nil {
			d.enter(kind, dec)
			if had {
				delete(ended, c.prefix)
			}
		}
	}
	for _, b := range d.present[kind] {
		if _, ok := ended[b.Prefix]; ok {
			d.add(entryDecision(VerbRelease, b, CodeExpired, sentence("%s of %s by %s has expired%s.", nounOf(b.Kind), Key(b.Prefix), ruleText(b.Rule), atText(d.end(b)))))
		}
	}
}

// judgePresent decides about an entry that is there; nil means that its time is up.
func (d *decider) judgePresent(b Block) *Decision {
	if code, reason := d.mustGo(b.Prefix); code != "" {
		dec := entryDecision(VerbRelease, b, code, reason)
		return &dec
	}
	end := d.end(b)
	if until, requests, ok := d.movesOn(b, end); ok {
		dec := entryDecision(VerbExtend, b, "", sentence("%s still sends what %s blocks (%s since the block took hold): until %s instead of %s, no new strike.",
			Key(b.Prefix), ruleText(b.Rule), d.sent(b), stamp(until), stamp(end)))
		dec.Until, dec.Harm = until, requests
		return &dec
	}
	if !d.now.Before(end) {
		return nil
	}
	dec := entryDecision(VerbKeep, b, "", sentence("%s of %s by %s lasts until %s.", nounOf(b.Kind), Key(b.Prefix), ruleText(b.Rule), stamp(end)))
	dec.Harm = d.after[afterKey{b.Prefix, b.Rule}].Requests
	return &dec
}

// sent is what came since a block took hold, in words, with the weight where the rule bounds that.
func (d *decider) sent(b Block) string {
	a, after := d.in.Actions[b.Rule], d.after[afterKey{b.Prefix, b.Rule}]
	if a.Bounded() == weight {
		return fmt.Sprintf("%s in %s", a.Amount(fmt.Sprint(a.since(after))), detect.Requests(after.Requests))
	}
	return detect.Requests(after.Requests)
}

// mustGo says why a present entry has to be released before its time. Width and
// an exemption of a part are no such reasons: the exempt ACL already lets the part through.
func (d *decider) mustGo(p netip.Prefix) (code, reason string) {
	if e, ok := d.exempt.Covers(p, d.now); ok {
		return CodeExempt, sentence("%s was unblocked by hand and is exempt%s.", Key(e.Prefix), untilText(e.Until))
	}
	return d.listed(p)
}

// end is when a present entry is due: at its expiry; one that says none, at Max
// after it began; one that says neither, now. An expiry beyond Max is a person's, or was
// decided under another Max, and is kept.
func (d *decider) end(b Block) time.Time {
	switch {
	case !b.Until.IsZero():
		return b.Until
	case !b.Since.IsZero():
		return b.Since.Add(d.s.Max)
	}
	return d.now
}

// movesOn gives the new expiry of an entry whose address does not stop. The burst is
// one strike, however long it lasts. To spare writes, the expiry moves only when that gains
// a quarter of the block, or reaches Max, or the entry would otherwise be due.
func (d *decider) movesOn(b Block, end time.Time) (until time.Time, requests int64, ok bool) {
	a, known := d.in.Actions[b.Rule]
	after := d.after[afterKey{b.Prefix, b.Rule}]
	switch {
	case !known || a.Report || a.kind() != b.Kind: // the rule is gone, or was taken out of enforcement
		return until, 0, false
	case a.since(after) < max(1, a.Floor):
		return until, 0, false
	case a.Window > 0 && !after.LastSeen.IsZero() && after.LastSeen.Before(d.now.Add(-a.Window-d.s.Propagation)):
		return until, 0, false // the burst is over
	case b.Since.IsZero() || b.Prefix.Bits() < d.widthLimit(b.Prefix):
		return until, 0, false
	}
	length := d.s.length(a, b.Strikes)
	last := b.Since.Add(d.s.Max)
	until = d.now.Add(length)
	if until.After(last) {
		until = last
	}
	gain := until.Sub(end)
	worth := gain >= length/4 || until.Equal(last) || !d.now.Before(end)
	return until, after.Requests, gain > 0 && worth && until.After(d.now)
}

// begin makes a new block, or refuses the offenders when they are the burst of the
// last one; was is the entry that ends in this run, if any.
func (d *decider) begin(kind Kind, c *candidate, offenders []*detect.Offender, was Block) *Decision {
	strikes, last := d.remembered(kind, c.prefix)
	if was.Prefix.IsValid() {
		strikes = max(strikes, was.Strikes)
		last = latest(last, was.Since)
	}
	fresh := slices.DeleteFunc(slices.Clone(offenders), func(o *detect.Offender) bool {
		if n, least := d.sharedLeast(o); !d.in.ByHand && float64(n) < least {
			d.refuse(o, c.prefix, CodeShared, d.sharedReason(o, c.prefix, least))
			return true
		}
		seen := o.Measures.LastSeen
		old := !last.IsZero() && !seen.IsZero() && !seen.After(last.Add(d.s.Propagation))
		if old {
			d.refuse(o, c.prefix, CodeSameBurst, sentence("Its last request, at %s, belongs to the burst it was blocked for at %s: one burst is one strike.", stamp(seen), stamp(last)))
		}
		return old
	})
	if len(fresh) == 0 {
		return nil
	}
	lengthAt := strikes + 1
	strikes++
	shared := slices.ContainsFunc(fresh, looksShared)
	if shared || d.in.ByHand {
		lengthAt, strikes = 1, max(1, strikes-1)
	}
	worst, length := fresh[0], time.Duration(0)
	for _, o := range fresh {
		if l := d.s.length(d.in.Actions[o.Rule], lengthAt); l > length {
			worst, length = o, l
		}
	}
	dec := d.add(Decision{
		Verb: VerbBlock, Kind: kind, Key: Key(c.prefix), Prefix: c.prefix, Rule: worst.Rule,
		Since: d.now, Until: d.now.Add(length), Strikes: strikes,
		Reason: d.in.Actions[worst.Rule].blockReason(worst, othersThan(worst, fresh), strikes, length, shared),
	})
	if d.in.ByHand {
		dec.Reason = sentence("Blocked by hand for %s.", shortDuration(length))
	}
	dec.attach(fresh)
	dec.Offender = worst
	if kind == KindBlock {
		dec.attachRules(c.shadow)
	}
	return dec
}

// othersThan names the rules of the other offenders, each once, in order.
func othersThan(o *detect.Offender, all []*detect.Offender) []string {
	var names []string
	for _, x := range all {
		if x.Rule != o.Rule {
			names = append(names, x.Rule)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// remembered gives the strikes that are not forgotten yet.
func (d *decider) remembered(kind Kind, p netip.Prefix) (strikes int, last time.Time) {
	history := d.in.History
	if kind == KindShadow {
		history = d.in.ShadowHistory
	}
	past := history[p]
	if past.Last.After(d.now) || d.now.Sub(past.Last) > d.s.Forget {
		return 0, time.Time{}
	}
	return max(0, past.Strikes), past.Last
}

// looksShared recognises an office or a carrier behind one address: many kinds of
// devices, most of them successful, in all they ask for: a rule may look at errors alone. A flood from one machine has one fingerprint or few.
func looksShared(o *detect.Offender) bool {
	all := o.Measures.InAll()
	return all.JA4s >= sharedJA4s && 2*all.OK > all.Requests
}

// sharedLeast is from how many on an offender that looks shared is blocked, 0 for all others, and how many it has: of
// the counter that the rule bounds, since an office with two hundred logins of which sixty failed has failed sixty times. Behind an office or
// a carrier's /24 are many people, and when they all come at once, to a sale, they are as busy as a flood. What
// an attacker gains by changing his fingerprint with every request is this room and no more.
func (d *decider) sharedLeast(o *detect.Offender) (n int64, least float64) {
	if !looksShared(o) && !o.Measures.InAll().Unknown {
		return 0, 0
	}
	a := d.in.Actions[o.Rule]
	return o.Measures.Count(a.Bounded()), math.Ceil(d.s.SharedRoom * float64(max(1, a.Floor)))
}

// sharedReason says why an offender that looks shared, or may be, has room.
func (d *decider) sharedReason(o *detect.Offender, p netip.Prefix, least float64) string {
	from := d.in.Actions[o.Rule].Amount(fmt.Sprintf("%.0f", least))
	all := o.Measures.InAll()
	if all.Unknown {
		return sentence("Whether %s looks shared is not known, since what else it asked for could not be counted. Until then it is blocked from %s on: policy: {shared_room: …} sets how much that is.", Key(p), from)
	}
	return sentence("%s looks shared: %d TLS fingerprints, and %d of %d requests went well. Such a one is blocked from %s on: policy: {shared_room: …} sets how much that is.", Key(p), all.JA4s, all.OK, all.Requests, from)
}

// attach names offenders in the decision that covers them.
func (dec *Decision) attach(offenders []*detect.Offender) {
	dec.attachRules(offenders)
	for _, o := range offenders {
		if dec.Offender == nil {
			dec.Offender = o
		}
		dec.Harm = max(dec.Harm, o.Measures.Requests)
	}
}

func (dec *Decision) attachRules(offenders []*detect.Offender) {
	for _, o := range offenders {
		dec.Rules = append(dec.Rules, o.Rule)
	}
	if dec.Rule != "" {
		dec.Rules = append(dec.Rules, dec.Rule)
	}
	slices.Sort(dec.Rules)
	dec.Rules = slices.Compact(dec.Rules)
}

// entryDecision is a decision about a present entry.
func entryDecision(verb Verb, b Block, code, reason string) Decision {
	dec := Decision{Verb: verb, Kind: b.Kind, Key: Key(b.Prefix), Prefix: b.Prefix, Rule: b.Rule,
		Since: b.Since, Until: b.Until, Strikes: b.Strikes, Code: code, Reason: reason}
	if b.Rule != "" {
		dec.Rules = []string{b.Rule}
	}
	return dec
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
