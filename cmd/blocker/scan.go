package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/duckdb"
)

// scanCost is what the questions to BigQuery cost; nil where nobody asked or nobody was billed.
type scanCost struct {
	Estimated *int64 // bytes, by a dry run of the query before it ran; only in a dry run of ours
	Billed    *int64 // bytes, the query for evidence included
}

// unjudged says which rules a run left out, because their windows would have read more than --max-bytes or needed more memory
// than there is.
type unjudged struct {
	Rules  []string `json:"rules"`
	Window string   `json:"window"` // the longest window that was judged
	Why    string   `json:"why"`
}

// alert is one sentence for report, webhook and log.
func (u *unjudged) alert() string {
	return fmt.Sprintf("NOT JUDGED: rule %s: only windows of up to %s were looked at; blocks of the others stay until they expire and are not extended: %s", strings.Join(u.Rules, ", rule "), u.Window, u.Why)
}

// detect asks the store. When the query would be billed for more than --max-bytes, or needs more memory than it gets, it asks
// again without the rules of the longest window, until it fits or no rule is left: an attack makes the windows grow, and that is no moment to judge nothing at all. The
// query that is returned is the one that was answered. A refused question costs nothing.
func (c *cycle) detect(ctx context.Context, sr *serviceReport, query detect.Query) (detect.Result, detect.Query, error) {
	whole := query.Set
	var refused, least error
	for _, window := range whole.Windows() {
		var left []string
		query.Set, left = whole.Within(window)
		found, err := c.ask(ctx, sr, query)
		if err == nil {
			sr.Window = window
			if refused != nil {
				sr.Unjudged = &unjudged{Rules: left, Window: short(window), Why: refused.Error()}
			}
			return found, query, nil
		}
		if !tooMuch(err) {
			return detect.Result{}, query, err
		}
		if refused == nil {
			refused = err // what the whole question needs says most of the rules that are left out
		}
		least = err
	}
	return detect.Result{}, query, fmt.Errorf("not even the rules with the shortest window fit: %w", least)
}

// tooMuch reports whether a question was refused for what it would read or need; a shorter one may pass.
func tooMuch(err error) bool {
	return errors.Is(err, bigquery.ErrTooManyBytes) || errors.Is(err, bigquery.ErrTooMuchMemory) || errors.Is(err, duckdb.ErrTooMuchMemory)
}

// paidBy is the engine whose questions cost money; false where asking is free.
func paidBy(e detect.Engine) (*bigquery.Engine, bool) {
	store, paid := e.(*bigquery.Engine)
	return store, paid
}

// ask puts one question. A dry run of ours says on the log what it will cost before it costs it.
func (c *cycle) ask(ctx context.Context, sr *serviceReport, query detect.Query) (detect.Result, error) {
	if store, ok := paidBy(c.engine); ok && c.dry {
		n, err := store.EstimateBytes(ctx, query)
		if n > 0 || err == nil {
			sr.Cost.Estimated = &n
			c.log.Info("the query would read", "service_id", sr.Service.ID, "bytes", n, "window", short(query.Set.MaxWindow()))
		}
		if err != nil {
			return detect.Result{}, err
		}
	}
	return c.engine.Detect(ctx, query)
}

// meter returns a function that notes what the engine was billed for since meter was called.
func (c *cycle) meter(sr *serviceReport) (done func()) {
	store, ok := paidBy(c.engine)
	if !ok {
		return func() {}
	}
	before := store.Billed()
	return func() {
		n := store.Billed() - before
		sr.Cost.Billed = &n
	}
}

// short writes a window as rules do: 15m, not 15m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
