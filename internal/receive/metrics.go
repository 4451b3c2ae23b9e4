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
	reasonSource:           "the source address is not allowed to connect",
	reasonTooMany:          "raise --max-connections, or find out who holds them",
	reasonTooManySource:    "raise --max-connections-per-source, or find out why one source opens so many",
	reasonAccept:           "connections cannot be accepted; raise the limit of open files if that is the cause",
	reasonBroken:           "a connection broke off",
	reasonPanic:            "a fault in this program ended a connection; please report it",
	DropAuth: "lines without the configured token or a client certificate are dropped: compare the token of the Fastly logging endpoint " +
		"(Fastly sends none with the line format Blank)",
}

// metrics counts lines and connections. The maps hold the counts that the
// identity is checked with; Prometheus reads the same numbers.
type metrics struct {
	accepted prometheus.Counter
	rejected *prometheus.CounterVec

	mu       sync.Mutex // guards what follows
	received int64
	last     time.Time
	dropped  map[string]int64
}

func newMetrics(reg prometheus.Registerer, s *Server) (*metrics, error) {
	m := &metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "edgewarden_ingest_accepted_connections_total", Help: "Connections accepted, refused ones included."}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edgewarden_ingest_rejected_connections_total", Help: "Connections refused or ended badly, by reason."}, []string{"reason"}),
		dropped: map[string]int64{DropAuth: 0},
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.accepted, m.rejected, lines{m},
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

func (m *metrics) receive(n int, now time.Time) {
	m.mu.Lock()
	m.received += int64(n)
	if now.After(m.last) {
		m.last = now
	}
	m.mu.Unlock()
}

func (m *metrics) drop(reason string, n int) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	m.dropped[reason] += int64(n)
	m.mu.Unlock()
}

func (m *metrics) stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{Received: m.received, Dropped: maps.Clone(m.dropped), Last: m.last}
}

// lines exports the line counters, all from one consistent snapshot.
type lines struct{ m *metrics }

var (
	receivedDesc = prometheus.NewDesc("edgewarden_ingest_received_lines_total", "Lines read from connections, dropped ones included.", nil, nil)
	droppedDesc  = prometheus.NewDesc("edgewarden_ingest_dropped_lines_total", "Lines received and not kept, by reason.", []string{"reason"}, nil)
	lastDesc     = prometheus.NewDesc("edgewarden_ingest_last_line_timestamp_seconds", "When the newest line was read; 0 before the first.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (l lines) Describe(ch chan<- *prometheus.Desc) {
	ch <- receivedDesc
	ch <- droppedDesc
	ch <- lastDesc
}

// Collect implements [prometheus.Collector].
func (l lines) Collect(ch chan<- prometheus.Metric) {
	s := l.m.stats()
	ch <- prometheus.MustNewConstMetric(receivedDesc, prometheus.CounterValue, float64(s.Received))
	for reason, n := range s.Dropped {
		ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(n), reason)
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
	level := slog.LevelWarn
	if reason == reasonProbe || reason == reasonBroken {
		level = slog.LevelInfo
	}
	s.said.once(level, "connection refused", reason, remote, err)
}

// refuse counts lines dropped for want of authentication, and says so once.
func (s *Server) refuse(lines int, remote string) {
	s.m.drop(DropAuth, lines)
	s.said.once(slog.LevelWarn, "lines dropped", DropAuth, remote, nil)
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
