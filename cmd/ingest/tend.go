package main

import (
	"context"
	"sync"
	"time"
)

// tend does what the clock asks for until ctx ends: heartbeats, audit records
// that are due, the watch for silence, the upkeep of the lake, and, in a
// goroutine of its own since it waits for the network, the source ranges. The
// channel is closed when all has ended.
func (h *house) tend(ctx context.Context) <-chan struct{} {
	var all sync.WaitGroup
	if h.ranges != nil {
		all.Go(func() { h.ranges.keepFresh(ctx) })
	}
	beat := time.NewTicker(h.c.HeartbeatEvery)
	upkeep := time.NewTicker(maintainEvery)
	quiet := newSilence(h.c.SilenceAlert, h.started, h.services, h.log)
	listen := time.NewTicker(quiet.every())
	all.Go(func() {
		defer beat.Stop()
		defer upkeep.Stop()
		defer listen.Stop()
		var failing bool
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-beat.C:
				h.heartbeat(now)
				h.noteDamage(now)
				h.audit.flush(now, false)
			case now := <-listen.C:
				quiet.check(now, h.receiver.Stats().Last)
			case now := <-upkeep.C:
				failing = h.maintain(ctx, now, failing)
			}
		}
	})
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	return done
}

// maintainEvery is how often small lake files are merged and old ones removed.
const maintainEvery = 2 * time.Minute

func (h *house) maintain(ctx context.Context, now time.Time, failing bool) bool {
	if h.lake == nil {
		return false
	}
	err := h.lake.Maintain(ctx, now)
	switch {
	case err != nil && ctx.Err() == nil && !failing:
		h.log.Error("maintaining the lake fails; it is tried again every few minutes", "err", err)
	case err == nil && failing:
		h.log.Info("maintaining the lake works again")
	}
	return err != nil && ctx.Err() == nil
}
