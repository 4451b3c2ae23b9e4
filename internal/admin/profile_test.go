package admin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"edgewarden/internal/admin"
)

func profile(t *testing.T) *admin.Server {
	t.Helper()
	s, err := admin.ListenProfile("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(context.Background()), <-done); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func TestProfilesAreServed(t *testing.T) {
	s := profile(t)
	for path, want := range map[string]string{
		"/debug/pprof/":                  "heap",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/heap?debug=1":      "heap profile",
	} {
		if code, body := get(t, s, path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s = %d, without %q", path, code, want)
		}
	}
	if code, _ := get(t, s, "/metrics"); code != 404 {
		t.Errorf("/metrics = %d, want nothing but profiles here", code)
	}
}

func TestProfilesAreForThisMachineOnly(t *testing.T) {
	for _, addr := range []string{":6060", "0.0.0.0:0", "[::]:0", "192.0.2.1:6060", "profiles.example:6060"} {
		if _, err := admin.ListenProfile(addr, nil); !errors.Is(err, admin.ErrNotLoopback) || !strings.Contains(err.Error(), addr) {
			t.Errorf("ListenProfile(%q) = %v, want a refusal that names the address", addr, err)
		}
	}
	if _, err := admin.ListenProfile("6060", nil); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("an address without host: %v", err)
	}
	s := profile(t)
	r, err := http.NewRequest(http.MethodGet, "http://"+s.Addr()+"/debug/pprof/heap", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a request for another name = %d, want 403", resp.StatusCode)
	}
}
