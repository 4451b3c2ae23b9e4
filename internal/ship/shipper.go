package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/spool"
)

// Sizes of a batch that suit each sink. Cloud Logging wants requests well
// under its 10 MB; the lake wants few files: one each five seconds.
const (
	CloudLoggingBytes = 2 << 20
	CloudLoggingAge   = time.Second
	LakeBytes         = 32 << 20
	LakeAge           = 5 * time.Second
)

// Options configure a [Shipper].
type Options struct {
	Cursor  *spool.Cursor // where batches come from; the sink's own
	SpoolID string        // (*spool.Spool).ID
	Sink    Sink

	// DeadLetters is the directory of the dead-letter files; it is created
	// when the first is written.
	DeadLetters string

	// DeadLetterBytes is how large its files may become together; 0 means
	// 1 GiB. Lines that are refused when it is reached are lost: they are
	// counted as dropped.
	DeadLetterBytes int64

	MaxBytes int           // payload bytes of a batch; 0 means 2 MiB
	MaxAge   time.Duration // how long a batch may wait to fill; 0 means 1 s
	InFlight int           // batches written at the same time; 0 means 4

	// Backoff is the pause after a first failure, and LongestBackoff the
	// longest one; it doubles in between. 0 means 200 ms and 30 s. Throttled
	// writes begin at five times that, and Configuration failures too and go up to twice the longest.
	Backoff, LongestBackoff time.Duration

	Logger     *slog.Logger          // nil is silent
	Registerer prometheus.Registerer // nil exports nothing
	Now        func() time.Time      // nil means time.Now
}

func (o *Options) validate() error {
	var errs []error
	require := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	require(o.Cursor != nil, "no cursor given")
	require(o.SpoolID != "", "no spool id given")
	require(o.Sink != nil, "no sink given")
	require(o.DeadLetters != "", "no directory for dead letters given")
	require(o.MaxBytes >= 0 && o.MaxAge >= 0 && o.InFlight >= 0 && o.DeadLetterBytes >= 0 && o.Backoff >= 0 && o.LongestBackoff >= 0,
		"sizes and times must not be negative")
	o.MaxBytes = orDefault(o.MaxBytes, CloudLoggingBytes)
	o.MaxAge = orDefault(o.MaxAge, CloudLoggingAge)
	o.InFlight = orDefault(o.InFlight, 4)
	o.DeadLetterBytes = orDefault(o.DeadLetterBytes, 1<<30)
	o.Backoff = orDefault(o.Backoff, 200*time.Millisecond)
	o.LongestBackoff = orDefault(o.LongestBackoff, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(errs...)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Shipper moves batches from a cursor to a sink.
type Shipper struct {
	o     Options
	log   *slog.Logger
	gate  *gate
	count *counters
	dead  *deadLetters

	said struct {
		sync.Mutex           // guards what follows
		at         time.Time // when refusals were last logged
		since      int       // letters written after that
		full       bool      // that there is no room for letters was said
	}

	drainOnce sync.Once
	draining  chan struct{} // closed by Drain
}

// New returns a Shipper. Its metrics are registered at once.
func New(o Options) (*Shipper, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make shipper: %w", err)
	}
	name := o.Sink.Name()
	log := o.Logger.With("sink", name)
	s := &Shipper{
		o:   o,
		log: log,
		gate: newGate(log, o.Now, o.InFlight, map[Class]backoff{
			Temporary:     {o.Backoff, o.LongestBackoff},
			Throttled:     {5 * o.Backoff, o.LongestBackoff},
			Configuration: {5 * o.Backoff, 2 * o.LongestBackoff},
		}),
		count:    newCounters(name),
		dead:     &deadLetters{dir: o.DeadLetters, sink: name, max: o.DeadLetterBytes},
		draining: make(chan struct{}),
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(newCollector(s, name)); err != nil {
			return nil, fmt.Errorf("register shipper metrics: %w", err)
		}
	}
	return s, nil
}

// Run ships until ctx ends, until [Shipper.Drain] finds the cursor empty, or
// until the spool is closed; then it returns nil. When ctx ends, writes under
// way are broken off and their batches go back to the spool: what the sink has
// of them it will recognise. Failures of the sink never end Run.
func (s *Shipper) Run(ctx context.Context) error {
	claims, stopClaims := context.WithCancel(ctx)
	defer stopClaims()
	go func() {
		select {
		case <-s.draining:
			stopClaims()
		case <-claims.Done():
		}
	}()
	var workers sync.WaitGroup
	for range s.o.InFlight {
		workers.Go(func() { newWorker(s).run(ctx, claims) })
	}
	workers.Wait()
	return nil
}

// Drain asks Run to return once everything that is in the cursor has been
// shipped. It does not wait: end Run's context at the deadline, and what is
// left stays in the spool. Call it after the last line was synced.
func (s *Shipper) Drain() { s.drainOnce.Do(func() { close(s.draining) }) }

// Stats returns the counters of this moment.
func (s *Shipper) Stats() Stats {
	st := s.count.stats()
	if since, class, ok := s.gate.failing(); ok {
		st.Failing, st.FailingSince = class, since
	}
	return st
}

// sayRefused logs dead letters, at most once a minute: a sender that keeps
// producing lines a sink refuses is counted, not repeated.
func (s *Shipper) sayRefused(letters []DeadLetter) {
	s.said.Lock()
	defer s.said.Unlock()
	s.said.since += len(letters)
	now := s.o.Now()
	if !s.said.at.IsZero() && now.Sub(s.said.at) < time.Minute {
		return
	}
	s.log.Warn("lines are refused for good; they are in dead-letter files", "lines", s.said.since,
		"dir", s.o.DeadLetters, "reason", letters[0].Reason, "position", letters[0].Position)
	s.said.at, s.said.since = now, 0
}

// sayRoom logs once that there is no room for dead letters, and once that
// there is again.
func (s *Shipper) sayRoom(full bool) {
	s.said.Lock()
	defer s.said.Unlock()
	if full == s.said.full {
		return
	}
	if s.said.full = full; full {
		s.log.Error("dead-letter files are full; lines that are refused for good are lost from now on", "dir", s.o.DeadLetters, "bytes", s.o.DeadLetterBytes)
	} else {
		s.log.Info("dead-letter files have room again", "dir", s.o.DeadLetters)
	}
}

// drainWait is how long a drain waits for a cursor that has nothing at once.
const drainWait = 50 * time.Millisecond

// claim waits for the next batch. It returns nil when there will be none.
func (s *Shipper) claim(ctx, claims context.Context) (*spool.Batch, error) {
	b, err := s.o.Cursor.Next(claims, s.o.MaxBytes, s.o.MaxAge)
	if err != nil && claims.Err() != nil && ctx.Err() == nil {
		// Draining: take what is there, do not wait for more.
		short, cancel := context.WithTimeout(ctx, drainWait)
		defer cancel()
		b, err = s.o.Cursor.Next(short, s.o.MaxBytes, 0)
		if err != nil && short.Err() != nil {
			return nil, nil
		}
	}
	if err != nil && (errors.Is(err, io.EOF) || ctx.Err() != nil) {
		return nil, nil
	}
	return b, err
}
