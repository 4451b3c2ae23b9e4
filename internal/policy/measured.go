package policy

import (
	"fmt"
	"strings"

	"edgewarden/internal/detect"
)

// marginsSaid is how many comparisons of a rule are written out.
const marginsSaid = 4

// Measured says what was measured of an offender, beside what the rule asks for. A rule that asks for one count says how
// many make an offender; any other, where no number alone does, each comparison that was met:
//
//	412 requests (60 make an offender)
//	200 requests, score 42 (at least 3)
//	70 requests (at least 20), error_share 0.9 (more than 0.5)
func (a Action) Measured(m detect.Measures) string {
	if !a.oneCount() {
		return a.met(m)
	}
	t := detect.Requests(m.Requests)
	if of := a.Bounded(); of != "requests" {
		t = fmt.Sprintf("%s in %s", a.Amount(fmt.Sprint(m.Count(of))), t)
	}
	switch {
	case a.Floor == 1:
		t += " (1 makes an offender)"
	case a.Floor > 1:
		t += fmt.Sprintf(" (%d make an offender)", a.Floor)
	}
	return t
}

// oneCount reports whether the rule's Floor is all that it asks for.
func (a Action) oneCount() bool { return a.CountsOnly && len(a.Asks) <= 1 }

// met is the requests and each comparison that was met.
func (a Action) met(m detect.Measures) string {
	requests := detect.Requests(m.Requests)
	var parts []string
	for _, asked := range a.Asks {
		switch margin := asked.Of(m); {
		case !margin.Met:
		case margin.Measure == "requests":
			requests += " (" + margin.Asks() + ")"
		default:
			parts = append(parts, margin.Text())
		}
	}
	if n := len(parts) - marginsSaid; n > 0 {
		parts = append(parts[:marginsSaid], fmt.Sprintf("%d more", n))
	}
	return strings.Join(append([]string{requests}, parts...), ", ")
}
