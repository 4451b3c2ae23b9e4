package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/lists"
)

// Values of --source-ranges besides the name of a file.
const (
	rangesOff    = "off"
	rangesFastly = "fastly"
)

// How often ranges are read again. Fastly announces new ones weeks ahead.
const (
	fastlyEvery = 24 * time.Hour
	fastlyRetry = time.Hour // after a failure
	fileEvery   = time.Minute
)

// ranges are the addresses that lines are expected from: Fastly's published
// ones, or those of a file. They only count what comes from elsewhere where
// something else authenticates the sender; see receive.Options.Expected. A
// refresh that fails leaves the ranges in use.
type ranges struct {
	from string // rangesFastly, or the name of a file
	url  string // where Fastly publishes its ranges
	keep string // folder of the last good copy
	log  *slog.Logger

	set     atomic.Pointer[lists.Set]
	failing bool // the last refresh failed; said

	failures prometheus.Counter
	fresh    prometheus.Gauge
}

// newRanges returns nil for "off". The ranges of a file must be readable.
func newRanges(from, spoolDir string, log *slog.Logger) (*ranges, error) {
	if from == rangesOff || from == "" {
		return nil, nil
	}
	r := &ranges{
		from: from, url: lists.FastlyURL, keep: filepath.Join(spoolDir, "lists"), log: log,
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "edgewarden_ingest_source_ranges_failures_total", Help: "Refreshes of --source-ranges that failed; the ranges before stay in use."}),
		fresh: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "edgewarden_ingest_source_ranges_timestamp_seconds", Help: "When --source-ranges were last read or asked for with success; 0 before."}),
	}
	if from == rangesFastly {
		r.set.Store(lists.New(lists.FastlySnapshot()...))
		return r, nil
	}
	entries, err := readRanges(from)
	if err != nil {
		return nil, usagef("--source-ranges: %w; want \"fastly\", \"off\" or a file with an address or a CIDR a line", err)
	}
	r.set.Store(lists.New(entries...))
	r.fresh.SetToCurrentTime()
	return r, nil
}

// expected says whether a is in the ranges. This machine always is: a relay that
// ends TLS here names no other sender.
func (r *ranges) expected(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	_, ok := r.set.Load().Covers(netip.PrefixFrom(a, a.BitLen()), time.Time{})
	return ok
}

// recall takes the last good copy of an earlier run, without asking anyone.
func (r *ranges) recall() {
	if r.from != rangesFastly {
		return
	}
	asked, cancel := context.WithCancel(context.Background())
	cancel()
	entries, _ := r.fastly(asked)
	r.set.Store(lists.New(entries...))
}

// keepFresh reads the ranges again and again until ctx ends.
func (r *ranges) keepFresh(ctx context.Context) {
	wait := time.Duration(0)
	if r.from != rangesFastly {
		wait = fileEvery // it was read a moment ago
	}
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		ok := r.refresh(ctx)
		switch {
		case r.from != rangesFastly:
			wait = fileEvery
		case ok:
			wait = fastlyEvery
		default:
			wait = fastlyRetry
		}
	}
}

// refresh reads the ranges once and says whether that worked. A failure is
// counted, and said when it is the first.
func (r *ranges) refresh(ctx context.Context) bool {
	var entries []lists.Entry
	var err error
	if r.from == rangesFastly {
		entries, err = r.fastly(ctx)
	} else {
		entries, err = readRanges(r.from)
	}
	if ctx.Err() != nil {
		return false
	}
	if len(entries) > 0 {
		r.set.Store(lists.New(entries...))
	}
	switch {
	case err != nil:
		r.failures.Inc()
		if !r.failing {
			r.log.Warn("source ranges cannot be refreshed; those in use stay in use", "from", r.from, "err", err)
		}
	case r.failing:
		r.log.Info("source ranges are refreshed again", "from", r.from, "ranges", len(entries))
	}
	if r.failing = err != nil; !r.failing {
		r.fresh.SetToCurrentTime()
	}
	return err == nil
}

// fastly asks Fastly for its ranges. Beside an error it returns the last good
// copy, else the one in this program.
func (r *ranges) fastly(ctx context.Context) ([]lists.Entry, error) {
	all, faults := lists.Load(ctx, lists.Options{FastlyURL: r.url, CacheDir: r.keep, Refresh: fastlyRetry})
	var entries []lists.Entry
	for _, e := range all.Never.Entries() {
		if e.List == lists.FastlyList {
			entries = append(entries, e)
		}
	}
	if len(faults) > 0 {
		return entries, faults[0]
	}
	return entries, nil
}

// readRanges reads a file of addresses and CIDRs, one a line; what follows # is
// a comment. A file without any is an error: it would expect nobody.
func readRanges(file string) (entries []lists.Entry, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading ranges: %w", err)
	}
	for i, l := range strings.Split(string(b), "\n") {
		l, _, _ = strings.Cut(l, "#")
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		p, err := lists.ParsePrefix(l)
		if err != nil {
			return nil, fmt.Errorf("reading ranges %s:%d: %w", file, i+1, err)
		}
		entries = append(entries, lists.Entry{Prefix: p})
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("reading ranges %s: no address in it", file)
	}
	return entries, nil
}
