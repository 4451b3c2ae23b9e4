package detect

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Group says what requests are counted together.
type Group string

// The groups. ASN and JA4 are reported, never blocked.
const (
	ByAddress Group = "address" // client_key: IPv4 host or IPv6 /64
	ByPrefix  Group = "prefix"  // client_prefix: IPv4 /24 or IPv6 /56
	ByASN     Group = "asn"     // client_asn, in decimal
	ByJA4     Group = "ja4"     // the JA4 fingerprint
)

var groups = []Group{ByAddress, ByPrefix, ByASN, ByJA4}

// MaxRules is the most rules a set can hold: each needs a bit of a signed
// 64-bit mask.
const MaxRules = 63

// MaxWindow bounds a rule's window; a longer one would read more of the store
// every few minutes than any burst needs.
const MaxWindow = 24 * time.Hour

// maxExpr bounds the text of a condition, in bytes.
const maxExpr = 16 << 10

// Rule is a rule as written. The zero Where is true, the zero Group is address.
type Rule struct {
	Name   string
	Where  string // CEL over the record's fields
	When   string // CEL over the measures
	Window time.Duration
	Group  Group
	// Line and column where Where and When begin in their file (1-based; 0 when
	// unknown), so that errors point into the file. Further lines of the text
	// are taken to be indented like the first.
	WhereLine, WhereColumn, WhenLine, WhenColumn int
}

// Set is a compiled set of rules. It is immutable.
type Set struct {
	rules  []compiled
	byName map[string]int
}

type compiled struct {
	Rule
	where   cond
	when    cond    // as written, for evaluation
	norm    cond    // without negations, for bounds
	classes []class // those of the set; every rule of it has the same
}

// Compile checks and compiles rules, and the classes their measure weight adds up; without any it is requests. Its error
// joins one *Error per fault.
func Compile(rules []Rule, classes ...Class) (*Set, error) {
	s := &Set{byName: make(map[string]int, len(rules))}
	weights, faults := compileClasses(classes)
	if len(rules) == 0 {
		faults = append(faults, &Error{Part: "rules", Msg: "there are no rules; write at least one"})
	}
	if len(rules) > MaxRules {
		faults = append(faults, &Error{Part: "rules", Msg: fmt.Sprintf("%d rules are too many; at most %d fit one query, so split the file", len(rules), MaxRules)})
	}
	for i, r := range rules {
		c, errs := compileRule(r)
		if j, dup := s.byName[r.Name]; dup {
			errs = append(errs, &Error{Rule: r.Name, Part: "name", Msg: fmt.Sprintf("rules %d and %d have the same name; rename one", j+1, i+1)})
		}
		s.byName[r.Name] = i
		c.classes = weights
		s.rules = append(s.rules, c)
		faults = append(faults, errs...)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

var nameRE = regexp.MustCompile(`^[a-z0-9_-]{1,48}$`)

func compileRule(r Rule) (compiled, []error) {
	var errs []error
	fault := func(part, format string, args ...any) {
		errs = append(errs, &Error{Rule: r.Name, Part: part, Msg: fmt.Sprintf(format, args...)})
	}
	if !nameRE.MatchString(r.Name) {
		fault("name", "the name %q is not 1 to 48 of a-z, 0-9, _ and -", r.Name)
	}
	switch {
	case r.Window == 0:
		fault("window", "the window is missing; say how far back to look, such as 15m")
	case r.Window < 0:
		fault("window", "the window %s is not positive; write one such as 15m", r.Window)
	case r.Window%time.Second != 0:
		fault("window", "the window %s is not whole seconds", r.Window)
	case r.Window > MaxWindow:
		fault("window", "the window %s is longer than %s; use a shorter one", r.Window, MaxWindow)
	}
	if r.Group == "" {
		r.Group = ByAddress
	}
	if !knownGroup(r.Group) {
		fault("group", "unknown group %q%s; the groups are address, prefix, asn and ja4", r.Group, suggestion(string(r.Group), groupNames()))
	}
	if strings.TrimSpace(r.Where) == "" {
		r.Where = "true"
	}
	c := compiled{Rule: r}
	c.where, errs = compileCond(whereTable, place{rule: r.Name, part: "where", line: r.WhereLine, column: r.WhereColumn}, r.Where, errs)
	if strings.TrimSpace(r.When) == "" {
		fault("when", "there is no when; write what makes an offender, such as requests >= 60")
		return c, errs
	}
	c.when, errs = compileCond(whenTable, place{rule: r.Name, part: "when", line: r.WhenLine, column: r.WhenColumn}, r.When, errs)
	if c.when != nil {
		c.norm = normalise(c.when, false)
	}
	return c, errs
}

func knownGroup(g Group) bool {
	for _, k := range groups {
		if g == k {
			return true
		}
	}
	return false
}

func groupNames() []string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = string(g)
	}
	return names
}

// Rules returns the rules in order, defaults filled in.
func (s *Set) Rules() []Rule {
	out := make([]Rule, len(s.rules))
	for i, c := range s.rules {
		out[i] = c.Rule
	}
	return out
}

// MaxWindow is the longest window of any rule.
func (s *Set) MaxWindow() time.Duration {
	var w time.Duration
	for _, c := range s.rules {
		w = max(w, c.Window)
	}
	return w
}

// countsLike reports whether two rules count the same requests, by the same keys.
func (c compiled) countsLike(d compiled) bool { return c.Window == d.Window && c.matchesLike(d) }

// matchesLike reports whether two rules count the same requests by the same keys but for their windows.
func (c compiled) matchesLike(d compiled) bool {
	return c.Group == d.Group && strings.TrimSpace(c.Where) == strings.TrimSpace(d.Where)
}

// counter is the first rule that counts like rule i does.
func (s *Set) counter(i int) int {
	return slices.IndexFunc(s.rules, s.rules[i].countsLike)
}
