package detect_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"edgewarden/internal/detect"
)

var whens = []struct {
	when       string
	countsOnly bool
	floor      int64
	of         string
}{
	{`requests >= 60`, true, 60, "requests"},
	{`60 <= requests`, true, 60, "requests"},
	{`requests > 60`, true, 61, "requests"},
	{`requests >= 59.5`, true, 60, "requests"},
	{`requests > 59.5`, true, 60, "requests"},
	{`requests >= 60 && errors > 99`, true, 100, "errors"},
	{`distinct_paths >= 5 && (peak_per_minute >= 30 && ok >= 1)`, true, 30, "peak_per_minute"},
	{`requests >= 60 || errors >= 20`, false, 20, "requests"},
	{`requests >= 60 && score > 3.0`, false, 60, "requests"},
	{`share > 0.5`, false, 1, "requests"},
	{`requests == 7`, false, 7, "requests"},
	{`requests in [9, 4, 12]`, false, 4, "requests"},
	{`!(requests < 40)`, false, 40, "requests"},
	{`!(requests <= 40 || errors < 50)`, false, 50, "errors"},
	{`requests < 5`, false, 1, "requests"},
	{`requests >= errors`, false, 1, "requests"},
	{`requests >= -5`, true, 1, "requests"},
	{`error_share >= 2`, false, 1, "requests"},
	{`!(requests in [1, 2])`, false, 1, "requests"},
	{`requests > 9223372036854775807`, true, math.MaxInt64, "requests"},
	{`requests >= 1e300`, true, math.MaxInt64, "requests"},
	{`false || requests >= 3`, false, 3, "requests"},
	{`errors >= 60 || errors >= 80`, false, 60, "errors"},
	{`errors >= 1`, true, 1, "requests"},
	{`true`, false, 1, "requests"},
	{`addresses >= 3 && ok_addresses >= 2 && ja4s >= 4`, true, 4, "ja4s"},
}

func TestOnlyLowerBoundsOnCountersAreCountsOnly(t *testing.T) {
	for _, c := range whens {
		set := compile(t, rule(func(r *detect.Rule) { r.When = c.when }))
		if got := set.CountsOnly("r"); got != c.countsOnly {
			t.Errorf("CountsOnly of %s is %v", c.when, got)
		}
		if got := set.Floor("r"); got != c.floor {
			t.Errorf("Floor of %s is %d, want %d", c.when, got, c.floor)
		}
		if got := set.FloorOf("r"); got != c.of {
			t.Errorf("FloorOf of %s is %s, want %s", c.when, got, c.of)
		}
	}
	set := compile(t, rule())
	if set.CountsOnly("no-such-rule") || set.Floor("no-such-rule") != 1 || set.FloorOf("no-such-rule") != "requests" {
		t.Error("a rule that is not there has bounds")
	}
}

// Floor may be too low, never too high: no measures below it meet the rule.
func TestNoMeasuresBelowTheFloorMeetTheRule(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	met := 0
	for _, c := range whens {
		set := compile(t, rule(func(r *detect.Rule) { r.When = c.when }))
		for range 2000 {
			m := measures(rng)
			ok, err := set.Met("r", m)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				met++
			}
			if ok && m.Requests < set.Floor("r") {
				t.Fatalf("%s holds for %+v, below its floor %d", c.when, m, set.Floor("r"))
			}
		}
	}
	if met < 1000 {
		t.Errorf("only %d of the measures met a rule: the test says nothing", met)
	}
}

// With CountsOnly, taking rows away never makes an offender.
func TestFewerRowsNeverMakeAnOffenderOfACountsOnlyRule(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	for _, c := range whens {
		if !c.countsOnly {
			continue
		}
		set := compile(t, rule(func(r *detect.Rule) { r.When = c.when }))
		for range 500 {
			more := measures(rng)
			less := more
			less.Requests -= rng.Int64N(less.Requests + 1)
			less.Errors, less.OK, less.PeakPerMinute = min(less.Errors, less.Requests), min(less.OK, less.Requests), min(less.PeakPerMinute, less.Requests)
			less.DistinctPaths = min(less.DistinctPaths, less.Requests)
			before, err1 := set.Met("r", more)
			after, err2 := set.Met("r", less)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if after && !before {
				t.Fatalf("%s holds for %+v and not for %+v", c.when, less, more)
			}
		}
	}
}

// measures makes values that can be: no counter is larger than the requests.
func measures(rng *rand.Rand) detect.Measures {
	n := 1 + rng.Int64N(150)
	upTo := func() int64 { return rng.Int64N(n + 1) }
	return detect.Measures{Requests: n, PeakPerMinute: 1 + rng.Int64N(n), OK: upTo(), Errors: upTo(), DistinctPaths: 1 + rng.Int64N(n),
		Share: rng.Float64(), Score: rng.NormFloat64() * 4, Addresses: upTo(), OKAddresses: upTo(), JA4s: upTo(),
		FirstSeen: time.Unix(1, 0), LastSeen: time.Unix(2, 0)}
}

func compile(t testing.TB, rules ...detect.Rule) *detect.Set {
	t.Helper()
	set, err := detect.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
