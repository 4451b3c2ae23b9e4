package acl

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// ShadowEffect is what one rule in shadow mode would have stopped, had it enforced.
type ShadowEffect struct {
	Rule     string
	Entries  int       // entries of ours in the shadow ACL by this rule
	Active   int       // of those, addresses that went on after their entry took hold
	Would    int64     // requests that got through and would have been refused
	OK       int64     // of those, answered with success: what a rule that is too sharp would have cost
	Refused  int64     // requests that another rule's block refused all the same
	From, To time.Time // what was counted: since the entry took hold, but no longer ago than the rule's window
	Most     []ShadowAddress
}

// ShadowAddress is an address under a shadow entry.
type ShadowAddress struct {
	Key   string
	Would int64
}

// shadowMost is how many addresses are named.
const shadowMost = 5

// ShadowEffects sums up, by rule, what the present shadow entries would have stopped. after is detect's answer to
// policy.Questions about s.Present(), to is the end of its windows. The rule with most comes first. It is pure.
func (s *Snapshot) ShadowEffects(after []detect.After, to time.Time) []ShadowEffect {
	type entry struct{ key, rule string }
	answers := map[entry]detect.After{}
	for _, a := range after {
		answers[entry{a.Key, a.Rule}] = a
	}
	blocked := map[string]bool{} // a block of the same prefix and rule has its own answer under the same name
	byRule := map[string]*ShadowEffect{}
	for _, b := range s.Present() {
		if b.Kind == policy.KindBlock {
			blocked[policy.Key(b.Prefix)+" "+b.Rule] = true
		}
	}
	for _, b := range s.Present() {
		key := policy.Key(b.Prefix)
		if b.Kind != policy.KindShadow || blocked[key+" "+b.Rule] {
			continue
		}
		e := byRule[b.Rule]
		if e == nil {
			e = &ShadowEffect{Rule: b.Rule, To: to}
			byRule[b.Rule] = e
		}
		e.Entries++
		if a, there := answers[entry{key, b.Rule}]; there {
			e.add(a)
		}
	}
	out := make([]ShadowEffect, 0, len(byRule))
	for _, e := range byRule {
		slices.SortFunc(e.Most, func(a, b ShadowAddress) int { return cmp.Or(cmp.Compare(b.Would, a.Would), cmp.Compare(a.Key, b.Key)) })
		e.Most = e.Most[:min(len(e.Most), shadowMost)]
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b ShadowEffect) int { return cmp.Or(cmp.Compare(b.Would, a.Would), cmp.Compare(a.Rule, b.Rule)) })
	return out
}

func (e *ShadowEffect) add(a detect.After) {
	if e.From.IsZero() || a.From.Before(e.From) {
		e.From = a.From
	}
	e.Would += a.Passed
	e.OK += a.OK
	e.Refused += a.Refused
	if a.Passed > 0 {
		e.Active++
		e.Most = append(e.Most, ShadowAddress{a.Key, a.Passed})
	}
}

// String is one line for a report.
func (e ShadowEffect) String() string {
	if e.Active == 0 {
		return fmt.Sprintf("rule %s (shadow): %s, whose addresses sent nothing it counts since", e.Rule, number(e.Entries, "entry"))
	}
	return fmt.Sprintf("rule %s (shadow): would have refused %s (%d of them successful) of %s since %s (%s)", e.Rule, detect.Requests(e.Would), e.OK, number(e.Active, "address"), e.From.UTC().Format(time.RFC3339), number(e.Entries, "entry"))
}
