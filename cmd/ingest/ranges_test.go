package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// value reads a counter or a gauge.
func value(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	f, err := reg.Gather()
	if err != nil || len(f) != 1 || len(f[0].GetMetric()) != 1 {
		t.Fatalf("gathered %v, %v", f, err)
	}
	m := f[0].GetMetric()[0]
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

// fastlyAPI answers like https://api.fastly.com/public-ip-list.
func fastlyAPI(t *testing.T) (url string, answer *atomic.Pointer[string]) {
	answer = &atomic.Pointer[string]{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := answer.Load()
		if a == nil {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, *a)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, answer
}

func TestFastlysRangesAreRefreshedAndTheLastGoodOnesKept(t *testing.T) {
	url, answer := fastlyAPI(t)
	dir := t.TempDir()
	log := newOutput()
	open := func() *ranges {
		r, err := newRanges("fastly", dir, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		r.url = url
		return r
	}
	moved := addr("203.0.113.9")
	r := open()
	if r.recall(); !r.expected(addr("151.101.1.1")) || r.expected(moved) {
		t.Fatal("without an answer it is not the embedded snapshot")
	}
	for range 3 {
		if r.refresh(t.Context()) {
			t.Fatal("a refused request counts as a refresh")
		}
	}
	if n := value(t, r.failures); n != 3 || value(t, r.fresh) != 0 {
		t.Errorf("%v failures counted, want 3", n)
	}
	if n := strings.Count(log.String(), "cannot be refreshed"); n != 1 || !r.expected(addr("151.101.1.1")) {
		t.Errorf("said %d times, want once; the ranges in use must stay:\n%s", n, log)
	}
	good := `{"addresses":["203.0.113.0/24"],"ipv6_addresses":["2001:db8::/32"]}`
	answer.Store(&good)
	if !r.refresh(t.Context()) || !r.expected(moved) || !r.expected(addr("2001:db8::1")) || r.expected(addr("198.51.100.1")) {
		t.Error("the new ranges are not in use")
	}
	if value(t, r.fresh) == 0 || !strings.Contains(log.String(), "refreshed again") {
		t.Errorf("the recovery is not told:\n%s", log)
	}
	answer.Store(nil)
	again := open() // after a restart, with Fastly out of reach
	if again.recall(); !again.expected(moved) {
		t.Error("the last good copy is not used after a restart")
	}
}

func TestRangesOfAFile(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "ranges"), "# our relays\n203.0.113.7\n198.51.100.0/24 # all of them\n\n2001:db8::/48\n")
	r, err := newRanges(file, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"203.0.113.7": true, "203.0.113.8": false, "198.51.100.200": true, "2001:db8::1": true, "2001:db8:1::1": false,
		"127.0.0.1": true, "::1": true,
	} {
		if r.expected(addr(a)) != want {
			t.Errorf("%s is expected: %v, want %v", a, !want, want)
		}
	}
	writeFile(t, file, "203.0.113.8\n")
	if !r.refresh(t.Context()) || !r.expected(addr("203.0.113.8")) || r.expected(addr("203.0.113.7")) {
		t.Error("the changed file is not in use")
	}
	for _, bad := range []string{"", "# nothing\n", "203.0.113.0/33\n", "cache.example\n"} {
		writeFile(t, file, bad)
		if r.refresh(t.Context()) || !r.expected(addr("203.0.113.8")) {
			t.Errorf("a file with %q replaced the ranges", bad)
		}
		if _, err := newRanges(file, "", nil); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("starting with a file with %q: %v", bad, err)
		}
	}
	os.Remove(file)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r.refresh(ctx); !r.expected(addr("203.0.113.8")) {
		t.Error("a refresh broken off replaced the ranges")
	}
}

func TestLinesFromElsewhereAreCountedAndAStaleListSilencesNobodyWhoHasTheToken(t *testing.T) {
	dir := t.TempDir()
	stale := writeFile(t, filepath.Join(dir, "ranges"), "192.0.2.0/24\n")
	s := serve(t, dir, map[string]string{"EDGEWARDEN_TOKEN": "tok"}, "--source-ranges", stale, "--proxy-from", "127.0.0.1")
	send(t, dial(t, s.addr), "PROXY TCP4 203.0.113.7 192.0.2.1 4711 6514\r\n"+classic("tok", "a")+classic("tok", "b"))
	send(t, dial(t, s.addr), "PROXY TCP4 192.0.2.7 192.0.2.1 4711 6514\r\n"+classic("tok", "c"))
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, 3)
	if n := s.metric(t, "edgewarden_ingest_foreign_source_lines_total"); n != 2 {
		t.Errorf("%d foreign lines counted, want 2", n)
	}
	s.stop(t)

	s = serve(t, t.TempDir(), nil, "--source-ranges", stale, "--proxy-from", "127.0.0.1")
	send(t, dial(t, s.addr), "PROXY TCP4 203.0.113.7 192.0.2.1 4711 6514\r\n"+classic("", "a"))
	send(t, dial(t, s.addr), "PROXY TCP4 192.0.2.7 192.0.2.1 4711 6514\r\n"+classic("", "b"))
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, 1)
	s.until(t, `edgewarden_ingest_rejected_connections_total{reason="source_not_allowed"}`, 1)
	s.stop(t)
	if l := lines(rows(t, s.lake)); len(l) != 1 || l[0].RequestID != "b" {
		t.Errorf("stored %+v, want the line from the ranges only: nothing else authenticates", l)
	}
}
