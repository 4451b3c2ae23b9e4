package policy_test

import (
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

func TestMeasuredSaysWhatTheRuleAsksFor(t *testing.T) {
	m := detect.Measures{Requests: 412, Errors: 70, Weight: 3400}
	for want, a := range map[string]policy.Action{
		"412 requests (60 make an offender)":                       {Floor: 60},
		"70 errors in 412 requests (60 make an offender)":          {Floor: 60, FloorOf: "errors"},
		"a weight of 3400 in 412 requests (3000 make an offender)": {Floor: 3000, FloorOf: "weight"},
		"412 requests": {},
	} {
		if got := a.Measured(m); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}
