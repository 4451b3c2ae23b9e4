package policy_test

import (
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

func TestMeasuredSaysWhatTheRuleAsksFor(t *testing.T) {
	m := detect.Measures{Requests: 412, Errors: 70, Weight: 3400}
	for want, a := range map[string]policy.Action{
		"412 requests (60 make an offender)":                       {Floor: 60, CountsOnly: true},
		"412 requests (1 makes an offender)":                       {Floor: 1, CountsOnly: true},
		"70 errors in 412 requests (60 make an offender)":          {Floor: 60, FloorOf: "errors", CountsOnly: true},
		"a weight of 3400 in 412 requests (3000 make an offender)": {Floor: 3000, FloorOf: "weight", CountsOnly: true},
		"412 requests": {},
	} {
		if got := a.Measured(m); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}

// Where no number alone makes an offender, each condition that was met stands with its threshold.
func TestMeasuredNamesWhatWasMet(t *testing.T) {
	m := detect.Measures{Requests: 200, OK: 19, Errors: 181, PeakPerMinute: 40, DistinctPaths: 2, Score: 42.31, Share: 0.50004, Addresses: 7, OKAddresses: 3}
	for when, want := range map[string]string{
		"requests >= 60":                          "200 requests (60 make an offender)",
		"score >= 3.0":                            "200 requests, score 42.3 (at least 3)",
		"score >= 3.0 && requests >= 2":           "200 requests (at least 2), score 42.3 (at least 3)",
		"requests >= 60 && peak_per_minute > 20":  "200 requests (at least 60), peak_per_minute 40 (more than 20)",
		"error_share > 0.5 || requests >= 5000":   "200 requests, error_share 0.905 (more than 0.5)",
		"share >= 0.5":                            "200 requests, share 0.50004 (at least 0.5)",
		"!(distinct_paths > 2) && requests > 1":   "200 requests (more than 1), distinct_paths 2 (at most 2)",
		"errors > ok":                             "200 requests",
		"requests in [200, 300]":                  "200 requests",
		"baseline_ratio >= 2.0 || addresses == 7": "200 requests, addresses 7 (exactly 7)",
		"ok > 1 && errors > 2 && score > 3.0 && share > 0.1 && addresses > 1": "200 requests, ok 19 (more than 1), errors 181 (more than 2), score 42.3 (more than 3), share 0.5 (more than 0.1), 1 more",
	} {
		set, err := detect.Compile([]detect.Rule{{Name: "r", Window: time.Minute, When: when}})
		if err != nil {
			t.Fatal(err)
		}
		a := policy.Action{CountsOnly: set.CountsOnly("r"), Floor: set.Floor("r"), FloorOf: set.FloorOf("r"), Asks: set.Asked("r")}
		if got := a.Measured(m); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}
