package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// cpu is the CPU time of a line in microseconds.
func (f figures) cpu() float64 { return us(f.user+f.system, f.lines) }

func (f figures) rate() float64 { return float64(f.lines) / f.wall.Seconds() }

func (f figures) megabytes() float64 { return float64(f.rss) / (1 << 20) }

func us(d time.Duration, lines int64) float64 {
	return float64(d) / float64(time.Microsecond) / float64(lines)
}

// table collects the medians.
type table struct {
	b    *bench
	rows []row
}

type row struct {
	peer
	median figures // the run with the median CPU
	all    []figures
}

func newTable(b *bench) *table { return &table{b: b} }

func (t *table) add(p peer, all []figures) {
	slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(a.cpu(), b.cpu()) })
	t.rows = append(t.rows, row{p, all[len(all)/2], all})
}

// median of one figure over the runs.
func (r row) of(get func(figures) float64) float64 {
	var v []float64
	for _, f := range r.all {
		v = append(v, get(f))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func (t *table) print(w io.Writer) error {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(w, "%d lines, %d connections, median of %d; %s, %d CPUs; load average now %s\n\n", t.b.lines, t.b.conns, t.b.runs,
		runtime.Version(), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "peer\tCPU us/line\tuser\tsystem\tfrom-to\tlines/s\ttaken lines/s\tmax RSS MB\tlines/request\tbytes/entry\tversion")
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%.2f\t%.2f\t%.2f\t%.2f-%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\n", r.name,
			r.median.cpu(), us(r.median.user, r.lines), us(r.median.system, r.lines), r.all[0].cpu(), r.all[len(r.all)-1].cpu(),
			r.of(figures.rate), r.of(func(f figures) float64 { return float64(f.lines) / f.sending.Seconds() }),
			r.of(figures.megabytes),
			r.of(func(f figures) float64 { return float64(f.lines) / float64(max(1, f.requests)) }), r.median.bytesPerEntry, r.version)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, m := range t.marks() {
		fmt.Fprintln(w, m)
	}
	return nil
}

// marks says how the figures stand to what was set as a goal. Goals are for a
// machine of two cores that does nothing else, and full runs.
func (t *table) marks() (marks []string) {
	say := func(what string, got float64, met bool) {
		word := "missed"
		if met {
			word = "met"
		}
		marks = append(marks, fmt.Sprintf("%-6s  %s: %.2f", word, what, got))
	}
	plain, tls, collector := t.row(ingestName), t.row(ingestTLSName), t.row(otelcolName)
	if plain != nil {
		say("at most 6 us CPU a line", plain.median.cpu(), plain.median.cpu() <= 6)
		rate, rss := plain.of(figures.rate), plain.of(figures.megabytes)
		say("at least 180,000 lines/s", rate, rate >= 180_000)
		say("at most 120 MB resident", rss, rss <= 120)
	}
	if tls != nil {
		say("at most 7 us CPU a line with TLS on both sides", tls.median.cpu(), tls.median.cpu() <= 7)
	}
	if plain != nil && collector != nil {
		times := collector.median.cpu() / plain.median.cpu()
		say("at least 15 times less CPU than the collector", times, times >= 15)
	}
	return marks
}

func (t *table) row(name string) *row {
	for i := range t.rows {
		if t.rows[i].name == name {
			return &t.rows[i]
		}
	}
	return nil
}
