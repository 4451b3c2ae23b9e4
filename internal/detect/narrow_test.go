package detect_test

import (
	"slices"
	"testing"
	"time"

	"edgewarden/internal/detect"
)

func TestASetIsNarrowedByWindow(t *testing.T) {
	set, err := detect.Compile([]detect.Rule{
		{Name: "slow", When: "requests >= 1000", Window: 6 * time.Hour},
		{Name: "flood", When: "requests >= 100", Window: 15 * time.Minute},
		{Name: "scan", When: "requests >= 20", Window: time.Hour},
		{Name: "login", When: "requests >= 10", Window: 15 * time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := set.Windows(), []time.Duration{6 * time.Hour, time.Hour, 15 * time.Minute}; !slices.Equal(got, want) {
		t.Errorf("windows %v, want %v", got, want)
	}
	for _, c := range []struct {
		within     time.Duration
		kept, left []string
	}{
		{6 * time.Hour, []string{"slow", "flood", "scan", "login"}, nil},
		{time.Hour, []string{"flood", "scan", "login"}, []string{"slow"}},
		{15 * time.Minute, []string{"flood", "login"}, []string{"slow", "scan"}},
		{time.Minute, nil, []string{"slow", "flood", "scan", "login"}},
	} {
		got, left := set.Within(c.within)
		if !slices.Equal(left, c.left) || (got == nil) != (c.kept == nil) {
			t.Errorf("within %v: left %v, set %v", c.within, left, got)
			continue
		}
		if got == nil {
			continue
		}
		var kept []string
		for _, r := range got.Rules() {
			kept = append(kept, r.Name)
		}
		if !slices.Equal(kept, c.kept) || got.MaxWindow() > c.within {
			t.Errorf("within %v: kept %v, longest %v", c.within, kept, got.MaxWindow())
		}
		// The rules keep no place of the larger set: an answer's rule 0 is the first that is left.
		res := detect.Assemble(detect.Query{Set: got, Present: []detect.Present{{Key: "203.0.113.9", Rule: "slow"}, {Key: "203.0.113.9", Rule: "login"}}},
			[]detect.Row{{Rule: 0, Key: "203.0.113.9", Met: 1, Requests: 5, Population: 1}})
		if len(res.Offenders) != 1 || res.Offenders[0].Rule != c.kept[0] {
			t.Errorf("within %v: offenders %+v", c.within, res.Offenders)
		}
		if _, judged := res.Population["slow"]; judged != slices.Contains(c.kept, "slow") {
			t.Errorf("within %v: population %v", c.within, res.Population)
		}
		if want := map[bool]int{true: 2, false: 1}[slices.Contains(c.kept, "slow")]; len(res.After) != want {
			t.Errorf("within %v: %d answers for present blocks, want %d: %v", c.within, len(res.After), want, res.After)
		}
	}
}
