package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"edgewarden/internal/ledger"
)

// audit writes what an auditor asks for: when logging started and stopped, with
// which configuration, who was refused, and when lines were dropped or damaged. Without a ledger it is silent.
type audit struct {
	store ledger.Store
	chain *ledger.Chain
	log   *slog.Logger
	notes

	failing atomic.Bool // the last event could not be written
}

func openAudit(file string, now time.Time, log *slog.Logger) (*audit, error) {
	if file == "" {
		return newAudit(nil, nil, log), nil
	}
	// A start must not wait for Google, nor a client for BigQuery make this program heavy.
	if ledger.IsTable(file) {
		return nil, fmt.Errorf("opening --ledger: %s looks like a BigQuery table; ingest keeps its ledger in a file, and ./%s is one", file, file)
	}
	store, err := ledger.OpenFile(file)
	if err != nil {
		return nil, fmt.Errorf("opening --ledger: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return newAudit(store, ledger.NewChain(store, ledger.NewRun(now), "ingest", host), log), nil
}

func newAudit(store ledger.Store, chain *ledger.Chain, log *slog.Logger) *audit {
	a := &audit{store: store, chain: chain, log: log}
	a.notes.write = a.write
	return a
}

// add writes one event that was a success. A ledger that fails does not stop the flow of lines: the
// lines are the audit trail of others.
func (a *audit) add(event, target string, detail map[string]string) {
	a.write(event, target, ledger.Success, detail)
}

func (a *audit) write(event, target, outcome string, detail map[string]string) {
	if a.chain != nil {
		err := a.chain.Add(context.Background(), ledger.Event{Event: event, Target: target, Outcome: outcome, Detail: detail})
		if failing := err != nil; failing != a.failing.Swap(failing) { // once when it starts, once when it ends
			if failing {
				a.log.Error("the ledger cannot be written; events are lost until it can", "event", event, "err", err)
			} else {
				a.log.Info("the ledger is written again")
			}
		}
	}
}

func (a *audit) close() error {
	a.flush(time.Now(), true)
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
		"allow_unauthenticated": fmt.Sprint(c.AllowUnauthenticated), "source_ranges": c.SourceRanges,
	}
}
