package bigquery

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"
)

const (
	// attempts is how many jobs are started for one question when jobs fail
	// for a reason of BigQuery's own. Refused calls are repeated by the library.
	attempts = 3
	// cancelGrace bounds the call that cancels a job we no longer wait for.
	cancelGrace = 5 * time.Second

	pollFirst = 100 * time.Millisecond
	pollMax   = 2 * time.Second
)

// question is one query as the client needs it.
type question struct {
	name   string // "detect" or "evidence": the label query, and part of the job id
	text   string
	params []bq.QueryParameter
	dryRun bool
}

// answer is what came back.
type answer struct {
	schema bq.Schema
	rows   [][]bq.Value
	bytes  int64 // processed, as the job's statistics say; 0 when unknown
	billed int64 // 0 when unknown
}

// ask runs a question to its end. A job we stop waiting for, whatever the
// reason, is cancelled: a cancelled context alone leaves it running and paid for.
func (e *Engine) ask(ctx context.Context, q question) (answer, error) {
	// Without a deadline the library retries for ever.
	ctx, stop := context.WithTimeoutCause(ctx, e.opt.Deadline, fmt.Errorf("%w (%v)", ErrDeadline, e.opt.Deadline))
	defer stop()
	var ans answer
	location, err := e.findLocation(ctx)
	if err != nil {
		return ans, err
	}
	for n := 1; ; n++ {
		ans, err = e.attempt(ctx, q, location)
		if err == nil {
			e.billed.Add(ans.billed)
			e.log.DebugContext(ctx, "query done", "query", q.name, "dry_run", q.dryRun, "rows", len(ans.rows), "bytes", ans.bytes, "billed", ans.billed)
			return ans, nil
		}
		var failed *jobFailure
		if !errors.As(err, &failed) || n == attempts || ctx.Err() != nil {
			break
		}
		if f, ok := faultOf(err); !ok || !f.transient() {
			break
		}
		e.log.WarnContext(ctx, "query job failed, starting another", "query", q.name, "attempt", n, "error", err)
		if !pause(ctx, time.Duration(n)*time.Second) {
			break
		}
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrDeadline) {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return answer{}, e.place(location).explain(err)
}

// jobFailure marks an error as the end of a job, not of a call: only then can
// another job help.
type jobFailure struct{ error }

func (f *jobFailure) Unwrap() error { return f.error }

// attempt starts one job and reads it to the end.
func (e *Engine) attempt(ctx context.Context, q question, location string) (ans answer, err error) {
	// The id is ours, so that a repeated insert cannot start a second job and
	// a job whose insert was never answered can still be cancelled.
	id := jobID(q.name)
	defer func() {
		if err != nil && ctx.Err() != nil && !q.dryRun {
			e.cancel(ctx, id, location)
		}
	}()
	job, err := e.start(ctx, q, id, location)
	if err != nil {
		return ans, err
	}
	if q.dryRun {
		// A dry run ends with the insert; asking for its status is an error.
		st := job.LastStatus()
		if st == nil || st.Statistics == nil {
			return ans, errors.New("dry run came back without statistics")
		}
		ans.bytes = st.Statistics.TotalBytesProcessed
		return ans, st.Err()
	}
	st, err := wait(ctx, job)
	if err != nil {
		return ans, err
	}
	ans.bytes, ans.billed = cost(st)
	it, err := job.Read(ctx)
	if err != nil {
		return ans, fmt.Errorf("read result: %w", err)
	}
	for {
		var row []bq.Value
		switch err := it.Next(&row); {
		case errors.Is(err, iterator.Done):
			ans.schema = it.Schema
			return ans, nil
		case err != nil:
			return ans, fmt.Errorf("read result: %w", err)
		}
		ans.rows = append(ans.rows, row)
	}
}

func (e *Engine) start(ctx context.Context, q question, id, location string) (*bq.Job, error) {
	query := e.client.Query(q.text)
	query.JobID = id
	query.Location = location // the client's own Location is not always sent
	query.Parameters = q.params
	query.DryRun = q.dryRun
	if !q.dryRun { // which bills nothing; its number is what is asked for, also when it is too high
		query.MaxBytesBilled = e.opt.MaxBytes
	}
	query.Labels = maps.Clone(e.opt.Labels)
	query.Labels["query"] = q.name
	query.DisableQueryCache = true    // the window moves with every run: a hit would be a stale answer
	query.JobTimeout = e.opt.Deadline // ends the job even if this process is killed
	job, err := query.Run(ctx)
	if f, ok := faultOf(err); ok && f.code == http.StatusConflict {
		// An insert that was answered with an error, or not at all, had
		// arrived: the library repeated it. The job is ours; take it up.
		return e.client.JobFromIDLocation(ctx, id, location)
	}
	return job, err
}

// wait polls a job until it is done and returns its last status, nil when that
// may not be read. The library's own wait would poll a job that failed with
// backendError until the deadline, since it reads the job's failure as the call's.
func wait(ctx context.Context, job *bq.Job) (*bq.JobStatus, error) {
	st := job.LastStatus()
	for every := pollFirst; st == nil || !st.Done(); every = min(every*3/2, pollMax) {
		if !pause(ctx, every) {
			return nil, ctx.Err()
		}
		next, err := job.Status(ctx)
		if f, ok := faultOf(err); ok && !f.transient() {
			// The status is refused, so the result will say why, or, where only
			// results may be read, there is one.
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read job status: %w", err)
		}
		st = next
	}
	if err := st.Err(); err != nil {
		return nil, &jobFailure{err}
	}
	return st, nil
}

// cost is what a finished job read and what it is billed for: whole megabytes,
// at least 10 for each table. https://cloud.google.com/bigquery/pricing#on_demand_pricing
func cost(st *bq.JobStatus) (processed, billed int64) {
	if st == nil || st.Statistics == nil {
		return 0, 0
	}
	if q, ok := st.Statistics.Details.(*bq.QueryStatistics); ok {
		billed = q.TotalBytesBilled
	}
	return st.Statistics.TotalBytesProcessed, billed
}

// cancel stops a job on a context of its own: the caller's has ended. Nothing
// is returned; the job's own time limit ends it if this fails.
func (e *Engine) cancel(ctx context.Context, id, location string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer stop()
	job, err := e.client.JobFromIDLocation(ctx, id, location)
	if err == nil {
		err = job.Cancel(ctx)
	}
	if f, ok := faultOf(err); ok && f.code == http.StatusNotFound {
		return // the insert never arrived
	}
	if err != nil {
		e.log.WarnContext(ctx, "cannot cancel a query job; its own time limit ends it", "job", id, "error", err)
		return
	}
	e.log.InfoContext(ctx, "cancelled query job", "job", id)
}

func jobID(name string) string {
	var b [12]byte
	rand.Read(b[:])
	return "edgewarden-" + name + "-" + hex.EncodeToString(b[:])
}

// pause waits for d, or less when ctx ends; it reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
