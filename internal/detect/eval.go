package detect

import (
	"cmp"
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// Matches reports whether the rule's where holds for the record. It looks at
// the fields only: kind, shield, refusal and time are the query's business.
func (s *Set) Matches(rule string, r *record.Record) (bool, error) {
	i, ok := s.byName[rule]
	if !ok {
		return false, fmt.Errorf("evaluating where: no rule %q", rule)
	}
	return eval(s.rules[i].where, fieldsOf(r)), nil
}

// Met reports whether the rule's when holds for the measures.
func (s *Set) Met(rule string, m Measures) (bool, error) {
	i, ok := s.byName[rule]
	if !ok {
		return false, fmt.Errorf("evaluating when: no rule %q", rule)
	}
	return eval(s.rules[i].judged(m.BaselineKnown), m.value), nil
}

// fieldsOf gives the values of a record by the names of whereTable.
func fieldsOf(r *record.Record) func(int) value {
	return func(n int) value { return fieldValue(r, whereTable.names[n].field) }
}

// fieldValue reads a field; an absent one is "", 0 or false.
func fieldValue(r *record.Record, f record.Field) value {
	switch record.Fields[f].Type {
	case record.Int:
		if r.Has(f) {
			return value{typ: typeInt, i: *r.Int(f)}
		}
		return value{typ: typeInt}
	case record.Bool:
		return value{typ: typeBool, b: r.Has(f) && *r.Bool(f)}
	}
	return value{typ: typeString, s: *r.Str(f)}
}

func (m Measures) value(n int) value {
	switch measure(n) {
	case mRequests:
		return value{typ: typeInt, i: m.Requests}
	case mWeight:
		return value{typ: typeInt, i: m.Weight}
	case mPeak:
		return value{typ: typeInt, i: m.PeakPerMinute}
	case mOK:
		return value{typ: typeInt, i: m.OK}
	case mErrors:
		return value{typ: typeInt, i: m.Errors}
	case mErrorShare:
		return value{typ: typeDouble, f: m.ErrorShare()}
	case mDistinctPaths:
		return value{typ: typeInt, i: m.DistinctPaths}
	case mShare:
		return value{typ: typeDouble, f: m.Share}
	case mScore:
		return value{typ: typeDouble, f: m.Score}
	case mBaselineScore:
		return value{typ: typeDouble, f: m.BaselineScore}
	case mBaselineRatio:
		return value{typ: typeDouble, f: m.BaselineRatio}
	case mAddresses:
		return value{typ: typeInt, i: m.Addresses}
	case mOKAddresses:
		return value{typ: typeInt, i: m.OKAddresses}
	case mJA4s:
		return value{typ: typeInt, i: m.JA4s}
	}
	panic(fmt.Sprintf("detect: bug: no measure %d", n))
}

// Count is the counter with this name of the table of measures; 0 for any other name.
func (m Measures) Count(name string) int64 {
	n, ok := whenTable.byName[name]
	if !ok || whenTable.names[n].typ != typeInt {
		return 0
	}
	return m.value(n).i
}

// Sent is the requests in words, with what they weigh where the rule's when names weight: "300 requests with a weight of 6000 in all".
func (m Measures) Sent() string {
	if m.Weighed {
		return fmt.Sprintf("%s with a weight of %d in all", Requests(m.Requests), m.Weight)
	}
	return Requests(m.Requests)
}

// Requests is so many of them in words: 1 request, 412 requests.
func Requests(n int64) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// ErrorShare is Errors divided by Requests; 0 without requests.
func (m Measures) ErrorShare() float64 {
	if m.Requests == 0 {
		return 0
	}
	return float64(m.Errors) / float64(m.Requests)
}

func eval(c cond, get func(int) value) bool {
	switch c := c.(type) {
	case constant:
		return bool(c)
	case flag:
		return get(c.name).b
	case negation:
		return !eval(c.x, get)
	case junction:
		for _, a := range c.args {
			if eval(a, get) == c.or {
				return c.or
			}
		}
		return !c.or
	case comparison:
		return c.op.holds(compare(operandValue(c.l, get), operandValue(c.r, get)))
	case membership:
		l := operandValue(c.l, get)
		for _, v := range c.list {
			if compare(l, v) == 0 {
				return true
			}
		}
		return false
	case textTest:
		return c.holds(operandValue(c.l, get).s)
	}
	panic(fmt.Sprintf("detect: bug: no condition %T", c))
}

func operandValue(o operand, get func(int) value) value {
	if o.isName() {
		return get(o.name)
	}
	return o.lit
}

// compare orders two values of one type, or two numbers.
func compare(a, b value) int {
	switch {
	case a.typ == typeString:
		return cmp.Compare(a.s, b.s)
	case a.typ == typeBool:
		if a.b == b.b {
			return 0
		}
		return 1
	case a.typ == typeInt && b.typ == typeInt:
		return cmp.Compare(a.i, b.i)
	}
	return cmp.Compare(a.number(), b.number())
}

func (v value) number() float64 {
	if v.typ == typeInt {
		return float64(v.i)
	}
	return v.f
}

func (o operator) holds(c int) bool {
	switch o {
	case opEQ:
		return c == 0
	case opNE:
		return c != 0
	case opLT:
		return c < 0
	case opLE:
		return c <= 0
	case opGT:
		return c > 0
	}
	return c >= 0
}

func (t textTest) holds(s string) bool {
	switch t.method {
	case startsWith:
		return strings.HasPrefix(s, t.arg)
	case endsWith:
		return strings.HasSuffix(s, t.arg)
	case contains:
		return strings.Contains(s, t.arg)
	}
	return t.re.MatchString(s)
}
