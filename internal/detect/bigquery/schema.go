package bigquery

import (
	"context"
	"fmt"
	"strings"
	"time"

	bq "cloud.google.com/go/bigquery"
)

// lookGrace bounds the call that reads the table's schema. It helps a query, it
// is no part of it.
const lookGrace = 15 * time.Second

// schema is what is known of the table beside its name.
type schema struct {
	location string
	columns  map[string]bq.FieldType // by lower-case dotted path
}

// has reports whether the table has a column. A table whose schema could not
// be read is taken to have them all: the query then tells.
func (s *schema) has(path string) bool {
	if s == nil {
		return true
	}
	_, ok := s.columns[strings.ToLower(path)]
	return ok
}

// look reads the table's schema, which may have grown since, and returns the
// last known one, if any, when it cannot. Its failure is seldom one of the run: reading
// rows needs less than reading metadata, and whatever is wrong with the table
// shows with the query, in the query's own words.
//
// The schema matters because the Log Router adds a column with the first entry
// that carries it: a rule over ja4 must not fail on a table where no line had
// one yet.
func (e *Engine) look(ctx context.Context) (*schema, error) {
	ctx, stop := context.WithTimeout(ctx, lookGrace)
	defer stop()
	table := e.client.DatasetInProject(e.table.Project, e.table.Dataset).Table(e.table.Name)
	md, err := table.Metadata(ctx, bq.WithMetadataView(bq.BasicMetadataView))
	if err != nil {
		e.log.DebugContext(ctx, "cannot read the table's schema", "table", e.table.String(), "error", err)
		return e.known(), err
	}
	s := &schema{location: md.Location, columns: map[string]bq.FieldType{}}
	s.add("", md.Schema)
	e.mu.Lock()
	e.schema = s
	e.mu.Unlock()
	return s, nil
}

func (s *schema) add(prefix string, fields bq.Schema) {
	for _, f := range fields {
		path := prefix + strings.ToLower(f.Name)
		s.columns[path] = f.Type
		s.add(path+".", f.Schema)
	}
}

// known returns the schema as it was last read, or nil.
func (e *Engine) known() *schema {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.schema
}

// findLocation returns where jobs have to run. A location that contradicts the
// table's is an error here, since BigQuery would only say that the dataset does
// not exist.
func (e *Engine) findLocation(ctx context.Context) (string, error) {
	s := e.known()
	if s == nil && e.opt.Location == "" {
		var err error
		if s, err = e.look(ctx); err != nil {
			return "", fmt.Errorf("find the location of the table (set --location to skip this): %w", e.runner.Place.Explain(err))
		}
	}
	switch {
	case s == nil || s.location == "":
		if e.opt.Location == "" {
			return "", fmt.Errorf("query %s: its location is not known; set --location to the place where dataset %s lies, such as EU or europe-west4", e.table, e.table.DatasetID())
		}
		return e.opt.Location, nil
	case e.opt.Location == "" || strings.EqualFold(e.opt.Location, s.location):
		return s.location, nil
	}
	return "", fmt.Errorf("query %s: dataset %s lies in %s, not in %s; set --location %s", e.table, e.table.DatasetID(), s.location, e.opt.Location, s.location)
}
