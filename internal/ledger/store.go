package ledger

import (
	"context"
	"errors"
	"time"
)

// ErrDamaged says that a store holds lines that are no records. What could be
// read is returned beside it.
var ErrDamaged = errors.New("ledger is damaged")

// ErrUnknown says that nobody knows whether an append was carried out, in whole
// or from its beginning to somewhere.
var ErrUnknown = errors.New("whether it was written is not known")

// Store holds events, append-only.
type Store interface {
	// Append writes all events or none, and returns once they are on disk. After
	// an ErrUnknown the same events, unchanged, must be appended again before
	// others; what is there already is not written twice.
	Append(ctx context.Context, events []Event) error
	// Since returns the events at or after t in the order of their writing. When some
	// lines cannot be read the error is an ErrDamaged, and the others are returned all the same.
	Since(ctx context.Context, t time.Time) ([]Event, error)
	Close() error
}
