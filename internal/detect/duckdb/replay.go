package duckdb

import (
	"context"
	"errors"

	"edgewarden/internal/detect"
)

var _ detect.Replayer = (*Engine)(nil)

// Scan runs a statement of a replay. It gives 0 bytes: reading a lake costs nothing.
func (e *Engine) Scan(ctx context.Context, s detect.Scan) (int64, error) {
	if s.Dry {
		return 0, nil
	}
	if s.Query.Set == nil {
		return 0, errors.New("querying lake: there are no rules")
	}
	return 0, e.overFiles(ctx, s.From, s.Query.To, func(l listing) error {
		s.Begin()
		st, err := s.Compile(detect.DuckDB, l.source())
		if err != nil || len(l.files) == 0 {
			return err
		}
		args, err := arguments(st.Params)
		if err != nil {
			return err
		}
		rows, err := e.db.QueryContext(ctx, st.SQL, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(s.Next()...); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
