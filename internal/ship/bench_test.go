package ship_test

import (
	"context"
	"testing"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

func BenchmarkEnvelopeAppend(b *testing.B) {
	e := ship.Envelope{Received: received, Sender: record.SenderToken, Conn: 7, ServiceID: "SU1Z0isxPaozGVKXdv0eY", Line: line(1)}
	var buf []byte
	b.SetBytes(int64(len(e.Line)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.Append(buf[:0])
	}
}

func BenchmarkEnvelopeDecode(b *testing.B) {
	buf := envelope(line(1))
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ship.DecodeEnvelope(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCloudLoggingWrite is what a parsed record costs on its way to the
// API, encoded and sent; the stand-in's share, which decodes everything, is in
// it too.
func BenchmarkCloudLoggingWrite(b *testing.B) {
	const n = 1000
	srv := shiptest.StartWith(b, shiptest.Options{CountOnly: true})
	sink := cloud(b, srv)
	var rs []record.Record
	p := parse.New()
	for i := range n {
		var r record.Record
		p.Parse(line(i), parse.Meta{Received: received, Sender: record.SenderToken, Position: position(i)}, &r)
		rs = append(rs, r)
	}
	in := batch(rs...)
	b.ReportAllocs()
	for b.Loop() {
		if refused, err := sink.Write(context.Background(), in); err != nil || len(refused) > 0 {
			b.Fatal(refused, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
}

// BenchmarkRefused is the worst case: one bad entry, and the API does not say
// which.
func BenchmarkRefused(b *testing.B) {
	srv := shiptest.StartWith(b, shiptest.Options{CountOnly: true})
	srv.Silent(true)
	srv.Refuse(poison(777))
	sink := cloud(b, srv)
	batch := batchOf(1000)
	for b.Loop() {
		if refused, err := sink.Write(context.Background(), batch); err != nil || len(refused) != 1 {
			b.Fatal(refused, err)
		}
	}
}
