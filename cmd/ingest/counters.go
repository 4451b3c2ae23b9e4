package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
)

// counters are what ingest says of itself, in the heartbeat and at the end. All
// are lines since the start of the process. For every sink
//
//	received + recovered = shipped + dead_lettered + queued + dropped
//
// holds whenever nothing is on its way between two rooms. Heartbeats are no lines.
type counters struct {
	Received     int64            `json:"received"`      // read from connections
	Recovered    map[string]int64 `json:"recovered"`     // by sink: in the spool at the start, not yet shipped
	Shipped      map[string]int64 `json:"shipped"`       // by sink
	DeadLettered map[string]int64 `json:"dead_lettered"` // by sink
	Queued       map[string]int64 `json:"queued"`        // by sink: in the spool now
	Dropped      map[string]int64 `json:"dropped"`       // by reason
	Started      time.Time        `json:"started"`
}

// counters takes a snapshot.
func (h *house) counters() counters {
	n := counters{
		Recovered: map[string]int64{}, Shipped: map[string]int64{}, DeadLettered: map[string]int64{}, Queued: map[string]int64{},
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
		n.Shipped[name], n.DeadLettered[name] = s.Shipped, s.DeadLettered
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
		group("dead_lettered", n.DeadLettered), group("queued", n.Queued), group("dropped", n.Dropped)}
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

// tend does what the clock asks for until ctx ends: heartbeats, and the upkeep
// of the lake. The channel is closed when it has ended.
func (h *house) tend(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	beat := time.NewTicker(h.c.HeartbeatEvery)
	upkeep := time.NewTicker(maintainEvery)
	go func() {
		defer close(done)
		defer beat.Stop()
		defer upkeep.Stop()
		var failing bool
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-beat.C:
				h.heartbeat(now)
			case now := <-upkeep.C:
				failing = h.maintain(ctx, now, failing)
			}
		}
	}()
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

// watched is a sink that counts heartbeats of earlier runs: they were in the
// spool at the start, where nothing told them from lines.
type watched struct {
	ship.Sink
	started      time.Time
	earlierBeats atomic.Int64
}

// Write implements [ship.Sink].
func (w *watched) Write(ctx context.Context, b *ship.Batch) ([]ship.Refusal, error) {
	refused, err := w.Sink.Write(ctx, b)
	if err == nil {
		for i := range b.Records {
			if r := &b.Records[i]; r.Kind == record.KindHeartbeat && r.Received.Before(w.started) {
				w.earlierBeats.Add(1)
			}
		}
	}
	return refused, err
}

// collector exports what no single room knows.
type collector struct {
	h                                           *house
	queued, recovered, bytes, segments, damaged *prometheus.Desc
	full, oldest, started                       *prometheus.Desc
}

func newCollector(h *house) *collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("edgewarden_ingest_"+name, help, labels, nil)
	}
	return &collector{
		h:         h,
		queued:    d("queued_records", "Lines in the spool that the sink has not stored yet.", "sink"),
		recovered: d("recovered_records", "Lines that were in the spool at the start, not yet stored by the sink.", "sink"),
		oldest:    d("oldest_queued_timestamp_seconds", "When the oldest line not yet stored by the sink was received; 0 when there is none.", "sink"),
		bytes:     d("spool_bytes", "Size of the spool on disk."),
		segments:  d("spool_segments", "Files of the spool."),
		damaged:   d("spool_damaged_segments", "Damaged files that were set aside."),
		full:      d("spool_full", "1 while the spool takes no lines."),
		started:   d("start_timestamp_seconds", "When the process started."),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.queued, c.recovered, c.oldest, c.bytes, c.segments, c.damaged, c.full, c.started} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	n := c.h.counters()
	s := c.h.spool.Stats()
	for sink, v := range n.Queued {
		gauge(c.queued, float64(v), sink)
		gauge(c.recovered, float64(n.Recovered[sink]), sink)
		var oldest float64
		if t := s.OldestUnacked[sink]; !t.IsZero() {
			oldest = float64(t.UnixMilli()) / 1000
		}
		gauge(c.oldest, oldest, sink)
	}
	full := 0.0
	if s.Full {
		full = 1
	}
	gauge(c.bytes, float64(s.Bytes))
	gauge(c.segments, float64(s.Segments))
	gauge(c.damaged, float64(s.Damaged))
	gauge(c.full, full)
	gauge(c.started, float64(c.h.started.Unix()))
}
