package bigquery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	bq "cloud.google.com/go/bigquery"

	"edgewarden/internal/detect"
	"edgewarden/internal/gcp/query"
	"edgewarden/internal/record"
)

// Engine asks BigQuery. It is safe for use by several goroutines.
type Engine struct {
	opt    Options
	table  query.Table
	client *bq.Client
	runner query.Runner
	log    *slog.Logger

	billed atomic.Int64 // bytes, over all queries so far

	mu        sync.Mutex
	schema    *schema    // what tables.get said; nil until it answered; guarded by mu
	mentioned record.Set // fields whose missing column was mentioned; guarded by mu
}

var _ detect.Engine = (*Engine)(nil)

// Open returns an engine for one table. It makes no call: a table that does not
// exist or may not be read shows with the first query. ctx bounds only the look
// for credentials.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	table, err := opt.validate()
	if err != nil {
		return nil, err
	}
	e := &Engine{opt: opt, table: table, log: opt.Logger}
	client, err := query.Open(ctx, opt.BillingProject, opt.Endpoint, opt.ClientOptions)
	if err != nil {
		return nil, fmt.Errorf("open BigQuery for %s: %w", table, err)
	}
	e.client = client
	e.runner = query.Runner{Client: client, Place: e.place(), Deadline: opt.Deadline, Labels: opt.Labels, Logger: opt.Logger}
	return e, nil
}

// Close frees the connections.
func (e *Engine) Close() error { return e.client.Close() }

// Billed is how many bytes the queries of this engine were billed for so far,
// those for evidence included. A project that pays for slots is billed for them
// instead.
func (e *Engine) Billed() int64 { return e.billed.Load() }

// place is what the errors of queries name.
func (e *Engine) place() query.Place {
	p := query.Place{
		Table: e.table, Billing: e.opt.BillingProject, Endpoint: e.opt.Endpoint, MaxBytes: e.opt.MaxBytes, Limit: "--max-bytes",
		Less:      "shorten the windows or narrow the where of the rules that match most requests",
		Smaller:   "shorten the longest window, check that the table is partitioned on timestamp, or raise --max-bytes",
		Where:     ", and that --location names the place where it lies",
		WrongType: "a column has another type than table kind " + string(e.opt.Kind) + " expects; give the column the type of the record's field, or correct the column mapping",
	}
	switch e.opt.Kind {
	case Sink:
		p.NoTable = " (the Log Router names it after the log id and creates it with the first entry; use_partitioned_tables must be set)"
	case Fastly:
		p.NoTable = " (Fastly creates no table; make one partitioned by hour on timestamp and clustered by client_ip, with columns named as the log format's fields)"
	}
	p.NoColumn = func(name string) string {
		do := "check that --table-kind is the right one, or add the column"
		if e.opt.Kind == Custom {
			do = "correct the column mapping"
		}
		return fmt.Sprintf("the table has no column %s, which table kind %s reads; %s", name, e.opt.Kind, do)
	}
	return p
}
