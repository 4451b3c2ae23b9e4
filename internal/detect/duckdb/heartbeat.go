package duckdb

import (
	"context"
	"fmt"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// heartbeats reads those of [from, to). A heartbeat that cannot be read is logged and left out.
func (e *Engine) heartbeats(ctx context.Context, l listing, from, to time.Time) ([]detect.Heartbeat, error) {
	if len(l.files) == 0 {
		return nil, nil
	}
	type beat struct {
		position, extra string
		us              int64
	}
	st := detect.Statement{SQL: fmt.Sprintf("SELECT COALESCE(position, ''), epoch_us(\"timestamp\"), COALESCE(extra, '')\nFROM %s\n"+
		"WHERE \"timestamp\" >= %s AND \"timestamp\" < %s AND kind = '%s'\nORDER BY position",
		readParquet(l.files), instant(from), instant(to), record.KindHeartbeat)}
	rows, err := query(ctx, e.db, st, func(b *beat) []any { return []any{&b.position, &b.us, &b.extra} })
	if err != nil {
		return nil, fmt.Errorf("reading heartbeats: %w", err)
	}
	var beats []detect.Heartbeat
	for _, r := range rows {
		b, err := detect.ParseHeartbeat(r.position, time.UnixMicro(r.us).UTC(), r.extra)
		if err != nil {
			e.o.Logger.Warn("a heartbeat in the lake cannot be read, loss is computed without it", "err", err)
			continue
		}
		beats = append(beats, b)
	}
	return beats, nil
}

// instant is a time as a literal, which DuckDB prunes files and row groups by.
func instant(t time.Time) string {
	return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.000000") + "+00'"
}
