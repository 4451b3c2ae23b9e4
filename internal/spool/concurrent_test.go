package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

// TestManyAppendersAndReaders lets everything happen at once and checks that
// each cursor sees each record exactly once.
func TestManyAppendersAndReaders(t *testing.T) {
	dir := t.TempDir()
	names := []string{"lake", "cloudlogging"}
	s := start(t, dir, func(o *spool.Options) {
		o.Cursors, o.SegmentBytes, o.SyncInterval, o.SyncBytes = names, 32<<10, time.Millisecond, 4<<10
	})
	const appenders, each, total = 4, 2000, 8000
	var writers, readers sync.WaitGroup
	for a := range appenders {
		writers.Go(func() {
			for i := 0; i < each; i += 20 {
				if err := s.Append(payloads(numbered(fmt.Sprint(a), i, 20)...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, name := range names {
		c := s.Cursor(name)
		var mu sync.Mutex
		seen := map[string]uint64{}
		var count atomic.Int64
		done := make(chan struct{})
		readCtx, stop := context.WithCancel(ctx)
		readers.Go(func() { <-done; stop() })
		for range 3 {
			readers.Go(func() {
				for {
					b, err := c.Next(readCtx, 1000, time.Millisecond)
					if errors.Is(err, context.Canceled) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					if rand.IntN(4) == 0 {
						c.Release(b)
						continue
					}
					mu.Lock()
					for _, it := range b.Items {
						if _, twice := seen[string(it.Payload)]; twice {
							t.Errorf("%s: %s came twice", name, it.Payload)
						}
						seen[string(it.Payload)] = it.Position
					}
					mu.Unlock()
					n := int64(len(b.Items))
					if err := c.Ack(b); err != nil {
						t.Error(err)
					}
					if count.Add(n) == total {
						close(done)
					}
				}
			})
		}
	}
	looking := make(chan struct{})
	var lookers sync.WaitGroup
	lookers.Go(func() {
		for {
			select {
			case <-looking:
				return
			default:
			}
			s.Stats()
			if _, err := spool.StatsOf(dir); err != nil {
				t.Error(err)
			}
			if r, err := spool.Verify(dir); err != nil || len(r.Problems) > 0 {
				t.Errorf("verify beside everything: %v %q", err, r.Problems)
			}
			if err := spool.Dump(dir, func(spool.Item) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Wait()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	close(looking)
	lookers.Wait()
	for _, name := range names {
		if n := s.Stats().Pending[name]; n != 0 {
			t.Errorf("%s: %d pending", name, n)
		}
	}
	until(t, "spent segments are removed", func() bool { return len(files(t, dir, "*.seg")) == 1 })
}

func TestCloseWhileEverythingRuns(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, func(o *spool.Options) { o.SyncInterval, o.SegmentBytes = time.Millisecond, 8<<10 })
	c := s.Cursor("lake")
	var running sync.WaitGroup
	var appended, acked atomic.Int64
	for range 3 {
		running.Go(func() {
			for {
				err := s.Append(payloads(numbered("r", 0, 10)...))
				if errors.Is(err, spool.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				appended.Add(10)
			}
		})
		running.Go(func() {
			for {
				b, err := c.Next(context.Background(), 500, 0)
				if err == io.EOF {
					return
				}
				if err != nil && !errors.Is(err, spool.ErrClosed) {
					t.Error(err)
					return
				}
				n := int64(len(b.Items))
				if err := c.Ack(b); err == nil {
					acked.Add(n)
				} else if !errors.Is(err, spool.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	until(t, "some records pass", func() bool { return acked.Load() > 1000 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	running.Wait()
	s = start(t, dir, nil)
	if got, want := s.Stats().Pending["lake"], appended.Load()-acked.Load(); got != want {
		t.Errorf("%d pending, want %d: %d were appended, %d acknowledged", got, want, appended.Load(), acked.Load())
	}
}
