package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
)

// watched is a sink through which records pass on their way: it counts them by
// kind, remembers when each service was last seen, and tells heartbeats of
// earlier runs, which were in the spool at the start, where nothing told them
// from lines.
type watched struct {
	ship.Sink
	started      time.Time
	services     *services
	earlierBeats atomic.Int64
	requests     atomic.Int64
	texts        atomic.Int64
}

// Write implements [ship.Sink].
func (w *watched) Write(ctx context.Context, b *ship.Batch) ([]ship.Refusal, error) {
	look := w.services.look()
	kinds := make([]kind, 0, b.Len) // of each record
	refused, err := w.Sink.Write(ctx, b.Tap(func(r *record.Record) {
		look.see(r)
		if len(kinds) < b.Len { // a sink may begin anew
			kinds = append(kinds, kindOf(r))
		}
	}))
	look.end()
	if err == nil {
		w.count(b, kinds, refused)
	}
	return refused, err
}

// kind is what a record is.
type kind uint8

const (
	request kind = iota
	text
	beat
	kindCount
)

func kindOf(r *record.Record) kind {
	switch r.Kind {
	case record.KindHeartbeat:
		return beat
	case record.KindText:
		return text
	}
	return request
}

// count counts what was stored.
func (w *watched) count(b *ship.Batch, kinds []kind, refused []ship.Refusal) {
	var n [kindCount]int64
	for _, k := range kinds {
		n[k]++
	}
	for _, f := range refused {
		n[kinds[f.Index]]--
	}
	w.requests.Add(n[request])
	w.texts.Add(n[text])
	for _, t := range b.Heartbeats {
		if t.Before(w.started) {
			w.earlierBeats.Add(1)
		}
	}
}

// newSyncSeconds makes the metric of syncs of the spool.
func newSyncSeconds() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "edgewarden_ingest_spool_sync_seconds", Help: "How long a sync of the spool to disk took.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
	})
}

// collector exports what no single room knows.
type collector struct {
	h *house

	queued, recovered, stored, oldest, oldestAge         *prometheus.Desc // by sink
	bytes, limit, segments, damaged, full, senders, most *prometheus.Desc // of the spool
	started                                              *prometheus.Desc
}

func newCollector(h *house) *collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("edgewarden_ingest_"+name, help, labels, nil)
	}
	return &collector{
		h:         h,
		queued:    d("queued_records", "Lines in the spool that the sink has not stored yet.", "sink"),
		recovered: d("recovered_records", "Lines that were in the spool at the start, not yet stored by the sink.", "sink"),
		stored:    d("stored_records_total", "Lines the sink stored, by kind: request, or text for a line that was not understood.", "sink", "kind"),
		oldest:    d("oldest_queued_timestamp_seconds", "When the oldest line not yet stored by the sink was received; 0 when there is none.", "sink"),
		oldestAge: d("oldest_queued_age_seconds", "Age of the oldest line not yet stored by the sink; 0 when there is none.", "sink"),
		bytes:     d("spool_bytes", "Size of the spool on disk."),
		limit:     d("spool_max_bytes", "Size at which the spool takes no lines, --spool-max-bytes."),
		segments:  d("spool_segments", "Files of the spool."),
		damaged:   d("spool_damaged_segments", "Damaged files, set aside or to be."),
		full:      d("spool_full", "1 while the spool takes no lines."),
		senders:   d("spool_senders", "Senders with lines in the spool; 0 with --sender-share 100."),
		most:      d("spool_largest_sender_bytes", "Size of the lines in the spool of the sender that has most."),
		started:   d("start_timestamp_seconds", "When the process started."),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.queued, c.recovered, c.stored, c.oldest, c.oldestAge, c.bytes, c.limit, c.segments, c.damaged, c.full, c.senders, c.most, c.started} {
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
	now := time.Now()
	for sink, v := range n.Queued {
		gauge(c.queued, float64(v), sink)
		gauge(c.recovered, float64(n.Recovered[sink]), sink)
		var oldest, age float64
		if t := s.OldestUnacked[sink]; !t.IsZero() {
			oldest, age = float64(t.UnixMilli())/1000, max(0, now.Sub(t).Seconds())
		}
		gauge(c.oldest, oldest, sink)
		gauge(c.oldestAge, age, sink)
	}
	for _, r := range c.h.routes {
		for kind, v := range map[string]*atomic.Int64{record.KindRequest: &r.sink.requests, record.KindText: &r.sink.texts} {
			ch <- prometheus.MustNewConstMetric(c.stored, prometheus.CounterValue, float64(v.Load()), r.sink.Name(), kind)
		}
	}
	full := 0.0
	if s.Full {
		full = 1
	}
	gauge(c.bytes, float64(s.Bytes))
	gauge(c.limit, float64(c.h.c.SpoolMaxBytes))
	gauge(c.segments, float64(s.Segments))
	gauge(c.damaged, float64(s.Damaged))
	gauge(c.full, full)
	gauge(c.senders, float64(s.Owners))
	gauge(c.most, float64(s.LargestOwner))
	gauge(c.started, float64(c.h.started.Unix()))
}
