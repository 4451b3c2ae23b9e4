package ship

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats are a shipper's counters since it was made, all of one moment. Of the
// lines given to a sink, Shipped + DeadLettered + Dropped + what is still
// queued are all.
type Stats struct {
	Shipped      int64           // lines the sink stored; heartbeats are not lines
	DeadLettered int64           // lines the sink will never accept, now in a dead-letter file
	Dropped      int64           // lines the sink will never accept and for which the dead-letter files had no room
	Heartbeats   int64           // heartbeats stored, dead-lettered or dropped
	Retries      map[Class]int64 // failed writes, by class
	Oldest       time.Time       // when the oldest line in flight was received; zero when none is
	Failing      Class           // class of the failure that lasts; empty while writing works
	FailingSince time.Time
}

// counters are the numbers behind Stats.
type counters struct {
	mu       sync.Mutex // guards what follows
	shipped  int64
	dead     int64
	dropped  int64
	beats    int64
	retries  map[Class]int64
	inFlight map[*batch]time.Time // oldest receive time of each batch in flight

	seconds prometheus.Histogram
}

func newCounters(sink string) *counters {
	return &counters{
		retries:  map[Class]int64{Temporary: 0, Throttled: 0, Configuration: 0},
		inFlight: make(map[*batch]time.Time),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "edgewarden_ingest_write_seconds", Help: "How long a write to the sink took, failed ones included.",
			ConstLabels: prometheus.Labels{"sink": sink}, Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
	}
}

func (c *counters) begin(b *batch, oldest time.Time) {
	c.mu.Lock()
	c.inFlight[b] = oldest
	c.mu.Unlock()
}

func (c *counters) end(b *batch) {
	c.mu.Lock()
	delete(c.inFlight, b)
	c.mu.Unlock()
}

func (c *counters) retry(class Class) {
	c.mu.Lock()
	c.retries[class]++
	c.mu.Unlock()
}

func (c *counters) done(o outcome) {
	c.mu.Lock()
	c.shipped += int64(o.shipped)
	c.dead += int64(o.dead)
	c.dropped += int64(o.dropped)
	c.beats += int64(o.beats)
	c.mu.Unlock()
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Shipped: c.shipped, DeadLettered: c.dead, Dropped: c.dropped, Heartbeats: c.beats, Retries: maps.Clone(c.retries)}
	for _, t := range c.inFlight {
		if s.Oldest.IsZero() || t.Before(s.Oldest) {
			s.Oldest = t
		}
	}
	return s
}

// collector exports a shipper's counters from one snapshot.
type collector struct {
	s                           *Shipper
	shipped, dead, lost, retry  *prometheus.Desc
	oldest, failing, heartbeats *prometheus.Desc
}

func newCollector(s *Shipper, sink string) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("edgewarden_ingest_"+name, help, labels, prometheus.Labels{"sink": sink})
	}
	return &collector{
		s:          s,
		shipped:    desc("shipped_records_total", "Lines the sink stored."),
		dead:       desc("dead_letters_total", "Lines the sink will never accept, now in a dead-letter file."),
		lost:       desc("dead_letters_dropped_total", "Lines the sink will never accept, lost because the dead-letter files are full."),
		heartbeats: desc("shipped_heartbeats_total", "Heartbeats stored, dead-lettered or dropped."),
		retry:      desc("write_failures_total", "Writes to the sink that failed and are repeated, by class.", "class"),
		oldest:     desc("oldest_in_flight_seconds", "Age of the oldest line that is being written; 0 when none is."),
		failing:    desc("write_failing", "1 while writing to the sink fails."),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.shipped, c.dead, c.lost, c.heartbeats, c.retry, c.oldest, c.failing} {
		ch <- d
	}
	c.s.count.seconds.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.s.Stats()
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter(c.shipped, s.Shipped)
	counter(c.dead, s.DeadLettered)
	counter(c.lost, s.Dropped)
	counter(c.heartbeats, s.Heartbeats)
	for class, n := range s.Retries {
		counter(c.retry, n, string(class))
	}
	var age, failing float64
	if !s.Oldest.IsZero() {
		age = max(0, c.s.o.Now().Sub(s.Oldest).Seconds())
	}
	if s.Failing != "" {
		failing = 1
	}
	gauge(c.oldest, age)
	gauge(c.failing, failing)
	c.s.count.seconds.Collect(ch)
}
