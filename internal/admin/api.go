package admin

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure the operator's port.
type Options struct {
	Addr     string // "127.0.0.1:9090"
	Registry *prometheus.Registry
	Ready    func() error // nil error means ready; the error says why not
	Logger   *slog.Logger
}

// Server serves /metrics, /healthz and /readyz.
type Server struct{}

// Listen binds the address.
func Listen(o Options) (*Server, error) { panic("stub") }

// Addr is the bound address.
func (s *Server) Addr() string { panic("stub") }

// Serve serves until Close.
func (s *Server) Serve() error { panic("stub") }

// Close stops it.
func (s *Server) Close(ctx context.Context) error { panic("stub") }
