package detecttest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// probeRules have a bound on every counter.
func probeRules() *detect.Set {
	return MustWeigh(Classes(),
		detect.Rule{Name: "flood", When: "requests >= 8", Window: 10 * time.Minute},
		detect.Rule{Name: "scan", Where: "status == 404", When: "requests >= 3 && distinct_paths > 2", Window: 5 * time.Minute},
		detect.Rule{Name: "burst", When: "peak_per_minute >= 2 && ok >= 2 && errors >= 3", Window: 10 * time.Minute},
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "addresses >= 3 && ok_addresses >= 2 && ja4s >= 2", Window: 10 * time.Minute},
		detect.Rule{Name: "heavy", When: "weight >= 40 && requests >= 2", Window: 10 * time.Minute},
		detect.Rule{Name: "outlier", When: "score > 3.0"},
	)
}

// RunSamples measures probes over generated traffic and compares with the reference.
func RunSamples(t *testing.T, open Open) {
	t.Run("every counter", func(t *testing.T) { CheckSamples(t, open(t, Traffic(5, 1500)).(detect.Replayer), Traffic(5, 1500)) })
	t.Run("an empty store", func(t *testing.T) { CheckSamples(t, open(t, nil).(detect.Replayer), nil) })
}

// CheckSamples surveys the half hour before T, and asks of which hours there is anything.
func CheckSamples(t *testing.T, e detect.Replayer, recs []record.Record) {
	t.Helper()
	checkHours(t, e, recs)
	set := probeRules()
	probes, without := set.Probes()
	if len(probes) != 11 || !slices.Equal(without, []string{"outlier"}) {
		t.Fatalf("%d probes, without %v", len(probes), without)
	}
	from, to := T.Add(-30*time.Minute), T
	for _, s := range detect.Surveys(probes, Service, from, to, false, false) {
		var got []detect.SampleRow
		for _, part := range s.Cut(12*time.Minute, 0) {
			var rows []detect.SampleRow
			if _, err := e.Scan(t.Context(), part.Samples(&rows)); err != nil {
				t.Fatal(err)
			}
			got = append(got, rows...)
		}
		var want []detect.SampleRow
		for i, p := range s.Probes {
			for n := range s.Windows() {
				want = append(want, samples(set, int64(i), p, to.Add(-time.Duration(n)*p.Window), recs)...)
			}
		}
		if d := gocmp.Diff(sum(want), sum(got)); d != "" {
			t.Errorf("samples of %s %s differ (-want +got):\n%s", s.Probes[0].Rule, s.Probes[0].Measure, d)
		}
		if len(recs) > 0 && len(got) < 3 {
			t.Errorf("%d rows for %s %s: the case proves little", len(got), s.Probes[0].Rule, s.Probes[0].Measure)
		}
	}
}

// samples are a probe's in the window before to.
func samples(set *detect.Set, id int64, p detect.Probe, to time.Time, recs []record.Record) (out []detect.SampleRow) {
	q := detect.Query{Set: set, ServiceID: Service, To: to}
	rule := set.Rules()[slices.IndexFunc(set.Rules(), func(r detect.Rule) bool { return r.Name == p.Rule })]
	for trust, keys := range matching(q, rule, rowsOf(q, recs)) {
		for key, list := range keys {
			m := measureOf(q, rule, list)
			value := map[string]int64{"requests": m.Requests, "weight": m.Weight, "ok": m.OK, "errors": m.Errors, "peak_per_minute": m.PeakPerMinute, "distinct_paths": m.DistinctPaths,
				"addresses": m.Addresses, "ok_addresses": m.OKAddresses, "ja4s": m.JA4s}[p.Measure]
			if value == 0 {
				continue
			}
			if value < p.TellsFrom() {
				key = ""
			}
			out = append(out, detect.SampleRow{Probe: id, Trust: int64(order(trust)), Value: value, Key: key, Samples: 1, Requests: m.Requests, OK: m.OK})
		}
	}
	return out
}

// sum adds rows of the same value and key up, in order.
func sum(rows []detect.SampleRow) []detect.SampleRow {
	at := map[detect.SampleRow]detect.SampleRow{}
	for _, r := range rows {
		k := detect.SampleRow{Probe: r.Probe, Trust: r.Trust, Value: r.Value, Key: r.Key}
		n := at[k]
		n.Samples, n.Requests, n.OK = n.Samples+r.Samples, n.Requests+r.Requests, n.OK+r.OK
		at[k] = n
	}
	var out []detect.SampleRow
	for k, n := range at {
		k.Samples, k.Requests, k.OK = n.Samples, n.Requests, n.OK
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b detect.SampleRow) int {
		return cmp.Or(cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Trust, b.Trust), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Key, b.Key))
	})
	return out
}
