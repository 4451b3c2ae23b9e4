package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// judged is the condition that makes an offender, without negations. While no baseline is known every comparison with a
// baseline measure is false, negated or not: a rule cannot fire for what nobody knows, but what else it asks for still counts.
func (c compiled) judged(baseline bool) cond {
	if baseline {
		return c.norm
	}
	return withoutBaseline(c.norm)
}

func withoutBaseline(c cond) cond {
	switch c := c.(type) {
	case junction:
		out := junction{or: c.or}
		for _, a := range c.args {
			out.args = append(out.args, withoutBaseline(a))
		}
		return out
	case comparison: // no fraction is in a membership
		if againstBaseline(c) {
			return constant(false)
		}
	}
	return c
}

func againstBaseline(c comparison) bool {
	used := map[int]bool{}
	names(c, used)
	return used[int(mBaselineScore)] || used[int(mBaselineRatio)]
}

// UsesBaseline reports whether the rule's when compares with a baseline measure.
func (s *Set) UsesBaseline(rule string) bool {
	used := map[int]bool{}
	if i, ok := s.byName[rule]; ok {
		names(s.rules[i].when, used)
	}
	return used[int(mBaselineScore)] || used[int(mBaselineRatio)]
}

// Shape names what a rule counts: where, window and group, but not when. Counts of one shape can be compared with each
// other whenever they were made. It is "" for an unknown rule.
func (s *Set) Shape(rule string) string {
	i, ok := s.byName[rule]
	if !ok {
		return ""
	}
	r := s.rules[i]
	sum := sha256.Sum256([]byte(strings.Join([]string{strings.TrimSpace(r.Where), r.Window.String(), string(r.Group)}, "\x00")))
	return hex.EncodeToString(sum[:4])
}

// older is the first minute, counted back from T, of the older part of a rule's window: about its half. A window of a
// minute has no older part.
func (c compiled) older() int64 {
	return int64((c.Window/2 + time.Minute - 1) / time.Minute)
}

// olderSpan is how long that part is.
func (c compiled) olderSpan() time.Duration {
	return max(0, c.Window-time.Duration(c.older())*time.Minute)
}

// when is what the statement asks of a rule's keys.
func (s *scan) when(c compiled) cond {
	_, known := s.q.Baselines[c.Name]
	return c.judged(known)
}

// ofRule writes a CASE over the rule with one expression for each that has one; "" leaves a rule out.
func (s *scan) ofRule(rule string, one func(i int, c compiled) string, otherwise string) string {
	var b strings.Builder
	for i, c := range s.q.Set.rules {
		if expr := one(i, c); expr != "" {
			fmt.Fprintf(&b, " WHEN %d THEN %s", i, expr)
		}
	}
	if b.Len() == 0 {
		return otherwise
	}
	return "CASE " + rule + b.String() + " ELSE " + otherwise + " END"
}

// inOlder is the condition of a row in the older part of the rule's window.
func (s *scan) inOlder(rule string) string {
	return "minute >= " + s.ofRule(rule, func(_ int, c compiled) string { return fmt.Sprint(c.older()) }, "0")
}

// baselineColumns compare a row of the histogram with what is usual.
func (s *scan) baselineColumns() string {
	number := func(f float64) string { return s.literal(value{typ: typeDouble, f: f}) }
	score := s.ofRule("rule", func(_ int, c compiled) string {
		b, ok := s.q.Baselines[c.Name]
		if !ok {
			return ""
		}
		return "(ln_requests - " + number(b.Median) + ") / " + number(max(b.Scale, scoreFloorValue))
	}, "0e0")
	ratio := s.ofRule("rule", func(_ int, c compiled) string {
		b, ok := s.q.Baselines[c.Name]
		if !ok {
			return ""
		}
		return "total / " + number(b.Requests)
	}, "0e0")
	return score + " AS baseline_score,\n  " + ratio + " AS baseline_ratio"
}
