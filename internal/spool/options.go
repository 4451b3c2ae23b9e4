package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Errors of this package; test for them with errors.Is.
var (
	// ErrLocked: another process (or another Open in this one) holds the
	// directory. The error that wraps it names the directory and the process id.
	ErrLocked = errors.New("spool is in use by another process")
	// ErrFull: the byte cap is reached or the disk is full. Nothing was written.
	// The condition ends by itself when cursors acknowledge or the disk has room.
	ErrFull = errors.New("spool is full")
	// ErrClosed: the spool was closed.
	ErrClosed = errors.New("spool is closed")
	// ErrShare: the owner holds its share. Nothing was written; others may write.
	// It ends by itself when cursors acknowledge.
	ErrShare = errors.New("owner's share of the spool is used up")
)

// MaxRecordBytes is the largest payload Append takes.
const MaxRecordBytes = 16 << 20

// Options configure a spool.
type Options struct {
	Dir          string        // created with mode 0700 when it does not exist
	MaxBytes     int64         // cap on all segments together; 0 means 8 GiB
	SegmentBytes int64         // size at which a segment is closed; 0 means 64 MiB; never more than a quarter of MaxBytes
	SyncInterval time.Duration // longest time a record stays unsynced; 0 means 100 ms
	SyncBytes    int64         // unsynced bytes that start a sync early; 0 means 1 MiB
	// Cursors are the named cursors this run has, 1 to 48 of a-z 0-9 _ - each.
	// Segments are removed when all of them acknowledged everything in them;
	// without any cursor nothing is ever removed. A cursor that is on disk but
	// not named here is kept and holds nothing back.
	Cursors []string
	// OwnerShare is the largest part of MaxBytes, in percent, that one owner alone
	// may fill; share.go says what it means for several. 0 and 100 mean no limit.
	OwnerShare int
	Synced     func(took time.Duration) // told of every sync of a segment that worked; nil is not called
	Logger     *slog.Logger             // nil is silent
}

// Limits of Options. A segment offset is the low half of a position, so it has
// to fit in 32 bits with room for one large Append.
const (
	maxSegmentBytes = 1 << 30
	minSegmentBytes = 4 << 10
	maxNameBytes    = 48
)

// withDefaults fills zero values and limits the segment size, so that a cap can
// always be honoured by removing whole segments.
func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 8 << 30
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.OwnerShare == 0 {
		o.OwnerShare = wholeShare
	}
	if o.Synced == nil {
		o.Synced = func(time.Duration) {}
	}
	o.SegmentBytes = max(min(o.SegmentBytes, o.MaxBytes/4), minSegmentBytes)
	if o.SyncInterval == 0 {
		o.SyncInterval = 100 * time.Millisecond
	}
	if o.SyncBytes == 0 {
		o.SyncBytes = 1 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate returns all problems, joined.
func (o Options) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Dir == "" {
		bad("spool directory is empty: name one")
	}
	if o.MaxBytes < 0 {
		bad("spool byte cap %d is negative: use 0 for the default", o.MaxBytes)
	}
	if o.SegmentBytes < 0 || o.SegmentBytes > maxSegmentBytes {
		bad("segment size %d is outside 0 to %d bytes", o.SegmentBytes, maxSegmentBytes)
	}
	if o.SyncInterval < 0 {
		bad("sync interval %v is negative: use 0 for the default", o.SyncInterval)
	}
	if o.SyncBytes < 0 {
		bad("sync bytes %d is negative: use 0 for the default", o.SyncBytes)
	}
	if o.OwnerShare < 0 || o.OwnerShare > wholeShare {
		bad("share of one owner %d %% is outside 1 to %d: use 100 for no limit", o.OwnerShare, wholeShare)
	}
	seen := map[string]bool{}
	for _, name := range o.Cursors {
		if !validName(name) {
			bad("cursor name %q: use 1 to %d characters of a-z 0-9 _ -", name, maxNameBytes)
		}
		if seen[name] {
			bad("cursor name %q is given twice", name)
		}
		seen[name] = true
	}
	return errors.Join(problems...)
}

// validName reports whether name can be part of a file name everywhere.
func validName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return name != "" && len(name) <= maxNameBytes
}
