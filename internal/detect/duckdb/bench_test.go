package duckdb_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

const benchRows = 1_000_000

// benchLake writes a quarter of an hour of traffic, benchRows requests of
// 100,000 addresses, as 12 files of a minute or so each.
func benchLake(b *testing.B, dir string) {
	b.Helper()
	w, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rng, 1.2, 3000, 99_999) // the busiest has about 0.03 % of the requests
	const files = 12
	batch := make([]record.Record, 0, benchRows/files+1)
	from := 0
	for i := range benchRows {
		at := detecttest.T.Add(-15 * time.Minute).Add(15 * time.Minute * time.Duration(i) / benchRows)
		host := zipf.Uint64()
		ip := fmt.Sprintf("10.%d.%d.%d", host>>16&255, host>>8&255, host&255)
		if host%5 == 0 {
			ip = fmt.Sprintf("2001:db8:%x:%x::1", host>>8, host&255)
		}
		r := detecttest.Request(at, ip, fmt.Sprintf("/p/%d", rng.Uint64N(20_000)), []int64{200, 200, 200, 304, 404, 401}[rng.IntN(6)])
		if i%70 == 0 {
			detecttest.SetAddress(&r, fmt.Sprintf("198.51.100.%d", i/70%60))
			r.Method, r.Path = "POST", "/login"
			r.SetInt(record.Status, 401)
		}
		r.UserAgent = []string{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "curl/8.5.0", "python-requests/2.31"}[rng.IntN(3)]
		r.JA4 = fmt.Sprintf("t13d1516h2_8daaf6152771_%012x", rng.IntN(300))
		r.ClientCountry = "NL"
		r.SetInt(record.ClientASN, int64(64500+host%40))
		r.Position = fmt.Sprintf("%s-%016x", spoolID, i)
		batch = append(batch, r)
		if len(batch) == cap(batch) || i == benchRows-1 {
			if err := w.Write(spoolID, uint64(from), uint64(i+1), batch); err != nil {
				b.Fatal(err)
			}
			from, batch = i+1, batch[:0]
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// benchRules are 20 rules as an operator writes them: a few over all requests,
// most over some. From the eleventh on each counts what the tenth before it does.
func benchRules(n int) *detect.Set {
	all := []detect.Rule{
		{Name: "flood", When: "requests >= 230"},
		{Name: "burst", When: "peak_per_minute >= 600", Window: 5 * time.Minute},
		{Name: "outlier", When: "score > 6.0 && requests >= 1000"},
		{Name: "prefix", Group: detect.ByPrefix, When: "requests >= 20000 && addresses >= 20"},
		{Name: "login", Where: `method == "POST" && path.startsWith("/login") && status in [401, 403]`, When: "requests >= 60"},
		{Name: "scanner", Where: "status == 404", When: "distinct_paths >= 400"},
		{Name: "agents", Where: `user_agent.matches("^(curl|python-requests)/")`, When: "requests >= 2000"},
		{Name: "errors", When: "errors >= 1500 && error_share > 0.5", Window: 10 * time.Minute},
		{Name: "asn", Group: detect.ByASN, When: "share > 0.2"},
		{Name: "ja4", Group: detect.ByJA4, When: "score > 8.0"},
	}
	rules := make([]detect.Rule, n)
	for i := range rules {
		rules[i] = all[i%len(all)]
		rules[i].Name = fmt.Sprintf("%s-%d", rules[i].Name, i)
	}
	return detecttest.MustCompile(rules...)
}

// BenchmarkDetect runs a whole query over a million rows: bytes are rows.
func BenchmarkDetect(b *testing.B) {
	dir := b.TempDir()
	benchLake(b, dir)
	e := open(b, dir)
	for _, n := range []int{1, 10, 20} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			q := detect.Query{Set: benchRules(n), ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
			b.ReportAllocs()
			cpu := cpuSeconds(b)
			for b.Loop() {
				res, err := e.Detect(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				if res.Health.Rows != benchRows || len(res.Offenders) == 0 {
					b.Fatalf("%d rows, %d offenders", res.Health.Rows, len(res.Offenders))
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric((cpuSeconds(b)-cpu)/float64(b.N), "cpu-s/op")
		})
	}
	b.Run("evidence", func(b *testing.B) {
		q := detect.Query{Set: benchRules(20), ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
		res, err := e.Detect(b.Context(), q)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := e.Evidence(b.Context(), q, res.Offenders); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(min(len(res.Offenders), detect.MaxEvidence)), "offenders")
	})
}

// cpuSeconds is the CPU time of this process so far: on a shared machine it
// says more than the clock.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
