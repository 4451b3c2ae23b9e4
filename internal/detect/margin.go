package detect

import "fmt"

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

// Margins returns the comparisons of the rule's when between a measure and a
// number, in the order they are written. Those of two measures, and
// memberships, are not among them.
func (s *Set) Margins(rule string, m Measures) ([]Margin, error) {
	i, ok := s.byName[rule]
	if !ok {
		return nil, fmt.Errorf("measuring margins: no rule %q", rule)
	}
	var out []Margin
	addMargins(&out, s.rules[i].norm, m)
	return out, nil
}

func addMargins(out *[]Margin, c cond, m Measures) {
	switch c := c.(type) {
	case junction:
		for _, a := range c.args {
			addMargins(out, a, m)
		}
	case comparison:
		if c.r.isName() && !c.l.isName() {
			c.l, c.r, c.op = c.r, c.l, c.op.mirrored()
		}
		if !c.l.isName() || c.r.isName() {
			return
		}
		margin := Margin{Measure: whenTable.names[c.l.name].Name.Name, Operator: c.op.String(), Threshold: c.r.lit.number(), Known: m.BaselineKnown || !againstBaseline(c)}
		if margin.Known {
			v := m.value(c.l.name)
			margin.Value, margin.Met = v.number(), c.op.holds(compare(v, c.r.lit))
		}
		*out = append(*out, margin)
	}
}
