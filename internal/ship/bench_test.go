package ship_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

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

// rawCodec leaves messages as they are: the server counts and does not decode.
type rawCodec struct{ bytes *atomic.Int64 }

func (rawCodec) Name() string                         { return "proto" }
func (rawCodec) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (c rawCodec) Unmarshal(b mem.BufferSlice, _ any) error {
	c.bytes.Add(int64(b.Len()))
	return nil
}

// counting is an API that takes everything and decodes nothing.
func counting(b *testing.B) (addr string, bytes *atomic.Int64) {
	b.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	bytes = new(atomic.Int64)
	srv := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{bytes}), grpc.MaxRecvMsgSize(64<<20),
		grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
			var v struct{}
			if err := s.RecvMsg(&v); err != nil {
				return err
			}
			return s.SendMsg(&v)
		}))
	go srv.Serve(lis)
	b.Cleanup(srv.Stop)
	return lis.Addr().String(), bytes
}

// BenchmarkShip is the whole way of a line that is in the spool: read, decoded,
// parsed, encoded, sent, answered, acknowledged. The API's share is in it, but
// not the decoding.
func BenchmarkShip(b *testing.B) {
	const n = 100_000
	addr, bytes := counting(b)
	lines := make([][]byte, 1000)
	for i := range lines {
		lines[i] = envelope(longLine(i))
	}
	s := openSpool(b, b.TempDir())
	sink, err := ship.NewCloudLogging(context.Background(), ship.CloudLoggingOptions{Project: project, LogID: logID, Endpoint: addr, Insecure: true})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	b.ReportAllocs()
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		for range n / len(lines) {
			put(b, s, lines...)
		}
		before := cpuTime()
		b.StartTimer()
		start(b, s, sink, func(o *ship.Options) { o.InFlight, o.MaxBytes = 4, ship.CloudLoggingBytes }).drain(b)
		cpu += cpuTime() - before
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/line")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*n), "cpu-ns/line")
	b.ReportMetric(float64(bytes.Load())/float64(b.N*n), "wire-B/line")
}

// cpuTime is what the process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// longLine is a line of our format with every field, of the usual length.
func longLine(n int) []byte {
	return fmt.Appendf(nil, `{"timestamp":"%s","service_id":"SU1Z0isxPaozGVKXdv0eY","request_id":"0f3a9c1e-5d27-4b8e-9a60-%012x","pop":"AMS",`+
		`"client_ip":"203.0.113.%d","client_asn":64500,"client_country":"NL","host":"www.shop.example","method":"GET",`+
		`"path":"/products/shoes/running/item-%d","query":"color=blue\u0026size=42\u0026sort=price","protocol":"HTTP/2","status":200,"response_bytes":48213,`+
		`"request_bytes":812,"elapsed_usec":15342,"ttfb_usec":14012,"cache":"HIT-CLUSTER","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) `+
		`AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36","referer":"https://www.shop.example/products/shoes",`+
		`"tls_version":"TLSv1.3","tls_cipher":"TLS_AES_128_GCM_SHA256","ja3":"cd08e31494f9531f560d64c695473da9",`+
		`"ja4":"t13d1516h2_8daaf6152771_02713d6af862","first_hop":true,"bot_name":"","blocked":false,"would_block":false}`,
		received.Add(time.Duration(n)*time.Millisecond).Format("2006-01-02T15:04:05.000000Z"), n, n%250, n)
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
