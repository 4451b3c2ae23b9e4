package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"edgewarden/bench/internal/proc"
	"edgewarden/bench/internal/sender"
	"edgewarden/bench/internal/sink"
)

type options struct {
	length, outage, every time.Duration
	rate, conns           int
	maxRSS                int64
	ingest, keep          string
	log                   io.Writer
}

// soak is a run.
type soak struct {
	options
	began   time.Time
	ingest  *proc.Ingest
	sender  *sender.Sender
	sink    *sink.Sink
	addr    string // of the sink, also while it is gone
	entries int64  // that sinks before this one got
	idle    int    // goroutines before the first connection
	samples []sample
	quiet   []proc.Identity // at quiet moments
	back    []*comeback
}

// comeback is the end of an outage.
type comeback struct {
	at      time.Time
	shipped int64         // before
	took    time.Duration // until more was shipped; 0 while it was not
}

// sample is one look at the process.
type sample struct {
	at         time.Duration
	rss        int64
	goroutines int
	identity   proc.Identity
}

func run(o options) (r report, err error) {
	if o.every == 0 {
		o.every = max(o.length/100, 100*time.Millisecond)
	}
	dir, done, err := proc.Scratch(o.keep, "soak")
	if err != nil {
		return r, err
	}
	defer done()
	path, err := proc.BuildIngest(o.ingest, dir)
	if err != nil {
		return r, err
	}
	// The spool has to empty itself after the second outage too.
	ctx, cancel := context.WithTimeout(context.Background(), 2*o.length+4*o.outage+5*proc.Patience)
	defer cancel()
	s := &soak{options: o}
	if err := s.openSink(); err != nil {
		return r, err
	}
	defer func() { s.sink.Close() }()
	if s.ingest, err = proc.StartIngest(proc.IngestOptions{Path: path, Spool: filepath.Join(dir, "spool"), Sink: s.addr, Args: []string{"--heartbeat-every", "10s"}}); err != nil {
		return r, err
	}
	defer s.ingest.Kill()
	m, err := s.ingest.Metrics(ctx)
	if err != nil {
		return r, err
	}
	s.idle = m.Goroutines()
	sending, stop := context.WithCancel(ctx)
	defer stop()
	s.began = time.Now()
	if s.sender, err = sender.Start(sending, sender.Options{Addr: s.ingest.Addr, Conns: o.conns, Rate: o.rate,
		Lines: int64(float64(o.rate) * o.length.Seconds()), Run: "soak"}); err != nil {
		return r, err
	}
	if err := s.middle(ctx); err != nil {
		return s.report(), err
	}
	return s.end(ctx)
}

func (s *soak) openSink() (err error) {
	s.sink, err = sink.Listen(sink.Options{Addr: s.addr})
	if err == nil {
		s.addr = s.sink.Addr()
	}
	return err
}

// outages is when the sink goes away. What follows each is equally long.
func (s *soak) outages() []time.Duration { return []time.Duration{s.length / 4, s.length * 5 / 8} }

// middle is the time with its two outages.
func (s *soak) middle(ctx context.Context) error {
	for _, at := range s.outages() {
		if err := s.watch(ctx, at); err != nil {
			return err
		}
		s.say("the sink goes away")
		s.sink.Close()
		s.entries += s.sink.Counts().Entries
		if err := s.watch(ctx, at+s.outage); err != nil {
			return err
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
		if err := s.openSink(); err != nil {
			return err
		}
		s.back = append(s.back, &comeback{at: time.Now(), shipped: s.quiet[len(s.quiet)-1].Shipped})
		s.say("the sink is back")
	}
	return s.watch(ctx, s.length)
}

// pause holds the sender up until the identity can be read with a full queue.
func (s *soak) pause(ctx context.Context) error {
	s.sender.Pause(true)
	defer s.sender.Pause(false)
	time.Sleep(100 * time.Millisecond) // a write that has begun ends; then Sent stands still
	n, err := s.ingest.Settled(ctx, s.sender.Sent(), false)
	s.quiet = append(s.quiet, n)
	s.say("quiet, queue full: " + n.String())
	if err == nil && n.Queued == 0 {
		err = errors.New("the queue was empty although the sink was gone")
	}
	return err
}

// watch looks at the process until the time has come.
func (s *soak) watch(ctx context.Context, until time.Duration) error {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for time.Since(s.began) < until {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ingest.Done():
			return fmt.Errorf("ingest ended:\n%s", s.ingest.Stderr)
		case <-t.C:
		}
		m, err := s.ingest.Metrics(ctx)
		if err != nil {
			return fmt.Errorf("look at ingest: %w", err)
		}
		s.resumed(m.Identity().Shipped)
		s.samples = append(s.samples, sample{time.Since(s.began), m.RSS(), m.Goroutines(), m.Identity()})
		if n := len(s.samples); n%10 == 0 {
			s.say(s.samples[n-1].String())
		}
	}
	return nil
}

// resumed notes when shipping went on after an outage.
func (s *soak) resumed(shipped int64) {
	for _, b := range s.back {
		if b.took == 0 && shipped > b.shipped {
			b.took = time.Since(b.at)
			s.say("shipping goes on " + b.took.Round(100*time.Millisecond).String() + " after the sink came back")
		}
	}
}

func (s *soak) say(what string) {
	fmt.Fprintf(s.log, "%6s %s\n", time.Since(s.began).Round(time.Second), what)
}

func (p sample) String() string {
	return fmt.Sprintf("%d MB, %d goroutines, %s", p.rss>>20, p.goroutines, p.identity)
}

// end waits until everything is shipped.
func (s *soak) end(ctx context.Context) (report, error) {
	res := s.sender.Wait()
	m, err := s.ingest.Until(ctx, "the queue to empty itself", func(m proc.Metrics) bool { s.resumed(m.Identity().Shipped); return m.Identity().Queued == 0 })
	if err != nil {
		return s.report(), err
	}
	n, err := s.ingest.Settled(ctx, res.Lines, true)
	s.quiet = append(s.quiet, n)
	if err != nil {
		return s.report(), err
	}
	m, err = s.ingest.Until(ctx, "goroutines to end", func(m proc.Metrics) bool { return m.Goroutines() <= s.idle+spare })
	r := s.report()
	r.sent, r.sending, r.goroutines = res.Lines, res.Last.Sub(res.First), m.Goroutines()
	return r, errors.Join(err, res.Err, r.verdict(s.maxRSS<<20))
}
