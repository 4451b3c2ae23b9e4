package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/proc"
	"edgewarden/bench/internal/sender"
	"edgewarden/bench/internal/sink"
)

type options struct {
	conns, rate, probes, long int
	length                    time.Duration
	least                     float64
	maxRSS                    int64
	ingest                    string
	log                       io.Writer
}

// report is what was seen.
type report struct {
	alone, beside   float64 // lines a second of the honest sender
	sent, arrived   int64   // honest lines
	held            int64   // hostile connections open when the second measurement began
	tally           string
	idleRSS, maxRSS int64
	logged          []string // what the attack made ingest write
	identity        proc.Identity
}

func (r report) String() string {
	return fmt.Sprintf("honest sender: %.0f lines/s alone, %.0f beside %d hostile connections (%.0f %%); %d sent, %d arrived\nhostile: %s\nmemory: %d MB before the attack, at most %d MB; %d lines in the log during the attack\n%s",
		r.alone, r.beside, r.held, 100*r.beside/max(1, r.alone), r.sent, r.arrived, r.tally, r.idleRSS>>20, r.maxRSS>>20, len(r.logged), r.identity)
}

// honest begins the request ids of the honest sender, so that the stand-in can
// count its lines among the others.
const honest = "honest"

// spareFiles are those that neither side needs for connections.
const spareFiles = 500

func run(o options) (r report, err error) {
	files, err := proc.RaiseFileLimit()
	if err != nil {
		return r, fmt.Errorf("raise the limit of open files: %w", err)
	}
	if uint64(o.conns+spareFiles) > files {
		return r, fmt.Errorf("%d connections need a limit of %d open files, the system allows %d: use -conns", o.conns, o.conns+spareFiles, files)
	}
	dir, done, err := proc.Scratch("", "hostile")
	if err != nil {
		return r, err
	}
	defer done()
	path, err := proc.BuildIngest(o.ingest, dir)
	if err != nil {
		return r, err
	}
	certs, err := cert.Write(dir)
	if err != nil {
		return r, err
	}
	s, err := sink.Listen(sink.Options{Marker: honest + "c"})
	if err != nil {
		return r, err
	}
	defer s.Close()
	i, err := proc.StartIngest(proc.IngestOptions{Path: path, Spool: filepath.Join(dir, "spool"), Sink: s.Addr(),
		Listen: []string{"tcp://127.0.0.1:0", "127.0.0.1:0"}, CertFile: certs.CertFile, KeyFile: certs.KeyFile,
		Args: []string{"--max-connections", strconv.Itoa(o.conns + spareFiles), "--heartbeat-every", "1h"}})
	if err != nil {
		return r, err
	}
	defer i.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 4*o.length+5*proc.Patience)
	defer cancel()
	return measure(ctx, o, i, s)
}

// measure is the comparison: alone, then beside the hostile sockets.
func measure(ctx context.Context, o options, i *proc.Ingest, s *sink.Sink) (r report, err error) {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	h, err := sender.Start(sending, sender.Options{Addr: i.Addrs[0], Rate: o.rate, Run: honest})
	if err != nil {
		return r, err
	}
	if r.alone, err = pace(ctx, h, o.length); err != nil {
		return r, err
	}
	if r.idleRSS, err = i.RSS(); err != nil {
		return r, err
	}
	said := i.Stderr.Lines()
	fmt.Fprintf(o.log, "alone: %.0f lines/s\n", r.alone)

	attacking, end := context.WithCancel(ctx)
	defer end()
	a := newAttack(o, i.Addrs[0], i.Addrs[1])
	go a.run(attacking)
	if err := a.atFullStrength(ctx); err != nil {
		return r, err
	}
	m, err := i.Metrics(ctx)
	if err != nil {
		return r, err
	}
	r.held = int64(m["edgewarden_ingest_connections"])
	fmt.Fprintf(o.log, "beside %d connections …\n", r.held)
	if r.beside, err = pace(ctx, h, o.length); err != nil {
		return r, err
	}
	end()
	a.wait()
	u, err := i.Usage()
	if err != nil {
		return r, err
	}
	r.maxRSS, r.tally = u.MaxRSS, a.String()
	r.logged = strings.Split(strings.TrimSpace(i.Stderr.String()), "\n")[said:]

	for _, l := range r.logged {
		fmt.Fprintln(o.log, "ingest says:", l)
	}

	h.Pause(true)
	time.Sleep(100 * time.Millisecond) // a write that has begun ends
	r.sent = h.Sent()
	_, err = i.Until(ctx, "all honest lines to arrive", func(proc.Metrics) bool { return s.Counts().Marked >= r.sent })
	r.arrived = s.Counts().Marked
	if err != nil {
		return r, err
	}
	r.identity, err = i.Settled(ctx, r.sent, true)
	return r, errors.Join(err, r.verdict(o), i.Stop(proc.Patience))
}

// pace is how many lines a second the sender gets rid of.
func pace(ctx context.Context, h *sender.Sender, length time.Duration) (float64, error) {
	began, before := time.Now(), h.Sent()
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return float64(h.Sent()-before) / time.Since(began).Seconds(), nil
}

// quietLog is how many lines an attack may make ingest write: a change of state
// is said once, what repeats is counted.
const quietLog = 10

func (r report) verdict(o options) error {
	var errs []error
	if r.beside < o.least*r.alone {
		errs = append(errs, fmt.Errorf("the honest sender keeps %.0f %% of its pace, less than %.0f", 100*r.beside/r.alone, 100*o.least))
	}
	if r.held < int64(o.conns)*9/10 {
		errs = append(errs, fmt.Errorf("only %d of %d hostile connections were held", r.held, o.conns))
	}
	if r.maxRSS > o.maxRSS<<20 {
		errs = append(errs, fmt.Errorf("memory reached %d MB, more than %d", r.maxRSS>>20, o.maxRSS))
	}
	if len(r.logged) > quietLog {
		errs = append(errs, fmt.Errorf("the attack wrote %d lines into the log, such as:\n%s", len(r.logged), strings.Join(r.logged[:quietLog], "\n")))
	}
	if r.identity.Diff() != 0 || r.identity.Dropped != 0 {
		errs = append(errs, fmt.Errorf("lines are missing: %s", r.identity))
	}
	return errors.Join(errs...)
}
