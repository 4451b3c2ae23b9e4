package ship

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/redact"
)

// lifeLines are lines as Fastly sends them in our format: the classic syslog header and 28 keys, about 860 bytes, with values
// that vary from line to line.
func lifeLines(n int, now time.Time) [][]byte {
	rng := rand.New(rand.NewPCG(860, 28))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	letters := func(n int, of string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = of[rng.IntN(len(of))]
		}
		return string(b)
	}
	const hex, abc = "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz"
	var lines [][]byte
	for i := range n {
		at := now.Add(-time.Duration(n-i) * time.Millisecond)
		lines = append(lines, fmt.Appendf(nil, `<134>%s cache-%s edgewarden[%d]: {"timestamp":"%s","service_id":"SU1Z0isxPaozGVKXdv0eY","request_id":"%s-%s-%s",`+
			`"pop":"%s","client_ip":"198.51.%d.%d","client_asn":%d,"client_country":"%s","host":"%s.shop.example","method":"%s",`+
			`"path":"/%s/%s","query":"page=%d&sort=%s","protocol":"%s","status":%s,"response_bytes":%d,"request_bytes":%d,"elapsed_usec":%d,"ttfb_usec":%d,`+
			`"cache":"%s","user_agent":"%s","referer":"https://shop.example/%s","tls_version":"TLSv1.3","tls_cipher":"%s","ja3":"%s",`+
			`"ja4":"t13d1516h2_%s_%s","first_hop":true,"bot_name":"%s","blocked":false,"would_block":false}`,
			at.Format(time.RFC3339), pick("ams21001", "fra19003", "lhr73004"), 100_000+rng.IntN(800_000), at.Format("2006-01-02T15:04:05.000000Z"),
			letters(8, hex), letters(4, hex), letters(6, hex), pick("AMS", "FRA", "LHR"), rng.IntN(256), 1+rng.IntN(254), 1000+rng.IntN(60000),
			pick("DE", "NL", "GB", "US"), pick("www", "shop", "api"), pick("GET", "GET", "GET", "HEAD", "POST"),
			pick("catalog", "product", "basket", "search", "static/js"), letters(4+rng.IntN(10), abc), rng.IntN(90), pick("price", "name", "new"),
			pick("HTTP/2", "HTTP/1.1", "HTTP/3"), pick("200", "200", "200", "304", "404"), 200+rng.IntN(90_000), 300+rng.IntN(900), 300+rng.IntN(400_000),
			300+rng.IntN(200_000), pick("HIT", "MISS", "PASS", "HIT-CLUSTER"), pick(
				"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
				"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1",
				"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15"),
			letters(4+rng.IntN(10), abc), pick("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"), letters(32, hex), letters(12, hex), letters(12, hex),
			pick("", "", "", "Googlebot")))
	}
	return lines
}

// life is the way of a line through this program, outside the system.
type life struct {
	mask   *redact.Redactor
	parser *parse.Parser
	meta   parse.Meta
	rec    record.Record
	buf    []byte
}

func newLife() *life {
	return &life{
		mask: redact.New([]byte("s3cr3tTok")), parser: parse.New(), buf: make([]byte, 0, 64<<10),
		meta: parse.Meta{Received: testNow, Sender: record.SenderToken, Stable: true, Position: "00c0ffee00c0ffee-0000000000000001"},
	}
}

func (l *life) redact(line []byte) { l.mask.Line(line) }
func (l *life) parse(line []byte)  { l.parser.Parse(line, l.meta, &l.rec) }
func (l *life) encode([]byte)      { l.buf = fastOne.append(l.buf[:0], &l.rec, testNow) }

func (l *life) all(line []byte) {
	l.redact(line)
	l.parse(line)
	l.encode(line)
}

func (l *life) check(b *testing.B) {
	if r := &l.rec; r.Kind != record.KindRequest || r.Problem != "" || r.Node == "" {
		b.Fatalf("the line is not understood: %+v", r)
	}
}

// BenchmarkLineOfLife is all that one line costs this program outside the system: masked (with one token to look for), its header
// taken off, read and encoded.
func BenchmarkLineOfLife(b *testing.B) {
	lines, l := lifeLines(64, testNow), newLife()
	total, n := 0, 0
	for _, line := range lines {
		total += len(line)
	}
	b.SetBytes(int64(total / len(lines)))
	b.ReportAllocs()
	for b.Loop() {
		l.all(lines[n%len(lines)])
		n++
	}
	l.check(b)
}

// BenchmarkLineBesideJSON takes the way and its stages in turns with encoding/json, which only checks the same lines: what a
// machine, or a moment, is slow for one it is slow for the other. It reports the best of each in nanoseconds, and the median of
// the ratios.
func BenchmarkLineBesideJSON(b *testing.B) {
	lines, l := lifeLines(64, testNow), newLife()
	ways := []struct {
		name string
		do   func(line []byte)
		took []float64 // ns a line, in each turn
	}{
		{name: "json-valid", do: func(line []byte) {
			if !json.Valid(line[bytes.IndexByte(line, '{'):]) {
				b.Fatal("no JSON")
			}
		}},
		{name: "line", do: l.all}, {name: "redact", do: l.redact}, {name: "parse", do: l.parse}, {name: "encode", do: l.encode},
	}
	for b.Loop() {
		for i := range ways {
			const times = 8
			start := time.Now()
			for range times {
				for _, line := range lines {
					ways[i].do(line)
				}
			}
			ways[i].took = append(ways[i].took, float64(time.Since(start))/float64(times*len(lines)))
		}
	}
	l.check(b)
	b.ReportMetric(0, "ns/op") // of all together, which nobody wants to know
	for _, w := range ways {
		ratios := make([]float64, len(w.took))
		for i := range ratios {
			ratios[i] = w.took[i] / ways[0].took[i]
		}
		slices.Sort(ratios)
		b.ReportMetric(slices.Min(w.took), w.name+"-best-ns")
		b.ReportMetric(ratios[len(ratios)/2], w.name+"/json-valid")
	}
}
