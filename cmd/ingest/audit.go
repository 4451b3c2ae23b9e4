package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"edgewarden/internal/ledger"
)

// audit writes what an auditor asks for: when logging started and stopped, with
// which configuration, and when lines were dropped. Without a ledger it is silent.
type audit struct {
	store ledger.Store
	chain *ledger.Chain
}

func openAudit(file string, now time.Time) (*audit, error) {
	if file == "" {
		return &audit{}, nil
	}
	store, err := ledger.OpenFile(file)
	if err != nil {
		return nil, fmt.Errorf("opening --ledger: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &audit{store: store, chain: ledger.NewChain(store, ledger.NewRun(now), "ingest", host)}, nil
}

// add writes one event. A ledger that fails does not stop the flow of lines: the
// lines are the audit trail of others.
func (a *audit) add(event, target string, detail map[string]string) {
	if a.chain != nil {
		a.chain.Add(context.Background(), ledger.Event{Event: event, Target: target, Detail: detail}) //nolint:errcheck // see above
	}
}

func (a *audit) close() error {
	if a.store == nil {
		return nil
	}
	return a.store.Close()
}

// summary is the configuration in force, without secrets.
func (c *serveCmd) summary(spoolID string) map[string]string {
	return map[string]string{
		"version": version(), "spool_id": spoolID, "listen": strings.Join(c.Listen, ","), "sinks": strings.Join(c.sinks(), ","),
		"project": c.Project, "lake": c.Lake, "tls": fmt.Sprint(c.TLSCert != ""), "client_ca": c.ClientCA,
		"allow_unauthenticated": fmt.Sprint(c.AllowUnauthenticated),
	}
}
