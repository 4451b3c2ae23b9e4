package main

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/record"
)

// services remembers when a line of each expected service came last. Names come
// from flags, never from lines, so no sender can invent a metric.
type services struct {
	names  []string
	last   []atomic.Int64 // when the newest line of a service was received, unix nanoseconds
	newest atomic.Int64   // the same of any line
}

func newServices(names []string) *services {
	s := &services{last: make([]atomic.Int64, len(names))}
	for _, n := range names {
		if s.index(n) < 0 {
			s.names = append(s.names, n)
		}
	}
	return s
}

func (s *services) index(name string) int {
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	return -1
}

// look is one writer's view of the services: neighbours are mostly of one
// service, so it is looked up once a run.
type look struct {
	s      *services
	name   string
	at     int
	newest int64
}

func (s *services) look() look { return look{s: s, at: s.index("")} }

// see takes a record in on its way to the sink: one that is down is no silence.
func (l *look) see(r *record.Record) {
	if r.Kind == record.KindHeartbeat {
		return
	}
	t := r.Received.UnixNano()
	l.newest = max(l.newest, t)
	if r.ServiceID != l.name {
		l.name = r.ServiceID
		l.at = l.s.index(l.name)
	}
	if l.at >= 0 {
		raise(&l.s.last[l.at], t)
	}
}

func (l *look) end() { raise(&l.s.newest, l.newest) }

// raise sets v to t if that is later.
func raise(v *atomic.Int64, t int64) {
	for {
		if now := v.Load(); t <= now || v.CompareAndSwap(now, t) {
			return
		}
	}
}

// silence says once when no line came for a while, and once when they come
// again. It has no say in readiness: a receiver that nobody writes to works.
type silence struct {
	after   time.Duration
	started time.Time
	log     *slog.Logger
	s       *services

	total  bool   // no line at all; said
	silent []bool // by service; said
}

func newSilence(after time.Duration, started time.Time, s *services, log *slog.Logger) *silence {
	return &silence{after: after, started: started, log: log, s: s, silent: make([]bool, len(s.names))}
}

// check is called now and then; last is when the receiver read its newest line.
// A service is compared with now if everything received has been parsed, and
// with the newest parsed line if not: what is still in the spool may be its.
func (q *silence) check(now, last time.Time) {
	if q.after == 0 {
		return
	}
	since := q.latest(last)
	q.say(&q.total, now.Sub(since) > q.after, since, "no line came", "lines come again")
	until := now
	if parsed := q.latest(time.Unix(0, q.s.newest.Load())); last.Sub(parsed) > q.after/2 {
		until = parsed
	}
	for i, name := range q.s.names {
		since := q.latest(time.Unix(0, q.s.last[i].Load()))
		q.say(&q.silent[i], until.Sub(since) > q.after, since, "no line of a service came", "lines of a service come again", "service_id", name)
	}
}

// latest is t, but not before the start.
func (q *silence) latest(t time.Time) time.Time {
	if t.Before(q.started) {
		return q.started
	}
	return t
}

func (q *silence) say(said *bool, silent bool, since time.Time, begins, ends string, attrs ...any) {
	if silent == *said {
		return
	}
	*said = silent
	if !silent {
		q.log.Info(ends, attrs...)
		return
	}
	q.log.Warn(begins, append(attrs, "for", q.after.String(), "since", since.UTC().Truncate(time.Second).Format(time.RFC3339),
		"advice", "look at the service's logging endpoint in Fastly: its errors, its address and token, and whether its condition or an activation took it away")...)
}

// every is how often to check.
func (q *silence) every() time.Duration {
	if q.after == 0 {
		return time.Hour
	}
	return max(min(q.after/4, 10*time.Second), time.Millisecond)
}

var serviceLastDesc = prometheus.NewDesc("edgewarden_ingest_service_last_line_timestamp_seconds",
	"When the newest line of a service named by --expect-service or --service-id was received, of those parsed; 0 before the first.", []string{"service_id"}, nil)

// Describe implements [prometheus.Collector].
func (s *services) Describe(ch chan<- *prometheus.Desc) { ch <- serviceLastDesc }

// Collect implements [prometheus.Collector].
func (s *services) Collect(ch chan<- prometheus.Metric) {
	for i, name := range s.names {
		ch <- prometheus.MustNewConstMetric(serviceLastDesc, prometheus.GaugeValue, float64(s.last[i].Load()/1e6)/1000, name)
	}
}
