package bigquery

import (
	"context"
	"errors"
	"fmt"

	bq "cloud.google.com/go/bigquery"

	"edgewarden/internal/detect"
	"edgewarden/internal/gcp/query"
)

// Detect scans the window once. Health.LossKnown is false: heartbeats are in a
// table of their own, which is optional and not read here.
func (e *Engine) Detect(ctx context.Context, q detect.Query) (detect.Result, error) {
	st, err := e.prepare(ctx, q, func(src detect.Source) (detect.Statement, error) {
		return q.Set.DetectSQL(detect.BigQuery, src, q)
	})
	if err != nil {
		return detect.Result{}, err
	}
	ans, err := e.ask(ctx, query.Question{Name: "detect", Text: st.SQL, Params: parameters(st)})
	if err != nil {
		return detect.Result{}, err
	}
	rows := make([]detect.Row, len(ans.Rows))
	for i := range rows {
		if err := scan(ans.Schema, ans.Rows[i], q.Set.Columns(), q.Set.Dest(&rows[i])); err != nil {
			return detect.Result{}, fmt.Errorf("read answer of %s: row %d: %w", e.table, i, err)
		}
		if rows[i].Rule >= int64(len(q.Set.Rules())) {
			return detect.Result{}, fmt.Errorf("read answer of %s: row %d: there is no rule %d", e.table, i, rows[i].Rule)
		}
	}
	res := detect.Assemble(q, rows)
	res.SQL = st.SQL
	res.Health.BytesScanned = ans.Bytes
	return res, nil
}

// Evidence fills Evidence of the first [detect.MaxEvidence] offenders, with one
// more scan; without offenders it asks nothing.
func (e *Engine) Evidence(ctx context.Context, q detect.Query, offenders []detect.Offender) error {
	if len(offenders) == 0 {
		return nil
	}
	st, err := e.prepare(ctx, q, func(src detect.Source) (detect.Statement, error) {
		return q.Set.EvidenceSQL(detect.BigQuery, src, q, offenders)
	})
	if err != nil {
		return err
	}
	ans, err := e.ask(ctx, query.Question{Name: "evidence", Text: st.SQL, Params: parameters(st)})
	if err != nil {
		return err
	}
	rows := make([]detect.EvidenceRow, len(ans.Rows))
	for i := range rows {
		if err := scan(ans.Schema, ans.Rows[i], detect.EvidenceColumns(), rows[i].Dest()); err != nil {
			return fmt.Errorf("read evidence of %s: row %d: %w", e.table, i, err)
		}
	}
	detect.AttachEvidence(q, offenders, rows)
	return nil
}

// Flood takes floods apart, with one more scan of the windows of their rules.
func (e *Engine) Flood(ctx context.Context, q detect.Query, floods []detect.Flood) (int64, error) {
	if len(floods) == 0 {
		return 0, nil
	}
	st, err := e.prepare(ctx, q, func(src detect.Source) (detect.Statement, error) {
		return q.Set.FloodSQL(detect.BigQuery, src, q, floods)
	})
	if err != nil {
		return 0, err
	}
	ans, err := e.ask(ctx, query.Question{Name: "flood", Text: st.SQL, Params: parameters(st)})
	if err != nil {
		return 0, err
	}
	rows := make([]detect.FloodRow, len(ans.Rows))
	for i := range rows {
		if err := scan(ans.Schema, ans.Rows[i], detect.FloodColumns(), rows[i].Dest()); err != nil {
			return 0, fmt.Errorf("read flood of %s: row %d: %w", e.table, i, err)
		}
	}
	detect.AttachFloods(q.Set, floods, rows)
	return ans.Bytes, nil
}

// EstimateBytes asks BigQuery how much Detect would read, which costs nothing.
// When that is more than [Options.MaxBytes] the error is an [ErrTooManyBytes], as
// Detect's would be, and the number stands beside it. On a clustered table it is
// an upper bound; on a table with row-level security BigQuery says 0.
func (e *Engine) EstimateBytes(ctx context.Context, q detect.Query) (int64, error) {
	st, err := e.prepare(ctx, q, func(src detect.Source) (detect.Statement, error) {
		return q.Set.DetectSQL(detect.BigQuery, src, q)
	})
	if err != nil {
		return 0, err
	}
	ans, err := e.ask(ctx, query.Question{Name: "detect", Text: st.SQL, Params: parameters(st), DryRun: true})
	if err != nil {
		return 0, err
	}
	if ans.Bytes > e.opt.MaxBytes {
		return ans.Bytes, fmt.Errorf("query %s: %s: %w", e.table, e.runner.Place.TooManyBytes(query.Size(ans.Bytes)), ErrTooManyBytes)
	}
	return ans.Bytes, nil
}

// prepare looks at the table and compiles a statement for it.
func (e *Engine) prepare(ctx context.Context, q detect.Query, write func(detect.Source) (detect.Statement, error)) (detect.Statement, error) {
	if q.Set == nil {
		return detect.Statement{}, errors.New("compile query: there are no rules")
	}
	known, err := e.look(ctx)
	if query.Unreachable(err) {
		return detect.Statement{}, e.runner.Place.Explain(err)
	}
	s := &source{kind: e.opt.Kind, table: e.table, cols: e.opt.columns(), schema: known, service: q.ServiceID != "", rules: named(q.Set)}
	if err = errors.Join(append(e.checkFields(s, q), s.checkColumns())...); err != nil {
		return detect.Statement{}, err
	}
	return s.statement(write)
}

// ask runs a question where the table lies.
func (e *Engine) ask(ctx context.Context, q query.Question) (query.Answer, error) {
	var err error
	if q.Location, err = e.findLocation(ctx); err != nil {
		return query.Answer{}, err
	}
	ans, err := e.runner.Ask(ctx, q)
	if err == nil {
		e.billed.Add(ans.Billed)
	}
	return ans, err
}

// parameters turns a statement's parameters into the client's. Times, numbers,
// texts and arrays of [detect.KeyParam] have their BigQuery types by reflection.
func parameters(st detect.Statement) []bq.QueryParameter {
	out := make([]bq.QueryParameter, len(st.Params))
	for i, p := range st.Params {
		out[i] = bq.QueryParameter{Name: p.Name, Value: p.Value}
	}
	return out
}
