package ship

import (
	"context"
	"slices"
	"sync"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// LakeName is the lake's name as a sink.
const LakeName = "lake"

// Lake is the lake as a [Sink]. It refuses nothing: a record it can hold is
// any record.
type Lake struct {
	w     *lake.Writer
	rooms sync.Pool // of *[]record.Record
}

// NewLake returns the sink that writes with w. Closing w is the caller's.
func NewLake(w *lake.Writer) *Lake { return &Lake{w: w} }

// Name returns "lake".
func (*Lake) Name() string { return LakeName }

// Write stores the batch as Parquet files, synced. It needs all records at
// once, since it puts them in the order of time.
func (l *Lake) Write(ctx context.Context, b *Batch) ([]Refusal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	write := l.w.Write
	if b.Replayed {
		write = l.w.WriteReplayed
	}
	room, ok := l.rooms.Get().(*[]record.Record)
	if !ok {
		room = new([]record.Record)
	}
	records := slices.Grow((*room)[:0], b.Len)
	for _, r := range b.Records {
		records = append(records, *r)
	}
	err := write(b.SpoolID, b.From, b.To, records)
	clear(records) // their strings are not to stay
	*room = records
	l.rooms.Put(room)
	if err != nil {
		return nil, &Failure{Class: Temporary, Code: "disk", Err: err}
	}
	return nil, nil
}
