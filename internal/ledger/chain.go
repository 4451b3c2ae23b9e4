package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Chain stamps and links the events of one run. It is safe for concurrent use.
type Chain struct {
	store              Store
	run, actor, source string

	mu      sync.Mutex // guards what follows
	seq     int
	head    string
	pending []Event // stamped; nobody knows whether the store has them
}

// NewChain begins a run's chain. store may be nil (no ledger): events are then only linked.
func NewChain(store Store, run, actor, source string) *Chain {
	return &Chain{store: store, run: run, actor: actor, source: source}
}

// Add stamps Version, Run, Seq, Time (when zero, now), Actor, Source, Prev and Hash, and appends.
// An Actor or Source that is set stays; an empty Outcome becomes "success". After an
// error nothing was added, and the same events may be added again; unless it is an ErrUnknown: then the chain
// keeps them and writes them before the next ones, so that it stays whole either way.
func (c *Chain) Add(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > 0 {
		if err := c.append(ctx, c.pending); err != nil {
			return err
		}
	}
	seq, head := c.seq, c.head
	stamped := make([]Event, 0, len(events))
	for _, e := range events {
		seq++
		e.Version, e.Run, e.Seq, e.Prev = Version, c.run, seq, head
		e.Actor = cmp.Or(e.Actor, c.actor)
		e.Source = cmp.Or(e.Source, c.source)
		e.Outcome = cmp.Or(e.Outcome, Success)
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		e = e.clean()
		e.Hash = e.Sum()
		head = e.Hash
		stamped = append(stamped, e)
	}
	return c.append(ctx, stamped)
}

// append writes stamped events and moves the head to the last one.
func (c *Chain) append(ctx context.Context, stamped []Event) error {
	var err error
	if c.store != nil {
		err = c.store.Append(ctx, stamped)
	}
	c.pending = nil
	if errors.Is(err, ErrUnknown) {
		c.pending = stamped
	}
	if err != nil {
		return fmt.Errorf("append to ledger: %w", err)
	}
	last := stamped[len(stamped)-1]
	c.seq, c.head = last.Seq, last.Hash
	return nil
}

// Head is the hash of the last event; empty when there is none.
func (c *Chain) Head() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head
}

// Run is the run's id.
func (c *Chain) Run() string { return c.run }
