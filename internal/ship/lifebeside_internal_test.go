package ship

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/redact"
)

// BenchmarkLineBesideJSON measures the way of one line in turns with encoding/json reading the same line's body, so that the
// figures of machines of different speed can be compared: what the machine is slower, both are.
func BenchmarkLineBesideJSON(b *testing.B) {
	lines := lifeLines(lifeN, testNow)
	mask, parser := redact.New([]byte("s3cr3tTok")), parse.New()
	meta := parse.Meta{Received: testNow, Sender: record.SenderToken, Stable: true, Position: "00c0ffee00c0ffee-0000000000000001"}
	var rec record.Record
	buf := make([]byte, 0, 64<<10)
	ways := []struct {
		name string
		do   func(line []byte)
		took []float64
	}{
		{name: "line", do: func(line []byte) {
			mask.Line(line)
			parser.Parse(line, meta, &rec)
			buf = fastOne.append(buf[:0], &rec, testNow)
		}},
		{name: "redact", do: func(line []byte) { mask.Line(line) }},
		{name: "parse", do: func(line []byte) { parser.Parse(line, meta, &rec) }},
		{name: "encode", do: func(line []byte) { buf = fastOne.append(buf[:0], &rec, testNow) }},
		{name: "json-valid", do: func(line []byte) { json.Valid(line[bytes.IndexByte(line, '{'):]) }},
	}
	for b.Loop() {
		for i := range ways {
			w := &ways[i]
			const times = 8
			start := time.Now()
			for range times {
				for _, line := range lines {
					w.do(line)
				}
			}
			w.took = append(w.took, float64(time.Since(start))/float64(times*len(lines)))
		}
	}
	base := ways[len(ways)-1].took
	for _, w := range ways {
		ratios := make([]float64, len(base))
		for i := range base {
			ratios[i] = w.took[i] / base[i]
		}
		slices.Sort(ratios)
		b.ReportMetric(slices.Min(w.took), w.name+"-best-ns")
		b.ReportMetric(ratios[len(ratios)/2], w.name+"/json-valid")
	}
}

var lifeN = func() int { n, _ := strconv.Atoi(os.Getenv("LIFEN")); return max(n, 1) }()
