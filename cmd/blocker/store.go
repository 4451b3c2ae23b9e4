package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/gcp"
	"edgewarden/internal/ledger"
	ledgertable "edgewarden/internal/ledger/bigquery"
)

// openEngine opens the store the settings name.
func (p *program) openEngine(ctx context.Context, s *settings) (detect.Engine, error) {
	switch {
	case s.Lake != "" && s.BigQuery.Table != "":
		return nil, usagef("--lake and --bigquery exclude each other: a run reads one store")
	case s.Lake != "":
		return duckdb.Open(duckdb.Options{Dir: s.Lake, MemoryLimit: engineMemory(), TempDir: os.TempDir(), Logger: p.log})
	case s.BigQuery.Table != "":
		credentials, err := gcp.ClientOptions(p.getenv)
		if err != nil {
			return nil, usageError{err}
		}
		o := bigquery.Options{
			Table: s.BigQuery.Table, Kind: bigquery.Kind(s.BigQuery.Kind), Location: s.BigQuery.Location, Endpoint: s.BigQuery.Endpoint,
			Columns: s.BigQuery.Columns, MaxBytes: s.BigQuery.MaxBytes, Labels: map[string]string{"component": "blocker"},
			ClientOptions: credentials, Logger: p.log,
		}
		if err := o.Check(); err != nil {
			return nil, usagef("the log table in BigQuery: %w", err)
		}
		return bigquery.Open(ctx, o)
	}
	return nil, usageError{errNoStore}
}

// openLedger opens the ledger, or returns nil when there is none. A dry run does not create one.
func (p *program) openLedger(ctx context.Context, s *settings) (ledger.Store, error) {
	if s.Ledger == "" {
		return nil, nil
	}
	if ledger.IsTable(s.Ledger) {
		return p.openLedgerTable(ctx, s)
	}
	if _, err := os.Stat(s.Ledger); s.dry && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return ledger.OpenFile(s.Ledger)
}

// openLedgerTable opens a ledger in BigQuery, reached as the log table is.
func (p *program) openLedgerTable(ctx context.Context, s *settings) (ledger.Store, error) {
	if err := ledgertable.CheckName(s.Ledger); err != nil {
		return nil, usagef("--ledger: %v; or, for a file, ./%s", err, s.Ledger)
	}
	credentials, err := gcp.ClientOptions(p.getenv)
	if err != nil {
		return nil, err
	}
	return ledgertable.Open(ctx, ledgertable.Options{Table: s.Ledger, Endpoint: s.BigQuery.Endpoint, ClientOptions: credentials, Logger: p.log})
}

// lostLedger stands for a ledger that cannot be opened while a person wants to act: the kill switch must not wait for a disk.
// Every event meets the error, so the command says that it was not recorded and exits with 4.
type lostLedger struct{ err error }

// Append implements ledger.Store.
func (l lostLedger) Append(context.Context, []ledger.Event) error { return l.err }

// Since implements ledger.Store.
func (l lostLedger) Since(context.Context, time.Time) ([]ledger.Event, error) { return nil, l.err }

// Close implements ledger.Store.
func (lostLedger) Close() error { return nil }
