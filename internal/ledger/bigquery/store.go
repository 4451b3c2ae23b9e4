package bigquery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"edgewarden/internal/gcp/query"
	"edgewarden/internal/ledger"
)

const (
	// deadline bounds one statement, its retries included: releases wait for
	// the ledger to be read, and must not wait long.
	deadline = 15 * time.Second
	// maxBytes stops the reading of a table that is no ledger.
	maxBytes = 50 << 30
	// One statement inserts at most so many events of so many bytes; a request
	// may have 10 MB. https://docs.cloud.google.com/bigquery/quotas#query_jobs
	batchEvents = 2000
	batchBytes  = 2 << 20
)

// Options say where the ledger is.
type Options struct {
	Table         string                // PROJECT.DATASET.TABLE; its project pays for the jobs
	Endpoint      string                // base URL of the API; empty means Google's
	ClientOptions []option.ClientOption // credentials and the like
	Deadline      time.Duration         // of one statement; 0 means 15 s
	Logger        *slog.Logger          // nil is silent
}

// Store is a ledger in a table. It is safe for concurrent use.
type Store struct {
	table  query.Table
	client *bq.Client
	runner query.Runner

	mu       sync.Mutex
	location string // of the dataset; empty until the table was looked at; guarded by mu
}

var _ ledger.Store = (*Store)(nil)

// Open returns a store. It makes no call: a table that is missing or may not be
// written shows with the first one. ctx bounds only the look for credentials.
func Open(ctx context.Context, opt Options) (*Store, error) {
	table, err := query.ParseTable(opt.Table)
	if err = errors.Join(err, query.CheckEndpoint(opt.Endpoint)); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	client, err := query.Open(ctx, table.Project, opt.Endpoint, opt.ClientOptions)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", table, err)
	}
	if opt.Deadline == 0 {
		opt.Deadline = deadline
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{table: table, client: client, runner: query.Runner{
		Client: client, Deadline: opt.Deadline, Logger: opt.Logger, Labels: map[string]string{"app": "edgewarden", "component": "ledger"},
		Place: query.Place{
			Verb: "ledger", Table: table, Billing: table.Project, Endpoint: opt.Endpoint, MaxBytes: maxBytes, Limit: "the most bytes a ledger may have,",
			Less:    "begin another table for the ledger",
			Smaller: "check that the table holds a ledger and nothing else and is partitioned on time",
			Does:    "read and append to", Grant: "roles/bigquery.dataEditor on this one table (or a role of bigquery.tables.get, getData and updateData)",
			NoTable: "; or make the table: " + DDL(table.String()),
			NoColumn: func(name string) string {
				return "the table has no column " + name + "; its schema is not the ledger's"
			},
			WrongType: "a column has another type than the ledger's; keep the ledger in a table of its own",
		},
	}}, nil
}

// Close frees the connections.
func (s *Store) Close() error { return s.client.Close() }

// look asks once where the table lies and whether it can be a ledger.
func (s *Store) look(ctx context.Context) (location string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.location != "" {
		return s.location, nil
	}
	ctx, stop := context.WithTimeout(ctx, s.runner.Deadline)
	defer stop()
	table := s.client.DatasetInProject(s.table.Project, s.table.Dataset).Table(s.table.Name)
	md, err := table.Metadata(ctx, bq.WithMetadataView(bq.BasicMetadataView))
	if err != nil {
		return "", s.runner.Place.Explain(err)
	}
	if err := checkSchema(s.table, md.Schema); err != nil {
		return "", err
	}
	s.location = md.Location
	return s.location, nil
}

// Append inserts the events: one statement, or, of very many, one after the
// other.
func (s *Store) Append(ctx context.Context, events []ledger.Event) error {
	location, err := s.look(ctx)
	if err != nil {
		return err
	}
	for i, batch := range batches(events) {
		_, err := s.runner.Ask(ctx, query.Question{
			Name: "ledger-append", ID: idOf(batch), Location: location, Text: s.insert(),
			Params: []bq.QueryParameter{{Name: "rows", Value: rowsOf(batch)}},
		})
		if err != nil && (i > 0 || errors.Is(err, query.ErrUnknown)) {
			return fmt.Errorf("%w: %w", ledger.ErrUnknown, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insert is the statement of an append. That stored is the same for all its
// rows is what CURRENT_TIMESTAMP promises.
func (s *Store) insert() string {
	values := names("r.")
	values[len(values)-1] = "CURRENT_TIMESTAMP()"
	return fmt.Sprintf("INSERT INTO %s (%s)\nSELECT %s\nFROM UNNEST(@rows) AS r", s.table.SQL(), strings.Join(names(""), ", "), strings.Join(values, ", "))
}

// Since reads the events at or after t in the order in which they were stored.
func (s *Store) Since(ctx context.Context, t time.Time) ([]ledger.Event, error) {
	location, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	own := names("")
	ans, err := s.runner.Ask(ctx, query.Question{
		Name: "ledger-read", Location: location,
		Text:   fmt.Sprintf("SELECT %s\nFROM %s\nWHERE `time` >= @since\nORDER BY `%s`, `run`, `seq`", strings.Join(own[:len(own)-1], ", "), s.table.SQL(), stored),
		Params: []bq.QueryParameter{{Name: "since", Value: t.UTC().Truncate(time.Microsecond)}},
	})
	if err != nil {
		return nil, err
	}
	var events []ledger.Event
	var faults []error
	for i, row := range ans.Rows {
		e, err := eventOf(row)
		if err != nil {
			faults = append(faults, fmt.Errorf("%w: %s row %d: %w", ledger.ErrDamaged, s.table, i+1, err))
			continue
		}
		events = append(events, e)
	}
	return events, errors.Join(faults...)
}

// idOf names an append by what it appends: the same events are the same append.
func idOf(events []ledger.Event) string {
	h := sha256.New()
	for _, e := range events {
		io.WriteString(h, e.Hash)
		h.Write(e.Canonical())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// batches cuts events into what one statement can take, in their order.
func batches(events []ledger.Event) [][]ledger.Event {
	var out [][]ledger.Event
	from, size := 0, 0
	for i, e := range events {
		n := len(e.Canonical())
		if i > from && (size+n > batchBytes || i-from >= batchEvents) {
			out = append(out, events[from:i])
			from, size = i, 0
		}
		size += n
	}
	if from < len(events) {
		out = append(out, events[from:])
	}
	return out
}
