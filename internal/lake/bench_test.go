package lake_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// traffic makes rows as varied as real ones are: some fields of few values,
// some of many.
func traffic(from, n uint64) []record.Record {
	rnd := rand.New(rand.NewPCG(1, from))
	agents := make([]string, 300)
	for i := range agents {
		agents[i] = fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.%d Chrome/%d.0 Safari", i, 90+i%40)
	}
	rs := make([]record.Record, n)
	for i := range rs {
		r := &rs[i]
		*r = row(from+uint64(i), noon.Add(time.Duration(from+uint64(i))*time.Millisecond/2))
		ip := rnd.Uint32() >> (rnd.Uint32() % 24)
		r.ServiceID, r.POP, r.Host, r.Method, r.Protocol = "SU1Z0isxPaozGVKXdv0eY", "AMS", "shop.example", "GET", "HTTP/2"
		r.RequestID = fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64())
		r.ClientIP = fmt.Sprintf("10.%d.%d.%d", byte(ip>>16), byte(ip>>8), byte(ip))
		r.ClientKey, r.ClientPrefix = r.ClientIP, fmt.Sprintf("10.%d.%d.0/24", byte(ip>>16), byte(ip>>8))
		r.ClientCountry, r.Cache, r.TLSVersion, r.JA4 = "NL", "HIT", "TLSv1.3", "t13d1516h2_8daaf6152771_02713d6af862"
		r.Path, r.Query = fmt.Sprintf("/product/%d", rnd.IntN(20_000)), fmt.Sprintf("page=%d", rnd.IntN(50))
		r.UserAgent = agents[rnd.IntN(len(agents))]
		r.Sender, r.AddressSource, r.TimeSource = record.SenderToken, record.AddressEdge, record.TimeMessage
		r.SetInt(record.ClientASN, int64(rnd.IntN(5000)))
		r.SetInt(record.ResponseBytes, int64(rnd.IntN(100_000)))
		r.SetInt(record.RequestBytes, int64(rnd.IntN(2000)))
		r.SetInt(record.ElapsedUsec, int64(rnd.IntN(500_000)))
		r.SetInt(record.TTFBUsec, int64(rnd.IntN(100_000)))
		r.SetBool(record.FirstHop, true)
		r.SetBool(record.Blocked, false)
	}
	return rs
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}

// BenchmarkWrite writes files as a steady stream makes them, fsync included.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []uint64{6_000, 100_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			w := open(b, b.TempDir())
			rs := traffic(0, n)
			b.ReportAllocs()
			var p uint64
			for b.Loop() {
				b.StopTimer()
				for i := range rs {
					rs[i].Position = row(p+uint64(i), noon).Position
				}
				b.StartTimer()
				if err := w.Write(spoolID, p, p+n, rs); err != nil {
					b.Fatal(err)
				}
				p += n
			}
			perRow(b, b.N*int(n))
		})
	}
}

// BenchmarkMerge merges the files of an hour's part.
func BenchmarkMerge(b *testing.B) {
	const files, size = 20, 6_000
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		target := b.TempDir()
		w := open(b, target)
		for p := uint64(0); p < files*size; p += size {
			write0(b, w, traffic(p, size), p)
		}
		b.StartTimer()
		if err := w.Maintain(context.Background(), noon.Add(9*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, b.N*files*size)
}

func write0(b *testing.B, w *lake.Writer, rs []record.Record, p uint64) {
	b.Helper()
	if err := w.Write(spoolID, p, p+uint64(len(rs)), rs); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSelect lists a lake of a month.
func BenchmarkSelect(b *testing.B) {
	dir := b.TempDir()
	w := open(b, dir)
	rs := rows(0, 720, func(p uint64) time.Time { return noon.Add(time.Duration(p) * time.Hour) })
	write(b, w, rs, 0, 720)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lake.Select(dir, noon.Add(100*time.Hour), noon.Add(101*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
}
