package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// Compile compiles rules and classes and checks them against the period: a window shorter than twice the period is an error.
// A period of 0 is DefaultPeriod. The error joins one *Error per fault of a rule or class
// that comes from a file, and one *detect.Error per fault of one that does not.
func Compile(rules []Rule, period time.Duration, classes ...Class) (*detect.Set, map[string]policy.Action, error) {
	if period <= 0 {
		period = DefaultPeriod
	}
	set, faults := compile(rules, classes)
	for _, r := range rules {
		if r.Window > 0 && r.Window < 2*period {
			faults = append(faults, located(rules, classes, &detect.Error{Rule: r.Name, Part: "window", Msg: fmt.Sprintf(
				"the window of %s is shorter than twice the period of %s, so a burst across the edge of two runs would be halved: use a window of at least %s or a period of at most %s",
				FormatDuration(r.Window), FormatDuration(period), FormatDuration(2*period), FormatDuration(r.Window/2))}))
		}
	}
	if len(faults) > 0 {
		return nil, nil, joinMixed(faults)
	}
	return set, actions(rules, set), nil
}

// compile gives the set or its faults, each at its place in the file.
func compile(rules []Rule, classes []Class) (*detect.Set, []error) {
	plain := make([]detect.Rule, len(rules))
	for i, r := range rules {
		plain[i] = r.Rule
	}
	weights := make([]detect.Class, len(classes))
	for i, c := range classes {
		weights[i] = c.Class
	}
	set, err := detect.Compile(plain, weights...)
	var faults []error
	for _, err := range flatten(err) {
		var fault *detect.Error
		if errors.As(err, &fault) {
			err = located(rules, classes, fault)
		}
		faults = append(faults, err)
	}
	return set, faults
}

// actions says what each rule's offenders get.
func actions(rules []Rule, set *detect.Set) map[string]policy.Action {
	out := make(map[string]policy.Action, len(rules))
	for i, filled := range set.Rules() {
		block := rules[i].Block
		if block == 0 {
			block = policy.DefaultBlock
		}
		where := strings.TrimSpace(filled.Where)
		out[filled.Name] = policy.Action{
			Block:      block,
			Enforce:    rules[i].Enforce,
			CountsOnly: set.CountsOnly(filled.Name),
			Floor:      set.Floor(filled.Name),
			FloorOf:    set.FloorOf(filled.Name),
			Window:     filled.Window,
			Report:     filled.Group == detect.ByASN || filled.Group == detect.ByJA4,
			AllRows:    where == "" || where == "true",
			Asks:       set.Asked(filled.Name),
		}
	}
	return out
}

// located puts a fault of a rule or a class at its place in the file, if it has one.
func located(rules []Rule, classes []Class, fault *detect.Error) error {
	places, what := placesOf(rules, classes, fault)
	if places == nil {
		return fault
	}
	at, ok := places[fault.Part]
	if !ok {
		at = places[""]
	}
	line, column := at.Line, at.Column
	if fault.Line > 0 {
		line, column = fault.Line, fault.Column
		if line == at.Line {
			column = at.spread(column)
		}
	}
	return &Error{File: at.File, Line: line, Column: column, Msg: fmt.Sprintf("%s%s: %s", what, fault.Part, fault.Msg)}
}

// placesOf finds what a fault is of, by name, and says it; of two with one name, the later is the fault. Of too many
// classes it is the first that is one too many.
func placesOf(rules []Rule, classes []Class, fault *detect.Error) (places map[string]Place, what string) {
	const nameless = "without a name"
	switch {
	case fault.Part == "classes":
		return classes[detect.MaxClasses].Places, ""
	case fault.OfClass:
		for _, c := range classes {
			if c.Name == fault.Class {
				places = c.Places
			}
		}
		return places, "class " + orDefault(fault.Class, nameless) + ": "
	}
	for _, r := range rules {
		if r.Name == fault.Rule {
			places = r.Places
		}
	}
	return places, "rule " + orDefault(fault.Rule, nameless) + ": "
}

// check compiles rules and classes that were read from the file and adds what is wrong, unless
// reading has said so already at the same place.
func (r *reader) check(rules []Rule, classes []Class, most time.Duration) {
	switch {
	case len(rules) == 0 && len(classes) == 0:
		return
	case len(rules) == 0: // the classes are checked all the same
		rules = []Rule{{Rule: detect.Rule{Name: "any", When: "requests >= 1", Window: time.Minute}}}
	}
	said := map[[2]int]bool{}
	for _, f := range r.faults {
		said[[2]int{f.Line, f.Column}] = true
	}
	_, faults := compile(rules, classes)
	for _, err := range faults {
		var fault *Error
		if !errors.As(err, &fault) {
			fault = &Error{File: r.file, Msg: err.Error()}
		}
		if fault.Line == 0 || !said[[2]int{fault.Line, fault.Column}] {
			r.faults = append(r.faults, fault)
		}
	}
	for _, rule := range rules {
		if at := rule.Places["block"]; rule.Block > most {
			r.faults = append(r.faults, &Error{File: at.File, Line: at.Line, Column: at.Column,
				Msg: fmt.Sprintf("rule %s: block: %s is longer than policy's max of %s", rule.Name, FormatDuration(rule.Block), FormatDuration(most))})
		}
	}
}

// flatten takes a joined error apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// joinMixed joins faults with places in the order of the file, then the others.
func joinMixed(faults []error) error {
	var placed []*Error
	var rest []error
	for _, err := range faults {
		var fault *Error
		if errors.As(err, &fault) {
			placed = append(placed, fault)
		} else {
			rest = append(rest, err)
		}
	}
	return errors.Join(append(flatten(join(placed)), rest...)...)
}
