package duckdb_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"edgewarden/internal/backtest"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/policy"
)

// BenchmarkLake measures what a run and a backtest cost over the lake of a day
// (100 million rows), which [TestLakeOfADayIsBuilt] builds. Each case is meant for a
// process of its own: -benchtime 5x, and median-s and max-rss-MB are the figures.
func BenchmarkLake(b *testing.B) {
	dir := os.Getenv(lakeEnv)
	if dir == "" {
		b.Skip("set " + lakeEnv + ": see docs/benchmarks.md")
	}
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil && os.Getenv(lakeEnv+"_PART") == "" {
		b.Fatal("the lake is not complete; build it with -run LakeOfADay")
	}
	b.Run("window=closed", func(b *testing.B) { benchWindow(b, dir, dayClosed) })
	b.Run("wholes=closed", func(b *testing.B) { benchWholes(b, dir, dayClosed) })
	b.Run("window=open", func(b *testing.B) { benchWindow(b, dir, dayOpen) })
	hour := dayBegin.Add(13 * time.Hour)
	b.Run("backtest=1h", func(b *testing.B) { benchBacktest(b, dir, benchRules(20), hour, time.Hour) })
	b.Run("backtest=24h", func(b *testing.B) {
		benchBacktest(b, dir, benchRules(20), dayOpen.Truncate(5*time.Minute), 24*time.Hour)
	})
	b.Run("backtest=narrow", func(b *testing.B) {
		benchBacktest(b, dir, apartRules(`path.startsWith("/shop/category-%d")`), hour, time.Hour)
	})
	b.Run("backtest=broad", func(b *testing.B) { benchBacktest(b, dir, apartRules("response_bytes >= %d"), hour, time.Hour) })
	for _, window := range []time.Duration{3 * time.Hour, 6 * time.Hour} {
		b.Run(fmt.Sprintf("backtest=windows-of-%.0fh", window.Hours()), func(b *testing.B) {
			benchBacktest(b, dir, detecttest.MustCompile(detect.Rule{Name: "flood", When: "requests >= 230"}, detect.Rule{Name: "long", When: "requests >= 3000", Window: window},
				detect.Rule{Name: "login", Where: `method == "POST" && path.startsWith("/login")`, When: "requests >= 600", Window: window}), hour, window)
		})
	}
}

// lakeEngine is what cmd/blocker opens, with the page cache warm for [from, to).
func lakeEngine(b *testing.B, dir string) *duckdb.Engine {
	b.Helper()
	e, err := duckdb.Open(duckdb.Options{Dir: dir, Threads: 2, TempDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

// benchWindow asks 20 rules about the quarter of an hour before to, and for the evidence.
// Now lies after the day, since rows after T would be taken for a clock that runs ahead and be read.
func benchWindow(b *testing.B, dir string, to time.Time) {
	e := lakeEngine(b, dir)
	q := detect.Query{Set: benchRules(20), ServiceID: detecttest.Service, To: to, Now: dayBegin.Add(48 * time.Hour)}
	ask := func() detect.Result {
		res, err := e.Detect(b.Context(), q)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Evidence(b.Context(), q, res.Offenders); err != nil {
			b.Fatal(err)
		}
		return res
	}
	res := ask() // warms the page cache
	measure(b, func() { ask() })
	b.ReportMetric(float64(res.Health.Rows), "rows")
	b.ReportMetric(float64(len(res.Offenders)), "offenders")
}

// benchWholes counts all that those asked for whom the rules with a where found.
func benchWholes(b *testing.B, dir string, to time.Time) {
	e := lakeEngine(b, dir)
	q := detect.Query{Set: benchRules(20), ServiceID: detecttest.Service, To: to, Now: dayBegin.Add(48 * time.Hour)}
	res, err := e.Detect(b.Context(), q)
	if err != nil {
		b.Fatal(err)
	}
	scan, attach, _, asks := q.Wholes(res.Offenders, func(detect.Offender) bool { return true })
	if !asks {
		b.Fatal("nobody was found by a rule with a where")
	}
	measure(b, func() {
		if _, err := e.Scan(b.Context(), scan); err != nil {
			b.Fatal(err)
		}
	})
	attach()
	found := 0
	for _, o := range res.Offenders {
		if o.Measures.Whole.Requests >= o.Measures.Requests {
			found++
		}
	}
	b.ReportMetric(float64(found), "offenders")
}

// apartRules are 20 rules that compare an address with everybody, each by a where of its own.
func apartRules(where string) *detect.Set {
	rules := make([]detect.Rule, 20)
	for i := range rules {
		rules[i] = detect.Rule{Name: fmt.Sprintf("apart-%d", i), Where: fmt.Sprintf(where, 10+i), When: "score > 6.0 && requests > 50"}
	}
	return detecttest.MustCompile(rules...)
}

// benchBacktest replays rules at steps of five minutes, in the chunks of cmd/blocker.
func benchBacktest(b *testing.B, dir string, set *detect.Set, to time.Time, length time.Duration) {
	e := lakeEngine(b, dir)
	actions := map[string]policy.Action{}
	for _, r := range set.Rules() {
		actions[r.Name] = policy.Action{CountsOnly: set.CountsOnly(r.Name), Floor: set.Floor(r.Name), Window: r.Window, Report: r.Group == detect.ByASN || r.Group == detect.ByJA4}
	}
	o := backtest.Options{Engine: e, Set: set, Actions: actions, ServiceID: detecttest.Service, From: to.Add(-length), To: to, Step: 5 * time.Minute, Chunk: max(time.Hour, set.MaxWindow())}
	var rep *backtest.Report
	measure(b, func() {
		var err error
		if rep, err = backtest.Run(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(rep.Requests), "rows")
	b.ReportMetric(float64(len(rep.Blocks)), "blocks")
}

// measure runs what is measured and reports the median of the wall time, the CPU
// time of each and the most memory the process held meanwhile.
func measure(b *testing.B, run func()) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Logf("max-rss-MB counts from the start of the process: %v", err)
	}
	cpu := cpuSeconds(b)
	var took []float64
	for b.Loop() {
		begun := time.Now()
		run()
		took = append(took, time.Since(begun).Seconds())
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "median-s")
	b.ReportMetric((cpuSeconds(b)-cpu)/float64(len(took)), "cpu-s/op")
	b.ReportMetric(peakMB(b), "max-rss-MB")
}

// peakMB is the high-water mark of this process's memory.
func peakMB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseFloat(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	return 0
}
