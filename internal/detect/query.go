package detect

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// aheadTolerance is how far past Now a row may lie before it counts as Ahead;
// aheadReach is how far past Now such rows are looked for: parse keeps at most
// 24 h of future.
const (
	aheadTolerance = 2 * time.Minute
	aheadReach     = 25 * time.Hour
)

// Query is one question to an engine.
type Query struct {
	Set       *Set
	ServiceID string    // empty counts the rows of all services
	To        time.Time // T: rows at or after it are ignored
	Now       time.Time // rows more than 2 min past Now count as Ahead
	Present   []Present
	About     []Keyed // keys that Result.Asked tells of, whether they meet a rule or not; a few, since each is a condition
	// Trust names the kinds of untrusted rows that are counted as if trusted.
	TrustForgeable, TrustUnauthenticated bool
	// Baselines are what rules usually count at this hour of the day, by rule. A rule without one meets no
	// comparison with a baseline measure.
	Baselines map[string]Baseline
	// NotClients are ranges no client comes from, such as private ones and Fastly's own: trusted rows with such an
	// address show that the address column is not the client's. Ranges that a pattern cannot tell are left out.
	NotClients []netip.Prefix
}

// Baseline is what a rule usually counts, from the summaries of earlier runs. Requests must be
// positive; Scale gets the floor of a score.
type Baseline struct {
	Requests      float64 // of all keys
	Median, Scale float64 // as in Volume
}

// From is the oldest event time the rules look at: To minus the longest window.
func (q Query) From() time.Time { return q.To.Add(-q.Set.MaxWindow()) }

// Until is the end of the range a scan reads, exclusive. It is To, or, when To
// is within an hour of Now, far enough past Now to see rows with a time in the
// future; a replay of the past does not look for them, and its Health.Ahead
// is 0.
func (q Query) Until() time.Time {
	if q.Now.IsZero() || q.Now.Sub(q.To).Abs() > time.Hour {
		return q.To
	}
	return q.Now.Add(aheadReach)
}

// validate reports what makes a query impossible to ask.
func (q Query) validate() error {
	switch {
	case q.Set == nil || len(q.Set.rules) == 0:
		return errors.New("compiling query: there are no rules")
	case q.To.IsZero():
		return errors.New("compiling query: the time T is missing")
	}
	return nil
}

// Present asks for the requests of a key that is blocked now. Only trusted rows
// in the rule's window are looked at, so the answer compares with the rule's
// bound however long ago From is; forged lines cannot keep a block alive. Two
// entries of the same key and rule are answered alike, by the later From.
type Present struct {
	Key  string // as in Offender.Key
	Rule string // must be in the set; others are ignored
	From time.Time
}

// presentRefs are the present entries of known rules, each key of a rule once,
// in order of their first appearance.
func (q Query) presentRefs() []keyRef {
	at := map[keyRef]int{}
	var refs []keyRef
	for _, p := range q.Present {
		i, ok := q.Set.byName[p.Rule]
		if !ok {
			continue
		}
		id := keyRef{rule: int64(i), key: p.Key}
		if j, seen := at[id]; seen {
			refs[j].fromUs = max(refs[j].fromUs, p.From.UnixMicro())
			continue
		}
		at[id] = len(refs)
		id.fromUs = p.From.UnixMicro()
		refs = append(refs, id)
	}
	return refs
}

// Engine runs queries over stored records. BigQuery and DuckDB implement it and give the same answer.
type Engine interface {
	Replayer
	// Detect scans the window once.
	Detect(ctx context.Context, q Query) (Result, error)
	// Evidence fills Evidence of at most 200 offenders.
	Evidence(ctx context.Context, q Query, offenders []Offender) error
	// Flood takes floods apart, with one more scan of the windows of their rules; without floods it asks nothing. It
	// returns the bytes that took, 0 when the engine does not say.
	Flood(ctx context.Context, q Query, floods []Flood) (bytes int64, err error)
	Close() error
}
