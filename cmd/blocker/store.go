package main

import (
	"context"
	"strings"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/gcp"
	"edgewarden/internal/ledger"
)

// openEngine opens the store the settings name.
func (p *program) openEngine(ctx context.Context, s *settings) (detect.Engine, error) {
	switch {
	case s.Lake != "" && s.BigQuery.Table != "":
		return nil, usagef("--lake and --bigquery exclude each other: a run reads one store")
	case s.Lake != "":
		return duckdb.Open(duckdb.Options{Dir: s.Lake, Logger: p.log})
	case s.BigQuery.Table != "":
		credentials, err := gcp.ClientOptions(p.getenv)
		if err != nil {
			return nil, usageError{err}
		}
		return bigquery.Open(ctx, bigquery.Options{
			Table: s.BigQuery.Table, Kind: bigquery.Kind(s.BigQuery.Kind), Location: s.BigQuery.Location, Endpoint: s.BigQuery.Endpoint,
			Columns: s.BigQuery.Columns, MaxBytes: s.BigQuery.MaxBytes, Labels: map[string]string{"component": "blocker"},
			ClientOptions: credentials, Logger: p.log,
		})
	}
	return nil, usageError{errNoStore}
}

// openLedger opens the ledger, or returns nil when there is none. A dry run reads but never writes.
func openLedger(s *settings) (ledger.Store, error) {
	if s.Ledger == "" {
		return nil, nil
	}
	if !strings.ContainsAny(s.Ledger, "/\\") && strings.Count(s.Ledger, ".") == 2 {
		return nil, usagef("--ledger %s looks like a BigQuery table; this version keeps the ledger in a file: name one with a path, such as ./%s", s.Ledger, s.Ledger)
	}
	return ledger.OpenFile(s.Ledger)
}
