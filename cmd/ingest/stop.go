package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// connectionsShare is the part of the shutdown time that connections may take
// to finish their lines; the rest is for shipping.
const connectionsShare = 4

// stop walks the house front to back: not ready, keep accepting for the drain
// period, close listeners, finish lines, sync, ship until the deadline. What is
// left stays in the spool. It depends on no sink: the deadline ends a write that
// hangs. A second signal skips the drain period, a third the shipping.
func (h *house) stop(signals <-chan os.Signal, stopTending, stopShipping func()) {
	h.notReady(errors.New("draining: stopping"))
	select {
	case <-time.After(h.c.Drain):
	case s := <-signals:
		h.log.Info("skipping the drain period", "signal", s.String())
	}
	deadline, cancel := context.WithTimeout(context.Background(), h.c.ShutdownTimeout)
	defer cancel()
	lines, cancelLines := context.WithTimeout(deadline, h.c.ShutdownTimeout/connectionsShare)
	if err := h.receiver.Shutdown(lines); err != nil {
		h.log.Warn("connections were cut before their senders fell silent", "err", err)
	}
	cancelLines()
	stopTending() // a heartbeat more would have the shippers wait for the next
	h.heartbeat(time.Now())
	if err := h.spool.Sync(); err != nil {
		h.log.Error("syncing the spool", "err", err)
	}
	for _, r := range h.routes {
		r.shipper.Drain()
	}
	for _, r := range h.routes {
		select {
		case <-r.done:
		case <-deadline.Done():
		case s := <-signals:
			h.log.Info("skipping the shipping", "signal", s.String())
			cancel()
		}
	}
	stopShipping()
	for _, r := range h.routes {
		<-r.done
	}
	n := h.counters()
	h.noteDamage(time.Now())
	h.audit.flush(time.Now(), true)
	h.audit.add("stop-ingest", h.c.Spool, map[string]string{
		"received": fmt.Sprint(n.Received), "shipped": fmt.Sprint(n.Shipped), "queued": fmt.Sprint(n.Queued), "dropped": fmt.Sprint(n.Dropped)})
	h.log.Info("stopped", n.attrs()...)
}
