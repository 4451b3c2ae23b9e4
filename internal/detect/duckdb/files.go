package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	driverduckdb "github.com/duckdb/duckdb-go/v2"

	"edgewarden/internal/detect"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// attempts bounds how often a query starts again because a file it had listed
// was gone when it came to read it.
const attempts = 4

// listing is the files one attempt reads.
type listing struct {
	files   []string
	missing map[record.Field]bool // columns no file has; NULL in every row
}

// overFiles runs ask over the files of a range, again with a new listing while
// listed files vanish, and again without the columns no file has.
func (e *Engine) overFiles(ctx context.Context, from, to time.Time, ask func(listing) error) error {
	var missing map[record.Field]bool
	for attempt := 1; ; attempt++ {
		files, err := lake.Select(e.o.Dir, from, to)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("querying lake: there is no directory %s; give the one ingest writes to: %w", e.o.Dir, err)
		}
		if err != nil {
			return fmt.Errorf("querying lake %s: %w", e.o.Dir, err)
		}
		err = ask(listing{files, missing})
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("querying lake %s: %w", e.o.Dir, context.Cause(ctx))
		case attempt == attempts:
			return e.explain(err)
		}
		if gone := firstGone(files); gone != "" {
			e.o.Logger.Debug("a lake file went away while it was read, asking again", "file", gone, "attempt", attempt)
			continue
		}
		found, ok := e.absentColumns(ctx, files, err)
		if !ok || len(found) == len(missing) {
			return e.explain(err)
		}
		missing = found
	}
}

func firstGone(files []string) string {
	for _, f := range files {
		if _, err := os.Stat(f); errors.Is(err, fs.ErrNotExist) {
			return f
		}
	}
	return ""
}

// ErrTooMuchMemory is in the chain of the error of a query that needed more
// memory than there is. A query with shorter windows may pass.
var ErrTooMuchMemory = errors.New("not enough memory")

// explain adds what to do to errors an operator can act on.
func (e *Engine) explain(err error) error {
	var de *driverduckdb.Error
	if errors.As(err, &de) {
		switch full := de.Type == driverduckdb.ErrorTypeIO && e.spill.path != "" && strings.Contains(de.Msg, e.spill.path); {
		case full || de.Type == driverduckdb.ErrorTypeOutOfMemory:
			cause, _, _ := strings.Cut(err.Error(), "\n") // below it stand settings that nobody can change from outside
			return fmt.Errorf("%w: raise the memory limit of the process, shorten the windows, or let TMPDIR name a folder on a disk with room to spill to: querying lake %s: %s", ErrTooMuchMemory, e.o.Dir, cause)
		case de.Type == driverduckdb.ErrorTypeInvalidInput || de.Type == driverduckdb.ErrorTypeIO:
			return fmt.Errorf("querying lake %s: if a file is damaged, move it out of the lake: %w", e.o.Dir, err)
		}
	}
	return fmt.Errorf("querying lake %s: %w", e.o.Dir, err)
}

// absentColumns finds the fields no file has a column for, when the error says
// that one was looked for in vain: files of an older version may lack them.
func (e *Engine) absentColumns(ctx context.Context, files []string, cause error) (map[record.Field]bool, bool) {
	var de *driverduckdb.Error
	if !errors.As(cause, &de) || de.Type != driverduckdb.ErrorTypeBinder || len(files) == 0 {
		return nil, false
	}
	rows, err := e.db.QueryContext(ctx, "SELECT * FROM "+readParquet(files)+" LIMIT 0")
	if err != nil {
		return nil, false
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, false
	}
	have := map[string]bool{}
	for _, n := range names {
		have[strings.ToLower(n)] = true
	}
	absent := map[record.Field]bool{}
	for f := record.Field(0); f < record.NumFields; f++ {
		if !have[record.Fields[f].Name] {
			absent[f] = true
		}
	}
	return absent, true
}

// source says where the files' columns are.
func (l listing) source() detect.Source {
	return detect.Source{From: readParquet(l.files), Time: `"timestamp"`, Column: func(f record.Field) string {
		if l.missing[f] {
			return ""
		}
		return `"` + record.Fields[f].Name + `"`
	}}
}

// readParquet reads the files by column name, so that a column that came with a
// newer version is NULL in the older files.
func readParquet(files []string) string {
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = quote(f)
	}
	return "read_parquet([" + strings.Join(quoted, ", ") + "], union_by_name = true)"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// query runs a statement and scans its rows.
func query[T any](ctx context.Context, db *sql.DB, st detect.Statement, dest func(*T) []any) (out []T, err error) {
	args, err := arguments(st.Params)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, st.SQL, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var row T
		if err := rows.Scan(dest(&row)...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}
