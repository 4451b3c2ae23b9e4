package acl

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// GuardInput is what the guard judges a plan with.
type GuardInput struct {
	Limits       Limits
	Health       detect.Health
	HasData      bool      // false for commands that bring no log data (block, unblock)
	To           time.Time // T, the end of the windows: the age of the data is T - Health.TrustedNewest; zero means Plan.Now
	Actions      map[string]policy.Action
	Never, Allow *lists.Set // checked again, by overlap, on the final plan
	AllowPartial bool       // a part of the allowlist is not known: lists.Sources.AllowPartial
	Forgeable    bool       // rows whose address a client can forge count as trusted: policy.Settings.TrustForgeable
	Baseline     int64      // usual trusted rows of such a window; 0 means no baseline
	Override     string     // name of one limit lifted for this plan
}

// Check is one limit with its value.
type Check struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Passed bool    `json:"passed"`
	Note   string  `json:"note,omitempty"`
}

// Verdicts.
const (
	VerdictPass    = "pass"
	VerdictWarn    = "warn"    // a limit failed; no whole class of changes was refused for it
	VerdictRefused = "refused" // a whole class of changes was refused
)

// Verdict is what the guard says. Guard also removes refused changes from the plan (moving them to Refusals with a code
// that is the limit's name).
type Verdict struct {
	Verdict string  `json:"verdict"` // "pass", "warn", "refused" (a whole class of changes was refused)
	Limits  []Check `json:"limits"`
}

// guard holds what Guard works on.
type guard struct {
	p       *Plan
	s       *Snapshot
	in      GuardInput
	l       Limits
	refused bool // a whole class was
}

// Guard judges p by kind of change, takes out what is refused and fills p.Verdict. See Limits for what it asks.
func Guard(p *Plan, s *Snapshot, in GuardInput) {
	g := &guard{p: p, s: s, in: in, l: in.Limits.filled()}
	p.Verdict = Verdict{}
	g.clock()
	if in.HasData {
		g.data()
	}
	g.allowlist()
	g.prefixes()
	g.collateral()
	g.count()
	g.allowReleases()
	g.dropIdleEvictions()
	sortDecisions(p.Refusals)
	p.Verdict.Verdict = g.verdict()
}

func (g *guard) verdict() string {
	if g.refused {
		return VerdictRefused
	}
	for _, c := range g.p.Verdict.Limits {
		if !c.Passed {
			return VerdictWarn
		}
	}
	return VerdictPass
}

// check notes a limit and reports whether it holds, or is lifted.
func (g *guard) check(name string, value, limit float64, passed bool, note string) bool {
	if !passed && g.in.Override == name && CheckOverride(name) == nil {
		passed, note = true, strings.TrimSpace(note+"; lifted by override")
		note = strings.TrimPrefix(note, "; ")
	}
	g.p.Verdict.Limits = append(g.p.Verdict.Limits, Check{name, value, limit, passed, note})
	return passed
}

// most is check for "value at most limit"; a negative limit is off.
func (g *guard) most(name string, value, limit float64, note string) bool {
	if limit < 0 {
		return g.check(name, value, limit, true, "switched off")
	}
	return g.check(name, value, limit, value <= limit, note)
}

// refuse takes the changes that match out of the plan and says how many they were.
func (g *guard) refuse(code, reason string, match func(Change) bool) int {
	n := 0
	g.p.Changes = slices.DeleteFunc(g.p.Changes, func(c Change) bool {
		if !match(c) {
			return false
		}
		n++
		g.p.Refusals = append(g.p.Refusals, refusal(c, code, reason))
		return true
	})
	return n
}

// class is refuse for a whole class of changes.
func (g *guard) class(code, reason string, match func(Change) bool) {
	if g.refuse(code, reason, match) > 0 {
		g.refused = true
	}
}

func refusal(c Change, code, reason string) policy.Decision {
	d := policy.Decision{Kind: c.Mark.Kind, Key: policy.Key(c.Prefix), Prefix: c.Prefix, Rule: c.Mark.Rule, Since: c.Mark.Since, Until: c.Mark.Until, Strikes: c.Mark.Strikes}
	if c.Decision != nil {
		d = *c.Decision
	}
	d.Verb, d.Code, d.Reason = policy.VerbRefuse, code, joinReason(reason, c.Reason)
	return d
}

// clock judges everything: with a wrong clock expiries mean nothing, releases included.
func (g *guard) clock() {
	all := func(Change) bool { return true }
	skew := g.s.Skew.Abs()
	note := ""
	if g.s.NoDate {
		note = "Fastly's replies had no Date header: not checked"
	}
	if !g.most(LimitClockSkew, skew.Seconds(), g.l.ClockSkew.Seconds(), note) {
		g.class(LimitClockSkew, fmt.Sprintf("this machine's clock is %s off Fastly's: set it, then run again", skew.Round(time.Second)), all)
	}
	if !g.in.HasData {
		return
	}
	h := g.in.Health
	if !g.most(LimitAhead, share(h.Ahead, h.Trusted), g.l.Ahead, "") {
		g.class(LimitAhead, fmt.Sprintf("%d of %d trusted rows lie more than 2 min ahead of this machine's clock: one of the clocks is wrong", h.Ahead, h.Trusted), all)
	}
}
