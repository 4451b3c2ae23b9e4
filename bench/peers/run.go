package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/proc"
)

// bench is where a run finds its programs.
type bench struct {
	options
	dir                string
	sinkPath, loadPath string
}

// peer is what is measured: start starts it with a fresh folder.
type peer struct {
	name, version string
	lines         int64
	tls           bool
	start         start
	profiled      start // the same with a profiling listener; nil when there is none
}

type start func(dir, sink string, certs cert.Pair) (p *proc.Process, addr string, err error)

// figures are those of one run.
type figures struct {
	lines         int64
	user, system  time.Duration
	wall          time.Duration // first byte sent to last answer
	sending       time.Duration // first byte sent to last byte sent
	rss           int64
	requests      int64
	bytesPerEntry float64
}

func run(o options) error {
	dir, done, err := proc.Scratch(o.keep, "peers")
	if err != nil {
		return err
	}
	defer done()
	b := &bench{options: o, dir: dir, sinkPath: filepath.Join(dir, "sink"), loadPath: filepath.Join(dir, "load")}
	peers, err := b.build()
	if err != nil {
		return err
	}
	t := newTable(b)
	for _, p := range peers {
		var all []figures
		for i := range o.runs {
			f, err := b.measure(p, filepath.Join(dir, fmt.Sprintf("%s-%d", p.name, i)))
			if err != nil {
				return fmt.Errorf("%s, run %d: %w", p.name, i+1, err)
			}
			fmt.Fprintf(os.Stderr, "%s, run %d of %d: %.2f us a line, %.0f lines/s, %d MB\n", p.name, i+1, o.runs, f.cpu(), f.rate(), f.rss>>20)
			all = append(all, f)
		}
		t.add(p, all)
		if b.profile != "" && p.profiled != nil {
			fmt.Fprintf(os.Stderr, "%s: one more run for the profile\n", p.name)
			if err := b.takeProfile(p); err != nil {
				return fmt.Errorf("profile %s: %w", p.name, err)
			}
		}
	}
	return t.print(os.Stdout)
}

// measure runs one peer once.
func (b *bench) measure(p peer, dir string) (f figures, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	var certs cert.Pair
	sinkArgs := []string{"-until", strconv.FormatInt(p.lines, 10)}
	if p.tls {
		certs = cert.In(dir) // the stand-in makes it; ingest uses the same
		sinkArgs = append(sinkArgs, "-tls", "-cert-dir", dir)
	}
	sink, err := proc.Start(nil, b.sinkPath, sinkArgs...)
	if err != nil {
		return f, err
	}
	defer sink.Kill()
	sinkAddr, err := sink.SayWithin(proc.Patience, `msg=listening addr=(\S+)`)
	if err != nil {
		return f, err
	}
	tested, addr, err := p.start(dir, sinkAddr, certs)
	if err != nil {
		return f, err
	}
	defer tested.Kill()
	before, err := tested.Usage()
	if err != nil {
		return f, err
	}
	sent, reached, err := b.send(p, tested, sink, addr, certs)
	if err != nil {
		return f, err
	}
	after, err := tested.Usage()
	if err != nil {
		return f, err
	}
	f = figures{lines: p.lines, user: after.User - before.User, system: after.System - before.System, rss: after.MaxRSS,
		wall: reached.Sub(time.Unix(0, sent.First)), sending: time.Duration(sent.Last - sent.First)}
	if err := tested.Stop(proc.Patience); err != nil {
		fmt.Fprintln(os.Stderr, "peers: stopping what was measured:", err)
	}
	return f, b.count(&f, sink)
}

// sent is what the sender prints.
type sent struct {
	Lines int64 `json:"lines"`
	First int64 `json:"first_ns"`
	Last  int64 `json:"last_ns"`
}

// send sends everything and waits until the stand-in has answered it.
func (b *bench) send(p peer, tested, sink *proc.Process, addr string, certs cert.Pair) (s sent, reached time.Time, err error) {
	args := []string{"-to", addr, "-lines", strconv.FormatInt(p.lines, 10), "-conns", strconv.Itoa(b.conns), "-rate", strconv.Itoa(b.rate)}
	if p.tls {
		args = append(args, "-ca", certs.CertFile)
	}
	load, err := proc.Start(nil, b.loadPath, args...)
	if err != nil {
		return s, reached, err
	}
	defer load.Kill()
	// Ten times as slow as the slowest figure known of a peer.
	patience := proc.Patience + time.Duration(p.lines)*time.Millisecond
	if b.rate > 0 {
		patience += time.Duration(p.lines/int64(b.rate)) * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { // no use waiting for what is dead
		select {
		case <-tested.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	at, err := sink.Say(ctx, `msg=reached at=(\d+)`)
	if err != nil {
		return s, reached, fmt.Errorf("%w\nthe process under test says:\n%.4000s", err, tested.Stderr)
	}
	ns, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return s, reached, err
	}
	if err := load.Wait(); err != nil {
		return s, reached, err
	}
	return s, time.Unix(0, ns), json.Unmarshal([]byte(load.Stdout.String()), &s)
}

// heartbeats is how many entries besides those of lines are usual.
const heartbeats = 3

// count reads what the stand-in counted.
func (b *bench) count(f *figures, sink *proc.Process) error {
	if err := sink.Stop(proc.Patience); err != nil {
		return err
	}
	var n struct{ Requests, Entries, Bytes int64 }
	if err := json.Unmarshal([]byte(sink.Stdout.String()), &n); err != nil {
		return fmt.Errorf("read the stand-in's counts: %w", err)
	}
	if n.Entries > f.lines+heartbeats {
		fmt.Fprintf(os.Stderr, "peers: %d entries more than lines: some were sent again, and the measurement ended early\n", n.Entries-f.lines)
	}
	f.requests = n.Requests
	f.bytesPerEntry = float64(n.Bytes) / float64(max(1, n.Entries))
	return nil
}
