package ship

import (
	"context"
	"net/netip"
	"time"

	"edgewarden/internal/record"
)

// Envelope is what the spool holds for a line: the redacted line and what is known of it. Versioned on disk.
type Envelope struct {
	Received     time.Time
	Sender       string // a record.Sender… value
	Conn         uint64 // connection number in the process that received it
	Remote       netip.AddrPort
	ServiceID    string // stamped by the port; may be empty
	Length       int    // original length; 0 means len(Line)
	Cut          bool
	Unterminated bool
	Heartbeat    bool // Line is a JSON object of counters made by ingest itself
	Line         []byte
}

// Append appends the envelope's bytes to dst.
func (e *Envelope) Append(dst []byte) []byte { panic("stub") }

// DecodeEnvelope reads what Append wrote; Line aliases b.
func DecodeEnvelope(b []byte) (Envelope, error) { panic("stub") }

// Sink is a place where records go: Cloud Logging or the lake.
type Sink interface {
	Name() string // cursor name, metric label: "cloudlogging" or "lake"
	// Write stores the records of one batch, durably, before it returns nil.
	// refused lists records that will never be accepted; they become dead letters and the batch counts as done.
	// A non-nil error means that the batch is to be written again later (some of it may have been stored:
	// positions make that harmless).
	Write(ctx context.Context, b *Batch) (refused []Refusal, err error)
}

// Batch is a parsed spool batch.
type Batch struct {
	SpoolID  string
	From, To uint64
	Records  []record.Record // same order as the spool; Position is filled
}

// Refusal is one record a sink will never accept.
type Refusal struct {
	Index  int // into Batch.Records
	Reason string
}
