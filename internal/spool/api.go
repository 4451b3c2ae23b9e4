package spool

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Errors returned by Open and Append.
var (
	ErrLocked = errors.New("spool is in use by another process")
	ErrFull   = errors.New("spool is full")
)

// Options configure a spool.
type Options struct {
	Dir          string
	MaxBytes     int64         // cap on all segments together; 0 means 8 GiB
	SegmentBytes int64         // size at which a segment is closed; 0 means 64 MiB
	SyncInterval time.Duration // 0 means 100 ms
	SyncBytes    int64         // 0 means 1 MiB
	Cursors      []string      // the named cursors this run has; segments are removed when all of them acknowledged everything
	Logger       *slog.Logger  // nil is silent
}

// Spool is a durable queue of opaque payloads.
type Spool struct{}

// Open opens or creates the spool in o.Dir and takes its lock.
func Open(o Options) (*Spool, error) { panic("stub") }

// ID is the spool's own 64 random bits as 16 hex digits, made once when the directory is created.
func (s *Spool) ID() string { panic("stub") }

// Append writes payloads with one write call, all or nothing. It returns ErrFull at the byte cap or when the disk is full
// (nothing is written; the caller counts the payloads as dropped).
func (s *Spool) Append(payloads [][]byte) error { panic("stub") }

// Sync makes everything appended so far durable and visible to cursors.
func (s *Spool) Sync() error { panic("stub") }

// Stats is a snapshot of counters.
type Stats struct {
	Bytes         int64 // on disk
	Segments      int
	Pending       map[string]int64 // records not yet acknowledged, per cursor
	Damaged       int              // segments set aside
	Full          bool
	OldestUnacked map[string]time.Time // when the oldest pending record was appended, per cursor
}

// Stats returns the present state.
func (s *Spool) Stats() Stats { panic("stub") }

// Cursor returns a named cursor given in Options.Cursors.
func (s *Spool) Cursor(name string) *Cursor { panic("stub") }

// Close syncs, persists the cursors and releases the lock.
func (s *Spool) Close() error { panic("stub") }

// Cursor reads records and remembers, durably, which of them were acknowledged.
type Cursor struct{}

// Item is one record of a batch.
type Item struct {
	Position uint64 // unique and increasing in this spool, never reused
	Payload  []byte // valid until the batch is acknowledged or released
}

// Batch is a claimed run of records; no other Next returns them until Release.
type Batch struct {
	Items    []Item
	From, To uint64 // positions [From, To): every position in it belongs to this batch or does not exist
}

// Next waits for at least one synced record, then up to maxAge for maxBytes of payload, and claims them. It returns
// ctx.Err() when ctx ends first with nothing to return, and io.EOF after Close.
func (c *Cursor) Next(ctx context.Context, maxBytes int, maxAge time.Duration) (*Batch, error) {
	panic("stub")
}

// Ack acknowledges the whole batch.
func (c *Cursor) Ack(b *Batch) error { panic("stub") }

// Release gives the batch back; Next returns its records again.
func (c *Cursor) Release(b *Batch) { panic("stub") }

// Position formats a position as fixed-width text: the spool id, a dash and 16 hex digits.
func Position(id string, p uint64) string { panic("stub") }

// Report is what Verify found.
type Report struct {
	Segments, Records int
	Bytes             int64
	Problems          []string // empty when sound
}

// Verify reads a spool directory without changing it, whether or not another process has it open.
func Verify(dir string) (Report, error) { panic("stub") }

// Dump calls fn for every record in the directory, in order, without changing anything.
func Dump(dir string, fn func(Item) error) error { panic("stub") }
