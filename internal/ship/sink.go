package ship

import (
	"context"
	"errors"
	"iter"
	"time"

	"edgewarden/internal/record"
)

// Sink is a place where records go: Cloud Logging ([CloudLogging]) or the lake
// ([Lake]).
type Sink interface {
	// Name is the sink's cursor name and metric label: "cloudlogging" or "lake".
	Name() string

	// Write stores the records of one batch, durably, before it returns nil.
	// refused lists records that will never be accepted; they become dead
	// letters and the batch counts as done. An error means that the batch is to
	// be written again later: some of it may have been stored, which positions
	// make harmless. An error that is no [*Failure] is [Temporary]. Write keeps
	// nothing of b. It may be called by several goroutines, with a batch each.
	Write(ctx context.Context, b *Batch) (refused []Refusal, err error)
}

// Batch is a spool batch: every position in [From, To) belongs to Records, or
// does not exist, or is a dead letter.
type Batch struct {
	SpoolID  string
	From, To uint64

	// Records yields the records in the order of the spool, with their index;
	// Len is how many there are. A record is parsed when its turn comes, and is
	// overwritten by the next: all of them at once would take as much memory as
	// their lines. Its strings are valid until Write returns. Ranging again
	// parses again.
	Records iter.Seq2[int, *record.Record]
	Len     int

	// Heartbeats are the times at which those in the batch were made.
	Heartbeats []time.Time

	// Replayed batches hold dead letters: their positions were part of another
	// batch once, whose other records are stored.
	Replayed bool
}

// Tap returns the batch with fn called for each record on its way to the sink,
// again when it is written again. To range over Records apart from the sink
// would parse every line twice.
func (b *Batch) Tap(fn func(*record.Record)) *Batch {
	tapped, records := *b, b.Records
	tapped.Records = func(yield func(int, *record.Record) bool) {
		for i, r := range records {
			if fn(r); !yield(i, r) {
				return
			}
		}
	}
	return &tapped
}

// Refusal is one record a sink will never accept.
type Refusal struct {
	Index  int // of the record in the batch
	Reason string
}

// Class says what a failure asks for.
type Class string

// The classes of failure. All of them keep the batch.
const (
	Temporary     Class = "temporary"     // may pass by itself: retry soon, more slowly each time
	Throttled     Class = "throttled"     // too much at once: send less
	Configuration Class = "configuration" // somebody has to act, such as to grant a permission: say so, retry slowly
)

// Failure is an error of a sink with its class.
type Failure struct {
	Class Class
	Code  string // short and stable, such as "PermissionDenied"
	Err   error
}

// Error returns the text of the error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Failure) Unwrap() error { return f.Err }

// asFailure gives any error of a sink a class.
func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Class: Temporary, Code: "error", Err: err}
}
