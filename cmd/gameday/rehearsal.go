package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"
)

// rehearsal is the demo: twelve minutes, told as they pass.
type rehearsal struct {
	*stage
	cast  []client
	rng   *rand.Rand
	start time.Time // of the rehearsal's first minute
	score score
	out   io.Writer // the story, for people
}

// folder makes the folder of a game; done removes it, unless it is to be kept.
func folder(keep bool, stderr io.Writer) (dir string, done func(), err error) {
	if dir, err = os.MkdirTemp("", "edgewarden-gameday-"); err != nil {
		return "", nil, err
	}
	if keep {
		fmt.Fprintln(stderr, "kept:", dir)
		return dir, func() {}, nil
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

// rehearse plays the game and reports whether the score is as it should be.
func rehearse(ctx context.Context, cmd rehearseCmd, stdout, stderr io.Writer) (passed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	dir, done, err := folder(cmd.Keep, stderr)
	if err != nil {
		return false, err
	}
	defer done()
	r := &rehearsal{rng: rand.New(rand.NewPCG(cmd.Seed, cmd.Seed)), out: stdout}
	if cmd.JSON {
		r.out = io.Discard
	}
	// The rehearsal's clock runs ahead of the wall clock's pace but not into the future: it ends about now.
	r.start = time.Now().UTC().Truncate(time.Minute).Add(-minutes * time.Minute)
	r.cast = clients(r.rng)
	r.score.begin(r.cast, cmd.Seed)
	if err := r.open(ctx, dir); err != nil {
		return false, err
	}
	for n := range minutes {
		if err := r.minute(ctx, n); err != nil {
			return false, err
		}
	}
	if err := r.finish(ctx); err != nil {
		return false, err
	}
	return r.score.passed(), r.score.print(stdout, cmd.JSON)
}

// open starts the edge and ingest.
func (r *rehearsal) open(ctx context.Context, dir string) (err error) {
	if r.stage, err = openStage(ctx, dir, ""); err != nil {
		return err
	}
	if err := r.configure(rehearsalConfig); err != nil {
		return err
	}
	if err := r.receive(ctx); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "edge http://%s, ingest %s, %d clients, %d attackers from minute %d\n\n", r.edgeAddr, r.ingest.addr, len(r.cast), r.score.Attackers, attackFrom)
	return nil
}

// minute sends one minute of traffic, waits until it is stored, and runs the blocker.
func (r *rehearsal) minute(ctx context.Context, n int) error {
	begin := r.start.Add(time.Duration(n) * time.Minute)
	for _, q := range minute(r.rng, r.cast, n, begin) {
		refused := r.edge.Blocked(q.addr, q.at)
		b, err := line(q, token, refused)
		if err != nil {
			return err
		}
		if err := r.send(b, 1); err != nil {
			return err
		}
		r.score.sent(q, refused)
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	return r.decide(ctx, begin.Add(time.Minute))
}

// decide runs the blocker: a dry run first when something would change, as an engineer would, then the run that writes.
func (r *rehearsal) decide(ctx context.Context, now time.Time) error {
	preview, _, err := r.blocker(ctx, now, "run", "--dry-run")
	if err != nil {
		return err
	}
	v, err := r.blockerJSON(ctx, now)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s  %6d rows, %d offenders, %d changes, guard %s\n", now.Format(time.TimeOnly), v.Data.Rows, len(v.Offenders), len(v.Changes), v.Guard.Verdict)
	created := false
	for _, ch := range v.Changes {
		if ch.Op != "create" {
			continue
		}
		prefix, err := netip.ParsePrefix(ch.Prefix)
		if err != nil {
			return fmt.Errorf("reading the blocker's answer: %w", err)
		}
		created = true
		r.score.block(prefix, ch.Rule, now)
	}
	if created {
		fmt.Fprintf(r.out, "\n%s\n", preview)
	}
	return nil
}

// finish stops ingest and counts what is in the lake.
func (r *rehearsal) finish(ctx context.Context) (err error) {
	_ = r.conn.Close()
	if r.score.Received, err = r.ingest.metric(ctx, "edgewarden_ingest_received_lines_total"); err != nil {
		return err
	}
	if err := r.ingest.stop(); err != nil {
		return fmt.Errorf("stopping ingest: %w\n%s", err, r.ingest.log())
	}
	r.score.Stored, err = r.stored(r.start.Add(-time.Hour), r.start.Add(2*time.Hour))
	return err
}
