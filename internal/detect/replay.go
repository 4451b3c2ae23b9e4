package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Replay is a row of runs over the past: the first at First, Steps of them, Step
// apart. What each would have found is what [Set.DetectSQL] would have said at
// its T, without health. It is asked in three statements for all steps together,
// so that the source is read a few times and not once a step:
//
//	candidates  who can be an offender, by what is cheap to know of everybody: requests, share, score
//	series      what those keys did, slot by slot: enough for every measure that adds up
//	distinct    what does not add up (paths, fingerprints, addresses), for those that are left
type Replay struct {
	Set       *Set
	ServiceID string // empty counts the rows of all services
	First     time.Time
	Step      time.Duration
	Steps     int
	// Trust names the kinds of untrusted rows that are counted as if trusted.
	TrustForgeable, TrustUnauthenticated bool

	Deadline time.Duration // of one scan; 0 means the engine's own
}

// ErrTooMany says that a replay meets more keys than it can look at.
var ErrTooMany = errors.New("too many addresses come near a threshold")

// Replayer runs statements that a [Scan] describes: those of a [Replay],
// [Query.Repeats] and [Query.Wholes]. BigQuery and DuckDB implement it and give the same answer.
type Replayer interface {
	// Scan runs one statement and returns the bytes it read, or with Dry what it
	// would read, 0 when the engine does not say.
	Scan(ctx context.Context, s Scan) (bytes int64, err error)
}

// Scan is one statement and where its rows go.
type Scan struct {
	Name     string // for the job's label
	Query    Query  // whose set and service are asked; To is the end of the range
	From     time.Time
	Compile  func(Dialect, Source) (Statement, error)
	Columns  []string
	Begin    func()       // before the first row of each attempt
	Next     func() []any // where the next row goes: *int64, *float64 or *string
	Dry      bool         // only estimate the bytes
	Deadline time.Duration
}

// At is T of a step, from 0.
func (r Replay) At(step int) time.Time { return r.First.Add(time.Duration(step) * r.Step) }

// Last is T of the last step: rows at or after it are not read.
func (r Replay) Last() time.Time { return r.At(r.Steps - 1) }

// From is the oldest event time that is read: a window or a step before First.
func (r Replay) From() time.Time { return r.First.Add(-max(r.Set.MaxWindow(), r.Step)) }

// grain is the longest slot such that every window of every step is whole slots.
func (r Replay) grain() time.Duration {
	g := r.Step
	for _, c := range r.Set.rules {
		g = gcd(g, c.Window)
	}
	return g
}

// Slot is the length of a slot of the series: a grain, or a minute or a part of
// one when that is shorter, since peaks are counted by the minute.
func (r Replay) Slot() time.Duration { return gcd(r.grain(), time.Minute) }

func gcd(a, b time.Duration) time.Duration {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// slots is how many slots of the given length lie between From and t.
func (r Replay) slots(t time.Time, length time.Duration) int64 {
	return int64(t.Sub(r.From()) / length)
}

// query is what a scan needs of a query.
func (r Replay) query() Query {
	return Query{Set: r.Set, ServiceID: r.ServiceID, To: r.Last(), TrustForgeable: r.TrustForgeable, TrustUnauthenticated: r.TrustUnauthenticated}
}

func (r Replay) validate() error {
	switch {
	case r.Set == nil || len(r.Set.rules) == 0:
		return errors.New("compiling replay: there are no rules")
	case r.First.IsZero() || r.Steps <= 0:
		return errors.New("compiling replay: there is no step")
	case r.Step <= 0 || r.Step%time.Second != 0:
		return fmt.Errorf("compiling replay: the step %s is not whole seconds", r.Step)
	}
	return nil
}

// scan is a statement's frame.
func (r Replay) scan(name string, columns []string, compile func(Dialect, Source) (Statement, error), begin func(), next func() []any) Scan {
	return Scan{Name: name, Query: r.query(), From: r.From(), Columns: columns, Begin: begin, Next: next, Deadline: r.Deadline,
		Compile: func(d Dialect, src Source) (Statement, error) {
			if err := r.validate(); err != nil {
				return Statement{}, err
			}
			return compile(d, src)
		}}
}

// Candidate is a key that can be an offender of a rule at a step.
type Candidate struct {
	Step, Rule, Trust int64 // Rule -1 counts everybody's requests since the step before
	Key               string
	Requests          int64
	Share, Score      float64 // 0 when the rule's when names neither
}

var candidateColumns = []string{"step", "rule", "trust", "k", "requests", "share", "score"}

// Candidates is the scan that appends to out.
func (r Replay) Candidates(out *[]Candidate) Scan {
	return r.scan("candidates", candidateColumns, r.candidatesSQL, func() { *out = nil }, func() []any {
		*out = append(*out, Candidate{})
		c := &(*out)[len(*out)-1]
		return []any{&c.Step, &c.Rule, &c.Trust, &c.Key, &c.Requests, &c.Share, &c.Score}
	})
}

// Keyed names what requests are counted together: a key and how it groups.
type Keyed struct {
	Group Group
	Key   string
}

// SeriesRow is what a key did in one slot, of one trust class, matching the
// where of the rules in Bits (those of the key's group). Rows that match none have no bit.
type SeriesRow struct {
	Key, Trust, Bits, Slot int64 // Key is an index into the keys asked for

	N, OK, Errors, Cached int64 // not refused; Cached are the OK ones from Fastly's cache
	FirstUs, LastUs       int64 // of those; 0 for none
	Refused               int64 // refused by our ACL then
	LastAllUs             int64 // refused or not
	Weight, RefusedWeight int64 // of those that were not refused and of those that were; 0 when the set weighs nothing
}

var seriesColumns = []string{"kid", "trust", "bits", "slot", "n", "ok", "errors", "cached", "first_us", "last_us", "refused", "last_all_us"}

// Series is the scan that appends to out what the keys did.
func (r Replay) Series(keys []Keyed, out *[]SeriesRow) Scan {
	columns := seriesColumns
	if r.Set.Weighs() {
		columns = slices.Concat(columns, []string{"weight", "refused_weight"})
	}
	return r.scan("series", columns, func(d Dialect, src Source) (Statement, error) { return r.seriesSQL(d, src, keys) },
		func() { *out = nil }, func() []any {
			*out = append(*out, SeriesRow{})
			s := &(*out)[len(*out)-1]
			return []any{&s.Key, &s.Trust, &s.Bits, &s.Slot, &s.N, &s.OK, &s.Errors, &s.Cached, &s.FirstUs, &s.LastUs, &s.Refused, &s.LastAllUs, &s.Weight, &s.RefusedWeight}[:len(columns)]
		})
}

// Kinds of distinct values, as bits.
const (
	distinctPaths     = 1
	distinctJA4s      = 2
	distinctAddresses = 4
)

// want asks for distinct values of a candidate.
type want struct {
	rule, trust int64
	key         string
	step, kinds int64
}

// distinctRow is the answer to a want; kinds that were not asked for are 0.
type distinctRow struct {
	rule, trust int64
	key         string
	step        int64

	paths, ja4s, addresses, okAddresses int64
}

var distinctColumns = []string{"rule", "trust", "k", "step", "paths", "ja4s", "addresses", "ok_addresses"}

func (r Replay) distinct(wants []want, out *[]distinctRow) Scan {
	return r.scan("distinct", distinctColumns, func(d Dialect, src Source) (Statement, error) { return r.distinctSQL(d, src, wants) },
		func() { *out = nil }, func() []any {
			*out = append(*out, distinctRow{})
			w := &(*out)[len(*out)-1]
			return []any{&w.rule, &w.trust, &w.key, &w.step, &w.paths, &w.ja4s, &w.addresses, &w.okAddresses}
		})
}

// Hold is a block of a prefix that was in force from From until Until.
type Hold struct {
	Key         string // of a prefix
	From, Until time.Time
}

// ClientRow is a client of a held prefix that asked for something meanwhile.
type ClientRow struct {
	Prefix, Client string
	Requests, OK   int64 // not refused then
}

var clientColumns = []string{"k", "client", "n", "ok"}

// Clients is the scan that appends to out the clients of held prefixes.
func (r Replay) Clients(holds []Hold, out *[]ClientRow) Scan {
	return r.scan("clients", clientColumns, func(d Dialect, src Source) (Statement, error) { return r.clientsSQL(d, src, holds) },
		func() { *out = nil }, func() []any {
			*out = append(*out, ClientRow{})
			c := &(*out)[len(*out)-1]
			return []any{&c.Prefix, &c.Client, &c.Requests, &c.OK}
		})
}

// Estimates are dry scans that together read at least what a replay can read:
// their keys are made up.
func (r Replay) Estimates() []Scan {
	var (
		c []Candidate
		s []SeriesRow
		d []distinctRow
		p []ClientRow
	)
	const nobody = "192.0.2.0/24"
	scans := []Scan{
		r.Candidates(&c),
		r.Series([]Keyed{{ByPrefix, nobody}, {ByAddress, nobody}}, &s),
		r.distinct([]want{{key: nobody, kinds: distinctPaths | distinctJA4s | distinctAddresses}}, &d),
		r.Clients([]Hold{{nobody, r.First, r.Last()}}, &p),
	}
	for i := range scans {
		scans[i].Dry = true
	}
	return scans
}
