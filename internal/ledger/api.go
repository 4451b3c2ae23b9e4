package ledger

import (
	"context"
	"time"
)

// Event is one audit record. It has every field PCI DSS 10.2.2 asks for.
type Event struct {
	Version  int               `json:"version"` // 1
	Run      string            `json:"run"`     // one chain per run
	Seq      int               `json:"seq"`     // from 1 within the run
	Time     time.Time         `json:"time"`    // UTC
	Actor    string            `json:"actor"`
	Event    string            `json:"event"`   // "block", "release", "extend", "refuse", "unblock", "stop", "start", "purge", "lease", "run", "start-ingest" …
	Outcome  string            `json:"outcome"` // "success", "failure", "refused"
	Source   string            `json:"source"`  // where it came from: host, pod, program
	Target   string            `json:"target"`  // what was touched: service/acl/prefix
	PlanHash string            `json:"plan_hash,omitempty"`
	Detail   map[string]string `json:"detail,omitempty"` // rule, reason, until, strikes, acl …
	Prev     string            `json:"prev"`             // hash of the record before in this run; empty for the first
	Hash     string            `json:"hash"`             // SHA-256 over the record without this field
}

// Store holds events, append-only.
type Store interface {
	Append(ctx context.Context, events []Event) error
	// Since returns the events at or after t in the order of their writing.
	Since(ctx context.Context, t time.Time) ([]Event, error)
	Close() error
}

// OpenFile opens or creates a ledger file of JSON lines, mode 0600; appends are one write and an fsync. A torn last line is cut off when appending.
func OpenFile(path string) (Store, error) { panic("stub") }

// Chain stamps and links the events of one run.
type Chain struct{}

// NewChain begins a run's chain. store may be nil (no ledger): events are then only linked.
func NewChain(store Store, run, actor, source string) *Chain { panic("stub") }

// Add stamps Version, Run, Seq, Time (when zero, now), Actor, Source, Prev and Hash, and appends.
func (c *Chain) Add(ctx context.Context, events ...Event) error { panic("stub") }

// Head is the hash of the last event.
func (c *Chain) Head() string { panic("stub") }

// NewRun returns a new run id: 12 characters of [0-9a-z], ordered by time.
func NewRun(now time.Time) string { panic("stub") }

// Verify checks chains; it returns one problem per fault, naming run and seq.
func Verify(events []Event) []string { panic("stub") }
