package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"edgewarden/bench/internal/proc"
)

// spare is how many goroutines more than before the first connection are no leak:
// connections to the sink come and go.
const spare = 10

// noise is how much memory comes and goes with the moment of the garbage collector.
const noise = 16 << 20

// report is what a soak saw.
type report struct {
	sent             int64
	sending          time.Duration
	entries          int64 // that the stand-ins got, repeats and heartbeats included
	last             proc.Identity
	quiet            []proc.Identity
	worst            int64 // largest difference of the identity under way
	maxRSS           int64
	first, second    int64 // median memory after each outage: catching up, then as ever
	maxQueued        int64
	idle, goroutines int // before the first connection, and at the end
	maxGoroutines    int
	samples          int
}

func (s *soak) report() (r report) {
	r.samples, r.quiet, r.idle = len(s.samples), s.quiet, s.idle
	if len(s.quiet) > 0 {
		r.last = s.quiet[len(s.quiet)-1]
	}
	r.entries = s.entries + s.sink.Counts().Entries
	var after [2][]int64
	for _, p := range s.samples {
		for i, at := range slices.Backward(s.outages()) {
			if p.at > at+s.outage {
				after[i] = append(after[i], p.rss)
				break
			}
			if p.at > at {
				break
			}
		}
		r.maxRSS = max(r.maxRSS, p.rss)
		r.maxGoroutines = max(r.maxGoroutines, p.goroutines)
		r.maxQueued = max(r.maxQueued, p.identity.Queued)
		r.worst = max(r.worst, p.identity.Diff(), -p.identity.Diff())
	}
	r.first, r.second = median(after[0]), median(after[1])
	return r
}

func median(v []int64) int64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

func (r report) String() string {
	return fmt.Sprintf("%d lines sent in %s, %d entries at the stand-in; memory at most %d MB, median after the first outage %d MB, after the second %d MB; "+
		"goroutines %d idle, at most %d, %d at the end; queue at most %d; identity never off by more than %d under way (%d looks)\nat the end: %s",
		r.sent, r.sending.Round(time.Second), r.entries, r.maxRSS>>20, r.first>>20, r.second>>20,
		r.idle, r.maxGoroutines, r.goroutines, r.maxQueued, r.worst, r.samples, r.last)
}

// verdict is nil when everything was as promised.
func (r report) verdict(maxRSS int64) error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, n := range r.quiet {
		bad(n.Diff() != 0, "the identity does not hold: %s", n)
		bad(n.Dropped != 0 || n.DeadLettered != 0, "lines were dropped or refused: %s", n)
	}
	bad(r.last.Received != r.sent, "%d lines were sent and %d received", r.sent, r.last.Received)
	bad(r.entries < r.last.Shipped, "%d lines were shipped, and the stand-in got %d entries", r.last.Shipped, r.entries)
	bad(r.maxRSS > maxRSS, "memory reached %d MB, more than %d", r.maxRSS>>20, maxRSS>>20)
	bad(r.second > r.first+max(r.first/4, noise), "memory grew: %d MB after the first outage, %d MB after the second", r.first>>20, r.second>>20)
	return errors.Join(errs...)
}
