package spool_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

// heap is what is reachable.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // twice: a sync.Pool keeps its buffers for one collection
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a spool keeps in memory is one small struct a segment, the ranges of its
// cursors and the accounts of owners, so the number of segments counts and not
// their size: 160 segments of 512 KiB stand for the 10 GiB that 160 segments of
// the default size hold. EDGEWARDEN_BACKLOG_BYTES=10737418240 runs the test with
// that instead (20 GiB of reads and writes).
//
// The heap is measured after a collection, the peak of the process (VmHWM) is
// logged.
func TestMemoryIsFlatUnderALargeBacklog(t *testing.T) {
	backlog, segment := int64(80<<20), int64(512<<10)
	if v := os.Getenv("EDGEWARDEN_BACKLOG_BYTES"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		backlog, segment = n, 64<<20
	}
	const owners, budget = 300, 6 << 20
	s := start(t, t.TempDir(), func(o *spool.Options) {
		o.MaxBytes, o.SegmentBytes, o.OwnerShare, o.SyncInterval = 2*backlog, segment, 75, 100*time.Millisecond
		o.Cursors = []string{"lake", "cloudlogging"}
	})
	lines := make([][]byte, 2)
	for i := range lines {
		lines[i] = []byte(strings.Repeat("x", 840))
	}
	empty := heap()
	records := int64(0)
	for s.Stats().Bytes < backlog {
		for i := range owners { // every owner has lines in every segment
			if err := s.AppendFrom(fmt.Sprint("node-", i), lines); err != nil {
				t.Fatal(err)
			}
			records += int64(len(lines))
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	grown := heap() - empty
	t.Logf("%d MiB in %d segments: heap grew by %d KiB", s.Stats().Bytes>>20, s.Stats().Segments, grown>>10)
	if grown > budget {
		t.Errorf("the heap grew by %d KiB while the backlog did, want at most %d", grown>>10, budget>>10)
	}
	read, most := int64(0), int64(0)
	c := s.Cursor("lake")
	var held []*spool.Batch // acknowledged late and out of order
	for i := 0; read < records; i++ {
		b, err := c.Next(t.Context(), 2<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		read += int64(len(b.Items))
		held = append(held, b)
		if len(held) == 4 || read == records {
			if i%20 == 19 {
				most = max(most, heap()-empty)
			}
			for j := len(held) - 1; j >= 0; j-- {
				if err := c.Ack(held[j]); err != nil {
					t.Fatal(err)
				}
			}
			held = held[:0]
		}
	}
	st := s.Stats()
	t.Logf("read by one of two cursors: heap at most %d KiB, of that 4 batches of 2 MiB; %s", most>>10, peak())
	if st.Pending["lake"] != 0 || st.Pending["cloudlogging"] != records {
		t.Errorf("pending %v, want none and %d", st.Pending, records)
	}
	if most > budget+4*(2<<20)*3/2 {
		t.Errorf("reading held %d KiB", most>>10)
	}
}

// peak is the most memory that the process ever had resident, where the system tells.
func peak() string {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmHWM") {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	return "peak unknown"
}
