package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DefaultAddr is where the port listens when Options.Addr is empty.
const DefaultAddr = "127.0.0.1:9090"

// Options configure the operator's port.
type Options struct {
	Addr     string               // HOST:PORT; empty means DefaultAddr, an empty host means loopback
	Registry *prometheus.Registry // nil serves no metrics
	Ready    func() error         // nil error means ready; the error says why not. A nil function means always ready
	Logger   *slog.Logger         // nil is silent
	Page     http.Handler         // answers GET / and GET /page, asked for by address, localhost or a name of the cluster; nil serves neither
}

// Server serves /metrics, /healthz, /readyz and a page.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Listen binds the address. An address without host is bound to loopback only:
// the port has no authentication, so opening it wide must be asked for
// explicitly (0.0.0.0 or [::]).
func Listen(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening for the operator on %q: the address must be HOST:PORT: %w", o.Addr, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("listening for the operator: %w", err)
	}
	return newServer(l, handler(o), 30*time.Second, o.Logger), nil
}

// newServer bounds what a client can hold of the server. Writing an answer takes
// at most write.
func newServer(l net.Listener, h http.Handler, write time.Duration, log *slog.Logger) *Server {
	return &Server{listener: l, http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      write,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

func handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if o.Ready != nil {
			if err := o.Ready(); err != nil {
				text(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
				return
			}
		}
		text(w, http.StatusOK, "ready")
	})
	if o.Page != nil {
		mux.Handle("GET /{$}", named(o.Page))
		mux.Handle("GET /page", named(o.Page))
	}
	if o.Registry != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{Registry: o.Registry, Timeout: 20 * time.Second}))
	}
	return mux
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, body+"\n") //nolint:errcheck // the client went away
}

// Addr is the bound address.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve serves until Close; then it returns nil.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the operator's port: %w", err)
	}
	return nil
}

// Close stops accepting, lets requests under way finish until ctx ends, then
// cuts them.
func (s *Server) Close(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("closing the operator's port: %w", err), s.http.Close())
	}
	return nil
}
