package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// ErrNotLoopback is wrapped by the error for a profiling address that others
// than this machine could reach.
var ErrNotLoopback = errors.New("profiling is for this machine only: listen on a loopback address, such as 127.0.0.1:6060, and forward the port")

// longestProfile bounds a CPU profile or trace that a client asks for.
const longestProfile = 5 * time.Minute

// ListenProfile binds addr, HOST:PORT on a loopback address, and serves
// /debug/pprof/ there. It has a port of its own because a profile shows what a
// metric never does: a heap dump may hold log lines. logger nil is silent.
func ListenProfile(addr string, logger *slog.Logger) (*Server, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listening for profiling on %q: the address must be HOST:PORT: %w", addr, err)
	}
	if !loopback(host) {
		return nil, fmt.Errorf("listening for profiling on %s: %w", addr, ErrNotLoopback)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for profiling: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return newServer(l, local(mux), longestProfile, logger), nil
}

// local refuses requests for another name: a page in a browser on this machine
// that resolves its own name to 127.0.0.1 must not read profiles.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !loopback(host) {
			text(w, http.StatusForbidden, "ask for a loopback address or localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopback says whether host is this machine and nothing else.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
