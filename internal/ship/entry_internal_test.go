package ship

// Internal, because the builder of entries is what a faster one will replace.

import (
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// sample is a record with every field of a request that our format writes.
func sample(tb testing.TB) record.Record {
	tb.Helper()
	now := time.Now().UTC()
	line, err := json.Marshal(map[string]any{
		"timestamp": now.Format("2006-01-02T15:04:05.000000Z"), "service_id": "SU1Z0isxPaozGVKXdv0eY", "request_id": "0f3a9c1e-5d27-4b8e-9a60-7c1d2e3f4a5b",
		"pop": "AMS", "client_ip": "203.0.113.9", "client_asn": 64500, "client_country": "NL", "host": "www.shop.example", "method": "GET",
		"path": "/products/shoes/running/item-12345", "query": "color=blue&size=42&sort=price", "protocol": "HTTP/2", "status": 200,
		"response_bytes": 48213, "request_bytes": 812, "elapsed_usec": 15342, "ttfb_usec": 14012, "cache": "HIT-CLUSTER",
		"user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"referer":    "https://www.shop.example/products/shoes", "tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256",
		"ja3": "cd08e31494f9531f560d64c695473da9", "ja4": "t13d1516h2_8daaf6152771_02713d6af862", "first_hop": true, "bot_name": "", "blocked": false, "would_block": false,
	})
	if err != nil {
		tb.Fatal(err)
	}
	var r record.Record
	parse.New().Parse(line, parse.Meta{Received: now, Sender: record.SenderToken, Position: "00c0ffee00c0ffee-0000000000000001"}, &r)
	if r.Kind != record.KindRequest {
		tb.Fatalf("the sample is not understood: %s", r.Problem)
	}
	return r
}

// BenchmarkEntry builds and encodes one entry.
func BenchmarkEntry(b *testing.B) {
	builder := entryBuilder{heartbeatLog: "projects/p/logs/l", retention: 30 * 24 * time.Hour}
	r := sample(b)
	now := time.Now()
	e, size := builder.entry(&r, now)
	if e.HttpRequest == nil {
		b.Fatal("no request")
	}
	b.SetBytes(int64(size))
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			builder.build(&r, now)
		}
	})
	b.Run("build and size", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			builder.entry(&r, now)
		}
	})
	b.Run("build, size and encode", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			e, _ := builder.entry(&r, now)
			var err error
			if buf, err = (proto.MarshalOptions{}).MarshalAppend(buf[:0], e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
