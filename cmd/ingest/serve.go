package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"edgewarden/internal/admin"
	"edgewarden/internal/lake"
	"edgewarden/internal/ledger"
	"edgewarden/internal/receive"
	"edgewarden/internal/spool"
)

// house is a running `ingest serve`: the rooms, in the order in which bytes meet
// them, and what keeps the house.
//
//	          frames            payloads             batches             records
//	receiver ───────▶ keeper ───────────▶ spool ──┬──────────▶ route ─────────────▶ Cloud Logging
//	   one goroutine a       redact,              │  a cursor, a shipper
//	   connection            envelope             └──────────▶ route ─────────────▶ lake ◀── maintain
//	                                       ▲
//	                   heartbeat ──────────┘        admin: /metrics, /healthz, /readyz
//
// Whoever writes owns no queue: the spool is the only one, and it is on disk. A
// sink that fails holds back its own cursor and nothing else.
type house struct {
	c      *serveCmd
	stderr io.Writer
	log    *slog.Logger
	reg    *prometheus.Registry

	receiver *receive.Server
	keeper   *keeper
	spool    *spool.Spool
	routes   []*route
	lake     *lake.Writer  // nil without the lake sink
	admin    *admin.Server // nil with --admin off
	profile  *admin.Server // nil without --profile
	audit    *audit
	ranges   *ranges // nil with --source-ranges off
	services *services

	damage struct{ records, segments int64 } // of the spool, as far as noted

	started time.Time
	beats   atomic.Int64 // heartbeats appended by this process
	lost    lost
	why     atomic.Pointer[error] // why not ready; nil when ready
	closing []func() error        // what to close, last opened first
}

// run serves until a signal or the end of ctx, then stops in order.
func (c *serveCmd) run(ctx context.Context, p *program) error {
	log, err := newLogger(p.stderr, c.LogFormat, c.LogLevel)
	if err != nil {
		return usageError{err}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	h := &house{c: c, stderr: p.stderr, log: log, reg: prometheus.NewRegistry(), started: time.Now()}
	h.notReady(errors.New("starting"))
	if err := h.open(ctx, p); err != nil {
		return errors.Join(err, h.close())
	}
	return errors.Join(h.live(ctx, signals), h.close())
}

// open opens every room. The receiver binds first, so that mistakes in its flags
// are found before anything is created, and accepts last.
func (h *house) open(ctx context.Context, p *program) error {
	c := h.c
	if err := c.check(); err != nil {
		return err
	}
	tokens, err := c.tokens(p.getenv)
	if err != nil {
		return err
	}
	h.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	o, err := c.receiver(tokens)
	if err != nil {
		return err
	}
	if h.ranges, err = newRanges(c.SourceRanges, c.Spool, h.log); err != nil {
		return err
	}
	if h.ranges != nil {
		o.Expected = h.ranges.expected
		h.reg.MustRegister(h.ranges.failures, h.ranges.fresh)
	}
	o.Handler, o.Logger, o.Registerer = func(s receive.Source, t time.Time, f []frame) { h.keeper.keep(s, t, f) }, h.log, h.reg
	o.Refused = h.noteRefusal
	if h.receiver, err = receive.Listen(o); errors.Is(err, receive.ErrOptions) {
		return usageError{err}
	} else if err != nil {
		return err
	}
	h.onClose(func() error { h.receiver.StopAccepting(); return nil })
	if h.audit, err = openAudit(c.Ledger, h.started, h.log); err != nil {
		return err
	}
	h.onClose(h.audit.close)
	synced := newSyncSeconds()
	if h.spool, err = c.openSpool(h.log, synced); err != nil {
		return err
	}
	h.onClose(h.spool.Close)
	if h.ranges != nil {
		h.ranges.recall()
	}
	h.services = newServices(c.expected())
	h.keeper = newKeeper(h.spool, c.ServiceID, tokens, h.receiver.Drop, h.log)
	h.keeper.onDrop = func(reason string, src receive.Source, lines int) {
		h.audit.note(time.Now(), "drop", h.c.Spool, ledger.Failure, reason, src.Remote.String(), int64(lines))
	}
	if err := h.openRoutes(ctx, p); err != nil {
		return err
	}
	h.reg.MustRegister(h.keeper.redacted, synced, h.services, newCollector(h))
	if c.Profile != "" {
		if h.profile, err = admin.ListenProfile(c.Profile, h.log); errors.Is(err, admin.ErrNotLoopback) {
			return usagef("--profile: %w", err)
		} else if err != nil {
			return err
		}
	}
	if c.Admin == "off" {
		return nil
	}
	h.admin, err = admin.Listen(admin.Options{Addr: c.Admin, Registry: h.reg, Ready: h.ready, Logger: h.log})
	return err
}

// openSpool opens the spool with a cursor for each sink.
func (c *serveCmd) openSpool(log *slog.Logger, synced prometheus.Observer) (*spool.Spool, error) {
	s, err := spool.Open(spool.Options{
		Dir: c.Spool, MaxBytes: c.SpoolMaxBytes, OwnerShare: c.SenderShare, SyncInterval: c.SpoolSync, Cursors: c.sinks(), Logger: log,
		Synced: func(took time.Duration) { synced.Observe(took.Seconds()) },
	})
	switch {
	case errors.Is(err, spool.ErrLocked):
		return nil, fmt.Errorf("%w; give each ingest a spool of its own, or stop the other one", err)
	case errors.Is(err, spool.ErrNewer):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w; --spool must name a folder that this user can create and write", err)
	}
	return s, nil
}

// leastSpool is the smallest spool that can take a read of lines at all.
const leastSpool = 1 << 20

// check finds flags that do not fit together.
func (c *serveCmd) check() error {
	if c.SpoolMaxBytes < leastSpool {
		return usagef("--spool-max-bytes %d: want at least %d, or every line would be dropped", c.SpoolMaxBytes, leastSpool)
	}
	if err := c.cloudFlags.check(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"drain": c.Drain, "shutdown-timeout": c.ShutdownTimeout, "max-connection-age": c.MaxConnectionAge, "silence-alert": c.SilenceAlert, "lake-age": c.LakeAge, "lake-retention": c.LakeRetention} {
		if d < 0 {
			return usagef("--%s must not be negative", name)
		}
	}
	if c.SenderShare < 1 || c.SenderShare > 100 {
		return usagef("--sender-share %d is no percentage from 1 to 100", c.SenderShare)
	}
	if c.ServiceID != "" {
		if err := checkService("service-id", c.ServiceID); err != nil {
			return err
		}
	}
	for _, id := range c.ExpectService {
		if err := checkService("expect-service", id); err != nil {
			return err
		}
	}
	if c.Spool == "" {
		return usagef("--spool is empty: name the folder that holds the spool")
	}
	if c.HeartbeatEvery <= 0 {
		return usagef("--heartbeat-every must be positive")
	}
	if c.Lake == "" && c.Project == "" {
		c.Lake = filepath.Join("data", "lake")
	}
	return nil
}

// serviceID is what a service may be called: it becomes a label, and stands in records.
var serviceID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// checkService is an error for what cannot be a service id.
func checkService(flag, id string) error {
	if !serviceID.MatchString(id) {
		return usagef("--%s %q is no service id: want letters and digits, as in SU1Z0isxPaozGVKXdv0eY", flag, id)
	}
	return nil
}

// expected lists the services that are watched for silence.
func (c *serveCmd) expected() []string {
	if c.ServiceID != "" {
		return append([]string{c.ServiceID}, c.ExpectService...)
	}
	return c.ExpectService
}

// sinks names the sinks, which are also the names of their cursors.
func (c *serveCmd) sinks() (names []string) {
	if c.Project != "" {
		names = append(names, cloudLoggingName)
	}
	if c.Lake != "" {
		names = append(names, lakeName)
	}
	return names
}

// live runs the house until it is told to stop or a part that must not end ends.
func (h *house) live(ctx context.Context, signals <-chan os.Signal) error {
	failed := make(chan error, 3)
	for _, s := range []*admin.Server{h.admin, h.profile} {
		if s != nil {
			go func() { failed <- s.Serve() }()
		}
	}
	work, stopWork := context.WithCancel(context.Background()) // not ctx: its end begins the stop, which still ships
	defer stopWork()
	for _, r := range h.routes {
		r.start(work)
	}
	tending, stopTending := context.WithCancel(context.Background())
	tended := h.tend(tending)
	go func() {
		if err := h.receiver.Serve(); err != nil {
			failed <- err
		}
	}()
	h.audit.add("start-ingest", h.c.Spool, h.c.summary(h.spool.ID()))
	h.why.Store(nil)
	if h.admin != nil {
		h.announce("admin listening", h.admin.Addr(), false)
	}
	if h.profile != nil {
		h.announce("profiling", h.profile.Addr(), false)
	}
	for i, a := range h.receiver.Addrs() {
		h.announce("listening", a.String(), h.c.listener(h.c.Listen[i]).TLS)
	}
	var err error
	select {
	case <-ctx.Done():
		h.log.Info("stopping", "drain", h.c.Drain)
	case s := <-signals:
		h.log.Info("stopping", "signal", s.String(), "drain", h.c.Drain)
	case err = <-failed:
		h.log.Error("stopping because a part ended", "err", err)
	}
	h.stop(signals, func() { stopTending(); <-tended }, stopWork)
	return err
}

// announce says that a port is open. The form is fixed, msg="…" addr=…, so that
// scripts can wait for it; slog would leave the quotes out where it can.
func (h *house) announce(msg, addr string, tls bool) {
	if h.c.LogFormat == "json" {
		h.log.Info(msg, "addr", addr, "tls", tls)
		return
	}
	fmt.Fprintf(h.stderr, "time=%s level=INFO msg=%q addr=%s tls=%t\n", time.Now().UTC().Format(time.RFC3339Nano), msg, addr, tls)
}

func (h *house) ready() error {
	if p := h.why.Load(); p != nil {
		return *p
	}
	return nil
}

func (h *house) notReady(why error) { h.why.Store(&why) }

func (h *house) onClose(fn func() error) { h.closing = append(h.closing, fn) }

// close closes what was opened, last opened first, and the admin port after all.
func (h *house) close() error {
	var errs []error
	for i := len(h.closing) - 1; i >= 0; i-- {
		errs = append(errs, h.closing[i]())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range []*admin.Server{h.profile, h.admin} {
		if s != nil {
			errs = append(errs, s.Close(ctx))
		}
	}
	return errors.Join(errs...)
}
