package bigquery

import (
	"context"
	"fmt"

	"edgewarden/internal/detect"
	"edgewarden/internal/gcp/query"
)

var _ detect.Replayer = (*Engine)(nil)

// Scan runs a statement of a replay, or with Dry asks what it would read, which
// costs nothing.
func (e *Engine) Scan(ctx context.Context, s detect.Scan) (int64, error) {
	st, err := e.prepare(ctx, s.Query, func(src detect.Source) (detect.Statement, error) { return s.Compile(detect.BigQuery, src) })
	if err != nil {
		return 0, err
	}
	ans, err := e.ask(ctx, query.Question{Name: s.Name, Text: st.SQL, Params: parameters(st), DryRun: s.Dry, Deadline: s.Deadline})
	if err != nil || s.Dry {
		return ans.Bytes, err
	}
	s.Begin()
	for i, row := range ans.Rows {
		if err := scan(ans.Schema, row, s.Columns, s.Next()); err != nil {
			return 0, fmt.Errorf("read %s of %s: row %d: %w", s.Name, e.table, i, err)
		}
	}
	return ans.Bytes, nil
}

// MaxBytes is the most that one query may be billed for.
func (e *Engine) MaxBytes() int64 { return e.opt.MaxBytes }
