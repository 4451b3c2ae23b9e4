package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
	"edgewarden/internal/spool"
)

// BenchmarkKeep measures a line's way from the framer into the spool: redaction,
// envelope and the write, 256 lines a call as in a full read.
func BenchmarkKeep(b *testing.B) {
	s, err := spool.Open(spool.Options{Dir: b.TempDir(), MaxBytes: 1 << 40, OwnerShare: 75})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	k := newKeeper(s, "", [][]byte{[]byte("s3cr3t-token")}, func(_ string, lines int) {
		if lines > 0 {
			b.Error("dropped")
		}
	}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	line := strings.TrimSuffix(classic("", "0f8fad5b-d9cb-469f-a165-70867728950e"), "\n")
	line = strings.Replace(line, `"query":""`, `"query":"`+strings.Repeat("a=b&", 140)+`"`, 1)
	frames := make([]parse.Frame, 256)
	for i := range frames {
		frames[i] = parse.Frame{Line: []byte(line), Length: len(line), Token: true}
	}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= len(frames) {
		k.keep(receive.Source{Conn: 1, Sender: "203.0.113.9"}, time.Now(), frames[:min(left, len(frames))])
	}
}
