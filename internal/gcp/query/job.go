package query

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
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
	// maxID is how many ids are tried for a statement that must be carried out
	// once: those of jobs that failed are taken.
	maxID = 20
	// cancelGrace bounds the call that cancels a job we no longer wait for.
	cancelGrace = 5 * time.Second

	pollFirst = 100 * time.Millisecond
	pollMax   = 2 * time.Second
)

// ErrUnknown is in the chain of the error of a statement of which nobody knows
// whether it was carried out.
var ErrUnknown = errors.New("whether it was carried out is not known")

// Runner runs the queries of one caller. All fields must be set.
type Runner struct {
	Client   *bq.Client
	Place    Place             // for errors, and MaxBytes for jobs
	Deadline time.Duration     // of a question that has none, its retries included
	Labels   map[string]string // of every job
	Logger   *slog.Logger
}

// Question is one query.
type Question struct {
	Name     string // the label query, and part of the job id
	Text     string
	Params   []bq.QueryParameter
	Location string        // of the dataset
	Deadline time.Duration // 0 means the Runner's
	DryRun   bool          // only says what it would read

	// ID names a statement that must be carried out once, however often it is
	// asked for: the job's id is made from it, and BigQuery takes no second job
	// of an id. Such a statement has no rows. Empty makes a random one.
	ID string
}

// Answer is what came back.
type Answer struct {
	Schema bq.Schema
	Rows   [][]bq.Value
	Bytes  int64 // processed, as the job's statistics say; 0 when unknown
	Billed int64 // 0 when unknown
}

// Ask runs a question to its end. A job we stop waiting for, whatever the
// reason, is cancelled: a cancelled context alone leaves it running and paid for.
func (r *Runner) Ask(ctx context.Context, q Question) (Answer, error) {
	// Without a deadline the library retries for ever.
	q.Deadline = cmp.Or(q.Deadline, r.Deadline)
	ctx, stop := context.WithTimeoutCause(ctx, q.Deadline, fmt.Errorf("%w (%v)", ErrDeadline, q.Deadline))
	defer stop()
	var ans Answer
	var err error
	for n, ours := 1, 0; n <= maxID; n++ {
		ans, err = r.attempt(ctx, q, n)
		if err == nil {
			r.Logger.DebugContext(ctx, "query done", "query", q.Name, "dry_run", q.DryRun, "rows", len(ans.Rows), "bytes", ans.Bytes, "billed", ans.Billed)
			return ans, nil
		}
		var failed *jobFailure
		if !errors.As(err, &failed) || ctx.Err() != nil {
			break
		}
		if failed.old { // nothing came of it, whatever the reason: the next id is free or tells
			continue
		}
		if ours++; ours == attempts {
			break
		}
		if f, ok := faultOf(err); !ok || !f.transient() {
			break
		}
		r.Logger.WarnContext(ctx, "query job failed, starting another", "query", q.Name, "attempt", n, "error", err)
		if !pause(ctx, time.Duration(n)*time.Second) {
			break
		}
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrDeadline) {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	place := r.Place
	place.Location = q.Location
	return Answer{}, place.Explain(err)
}

// jobFailure marks an error as the end of a job, not of a call: only then can
// another job help, and only then is it known that nothing was carried out.
type jobFailure struct {
	error
	old bool // the job was there before we asked for it
}

func (f *jobFailure) Unwrap() error { return f.error }

// attempt starts one job and reads it to the end.
func (r *Runner) attempt(ctx context.Context, q Question, n int) (ans Answer, err error) {
	// The id is ours, so that a repeated insert cannot start a second job and
	// a job whose insert was never answered can still be cancelled.
	id := q.jobID(n)
	defer func() {
		if err != nil && ctx.Err() != nil && !q.DryRun {
			r.cancel(ctx, id, q.Location)
		}
	}()
	job, old, err := r.start(ctx, q, id)
	if err != nil {
		if f, ok := faultOf(err); q.ID != "" && (!ok || f.transient()) {
			err = fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		return ans, err
	}
	if q.DryRun {
		// A dry run ends with the insert; asking for its status is an error.
		st := job.LastStatus()
		if st == nil || st.Statistics == nil {
			return ans, errors.New("dry run came back without statistics")
		}
		ans.Bytes = st.Statistics.TotalBytesProcessed
		return ans, st.Err()
	}
	st, err := wait(ctx, job)
	if err == nil {
		ans.Bytes, ans.Billed = cost(st)
		if q.ID != "" && st != nil {
			return ans, nil
		}
		err = ans.read(ctx, job)
	}
	switch failed := (*jobFailure)(nil); {
	case errors.As(err, &failed):
		failed.old = old && q.ID != ""
	case err != nil && q.ID != "":
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return ans, err
}

// read reads the rows.
func (ans *Answer) read(ctx context.Context, job *bq.Job) error {
	it, err := job.Read(ctx)
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	for {
		var row []bq.Value
		switch err := it.Next(&row); {
		case errors.Is(err, iterator.Done):
			ans.Schema = it.Schema
			return nil
		case err != nil:
			return fmt.Errorf("read result: %w", err)
		}
		ans.Rows = append(ans.Rows, row)
	}
}

// start starts a job; old says that there was one of its id already.
func (r *Runner) start(ctx context.Context, q Question, id string) (job *bq.Job, old bool, err error) {
	query := r.Client.Query(q.Text)
	query.JobID = id
	query.Location = q.Location // the client's own Location is not always sent
	query.Parameters = q.Params
	query.DryRun = q.DryRun
	if !q.DryRun { // which bills nothing; its number is what is asked for, also when it is too high
		query.MaxBytesBilled = r.Place.MaxBytes
	}
	query.Labels = maps.Clone(r.Labels)
	query.Labels["query"] = q.Name
	query.DisableQueryCache = true // the window moves with every run: a hit would be a stale answer
	query.JobTimeout = q.Deadline  // ends the job even if this process is killed
	job, err = query.Run(ctx)
	if f, ok := faultOf(err); ok && f.code == http.StatusConflict {
		// An insert that was answered with an error, or not at all, had
		// arrived: the library repeated it. The job is ours; take it up.
		job, err = r.Client.JobFromIDLocation(ctx, id, q.Location)
		return job, true, err
	}
	return job, false, err
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
		return nil, &jobFailure{error: err}
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
func (r *Runner) cancel(ctx context.Context, id, location string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer stop()
	job, err := r.Client.JobFromIDLocation(ctx, id, location)
	if err == nil {
		err = job.Cancel(ctx)
	}
	if f, ok := faultOf(err); ok && f.code == http.StatusNotFound {
		return // the insert never arrived
	}
	if err != nil {
		r.Logger.WarnContext(ctx, "cannot cancel a query job; its own time limit ends it", "job", id, "error", err)
		return
	}
	r.Logger.InfoContext(ctx, "cancelled query job", "job", id)
}

// jobID is the id of the n-th job for a question, from 1.
func (q Question) jobID(n int) string {
	id := "edgewarden-" + q.Name + "-"
	switch {
	case q.ID != "" && n > 1:
		return fmt.Sprintf("%s%s-%d", id, q.ID, n)
	case q.ID != "":
		return id + q.ID
	}
	var b [12]byte
	rand.Read(b[:])
	return id + hex.EncodeToString(b[:])
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
