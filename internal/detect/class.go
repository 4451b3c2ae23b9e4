package detect

import (
	"cmp"
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// MaxClasses is the most classes a set can hold: each is one more condition for every row that is read.
const MaxClasses = 16

// MaxWeight is the most a request can weigh.
const MaxWeight = 100

// Class says what some requests weigh in the measure weight. A request is in the first class whose Where holds;
// one that is in none weighs 1. Classes belong to a set: they are the same for all of its rules.
type Class struct {
	Name   string
	Where  string // CEL over the record's fields; required
	Weight int    // 0 to MaxWeight; 0 keeps the requests out of weight
	// Line and column where Where begins in its file, as in Rule.
	WhereLine, WhereColumn int
}

// class is a compiled class.
type class struct {
	Class
	where cond
}

// compileClasses checks and compiles classes.
func compileClasses(classes []Class) (out []class, errs []error) {
	if len(classes) > MaxClasses {
		errs = append(errs, &Error{Part: "classes", Msg: fmt.Sprintf("%d classes are too many; at most %d are looked at for each request, so join some with ||", len(classes), MaxClasses)})
	}
	at := map[string]int{}
	rest := ""
	for i, c := range classes {
		fault := func(part, format string, args ...any) {
			errs = append(errs, &Error{Class: c.Name, OfClass: true, Part: part, Msg: fmt.Sprintf(format, args...)})
		}
		if !nameRE.MatchString(c.Name) {
			fault("name", "the name %q is not 1 to 48 of a-z, 0-9, _ and -", c.Name)
		}
		if j, dup := at[c.Name]; dup {
			fault("name", "classes %d and %d have the same name; rename one", j+1, i+1)
		}
		at[c.Name] = i
		if c.Weight < 0 || c.Weight > MaxWeight {
			fault("weight", "the weight %d is not one of 0 to %d", c.Weight, MaxWeight)
		}
		if rest != "" {
			fault("where", "no request is in this class, since %s before it takes all; put that one last", rest)
		}
		compiled := class{Class: c}
		if strings.TrimSpace(c.Where) == "" {
			fault("where", `there is no where; write which requests are in the class, such as path.startsWith("/static/")`)
		} else {
			compiled.where, errs = compileCond(whereTable, place{class: c.Name, ofClass: true, part: "where", line: c.WhereLine, column: c.WhereColumn}, c.Where, errs)
		}
		if compiled.where == constant(true) && rest == "" {
			rest = "class " + c.Name
		}
		out = append(out, compiled)
	}
	return out, errs
}

// Classes returns the classes in order; empty when there are none.
func (s *Set) Classes() []Class {
	var out []Class
	for _, c := range s.classes() {
		out = append(out, c.Class)
	}
	return out
}

// Weigh is what a request weighs, whatever rules count it, and the name of its class, "" for none.
func (s *Set) Weigh(r *record.Record) (weight int64, class string) {
	for _, c := range s.classes() {
		if eval(c.where, fieldsOf(r)) {
			return int64(c.Weight), c.Name
		}
	}
	return 1, ""
}

// Weighs reports whether a statement of the set has to look at classes: there are some, and a rule's when names weight.
// Without it weight is requests.
func (s *Set) Weighs() bool {
	return len(s.classes()) > 0 && s.NamesWeight()
}

// NamesWeight reports whether the when of any rule names weight.
func (s *Set) NamesWeight() bool {
	for _, c := range s.rules {
		if c.uses(mWeight) {
			return true
		}
	}
	return false
}

// UsesWeight reports whether the rule's when names weight.
func (s *Set) UsesWeight(rule string) bool {
	i, ok := s.byName[rule]
	return ok && s.rules[i].uses(mWeight)
}

// classes are those of all rules of the set.
func (s *Set) classes() []class {
	if s == nil || len(s.rules) == 0 {
		return nil
	}
	return s.rules[0].classes
}

// heaviest is the most a request of the rule can weigh.
func (c compiled) heaviest() int64 {
	most := 1
	for _, class := range c.classes {
		most = max(most, class.Weight)
	}
	return int64(most)
}

// weight is what the measure weight is of a key, when the statement said what its requests weigh.
func (c compiled) weight(requests, weighed int64) (weight int64, known bool) {
	switch {
	case !c.uses(mWeight):
		return 0, false
	case len(c.classes) == 0:
		return requests, true
	}
	return weighed, true
}

// weightFields are the fields that classes look at, when the set has to look at classes.
func (s *Set) weightFields() []record.Field {
	if !s.Weighs() {
		return nil
	}
	used := map[int]bool{}
	for _, c := range s.classes() {
		names(c.where, used)
	}
	var out []record.Field
	for n := range used {
		out = append(out, whereTable.names[n].field)
	}
	return out
}

// classColumn is the column of src that the classes make, if the statement looks at them.
func (s *scan) classColumn() []string {
	switch {
	case !s.weighed:
		return nil
	case s.classed:
		return []string{s.classOf() + " AS class"}
	}
	return []string{s.weigh() + " AS w"}
}

// weigh is the expression of what a row weighs, out of the fields of req.
func (s *scan) weigh() string {
	return s.byClass(func(_ int, c class) int { return c.Weight }, 1)
}

// classOf is the expression of the class of a row: its place among the classes, or how many there are for none.
func (s *scan) classOf() string {
	return s.byClass(func(i int, _ class) int { return i }, len(s.q.Set.classes()))
}

// byClass is the expression of a number of the first class that a row is in.
func (s *scan) byClass(number func(int, class) int, none int) string {
	var b strings.Builder
	b.WriteString("CASE")
	for i, c := range s.q.Set.classes() {
		fmt.Fprintf(&b, "\n    WHEN %s THEN %d", s.sql(c.where, whereColumn), number(i, c))
	}
	fmt.Fprintf(&b, "\n    ELSE %d END", none)
	return b.String()
}

// classCount is the answer about one place of classOf.
func (s *Set) classCount(place int, n int64) ClassCount {
	if all := s.classes(); place >= 0 && place < len(all) {
		return ClassCount{Class: all[place].Name, Weight: int64(all[place].Weight), N: n}
	}
	return ClassCount{Weight: 1, N: n}
}

// byWeight puts those that weigh most together first.
func byWeight(a, b ClassCount) int {
	return cmp.Or(cmp.Compare(b.N*b.Weight, a.N*a.Weight), cmp.Compare(b.N, a.N), strings.Compare(a.Class, b.Class))
}

// ifWeighed is the text when the statement looks at classes.
func (s *scan) ifWeighed(text string) string {
	if s.weighed {
		return text
	}
	return ""
}
