package proc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Ingest is a running `ingest serve` with Cloud Logging as its only sink.
type Ingest struct {
	*Process
	Addr  string // of the first listener
	Addrs []string
	Admin string
}

// IngestOptions are what the runs here vary. The zero value of each field leaves
// the flag at its default.
type IngestOptions struct {
	Path     string   // the program
	Spool    string   // folder
	Sink     string   // host:port of the stand-in
	SinkCA   string   // PEM file; "" means without TLS
	Listen   []string // none means one free loopback port
	CertFile string
	KeyFile  string
	Token    string
	Args     []string // more flags
}

// StartIngest starts ingest and waits until it listens.
func StartIngest(o IngestOptions) (*Ingest, error) {
	args := []string{"serve", "--admin", "127.0.0.1:0", "--spool", o.Spool, "--project", "p", "--logging-endpoint", o.Sink, "--drain", "0s"}
	if o.SinkCA != "" {
		args = append(args, "--logging-ca", o.SinkCA)
	} else {
		args = append(args, "--logging-insecure")
	}
	if len(o.Listen) == 0 {
		o.Listen = []string{"127.0.0.1:0"}
	}
	for _, l := range o.Listen {
		args = append(args, "--listen", l)
	}
	if o.CertFile != "" {
		args = append(args, "--tls-cert", o.CertFile, "--tls-key", o.KeyFile)
	}
	env := []string{"EDGEWARDEN_GOOGLE_CREDENTIALS_JSON=", "EDGEWARDEN_TOKEN=" + o.Token}
	p, err := Start(env, o.Path, append(args, o.Args...)...)
	if err != nil {
		return nil, err
	}
	i := &Ingest{Process: p}
	if i.Admin, err = p.SayWithin(Patience, `msg="admin listening" addr=(\S+)`); err != nil {
		p.Kill()
		return nil, err
	}
	re := ""
	for range o.Listen {
		re += `(?s).*?msg="listening" addr=(\S+)`
		last := strings.ReplaceAll(re, `=(\S+)(`, `=\S+(`) // only the last one is a group
		addr, err := p.SayWithin(Patience, last)
		if err != nil {
			p.Kill()
			return nil, err
		}
		i.Addrs = append(i.Addrs, addr)
	}
	i.Addr = i.Addrs[0]
	return i, nil
}

// Metrics is one reading of /metrics: sums by name, labels left out.
type Metrics map[string]float64

// Names of metrics that the runs look at.
const (
	received     = "edgewarden_ingest_received_lines_total"
	recovered    = "edgewarden_ingest_recovered_records"
	shipped      = "edgewarden_ingest_shipped_records_total"
	deadLettered = "edgewarden_ingest_dead_letters_total"
	queued       = "edgewarden_ingest_queued_records"
	dropped      = "edgewarden_ingest_dropped_lines_total"
)

// Identity is the sum that must hold: received + recovered = shipped + dead_lettered + queued + dropped.
type Identity struct{ Received, Recovered, Shipped, DeadLettered, Queued, Dropped int64 }

// Diff is 0 when it holds.
func (n Identity) Diff() int64 {
	return n.Received + n.Recovered - n.Shipped - n.DeadLettered - n.Queued - n.Dropped
}

// String shows it.
func (n Identity) String() string {
	return fmt.Sprintf("received %d + recovered %d = shipped %d + dead_lettered %d + queued %d + dropped %d (difference %d)",
		n.Received, n.Recovered, n.Shipped, n.DeadLettered, n.Queued, n.Dropped, n.Diff())
}

// Identity is what a reading says about it.
func (m Metrics) Identity() Identity {
	return Identity{int64(m[received]), int64(m[recovered]), int64(m[shipped]), int64(m[deadLettered]), int64(m[queued]), int64(m[dropped])}
}

// Goroutines and RSS as the process itself sees them.
func (m Metrics) Goroutines() int { return int(m["go_goroutines"]) }

// RSS is its resident memory in bytes.
func (m Metrics) RSS() int64 { return int64(m["process_resident_memory_bytes"]) }

// Metrics reads /metrics.
func (i *Ingest) Metrics(ctx context.Context) (Metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+i.Admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: %s", resp.Status)
	}
	return parseMetrics(resp.Body)
}

func parseMetrics(r io.Reader) (Metrics, error) {
	m := Metrics{}
	s := bufio.NewScanner(r)
	for s.Scan() {
		line := s.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		name, _, _ := strings.Cut(line[:at], "{")
		m[name] += v
	}
	return m, s.Err()
}

// Until polls the metrics until ok says so, and returns the reading.
func (i *Ingest) Until(ctx context.Context, what string, ok func(Metrics) bool) (m Metrics, err error) {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		if m, err = i.Metrics(ctx); err != nil {
			return m, err
		}
		if ok(m) {
			return m, nil
		}
		select {
		case <-ctx.Done():
			return m, fmt.Errorf("wait for %s: %w; %s; ingest says:\n%s", what, ctx.Err(), m.Identity(), i.Stderr)
		case <-i.Done():
			return m, fmt.Errorf("wait for %s: ingest ended:\n%s", what, i.Stderr)
		case <-t.C:
		}
	}
}

// Settled waits until so many lines have been received and the identity holds
// with nothing more on its way, and, when empty, until the queue is empty too.
func (i *Ingest) Settled(ctx context.Context, lines int64, empty bool) (Identity, error) {
	m, err := i.Until(ctx, fmt.Sprintf("%d lines and the identity", lines), func(m Metrics) bool {
		n := m.Identity()
		return n.Received >= lines && n.Diff() == 0 && (!empty || n.Queued == 0)
	})
	return m.Identity(), err
}
