package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"time"

	"edgewarden/bench/internal/proc"
	"edgewarden/bench/internal/sender"
	"edgewarden/bench/internal/sink"
)

type options struct {
	kills, conns, rate int
	backlog            int // lines
	least, most, limit time.Duration
	seed               uint64
	ingest, keep       string
	log                io.Writer
}

// report is what a torture saw.
type report struct {
	kills                 int
	sent, listed, missing int64 // lines; missing are those in suffixes
	checked               sink.Checked
	last                  proc.Identity
	whole, took           time.Duration
	killedWaiting         int // kills after which the spool held lines not listed before
}

func (r report) String() string {
	return fmt.Sprintf("%d kills in %s: %d lines sent, %d listed in the spool after a kill (%d kills added to them), %d arrived, %d lost in sockets at the ends of connections, "+
		"%d entries arrived again, %d invalid, %d not understood\nlast process: %s",
		r.kills, r.took.Round(time.Second), r.sent, r.listed, r.killedWaiting, r.checked.Lines, r.missing, r.checked.Repeated, r.checked.Invalid, r.checked.Text, r.last)
}

// torture is a run.
type torture struct {
	options
	rng   *rand.Rand
	spool string
	sink  *sink.Sink
	check *sink.Check
	books *books
	queue int // lines in the spool at the last kill
}

func run(o options) (r report, err error) {
	began := time.Now()
	dir, done, err := proc.Scratch(o.keep, "torture")
	if err != nil {
		return r, err
	}
	defer done()
	if o.ingest, err = proc.BuildIngest(o.ingest, dir); err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.limit)
	defer cancel()
	t := &torture{options: o, rng: rand.New(rand.NewPCG(o.seed, 9)), spool: filepath.Join(dir, "spool"), books: newBooks()}
	t.check = &sink.Check{Line: t.books.arrived}
	// A late answer widens the gap between the write and the cursor, in which a kill hurts most.
	hold := func(ctx context.Context) {
		d := time.Duration(rand.Int64N(int64(20 * time.Millisecond)))
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	if t.sink, err = sink.Listen(sink.Options{Entry: t.check.Entry, Hold: hold}); err != nil {
		return r, err
	}
	defer t.sink.Close()
	for k := range o.kills {
		waiting, err := t.round(ctx, k)
		if err != nil {
			return r, fmt.Errorf("kill %d: %w", k+1, err)
		}
		r.kills++
		if waiting {
			r.killedWaiting++
		}
	}
	last, err := t.finish(ctx)
	r.last, r.checked, r.took = last, t.check.Checked(), time.Since(began)
	r.sent, r.listed, r.missing = t.books.totals()
	if err != nil {
		return r, err
	}
	return r, errors.Join(t.books.verdict(), faults(r.checked), r.identity())
}

// round is one life of ingest, ended by a kill.
func (t *torture) round(ctx context.Context, k int) (waiting bool, err error) {
	i, err := t.start()
	if err != nil {
		return false, err
	}
	defer i.Kill()
	if t.queue > t.backlog { // a dump lists everything: keep it short
		if _, err := i.Settled(ctx, 0, true); err != nil {
			return false, err
		}
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	name := runName(k)
	rate := t.rate/10 + t.rng.IntN(t.rate-t.rate/10)
	s, err := sender.Start(sending, sender.Options{Addr: i.Addr, Conns: t.conns, Rate: rate, Run: name})
	if err != nil {
		return false, err
	}
	life := t.least + time.Duration(t.rng.Int64N(int64(t.most-t.least)+1))
	select {
	case <-time.After(life):
	case <-ctx.Done():
		return false, ctx.Err()
	case <-i.Done():
		return false, fmt.Errorf("ingest ended by itself:\n%s", i.Stderr)
	}
	i.Kill()
	stop()
	res := s.Wait()
	t.books.sent(name, res.Tried)
	lines, fresh, err := t.list(ctx)
	if err != nil {
		return false, err
	}
	t.queue = lines
	fmt.Fprintf(t.log, "kill %d after %s: %d lines sent, %d in the spool, %d of them new\n", k+1, life.Round(time.Millisecond), res.Lines, lines, fresh)
	return fresh > 0, nil
}

// runName makes a number of letters, without the letters that an id uses.
func runName(k int) string {
	const digits = "abdefghijk"
	return string([]byte{'t', digits[k/100%10], digits[k/10%10], digits[k%10]})
}

func (t *torture) start() (*proc.Ingest, error) {
	return proc.StartIngest(proc.IngestOptions{Path: t.ingest, Spool: t.spool, Sink: t.sink.Addr(), Args: []string{"--heartbeat-every", "1s"}})
}

// list reads what `ingest spool dump` prints: how many lines, and how many that were not listed before.
func (t *torture) list(ctx context.Context) (lines, fresh int, err error) {
	c := exec.CommandContext(ctx, t.ingest, "spool", "dump", "--spool", t.spool)
	var stderr proc.Output
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	lines, fresh, err = t.books.listed(out)
	if err != nil {
		c.Process.Kill()
		c.Wait()
		return lines, fresh, fmt.Errorf("read spool dump: %w", err)
	}
	if err := c.Wait(); err != nil {
		return lines, fresh, fmt.Errorf("ingest spool dump: %w:\n%s", err, &stderr)
	}
	return lines, fresh, nil
}

// finish lets a last process deliver what is left.
func (t *torture) finish(ctx context.Context) (proc.Identity, error) {
	i, err := t.start()
	if err != nil {
		return proc.Identity{}, err
	}
	defer i.Kill()
	n, err := i.Settled(ctx, 0, true)
	if err != nil {
		return n, err
	}
	if err := i.Stop(proc.Patience); err != nil {
		return n, err
	}
	if out, err := exec.CommandContext(ctx, t.ingest, "spool", "verify", "--spool", t.spool).CombinedOutput(); err != nil {
		return n, fmt.Errorf("ingest spool verify: %w:\n%s", err, out)
	}
	return n, nil
}

// identity is nil when the last process gave every line to the sink.
func (r report) identity() error {
	if n := r.last; n.Diff() != 0 || n.DeadLettered != 0 || n.Dropped != 0 {
		return fmt.Errorf("the last process lost count or lines: %s", n)
	}
	return nil
}

func faults(n sink.Checked) (err error) {
	if n.Invalid > 0 {
		err = fmt.Errorf("%d entries are invalid: %q", n.Invalid, n.Faults)
	}
	if n.Text > 0 {
		err = errors.Join(err, fmt.Errorf("%d lines were not understood", n.Text))
	}
	return err
}
