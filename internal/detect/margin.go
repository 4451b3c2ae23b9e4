package detect

import (
	"fmt"
	"math"
	"strconv"
)

// Asked is one comparison of a rule's when between a measure and a number.
type Asked struct{ comparison comparison }

// Asked returns the comparisons of the rule's when between a measure and a
// number, in the order they are written. Those of two measures, and
// memberships, are not among them. An unknown rule has none.
func (s *Set) Asked(rule string) []Asked {
	i, ok := s.byName[rule]
	if !ok {
		return nil
	}
	var out []Asked
	addAsked(&out, s.rules[i].norm)
	return out
}

func addAsked(out *[]Asked, c cond) {
	switch c := c.(type) {
	case junction:
		for _, a := range c.args {
			addAsked(out, a)
		}
	case comparison:
		if c.r.isName() && !c.l.isName() {
			c.l, c.r, c.op = c.r, c.l, c.op.mirrored()
		}
		if c.l.isName() && !c.r.isName() {
			*out = append(*out, Asked{c})
		}
	}
}

// Of holds what was measured against what is asked.
func (a Asked) Of(m Measures) Margin {
	c := a.comparison
	margin := Margin{Measure: whenTable.names[c.l.name].Name.Name, Operator: c.op.String(), Threshold: c.r.lit.number(), Known: m.BaselineKnown || !againstBaseline(c)}
	if margin.Known {
		v := m.value(c.l.name)
		margin.Value, margin.Met = v.number(), c.op.holds(compare(v, c.r.lit))
	}
	return margin
}

// Margin is one comparison of a rule's when, and how far what was measured is
// from its threshold.
type Margin struct {
	Measure   string  // a name of the table of measures
	Operator  string  // as CEL writes it, after negations are taken in: !(ok > 3) is ok <= 3
	Threshold float64 // what it is compared with
	Value     float64 // what was measured; 0 where it is not known
	Known     bool    // false for a measure against a baseline that nobody knows: no comparison with it holds
	Met       bool
}

// Times is the value divided by the threshold; 0 when the threshold is not positive.
func (m Margin) Times() float64 {
	if m.Threshold <= 0 {
		return 0
	}
	return m.Value / m.Threshold
}

var operatorWords = map[string]string{">=": "at least", ">": "more than", "<=": "at most", "<": "less than", "==": "exactly", "!=": "other than"}

// Text is what was measured, beside what is asked: "score 42 (at least 3)".
func (m Margin) Text() string { return fmt.Sprintf("%s %s (%s)", m.Measure, m.figure(), m.Asks()) }

// Asks is what is asked: "at least 3".
func (m Margin) Asks() string { return operatorWords[m.Operator] + " " + number(m.Threshold, 6) }

// figure has three digits, and more where the value would read as the threshold that it is not.
func (m Margin) figure() string {
	text := number(m.Value, 3)
	if m.Value != m.Threshold && text == number(m.Threshold, 6) {
		return number(m.Value, 9)
	}
	return text
}

// number writes whole numbers whole, and others with that many digits at most.
func number(f float64, digits int) string {
	if f == math.Trunc(f) || math.Abs(f) >= 1000 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', digits, 64)
}

// Margins returns what was measured against each of the rule's Asked.
func (s *Set) Margins(rule string, m Measures) ([]Margin, error) {
	if _, ok := s.byName[rule]; !ok {
		return nil, fmt.Errorf("measuring margins: no rule %q", rule)
	}
	var out []Margin
	for _, a := range s.Asked(rule) {
		out = append(out, a.Of(m))
	}
	return out, nil
}
