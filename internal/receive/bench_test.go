package receive_test

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
)

// BenchmarkLines measures a line's way from the socket to the handler, sender included.
func BenchmarkLines(b *testing.B) {
	var got atomic.Int64
	done := make(chan struct{})
	s, err := receive.Listen(receive.Options{
		Listeners: []receive.Listener{{Addr: "127.0.0.1:0"}}, Tokens: [][]byte{[]byte("s3cr3t-token")},
		Handler: func(_ receive.Source, _ time.Time, f []parse.Frame) {
			if got.Add(int64(len(f))) == int64(b.N) {
				close(done)
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve()
	defer s.Shutdown(b.Context())
	nc, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	line := "s3cr3t-token<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: " + strings.Repeat("x", 800) + "\n"
	const batch = 256
	block := []byte(strings.Repeat(line, batch))
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= batch {
		n := min(left, batch)
		if _, err := nc.Write(block[:n*len(line)]); err != nil {
			b.Fatal(err)
		}
	}
	<-done
}
