package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"edgewarden/internal/gcp"
	"edgewarden/internal/lake"
	"edgewarden/internal/ship"
)

// The sinks by name: also the names of their cursors in the spool.
const (
	cloudLoggingName = ship.CloudLoggingName
	lakeName         = ship.LakeName
)

// route takes batches from a cursor of its own to one sink.
type route struct {
	sink    *watched
	shipper *ship.Shipper
	atStart int64 // records waiting for the sink when the spool was opened
	done    chan struct{}
}

// start ships until ctx ends or the shipper is drained; then done is closed.
func (r *route) start(ctx context.Context) {
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		r.shipper.Run(ctx) //nolint:errcheck // it returns nil: failures of the sink never end it
	}()
}

// deadLetters is where a spool keeps what a sink refused for good.
func deadLetters(spoolDir string) string { return filepath.Join(spoolDir, "dead") }

// openRoutes opens the sinks and a shipper for each.
func (h *house) openRoutes(ctx context.Context, p *program) error {
	h.lost.seen = h.spool.Stats().Lost
	if h.c.Project != "" {
		sink, err := h.c.openCloudLogging(ctx, p)
		if err != nil {
			return err
		}
		h.onClose(sink.Close)
		if err := h.addRoute(sink, ship.CloudLoggingBytes, ship.CloudLoggingAge, 0); err != nil {
			return err
		}
	}
	if h.c.Lake == "" {
		return nil
	}
	w, err := lake.OpenWriter(lake.Options{Dir: h.c.Lake, RetainFor: h.c.LakeRetention, RetainBytes: h.c.LakeMaxBytes, Logger: h.log})
	if errors.Is(err, lake.ErrNewer) {
		return err // says itself what to do
	}
	if err != nil {
		return fmt.Errorf("%w; --lake must name a folder that this user can create and write", err)
	}
	h.lake = w
	h.onClose(w.Close)
	// Two writers: one fills a file while the other syncs.
	return h.addRoute(ship.NewLake(w), ship.LakeBytes, h.c.LakeAge, 2)
}

func (h *house) addRoute(sink ship.Sink, bytes int, age time.Duration, inFlight int) error {
	r := &route{sink: &watched{Sink: sink, started: h.started, services: h.services}, atStart: h.spool.Stats().Pending[sink.Name()]}
	s, err := ship.New(ship.Options{
		Cursor: h.spool.Cursor(sink.Name()), SpoolID: h.spool.ID(), Sink: r.sink, DeadLetters: deadLetters(h.c.Spool),
		MaxBytes: bytes, MaxAge: age, InFlight: inFlight, Logger: h.log, Registerer: h.reg,
	})
	if err != nil {
		return err
	}
	r.shipper = s
	h.routes = append(h.routes, r)
	return nil
}

// cloudFlags say how Cloud Logging is reached.
type cloudFlags struct {
	Project         string `placeholder:"ID" help:"Google Cloud project to log to."`
	LogID           string `name:"log-id" default:"fastly" placeholder:"ID" help:"Name of the log in Cloud Logging."`
	LoggingEndpoint string `placeholder:"HOST:PORT" help:"Another Cloud Logging endpoint."`
	LoggingInsecure bool   `xor:"loggingtls" help:"Talk to it without TLS and without credentials."`
	LoggingCA       string `name:"logging-ca" xor:"loggingtls" placeholder:"FILE" help:"PEM certificates that sign it."`
}

// resourceTimeout bounds the questions to the metadata server.
const resourceTimeout = 5 * time.Second

// openCloudLogging makes the sink. It does not connect: an endpoint that does
// not answer shows when the first batch is shipped, and lines wait in the spool.
func (c *cloudFlags) openCloudLogging(ctx context.Context, p *program) (*ship.CloudLogging, error) {
	o := ship.CloudLoggingOptions{
		Project: c.Project, LogID: c.LogID, Endpoint: c.LoggingEndpoint, Insecure: c.LoggingInsecure, CAFile: c.LoggingCA,
	}
	if !c.LoggingInsecure {
		var err error
		if o.ClientOptions, err = gcp.ClientOptions(p.getenv); err != nil {
			return nil, err
		}
	}
	short, cancel := context.WithTimeout(ctx, resourceTimeout)
	defer cancel()
	o.Resource = gcp.Resource(short, c.Project, "ingest", p.getenv)
	sink, err := ship.NewCloudLogging(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%w; give credentials by Workload Identity, GOOGLE_APPLICATION_CREDENTIALS or EDGEWARDEN_GOOGLE_CREDENTIALS_JSON", err)
	}
	return sink, nil
}

// check finds flags that do not fit together.
func (c *cloudFlags) check() error {
	if c.Project == "" && (c.LoggingEndpoint != "" || c.LoggingInsecure || c.LoggingCA != "") {
		return usageError{errors.New("--logging-endpoint, --logging-insecure and --logging-ca need --project: they say how Cloud Logging is reached")}
	}
	return nil
}
