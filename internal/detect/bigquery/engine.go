package bigquery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// Engine asks BigQuery. It is safe for use by several goroutines.
type Engine struct {
	opt    Options
	table  Table
	client *bq.Client
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
	options := opt.ClientOptions
	switch {
	case strings.HasPrefix(opt.Endpoint, "http://"):
		// A stand-in or an emulator. A token does not travel in the clear.
		options = []option.ClientOption{option.WithEndpoint(opt.Endpoint), option.WithoutAuthentication()}
	case opt.Endpoint != "":
		options = append([]option.ClientOption{option.WithEndpoint(opt.Endpoint)}, options...)
	}
	// The client keeps its context for refreshing tokens, so it gets one that
	// does not end with the call.
	if e.client, err = bq.NewClient(context.WithoutCancel(ctx), opt.BillingProject, options...); err != nil {
		// The client looks for credentials and does nothing else.
		return nil, fmt.Errorf("open BigQuery for %s: %s: %w", table, credentialAdvice, err)
	}
	return e, nil
}

// Close frees the connections.
func (e *Engine) Close() error { return e.client.Close() }

// Billed is how many bytes the queries of this engine were billed for so far,
// those for evidence included. A project that pays for slots is billed for them
// instead.
func (e *Engine) Billed() int64 { return e.billed.Load() }

func (e *Engine) place(location string) place {
	return place{table: e.table, billing: e.opt.BillingProject, location: location,
		endpoint: e.opt.Endpoint, kind: e.opt.Kind, maxBytes: e.opt.MaxBytes}
}
