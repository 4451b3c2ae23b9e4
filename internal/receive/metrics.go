package receive

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DropAuth is the reason of lines that neither token nor client certificate met.
const DropAuth = "auth"

// Reasons why a connection was refused or ended badly.
const (
	reasonTLSOnPlain       = "tls_on_plain_port"
	reasonPlainOnTLS       = "plain_on_tls_port"
	reasonProbe            = "probe"
	reasonHandshake        = "tls_handshake"
	reasonHandshakeTimeout = "tls_handshake_timeout"
	reasonProxyHeader      = "proxy_header"
	reasonSource           = "source_not_allowed"
	reasonTooMany          = "too_many_connections"
	reasonTooManySource    = "too_many_connections_from_source"
	reasonEvicted          = "evicted"
	reasonAccept           = "accept"
	reasonBroken           = "connection_broken"
	reasonPanic            = "panic"
)

// advice says what an operator can do about a reason.
var advice = map[string]string{
	reasonTLSOnPlain:       "a sender speaks TLS to a port without TLS: switch off use_tls in the Fastly logging endpoint, or give this port --tls-cert and --tls-key",
	reasonPlainOnTLS:       "a sender speaks plain text to the TLS port: switch on use_tls in the Fastly logging endpoint",
	reasonProbe:            "connections that send nothing (health checks do this)",
	reasonHandshake:        "TLS handshake refused: compare the endpoint's tls_ca_cert, tls_hostname and client certificate with this server's",
	reasonHandshakeTimeout: "a sender did not finish the TLS handshake in time",
	reasonProxyHeader:      "a listed proxy sent no PROXY protocol header: switch it on there, or take the proxy out of --proxy-from",
	reasonSource:           "the source is in none of --source-ranges and nothing else authenticates it; configure a token or a client CA, and the ranges only count",
	reasonEvicted:          "--max-connections is reached: connections that brought no line are closed in favour of new ones",
	reasonTooMany:          "raise --max-connections, or find out who holds them",
	reasonTooManySource:    "raise --max-connections-per-source, or find out why one source opens so many",
	reasonAccept:           "connections cannot be accepted; raise the limit of open files if that is the cause",
	reasonBroken:           "a connection broke off",
	reasonPanic:            "a fault in this program ended a connection; please report it",
	DropAuth: "lines without the configured token or a client certificate are dropped: compare the token of the Fastly logging endpoint " +
		"(Fastly sends none with the line format Blank)",
}

// Stats is a snapshot of the line counters of this process.
type Stats struct {
	Received     int64            // lines read from connections, dropped ones included
	Bytes        int64            // bytes read from connections, inside TLS
	Cut          int64            // lines longer than the limit: their beginning was kept
	Unterminated int64            // lines in which a connection ended
	Foreign      int64            // lines from a source that is not expected
	Dropped      map[string]int64 // lines not kept, by reason
	Last         time.Time        // when the newest line was read; zero before the first
}

// tally is what one read of a connection adds to Stats.
type tally struct{ lines, bytes, cut, unterminated, foreign int64 }

// metrics counts lines and connections. The counts that the identity is checked
// with are kept once; Prometheus reads the same numbers.
type metrics struct {
	accepted, foreign, aged prometheus.Counter
	rejected                *prometheus.CounterVec

	mu    sync.Mutex // guards what follows
	count Stats
}

func newMetrics(reg prometheus.Registerer, s *Server) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "edgewarden_ingest_" + name, Help: help})
	}
	m := &metrics{
		accepted: counter("accepted_connections_total", "Connections accepted, refused ones included."),
		foreign:  counter("foreign_source_connections_total", "Connections from a source outside --source-ranges."),
		aged:     counter("aged_connections_total", "Connections ended because they reached --max-connection-age."),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edgewarden_ingest_rejected_connections_total", Help: "Connections refused or ended badly, by reason."}, []string{"reason"}),
		count: Stats{Dropped: map[string]int64{DropAuth: 0}},
	}
	for reason := range advice {
		if reason != DropAuth {
			m.rejected.WithLabelValues(reason) // a rate needs the zero before the first
		}
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.accepted, m.foreign, m.aged, m.rejected, lines{m},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "edgewarden_ingest_connections", Help: "Connections open now."},
			func() float64 { s.mu.Lock(); defer s.mu.Unlock(); return float64(len(s.conns)) }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	if s.certs != nil {
		return m, reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "edgewarden_ingest_certificate_expiry_timestamp_seconds", Help: "When the server certificate in use ends."},
			func() float64 { return float64(s.certs.notAfter().Unix()) }))
	}
	return m, nil
}

func (m *metrics) read(t tally, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count.Received += t.lines
	m.count.Bytes += t.bytes
	m.count.Cut += t.cut
	m.count.Unterminated += t.unterminated
	m.count.Foreign += t.foreign
	if t.lines > 0 && now.After(m.count.Last) {
		m.count.Last = now
	}
}

func (m *metrics) drop(reason string, n int) {
	m.mu.Lock()
	m.count.Dropped[reason] += int64(n)
	m.mu.Unlock()
}

func (m *metrics) stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.count
	s.Dropped = maps.Clone(s.Dropped)
	return s
}

// lines exports the line counters, all from one consistent snapshot.
type lines struct{ m *metrics }

func lineDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("edgewarden_ingest_"+name, help, labels, nil)
}

var (
	receivedDesc     = lineDesc("received_lines_total", "Lines read from connections, dropped ones included.")
	bytesDesc        = lineDesc("received_bytes_total", "Bytes read from connections, inside TLS.")
	cutDesc          = lineDesc("cut_lines_total", "Lines longer than --max-line, of which the beginning was kept.")
	unterminatedDesc = lineDesc("unterminated_lines_total", "Lines in which a connection ended; what came of them was kept.")
	foreignDesc      = lineDesc("foreign_source_lines_total", "Lines from a source outside --source-ranges.")
	droppedDesc      = lineDesc("dropped_lines_total", "Lines received and not kept, by reason.", "reason")
	lastDesc         = lineDesc("last_line_timestamp_seconds", "When the newest line was read; 0 before the first.")
)

// Describe implements [prometheus.Collector].
func (l lines) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{receivedDesc, bytesDesc, cutDesc, unterminatedDesc, foreignDesc, droppedDesc, lastDesc} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (l lines) Collect(ch chan<- prometheus.Metric) {
	s := l.m.stats()
	counter := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	counter(receivedDesc, s.Received)
	counter(bytesDesc, s.Bytes)
	counter(cutDesc, s.Cut)
	counter(unterminatedDesc, s.Unterminated)
	counter(foreignDesc, s.Foreign)
	for reason, n := range s.Dropped {
		counter(droppedDesc, n, reason)
	}
	var last float64
	if !s.Last.IsZero() {
		last = float64(s.Last.UnixMilli()) / 1000
	}
	ch <- prometheus.MustNewConstMetric(lastDesc, prometheus.GaugeValue, last)
}

// reject counts a connection that was refused or ended badly, and says so once.
func (s *Server) reject(reason, remote string, err error) {
	s.m.rejected.WithLabelValues(reason).Inc()
	s.tell(reason, remote, 0)
	level := slog.LevelWarn
	if reason == reasonProbe || reason == reasonBroken || reason == reasonEvicted {
		level = slog.LevelInfo
	}
	s.said.once(level, "connection refused", reason, remote, err)
}

// refuse counts lines dropped for want of authentication, and says so once.
func (s *Server) refuse(lines int, remote string) {
	s.m.drop(DropAuth, lines)
	s.tell(DropAuth, remote, lines)
	s.said.once(slog.LevelWarn, "lines dropped", DropAuth, remote, nil)
}

func (s *Server) tell(reason, remote string, lines int) {
	if s.o.Refused != nil {
		s.o.Refused(reason, remote, lines)
	}
}

// sayAgain is how long a reason stays unmentioned after it was said.
const sayAgain = time.Hour

// said remembers which reasons were logged, so that a scanner or a misconfigured
// endpoint cannot flood the log: the counters tell how often.
type said struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time
}

func (d *said) once(level slog.Level, msg, reason, remote string, err error) {
	d.mu.Lock()
	now := time.Now()
	if t, ok := d.last[reason]; ok && now.Sub(t) < sayAgain {
		d.mu.Unlock()
		return
	}
	if d.last == nil {
		d.last = map[string]time.Time{}
	}
	d.last[reason] = now
	d.mu.Unlock()
	attrs := []any{"reason", reason, "advice", advice[reason]}
	if remote != "" {
		attrs = append(attrs, "remote", remote)
	}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	d.log.Log(context.Background(), level, msg, attrs...)
}
