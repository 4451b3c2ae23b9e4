package admin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"edgewarden/internal/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o admin.Options) *admin.Server {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s, err := admin.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve after Close: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func get(t *testing.T, s *admin.Server, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + s.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestReadinessSaysWhyNotAndHealthDoesNotCare(t *testing.T) {
	var ready atomic.Bool
	s := start(t, admin.Options{Ready: func() error {
		if !ready.Load() {
			return errors.New("draining")
		}
		return nil
	}})
	if code, body := get(t, s, "/readyz"); code != 503 || body != "not ready: draining\n" {
		t.Errorf("readyz = %d %q", code, body)
	}
	if code, body := get(t, s, "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz = %d %q", code, body)
	}
	ready.Store(true)
	if code, body := get(t, s, "/readyz"); code != 200 || body != "ready\n" {
		t.Errorf("readyz = %d %q", code, body)
	}
}

func TestMetricsServesTheGivenRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "edgewarden_test_total", Help: "A test."})
	reg.MustRegister(c)
	c.Add(7)
	s := start(t, admin.Options{Registry: reg})
	if code, body := get(t, s, "/metrics"); code != 200 || !strings.Contains(body, "\nedgewarden_test_total 7\n") {
		t.Errorf("metrics = %d %q", code, body)
	}
	if code, _ := get(t, s, "/debug/pprof/"); code != 404 {
		t.Errorf("an unknown path = %d, want 404", code)
	}
	resp, err := http.Post("http://"+s.Addr()+"/metrics", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics = %d, want 405", resp.StatusCode)
	}
}

func TestAnAddressWithoutHostIsLoopback(t *testing.T) {
	s := start(t, admin.Options{Addr: ":0"})
	host, _, err := net.SplitHostPort(s.Addr())
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Errorf("bound to %s, want a loopback address", s.Addr())
	}
}

func TestAnAddressThatCannotBeBoundIsNamed(t *testing.T) {
	s := start(t, admin.Options{})
	for _, addr := range []string{s.Addr(), "nonsense"} {
		if _, err := admin.Listen(admin.Options{Addr: addr}); err == nil || !strings.Contains(err.Error(), addr) {
			t.Errorf("Listen(%q) = %v, want an error that names the address", addr, err)
		}
	}
}
