package ship

import (
	"context"

	"edgewarden/internal/lake"
)

// LakeName is the lake's name as a sink.
const LakeName = "lake"

// Lake is the lake as a [Sink]. It refuses nothing: a record it can hold is
// any record.
type Lake struct{ w *lake.Writer }

// NewLake returns the sink that writes with w. Closing w is the caller's.
func NewLake(w *lake.Writer) *Lake { return &Lake{w} }

// Name returns "lake".
func (*Lake) Name() string { return LakeName }

// Write stores the batch as Parquet files, synced.
func (l *Lake) Write(ctx context.Context, b *Batch) ([]Refusal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	write := l.w.Write
	if b.Replayed {
		write = l.w.WriteReplayed
	}
	if err := write(b.SpoolID, b.From, b.To, b.Records); err != nil {
		return nil, &Failure{Class: Temporary, Code: "disk", Err: err}
	}
	return nil, nil
}
