package detect

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"
)

// MostCandidates and MostKeys bound what a replay takes into memory.
const (
	MostCandidates = 3_000_000
	MostKeys       = 200_000
)

// Replayed is what a replay found: the offenders of each step and, slot by slot,
// what the keys did that were offenders or watched.
type Replayed struct {
	Bytes int64 // read by the scans; 0 when the engine does not say

	r      Replay
	totals []int64 // by step
	steps  [][]Candidate
	series map[Keyed][]SeriesRow // in order of slot
	apart  map[want]distinctRow
}

// Found runs a replay. Watched keys are in the series whether they can be
// offenders or not.
func (r Replay) Found(ctx context.Context, e Replayer, watched []Keyed) (*Replayed, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	out := &Replayed{r: r, steps: make([][]Candidate, r.Steps), totals: make([]int64, r.Steps), series: map[Keyed][]SeriesRow{}, apart: map[want]distinctRow{}}
	var candidates []Candidate
	if err := out.scan(ctx, e, r.Candidates(&candidates)); err != nil {
		return nil, err
	}
	if len(candidates) > MostCandidates {
		return nil, fmt.Errorf("%w: %d in %s; give the rules lower bounds on requests, or look at less at a time", ErrTooMany, len(candidates), r.Last().Sub(r.From()))
	}
	candidates, err := out.takeTotals(candidates)
	if err != nil {
		return nil, err
	}
	keys := r.keys(candidates, watched)
	if len(keys) > MostKeys {
		return nil, fmt.Errorf("%w: %d in %s; give the rules higher bounds, or look at less at a time", ErrTooMany, len(keys), r.Last().Sub(r.From()))
	}
	if len(keys) == 0 {
		return out, nil
	}
	var rows []SeriesRow
	if err := out.scan(ctx, e, r.Series(keys, &rows)); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Key < 0 || row.Key >= int64(len(keys)) {
			return nil, fmt.Errorf("reading series: there is no key %d", row.Key)
		}
		out.series[keys[row.Key]] = append(out.series[keys[row.Key]], row)
	}
	return out, out.judge(ctx, e, candidates)
}

// takeTotals takes the rows that are no candidates out.
func (o *Replayed) takeTotals(candidates []Candidate) ([]Candidate, error) {
	left := candidates[:0]
	for _, c := range candidates {
		if c.Step < 0 || c.Step >= int64(o.r.Steps) || c.Rule >= int64(len(o.r.Set.rules)) {
			return nil, fmt.Errorf("reading candidates: there is no step %d of rule %d", c.Step, c.Rule)
		}
		if c.Rule < 0 {
			o.totals[c.Step] += c.Requests
			continue
		}
		left = append(left, c)
	}
	return left, nil
}

// Requests is how many requests a rule might have counted since the step before,
// whatever its where: at the first hop, with a time of their own, not refused.
func (o *Replayed) Requests(step int) int64 { return o.totals[step] }

func (o *Replayed) scan(ctx context.Context, e Replayer, s Scan) error {
	n, err := e.Scan(ctx, s)
	o.Bytes += n
	return err
}

// keys are the keys of candidates and the watched ones, each once.
func (r Replay) keys(candidates []Candidate, watched []Keyed) []Keyed {
	seen := map[Keyed]bool{}
	var keys []Keyed
	add := func(k Keyed) {
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	for _, c := range candidates {
		add(Keyed{r.Set.rules[c.Rule].Group, c.Key})
	}
	for _, k := range watched {
		add(k)
	}
	return keys
}

// judge keeps the candidates that can be offenders by everything that adds up,
// and asks for the rest of what their rule or the policy looks at.
func (o *Replayed) judge(ctx context.Context, e Replayer, candidates []Candidate) error {
	var left []Candidate
	var wants []want
	for _, c := range candidates {
		rule := o.r.Set.rules[c.Rule]
		m := o.measures(c, nil)
		if !eval(weaken(rule.judged(false), rule.heaviest(), additive), m.value) {
			continue
		}
		left = append(left, c)
		w := o.want(c)
		if rule.uses(mDistinctPaths) {
			w.kinds |= distinctPaths
		}
		// An address looks shared by its fingerprints when most of its requests succeed.
		shared := 2*m.InAll().OK > m.InAll().Requests && (rule.Group == ByAddress || rule.Group == ByPrefix)
		if rule.uses(mJA4s) || shared && !rule.looksAtSome() {
			w.kinds |= distinctJA4s
		}
		if rule.Group == ByPrefix || rule.Group != ByAddress && (rule.uses(mAddresses) || rule.uses(mOKAddresses)) {
			w.kinds |= distinctAddresses
		}
		if w.kinds != 0 {
			wants = append(wants, w)
		}
		if whole := (want{rule: wholeID(c.Rule), trust: c.Trust, key: c.Key, step: c.Step}); rule.looksAtSome() && c.Trust == 0 {
			if shared {
				whole.kinds |= distinctJA4s
			}
			if rule.Group == ByPrefix && m.Whole.OK > 0 {
				whole.kinds |= distinctAddresses
			}
			if whole.kinds != 0 {
				wants = append(wants, whole)
			}
		}
	}
	if len(wants) > 0 {
		var rows []distinctRow
		if err := o.scan(ctx, e, o.r.distinct(wants, &rows)); err != nil {
			return err
		}
		for _, row := range rows {
			o.apart[want{rule: row.rule, trust: row.trust, key: row.key, step: row.step}] = row
		}
	}
	for _, c := range left {
		if eval(o.r.Set.rules[c.Rule].judged(false), o.measures(c, nil).value) {
			o.steps[c.Step] = append(o.steps[c.Step], c)
		}
	}
	return nil
}

// additive reports whether a measure is known before the distinct scan.
func additive(m measure) bool {
	switch m {
	case mDistinctPaths, mJA4s, mAddresses, mOKAddresses:
		return false
	}
	return true
}

// wholeID stands in a statement, beside a rule of that number, for all requests in its window.
func wholeID(rule int64) int64 { return MaxRules + rule }

func (o *Replayed) want(c Candidate) want {
	return want{rule: c.Rule, trust: c.Trust, key: c.Key, step: c.Step}
}

// Span is a stretch of time, Until exclusive.
type Span struct{ From, Until time.Time }

// Held says when a key was under a block that the replay only imagines: what it
// asked for then would have been refused.
type Held func(Keyed) []Span

// Offenders are those of a step, in the order of [Result]. DistinctPaths, JA4s,
// Addresses and OKAddresses are 0 where neither the rule nor the policy looks at them,
// Share and Score where the rule does not.
//
// With held, requests that an imagined block would have refused are left out of
// what adds up, and who no longer meets his rule is no offender. Shares, scores
// and distinct values stay those of all rows.
func (o *Replayed) Offenders(step int, held Held) []Offender {
	var out []Offender
	for _, c := range o.steps[step] {
		rule := o.r.Set.rules[c.Rule]
		var spans []Span
		if held != nil {
			spans = held(Keyed{rule.Group, c.Key})
		}
		m := o.measures(c, spans)
		if len(spans) > 0 && !eval(rule.judged(false), m.value) {
			continue
		}
		out = append(out, Offender{Key: c.Key, Group: rule.Group, Rule: rule.Name, Trust: trustOf(c.Trust), Measures: m})
	}
	sortOffenders(o.r.Set, out)
	return out
}

// measures adds up a candidate's slots.
func (o *Replayed) measures(c Candidate, without []Span) Measures {
	rule := o.r.Set.rules[c.Rule]
	slot := o.r.Slot()
	hi := o.r.slots(o.r.At(int(c.Step)), slot)
	lo := hi - int64(rule.Window/slot)
	var m Measures
	var first, last, minute, inMinute, weighed int64
	rows := o.series[Keyed{rule.Group, c.Key}]
	for _, row := range rows[from(rows, lo):] {
		if row.Slot >= hi {
			break
		}
		if row.Trust != c.Trust || row.N == 0 || o.inside(row.Slot, without) {
			continue
		}
		m.Whole.Requests += row.N
		m.Whole.OK += row.OK
		if row.Bits>>c.Rule&1 == 0 {
			continue
		}
		m.Requests += row.N
		m.OK += row.OK
		m.Errors += row.Errors
		weighed += row.Weight
		if at := (hi - 1 - row.Slot) / int64(time.Minute/slot); at != minute || inMinute == 0 {
			minute, inMinute = at, 0
		}
		inMinute += row.N
		m.PeakPerMinute = max(m.PeakPerMinute, inMinute)
		if first == 0 || row.FirstUs < first {
			first = row.FirstUs
		}
		last = max(last, row.LastUs)
	}
	m.FirstSeen, m.LastSeen = fromMicros(first), fromMicros(last)
	m.Weight, m.Weighed = rule.weight(m.Requests, weighed)
	if rule.uses(mShare) {
		m.Share = c.Share
	}
	if rule.uses(mScore) {
		m.Score = c.Score
	}
	d := o.apart[o.want(c)]
	m.DistinctPaths, m.JA4s, m.Addresses, m.OKAddresses = d.paths, d.ja4s, d.addresses, d.okAddresses
	if rule.Group == ByAddress {
		m.Addresses = 1
		m.OKAddresses = min(m.OK, 1)
	}
	if !rule.looksAtSome() || c.Trust != 0 {
		m.Whole = Whole{}
		return m
	}
	all := o.apart[want{rule: wholeID(c.Rule), trust: c.Trust, key: c.Key, step: c.Step}]
	m.Whole.JA4s, m.Whole.OKAddresses = all.ja4s, all.okAddresses
	if rule.Group == ByAddress {
		m.Whole.OKAddresses = min(m.Whole.OK, 1)
	}
	return m
}

// inside reports whether a slot begins in a span.
func (o *Replayed) inside(slot int64, spans []Span) bool {
	if len(spans) == 0 {
		return false
	}
	at := o.r.From().Add(time.Duration(slot) * o.r.Slot())
	return slices.ContainsFunc(spans, func(s Span) bool { return !at.Before(s.From) && at.Before(s.Until) })
}

// from is the first row of a slot not before lo.
func from(rows []SeriesRow, lo int64) int {
	return sort.Search(len(rows), func(i int) bool { return rows[i].Slot >= lo })
}

// After answers what [Query.Present] asks, at a step, for keys that are in the
// series, by whole slots.
func (o *Replayed) After(step int, present []Present, held Held) []After {
	slot := o.r.Slot()
	var out []After
	for _, p := range present {
		i, ok := o.r.Set.byName[p.Rule]
		if !ok {
			continue
		}
		rule := o.r.Set.rules[i]
		key := Keyed{rule.Group, p.Key}
		var spans []Span
		if held != nil {
			spans = held(key)
		}
		hi := o.r.slots(o.r.At(step), slot)
		lo := hi - int64(rule.Window/slot)
		if since := p.From.Sub(o.r.From()); since > time.Duration(lo)*slot {
			lo = int64((since + slot - 1) / slot)
		}
		a := After{Present: p}
		rows := o.series[key]
		var last, weighed int64
		for _, row := range rows[from(rows, lo):] {
			if row.Slot >= hi {
				break
			}
			if row.Trust != 0 || row.Bits>>i&1 == 0 {
				continue
			}
			a.Requests += row.N + row.Refused
			weighed += row.Weight + row.RefusedWeight
			a.Refused += row.Refused
			if o.inside(row.Slot, spans) {
				a.Refused += row.N
			} else {
				a.OK += row.OK
			}
			last = max(last, row.LastAllUs)
		}
		a.Passed, a.LastSeen = a.Requests-a.Refused, fromMicros(last)
		a.Weight, _ = rule.weight(a.Requests, weighed)
		out = append(out, a)
	}
	return out
}

// Traffic is what a key asked for in a while, whatever rule it matched.
type Traffic struct {
	Cached  int64 `json:"cached"`  // successful, from Fastly's cache
	OK      int64 `json:"ok"`      // successful, not from the cache
	Errors  int64 `json:"errors"`  // answered with a status of 400 or more
	Other   int64 `json:"other"`   // without a status
	Refused int64 `json:"refused"` // already refused by our ACL then
}

// Passed are the requests that were not refused then.
func (t Traffic) Passed() int64 { return t.Cached + t.OK + t.Errors + t.Other }

// Add adds another's requests.
func (t *Traffic) Add(u Traffic) {
	t.Cached += u.Cached
	t.OK += u.OK
	t.Errors += u.Errors
	t.Other += u.Other
	t.Refused += u.Refused
}

// Subtract takes another's requests away.
func (t *Traffic) Subtract(u Traffic) {
	t.Add(Traffic{-u.Cached, -u.OK, -u.Errors, -u.Other, -u.Refused})
}

// Traffic adds up what a key of the series asked for in a span, by whole slots.
func (o *Replayed) Traffic(key Keyed, s Span) Traffic {
	slot := o.r.Slot()
	lo, hi := max(o.r.slots(s.From, slot), 0), o.r.slots(s.Until, slot)
	var t Traffic
	rows := o.series[key]
	for _, row := range rows[from(rows, lo):] {
		if row.Slot >= hi {
			break
		}
		t.Add(Traffic{Cached: row.Cached, OK: row.OK - row.Cached, Errors: row.Errors, Other: row.N - row.OK - row.Errors, Refused: row.Refused})
	}
	return t
}
