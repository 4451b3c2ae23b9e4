package detect_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
)

func TestMarginsAreTheComparisonsOfARule(t *testing.T) {
	set, err := detect.Compile([]detect.Rule{{Name: "r", Window: time.Hour,
		When: `requests >= 100 && !(ok > 3) && 0.5 <= error_share && (baseline_ratio >= 4.0 || errors > distinct_paths || ja4s in [1, 2])`}})
	if err != nil {
		t.Fatal(err)
	}
	m := detect.Measures{Requests: 250, OK: 50, Errors: 200, DistinctPaths: 7}
	want := []detect.Margin{
		{Measure: "requests", Operator: ">=", Threshold: 100, Value: 250, Known: true, Met: true},
		{Measure: "ok", Operator: "<=", Threshold: 3, Value: 50, Known: true},
		{Measure: "error_share", Operator: ">=", Threshold: 0.5, Value: 0.8, Known: true, Met: true},
		{Measure: "baseline_ratio", Operator: ">=", Threshold: 4},
	}
	got, err := set.Margins("r", m)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("without a baseline (-want +got): %v\n%s", err, diff)
	}
	m.BaselineKnown, m.BaselineRatio = true, 6
	want[3].Known, want[3].Value, want[3].Met = true, 6, true
	got, err = set.Margins("r", m)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("with a baseline (-want +got): %v\n%s", err, diff)
	}
	if times := got[0].Times(); times != 2.5 {
		t.Errorf("250 of 100 are %v times", times)
	}
	if times := (detect.Margin{Threshold: -1, Value: 3}).Times(); times != 0 {
		t.Errorf("of a negative threshold: %v", times)
	}
	if _, err := set.Margins("other", m); err == nil {
		t.Error("margins of a rule that is not there")
	}
}
