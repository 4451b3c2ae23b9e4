package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	driverduckdb "github.com/duckdb/duckdb-go/v2"

	"edgewarden/internal/detect"
)

// Options configure an [Engine].
type Options struct {
	Dir         string // the lake
	MemoryLimit int64  // bytes DuckDB may use; 0 means its own default, 80 % of the machine's
	Threads     int    // 0 means one for each CPU
	// TempDir is where a query larger than MemoryLimit spills, at most spillFactor times as much, into a folder of its own that
	// only this user can read and Close removes; those of killed processes are removed by Open. When it is empty or cannot be written to, such a query fails.
	TempDir string
	Logger  *slog.Logger // nil is silent
}

func (o *Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("the lake directory is missing; give --lake DIR"))
	}
	if strings.ContainsAny(o.Dir, "*?[") {
		errs = append(errs, fmt.Errorf("the lake directory %q holds one of * ? [, which DuckDB reads as a pattern; rename it", o.Dir))
	}
	if o.MemoryLimit < 0 || o.Threads < 0 {
		errs = append(errs, errors.New("the memory limit and the number of threads cannot be negative"))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// Engine answers queries over a lake. Its methods may be called at the same
// time; the queries then share the memory limit.
type Engine struct {
	o     Options
	db    *sql.DB
	spill spill
}

var _ detect.Engine = (*Engine)(nil)

// Open starts DuckDB in memory. The lake may be created later: it is looked for
// at each query.
func Open(o Options) (*Engine, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("opening DuckDB: %w", err)
	}
	e := &Engine{o: o}
	if o.TempDir != "" {
		var err error
		if e.spill, err = newSpill(o.TempDir); err != nil {
			o.Logger.Warn("a query that needs more than its memory fails, since there is nowhere to spill to: let TMPDIR name a folder on a disk", "err", err)
		}
	}
	settings := e.settings()
	c, err := driverduckdb.NewConnector("", func(x driver.ExecerContext) error {
		for _, s := range settings {
			if _, err := x.ExecContext(context.Background(), s, nil); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening DuckDB: %w", err), e.spill.remove())
	}
	e.db = sql.OpenDB(c)
	if err := e.db.Ping(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening DuckDB: %w", err), e.Close())
	}
	return e, nil
}

// settings are the statements every connection begins with.
func (e *Engine) settings() []string {
	o := e.o
	s := []string{
		"SET autoinstall_known_extensions=false", // else the first INET or httpfs call asks extensions.duckdb.org
		"SET autoload_known_extensions=false",
		"SET TimeZone='UTC'",
		"SET allocator_background_threads=true", // gives memory back between steps; without it a run held up to 90 MB more
		"SET preserve_insertion_order=false",    // every statement of ours has its own order
		// Joins as written: every statement of ours puts the small table on the
		// right. By its own estimate DuckDB hashes the whole window instead of
		// the few candidates, which took five times the memory.
		"SET disabled_optimizers='join_order,build_side_probe_side'",
		"SET temp_directory=" + quote(e.spill.path),
	}
	if o.MemoryLimit > 0 {
		s = append(s, fmt.Sprintf("SET memory_limit='%dB'", o.MemoryLimit))
		if e.spill.path != "" {
			s = append(s, fmt.Sprintf("SET max_temp_directory_size='%dB'", spillFactor*o.MemoryLimit))
		}
	}
	if o.Threads > 0 {
		s = append(s, fmt.Sprintf("SET threads=%d", o.Threads))
	}
	return s
}

// Close stops DuckDB and removes what it spilled.
func (e *Engine) Close() error { return errors.Join(e.db.Close(), e.spill.remove()) }

// Detect scans the window once, and reads the heartbeats beside it.
func (e *Engine) Detect(ctx context.Context, q detect.Query) (detect.Result, error) {
	if q.Set == nil {
		return detect.Result{}, errors.New("querying lake: there are no rules")
	}
	from := q.From()
	if beats := q.To.Add(-detect.HeartbeatReach); beats.Before(from) {
		from = beats
	}
	var res detect.Result
	err := e.overFiles(ctx, from, q.Until(), func(l listing) error {
		st, err := q.Set.DetectSQL(detect.DuckDB, l.source(), q)
		if err != nil {
			return err
		}
		var rows []detect.Row
		if len(l.files) > 0 {
			if rows, err = query(ctx, e.db, st, q.Set.Dest); err != nil {
				return err
			}
		}
		res = detect.Assemble(q, rows)
		res.SQL = st.SQL
		beats, err := e.heartbeats(ctx, l, from, q.To)
		res.Health.Loss, res.Health.LossKnown = detect.Loss(beats)
		res.Heartbeats = detect.Latest(beats)
		return err
	})
	if err != nil {
		return detect.Result{}, err
	}
	return res, nil
}

// Evidence fills Evidence of at most [detect.MaxEvidence] offenders.
func (e *Engine) Evidence(ctx context.Context, q detect.Query, offenders []detect.Offender) error {
	if len(offenders) == 0 {
		return nil
	}
	if q.Set == nil {
		return errors.New("querying lake: there are no rules")
	}
	return e.overFiles(ctx, q.From(), q.To, func(l listing) error {
		var rows []detect.EvidenceRow
		for _, part := range parts(offenders[:min(len(offenders), detect.MaxEvidence)]) {
			st, err := q.Set.EvidenceSQL(detect.DuckDB, l.source(), q, part)
			if err != nil {
				return err
			}
			if len(l.files) == 0 {
				continue
			}
			more, err := query(ctx, e.db, st, (*detect.EvidenceRow).Dest)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
		detect.AttachEvidence(q, offenders, rows)
		return nil
	})
}

// Flood takes floods apart, one after the other: with a path of its own in each request a flood takes memory for all of them.
func (e *Engine) Flood(ctx context.Context, q detect.Query, floods []detect.Flood) (int64, error) {
	if len(floods) == 0 {
		return 0, nil
	}
	if q.Set == nil {
		return 0, errors.New("querying lake: there are no rules")
	}
	return 0, e.overFiles(ctx, q.From(), q.To, func(l listing) error {
		for i := range floods {
			one := floods[i : i+1]
			st, err := q.Set.FloodSQL(detect.DuckDB, l.source(), q, one)
			if err != nil {
				return err
			}
			var rows []detect.FloodRow
			if len(l.files) > 0 {
				if rows, err = query(ctx, e.db, st, (*detect.FloodRow).Dest); err != nil {
					return err
				}
			}
			detect.AttachFloods(q.Set, one, rows)
		}
		return nil
	})
}

// parts sorts offenders into the parts that one statement each asks for. A
// request takes memory for its text, and an attacker who breaks every rule has
// his once a rule, so no part has more than detect.EvidenceKept of them to hold;
// one alone may. Of an offender with more than that only the newest are held, and
// the lake is read twice, so these go apart.
func parts(offenders []detect.Offender) [][]detect.Offender {
	const most = 2 * detect.EvidenceKept // of which only paths, agents and samples are held
	var held, newest [][]detect.Offender
	var heldSum, newestSum int64
	for _, o := range offenders {
		if n := o.Measures.Requests; n <= detect.EvidenceKept {
			held, heldSum = put(held, heldSum, detect.EvidenceKept, o, n)
		} else { // and the rest of a minute
			newest, newestSum = put(newest, newestSum, most, o, detect.EvidenceRequests+o.Measures.PeakPerMinute)
		}
	}
	return append(held, newest...)
}

// put adds an offender of n requests to the last part, which has sum, or begins
// another when that would be more than most.
func put(parts [][]detect.Offender, sum, most int64, o detect.Offender, n int64) ([][]detect.Offender, int64) {
	if len(parts) == 0 || sum+n > most {
		return append(parts, []detect.Offender{o}), n
	}
	last := len(parts) - 1
	parts[last] = append(parts[last], o)
	return parts, sum + n
}
