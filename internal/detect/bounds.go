package detect

import "math"

// normalise returns c with every negation pushed into the comparisons (neg
// means that c itself is negated), so that && and || are all that is left
// above them and a weaker part makes the whole weaker.
func normalise(c cond, neg bool) cond {
	switch c := c.(type) {
	case constant:
		return constant(bool(c) != neg)
	case negation:
		return normalise(c.x, !neg)
	case junction:
		out := junction{or: c.or != neg}
		for _, a := range c.args {
			out.args = append(out.args, normalise(a, neg))
		}
		return out
	case comparison:
		if neg {
			c.op = c.op.negated()
		}
		return c
	}
	if neg {
		return negation{c}
	}
	return c
}

// CountsOnly reports whether the rule's when is made only of lower bounds on
// counters joined by &&, so that missing rows can only hide an offender, never
// make one. The weight is a counter: no request weighs less than nothing. An unknown rule is not.
func (s *Set) CountsOnly(rule string) bool {
	i, ok := s.byName[rule]
	return ok && countsOnly(s.rules[i].when)
}

func countsOnly(c cond) bool {
	switch c := c.(type) {
	case junction:
		if c.or {
			return false
		}
		for _, a := range c.args {
			if !countsOnly(a) {
				return false
			}
		}
		return true
	case comparison:
		return lowerBound(c) && whenTable.names[c.l.name].typ == typeInt
	}
	return false
}

// lowerBound reports whether c is name >= literal or name > literal.
func lowerBound(c comparison) bool {
	return !c.r.isName() && (c.op == opGE || c.op == opGT)
}

// Floor is the least of what FloorOf names for which the rule's when can be true as far as its bounds on counters say; at least 1.
func (s *Set) Floor(rule string) int64 {
	if i, ok := s.byName[rule]; ok {
		return max(s.rules[i].bound().least, 1)
	}
	return 1
}

// FloorOf is the measure that the rule bounds by its Floor: errors for errors >= 60, requests when no other counter is bounded.
func (s *Set) FloorOf(rule string) string {
	of := mRequests
	if i, ok := s.byName[rule]; ok {
		of = s.rules[i].bound().of
	}
	return whenTable.names[of].Name.Name
}

// floor is the least number of requests for which the rule's when can be true; at least 1. No counter of a key is larger
// than its requests, so a lower bound on any of them is one on requests; but a weight may be, by as much as its heaviest
// request.
func (c compiled) floor() int64 { return max(c.bound().requests, 1) }

func (c compiled) bound() bound { return boundOf(c.norm, c.heaviest()) }

// bound says that a counter is not below least, and so the number of requests not below another.
type bound struct {
	least    int64
	of       measure
	requests int64
}

// none is what every offender meets: a request.
var none = bound{1, mRequests, 1}

func boundOf(c cond, heaviest int64) bound {
	switch c := c.(type) {
	case constant:
		if !c {
			return bound{math.MaxInt64, mRequests, math.MaxInt64}
		}
	case junction:
		b := boundOf(c.args[0], heaviest)
		for _, a := range c.args[1:] {
			if o := boundOf(a, heaviest); c.or {
				b = either(b, o)
			} else {
				b = both(b, o)
			}
		}
		return b
	case membership:
		if whenTable.names[c.l.name].typ != typeInt {
			break
		}
		least := c.list[0].i
		for _, v := range c.list[1:] {
			least = min(least, v.i)
		}
		return boundOn(measure(c.l.name), least, heaviest)
	case comparison:
		if least := floorOfComparison(c); least > 1 {
			return boundOn(measure(c.l.name), least, heaviest)
		}
	}
	return none
}

// either is the bound of what meets one of two: what both have a least number of is requests, unless it is the same counter.
func either(a, b bound) bound {
	requests := min(a.requests, b.requests)
	if a.of != b.of {
		return bound{requests, mRequests, requests}
	}
	return bound{min(a.least, b.least), a.of, requests}
}

// both is the bound of what meets two. The weight goes before any other counter: requests that weigh nothing are not what
// such a rule is about, however many there are.
func both(a, b bound) bound {
	stricter := a
	switch {
	case (a.of == mWeight) != (b.of == mWeight):
		if b.of == mWeight {
			stricter = b
		}
	case b.requests > a.requests, b.of == a.of && b.least > a.least:
		stricter = b
	}
	stricter.requests = max(a.requests, b.requests)
	return stricter
}

// boundOn is a bound on a counter.
func boundOn(m measure, least, heaviest int64) bound {
	if m != mWeight || least <= 1 {
		return bound{least, m, least}
	}
	return bound{least, m, (least-1)/heaviest + 1}
}

func floorOfComparison(c comparison) int64 {
	if c.r.isName() || whenTable.names[c.l.name].typ != typeInt {
		return 1
	}
	bound := c.r.lit.i
	if c.r.typ == typeDouble {
		switch f := c.r.lit.f; {
		case f >= math.MaxInt64/2:
			return math.MaxInt64
		case f < 1:
			return 1
		case c.op == opGT:
			bound = int64(math.Floor(f))
		default:
			bound = int64(math.Ceil(f))
		}
	}
	switch c.op {
	case opGE, opEQ:
		return bound
	case opGT:
		if bound == math.MaxInt64 {
			return bound
		}
		return bound + 1
	}
	return 1
}

// weaken replaces every part of a normalised when that needs a measure outside
// of known by one that is true whenever the part is: a lower bound on a counter
// becomes the bound on requests that follows from it, anything else becomes true.
// With the result an engine leaves out keys that cannot be offenders before it
// measures the rest. heaviest is the most that a request can weigh.
func weaken(c cond, heaviest int64, known func(measure) bool) cond {
	has := func(o operand) bool { return !o.isName() || known(measure(o.name)) }
	switch c := c.(type) {
	case junction:
		out := junction{or: c.or}
		for _, a := range c.args {
			out.args = append(out.args, weaken(a, heaviest, known))
		}
		return out
	case comparison:
		if has(c.l) && has(c.r) {
			return c
		}
		if lowerBound(c) && whenTable.names[c.l.name].typ == typeInt {
			if measure(c.l.name) == mWeight && heaviest > 1 {
				least := boundOn(mWeight, floorOfComparison(c), heaviest).requests
				c.op, c.r = opGE, operand{name: -1, typ: typeInt, lit: value{typ: typeInt, i: least}}
			}
			c.l.name = int(mRequests)
			return c
		}
		return constant(true)
	case membership:
		if has(c.l) {
			return c
		}
		return constant(true)
	case negation:
		if m, ok := c.x.(membership); ok && has(m.l) {
			return c
		}
		return constant(true)
	}
	return c
}
