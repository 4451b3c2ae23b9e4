package spool_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

const lineBytes = 870 // a Fastly line with what the spool's user adds

// chunk is what a receiver reads at once: 256 KiB of lines.
func chunk() [][]byte {
	var p [][]byte
	for range 256 << 10 / lineBytes {
		p = append(p, bytes.Repeat([]byte("x"), lineBytes))
	}
	return p
}

// BenchmarkAppend appends chunks of 256 KiB with the usual syncs running, while
// a reader acknowledges, so that the disk use stays bounded.
func BenchmarkAppend(b *testing.B) {
	s := start(b, b.TempDir(), func(o *spool.Options) { o.SyncInterval = 0 })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c := s.Cursor("lake")
		for {
			batch, err := c.Next(ctx, 4<<20, 100*time.Millisecond)
			if err != nil {
				return
			}
			if err := c.Ack(batch); err != nil {
				b.Error(err)
			}
		}
	}()
	p := chunk()
	b.SetBytes(int64(len(p) * lineBytes))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Append(p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(p))/b.Elapsed().Seconds(), "lines/s")
	stop()
	<-ended
}

// BenchmarkNext reads batches of 4 MiB from the page cache and acknowledges
// them.
func BenchmarkNext(b *testing.B) {
	s := start(b, b.TempDir(), nil)
	c := s.Cursor("lake")
	p := chunk()
	const chunks = 256 // 64 MiB, appended anew when they are read
	left := 0
	lines := 0
	b.ReportAllocs()
	b.SetBytes(4 << 20)
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			for range chunks {
				if err := s.Append(p); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Sync(); err != nil {
				b.Fatal(err)
			}
			left = chunks * len(p)
			b.StartTimer()
		}
		batch, err := c.Next(context.Background(), 4<<20, 0)
		if err != nil {
			b.Fatal(err)
		}
		left -= len(batch.Items)
		lines += len(batch.Items)
		if err := c.Ack(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkOpen opens a spool with a backlog of many sealed segments.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := start(b, dir, func(o *spool.Options) { o.SegmentBytes = 1 << 20 })
	p := chunk()
	for range 400 {
		if err := s.Append(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := start(b, dir, nil)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
