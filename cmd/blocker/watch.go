package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/admin"
	pages "edgewarden/internal/report"
)

// watch is the operator's port of a scheduled blocker.
type watch struct {
	server *admin.Server
	runs   *prometheus.CounterVec
	run    lastRun
	page   pages.Live
	last   atomic.Int64 // unix seconds of the last run that did not fail
	served chan error
}

// watch starts the operator's port; an empty address means none.
func (p *program) watch(addr string) (*watch, error) {
	w := &watch{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edgewarden_blocker_runs_total", Help: "Runs by exit code."}, []string{"exit_code"}),
	}
	if addr == "" {
		return w, nil
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(w.runs, &w.run)
	server, err := admin.Listen(admin.Options{Addr: addr, Registry: reg, Logger: p.log, Page: &w.page, Ready: func() error {
		if w.last.Load() == 0 {
			return fmt.Errorf("no run has succeeded yet")
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	w.server, w.served = server, make(chan error, 1)
	go func() { w.served <- server.Serve() }()
	p.log.Info("operator's port", "addr", server.Addr())
	return w, nil
}

// done counts a run. One that was refused, stopped or not set up is no success, whatever its exit code is good for.
func (w *watch) done(rep *report, code, capacity int) {
	now := time.Now()
	w.runs.WithLabelValues(fmt.Sprint(code)).Inc()
	w.run.set(rep.values(code, capacity, now))
	if rep.healthy() {
		w.last.Store(now.Unix())
	}
}

// show puts the page of a run on the port.
func (w *watch) show(p *program, rep *report, s *settings) {
	if w.server == nil {
		return
	}
	page, err := p.pageOf(rep, s.period, s.Capacity)
	if err != nil {
		p.log.Error("the page cannot be shown; the last one stays", "err", err)
		return
	}
	w.page.Set(page)
}

// close ends the port.
func (w *watch) close() {
	if w.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = w.server.Close(ctx)
	<-w.served
}
