package lake_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"edgewarden/internal/lake"
)

// A writer, a compactor and readers at the same time: every reader sees each
// row that was there when it began, once, and loses no file in the grace.
func TestReadersSeeEachRowOnceWhileOthersWriteAndMerge(t *testing.T) {
	const batches, size = 16, 20
	dir := t.TempDir()
	w := openWith(t, lake.Options{Dir: dir, Grace: time.Hour})
	rs := rows(0, batches*size, alternate)
	written := make(chan uint64, batches) // rows known to be there
	var work sync.WaitGroup
	stop := make(chan struct{})
	work.Go(func() {
		defer close(written)
		for p := uint64(0); p < batches*size; p += size {
			if err := w.Write(spoolID, p, p+size, rs[p:p+size]); err != nil {
				t.Error(err)
				return
			}
			written <- p + size
		}
	})
	work.Go(func() {
		for now := noon; ; now = now.Add(time.Minute) {
			select {
			case <-stop:
				return
			default:
			}
			if err := w.Maintain(context.Background(), now); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for there := range written {
		seen := make(map[string]int)
		all, files := selected(t, dir)
		for _, r := range all {
			seen[r.Position]++
		}
		for p := range there {
			if n := seen[rs[p].Position]; n != 1 {
				t.Fatalf("with %d rows written, position %d is seen %d times; files\n%s", there, p, n, list(files))
			}
		}
		for p, n := range seen {
			if n != 1 {
				t.Fatalf("%s is seen %d times; files\n%s", p, n, list(files))
			}
		}
	}
	close(stop)
	work.Wait()
	wantOnce(t, dir, batches*size)
}

// Several workers of one shipper write disjoint batches at the same time.
func TestBatchesWrittenAtTheSameTimeAllArrive(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 400, alternate)
	var work sync.WaitGroup
	for p := uint64(0); p < 400; p += 50 {
		work.Go(func() {
			if err := w.Write(spoolID, p, p+50, rs[p:p+50]); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	wantOnce(t, dir, 400)
}
