package main

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
)

// counters are what ingest says of itself, in the heartbeat and at the end. All
// are lines since the start of the process. For every sink
//
//	received + recovered = shipped + dead_lettered + dead_letters_dropped + queued + dropped
//
// holds whenever nothing is on its way between two rooms. Heartbeats are no lines.
type counters struct {
	Received       int64            `json:"received"`             // read from connections
	Recovered      map[string]int64 `json:"recovered"`            // by sink: in the spool at the start, not yet shipped
	Shipped        map[string]int64 `json:"shipped"`              // by sink
	DeadLettered   map[string]int64 `json:"dead_lettered"`        // by sink
	LettersDropped map[string]int64 `json:"dead_letters_dropped"` // by sink: no room for a dead letter
	Queued         map[string]int64 `json:"queued"`               // by sink: in the spool now
	Dropped        map[string]int64 `json:"dropped"`              // by reason
	Started        time.Time        `json:"started"`
}

// counters takes a snapshot.
func (h *house) counters() counters {
	n := counters{
		Recovered: map[string]int64{}, Shipped: map[string]int64{}, DeadLettered: map[string]int64{}, LettersDropped: map[string]int64{}, Queued: map[string]int64{},
		Started: h.started.UTC().Truncate(time.Second),
	}
	st := h.spool.Stats()
	pending := st.Pending
	h.receiver.Drop(dropDamaged, h.lost.since(st.Lost))
	in := h.receiver.Stats()
	n.Received, n.Dropped = in.Received, in.Dropped
	for _, r := range h.routes {
		name := r.sink.Name()
		s := r.shipper.Stats()
		earlier := r.sink.earlierBeats.Load()
		n.Recovered[name] = r.atStart - earlier
		n.Shipped[name], n.DeadLettered[name], n.LettersDropped[name] = s.Shipped, s.DeadLettered, s.Dropped
		n.Queued[name] = max(0, pending[name]-(h.beats.Load()-(s.Heartbeats-earlier)))
	}
	return n
}

// lost turns the spool's count of records found damaged into lines dropped since
// it was last asked.
type lost struct {
	mu   sync.Mutex
	seen int64
}

func (l *lost) since(now int64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := now - l.seen
	l.seen = now
	return int(n)
}

// attrs are the counters for the log: received=… shipped.lake=… dropped.auth=…
func (n counters) attrs() []any {
	return []any{slog.Int64("received", n.Received), group("recovered", n.Recovered), group("shipped", n.Shipped),
		group("dead_lettered", n.DeadLettered), group("dead_letters_dropped", n.LettersDropped), group("queued", n.Queued), group("dropped", n.Dropped)}
}

func group(name string, counts map[string]int64) slog.Attr {
	var attrs []any
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		attrs = append(attrs, slog.Int64(k, counts[k]))
	}
	return slog.Group(name, attrs...)
}

// heartbeat logs the counters and sends them the way of the lines, so that a
// reader of the stored logs can tell loss from silence.
func (h *house) heartbeat(now time.Time) {
	n := h.counters()
	h.log.Info("heartbeat", n.attrs()...)
	body, err := json.Marshal(n)
	if err != nil {
		h.log.Error("encoding the heartbeat", "err", err)
		return
	}
	e := ship.Envelope{Received: now, Sender: record.SenderNone, ServiceID: h.c.ServiceID, Heartbeat: true, Line: body}
	// A heartbeat that does not fit into the spool is one more sign that lines are lost.
	if err := h.spool.Append([][]byte{e.Append(nil)}); err == nil {
		h.beats.Add(1)
	}
}
