package backtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"edgewarden/internal/detect"
)

// A sample that is smaller says little about the tail, where thresholds lie.
const (
	leastSamples = 200  // without them nothing is suggested
	soundSamples = 1000 // with fewer, or less than about a day, the suggestion is weak
	soundPeriod  = 24*time.Hour - quiet
)

// A proposal that would have refused more than a hundredth of all requests that went well is no natural gap between people
// and attackers, wherever it lies.
const okMost = 100

// gapLeast is how many times the lower value the upper one of a natural gap is at least.
const gapLeast = 1.5

// SuggestOptions say what to look at.
type SuggestOptions struct {
	Engine    detect.Replayer
	Set       *detect.Set
	ServiceID string
	From, To  time.Time
	// Trust names the kinds of untrusted rows that are counted as if trusted.
	TrustForgeable, TrustUnauthenticated bool
	Chunk, Deadline                      time.Duration         // as in Options
	Progress                             func(done, scans int) // nil says nothing
}

// Suggestions are what Suggest says of a set of rules.
type Suggestions struct {
	ServiceID    string       `json:"service_id,omitempty"`
	From         time.Time    `json:"from"`
	To           time.Time    `json:"to"`
	Covered      *Coverage    `json:"covered"` // what of it there are rows of; null: none
	Suggestions  []Suggestion `json:"suggestions"`
	Without      []string     `json:"without"`      // rules without a lower bound on a counter: share, score and the like move with the traffic
	WithinWhere  []string     `json:"within_where"` // rules with a where: what else those asked for whom a bound would meet is not counted
	BytesScanned int64        `json:"bytes_scanned"`
}

// Suggestion is one bound of a rule. A sample is an address (or what the rule groups
// by) and a window in which it asked for something the rule counts.
type Suggestion struct {
	Rule    string   `json:"rule"`
	Measure string   `json:"measure"`
	Window  Duration `json:"window"`
	Samples int64    `json:"samples"`
	Windows int      `json:"windows"`
	P50     int64    `json:"p50"`
	P90     int64    `json:"p90"`
	P99     int64    `json:"p99"`
	P999    int64    `json:"p99_9"`
	Max     int64    `json:"max"`
	Gap     *Gap     `json:"gap"` // null: the values above p99 have none

	Present  Bound  `json:"present"`
	Proposed *Bound `json:"proposed"` // null: see Note
	Note     string `json:"note"`     // how far to trust it
}

// Gap is the widest natural gap above p99: nobody's value lies between.
type Gap struct {
	Above int64 `json:"above"` // the last value below it
	Below int64 `json:"below"` // the first value above it
}

// Bound is a threshold and its collateral: whom it would have met, the other conditions of the rule left aside.
type Bound struct {
	Value      int64 `json:"value"`
	Keys       int   `json:"keys"`         // different ones
	KeysAtMost bool  `json:"keys_at_most"` // so low a bound that keys were not told apart: Keys is the samples
	Samples    int64 `json:"samples"`
	Requests   int64 `json:"requests"`
	OK         int64 `json:"ok_requests"` // of those, successful
}

func (o *SuggestOptions) validate() error {
	switch {
	case o.Engine == nil || o.Set == nil:
		return errors.New("suggest: there is no engine or no rule")
	case !o.From.Before(o.To):
		return errors.New("suggest: there is no time to look at")
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	return nil
}

func (o *SuggestOptions) surveys() (surveys []detect.Survey, without []string) {
	probes, without := o.Set.Probes()
	return detect.Surveys(probes, o.ServiceID, o.From, o.To, o.TrustForgeable, o.TrustUnauthenticated), without
}

// EstimateSuggest asks the engine what Suggest would read, and in how many queries; it costs nothing.
func EstimateSuggest(ctx context.Context, o SuggestOptions) (total int64, scans int, err error) {
	if err := o.validate(); err != nil {
		return 0, 0, err
	}
	var rows []detect.HourRow
	scan := o.hours(&rows)
	scan.Dry = true
	if total, err = o.Engine.Scan(ctx, scan); err != nil {
		return total, scans, err
	}
	scans++
	surveys, _ := o.surveys()
	for _, s := range surveys {
		for _, part := range s.Cut(o.Chunk, o.Deadline) {
			var rows []detect.SampleRow
			scan := part.Samples(&rows)
			scan.Dry = true
			n, err := o.Engine.Scan(ctx, scan)
			if err != nil {
				return total, scans, err
			}
			total, scans = total+n, scans+1
		}
	}
	return total, scans, nil
}

// Suggest measures every bound on a counter over the past and proposes thresholds.
func Suggest(ctx context.Context, o SuggestOptions) (*Suggestions, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	surveys, without := o.surveys()
	out := &Suggestions{ServiceID: o.ServiceID, From: o.From, To: o.To, Suggestions: []Suggestion{}, Without: append([]string{}, without...), WithinWhere: []string{}}
	var err error
	if out.Covered, out.BytesScanned, err = o.covered(ctx); err != nil {
		return nil, fmt.Errorf("looking how much of the time there are rows of: %w", err)
	}
	scans, done := 0, 0
	for _, s := range surveys {
		scans += len(s.Cut(o.Chunk, o.Deadline))
	}
	for _, s := range surveys {
		seen := make([]distribution, len(s.Probes))
		for _, part := range s.Cut(o.Chunk, o.Deadline) {
			var rows []detect.SampleRow
			n, err := o.Engine.Scan(ctx, part.Samples(&rows))
			if err != nil {
				return nil, fmt.Errorf("measuring %s of rule %s: %w", s.Probes[0].Measure, s.Probes[0].Rule, err)
			}
			out.BytesScanned += n
			for _, r := range rows {
				if r.Probe < 0 || r.Probe >= int64(len(seen)) {
					return nil, fmt.Errorf("reading samples: there is no probe %d", r.Probe)
				}
				seen[r.Probe].add(r)
			}
			done++
			o.Progress(done, scans)
		}
		for i, p := range s.Probes {
			out.Suggestions = append(out.Suggestions, seen[i].suggest(p, s.Windows(), out.Covered.within(time.Duration(s.Windows())*p.Window)))
		}
	}
	place := map[string]int{}
	for i, r := range o.Set.Rules() {
		place[r.Name] = i
	}
	slices.SortStableFunc(out.Suggestions, func(a, b Suggestion) int { return cmp.Compare(place[a.Rule], place[b.Rule]) })
	for _, r := range o.Set.Rules() {
		if r.Where != "true" && slices.ContainsFunc(out.Suggestions, func(s Suggestion) bool { return s.Rule == r.Name }) {
			out.WithinWhere = append(out.WithinWhere, r.Name)
		}
	}
	return out, nil
}

// distribution is the samples of one probe by their value.
type distribution struct {
	by        map[int64]detect.SampleRow
	most      map[string]int64 // the highest value of each key that is told
	untrusted int64            // samples of rows nobody is blocked for
}

func (d *distribution) add(r detect.SampleRow) {
	if r.Trust != 0 {
		d.untrusted += r.Samples
		return
	}
	if d.by == nil {
		d.by, d.most = map[int64]detect.SampleRow{}, map[string]int64{}
	}
	n := d.by[r.Value]
	n.Samples, n.Requests, n.OK = n.Samples+r.Samples, n.Requests+r.Requests, n.OK+r.OK
	d.by[r.Value] = n
	if r.Key != "" {
		d.most[r.Key] = max(d.most[r.Key], r.Value)
	}
}

func (d *distribution) suggest(p detect.Probe, windows int, period time.Duration) Suggestion {
	s := Suggestion{Rule: p.Rule, Measure: p.Measure, Window: Duration(p.Window), Windows: windows}
	values := slices.Sorted(maps.Keys(d.by))
	for _, v := range values {
		s.Samples += d.by[v].Samples
	}
	s.Present = d.bound(p, p.Present)
	if s.Samples == 0 {
		s.Note = "no request was counted"
		if d.untrusted > 0 {
			s.Note = fmt.Sprintf("no request that can be trusted was counted; %d samples are of rows nobody is blocked for", d.untrusted)
		}
		return s
	}
	s.P50, s.P90, s.P99, s.P999, s.Max = d.at(values, s.Samples, 0.5), d.at(values, s.Samples, 0.9), d.at(values, s.Samples, 0.99), d.at(values, s.Samples, 0.999), values[len(values)-1]
	s.Gap = gap(values, s.P99)
	if s.Samples < leastSamples {
		s.Note = fmt.Sprintf("too small a sample to suggest anything: %d, want %d at least", s.Samples, leastSamples)
		return s
	}
	value := tidy(2*float64(s.Max), s.Max+1)
	switch {
	case s.Gap != nil:
		value = tidy(math.Sqrt(float64(s.Gap.Above)*float64(s.Gap.Below)), s.Gap.Above+1)
		value = min(value, s.Gap.Below)
		s.Note = fmt.Sprintf("in the middle of the gap between %d and %d", s.Gap.Above, s.Gap.Below)
	default:
		s.Note = "no natural gap above the 99th percentile, so nobody stands out: twice the largest value, which meets nobody"
	}
	proposed := d.bound(p, value)
	s.Proposed = &proposed
	s.Note += d.collateral(proposed, s.Present)
	if s.Samples < soundSamples || period < soundPeriod {
		s.Note += fmt.Sprintf("; weak: %d samples of %s, want %d of a day at least, better of a week", s.Samples, Duration(period), soundSamples)
	}
	return s
}

// collateral warns of a proposal that would have met many who were served, in place of leaving it to the reader of a number.
func (d *distribution) collateral(proposed, present Bound) string {
	all := d.bound(detect.Probe{}, 0)
	if proposed.OK == 0 || proposed.OK*2 < proposed.Requests && proposed.OK*okMost <= all.OK {
		return ""
	}
	keys := fmt.Sprintf("%d keys", proposed.Keys)
	switch {
	case proposed.KeysAtMost:
		keys = "at most " + keys
	case proposed.Keys == 1:
		keys = "1 key"
	}
	text := fmt.Sprintf("; CAREFUL: %d of the %d requests it would have met went well, %s of all that did, of %s", proposed.OK, proposed.Requests, share(proposed.OK, all.OK), keys)
	if proposed.Value < present.Value && present.OK < proposed.OK {
		text += fmt.Sprintf(" (with the present bound %d)", present.OK)
	}
	return text + ": look whose they are before you use it"
}

// share is a part in percent: 3 %, 0.4 %, never nothing of something.
func share(n, of int64) string {
	switch p := 100 * float64(n) / float64(of); {
	case p >= 1:
		return fmt.Sprintf("%.0f %%", p)
	case p >= 0.1:
		return fmt.Sprintf("%.1f %%", p)
	}
	return "less than 0.1 %"
}

// at is the least value that a share of the samples does not exceed.
func (d *distribution) at(values []int64, samples int64, share float64) int64 {
	need, sum := int64(math.Ceil(share*float64(samples))), int64(0)
	for _, v := range values {
		if sum += d.by[v].Samples; sum >= need {
			return v
		}
	}
	return values[len(values)-1]
}

// gap is the widest gap, as a ratio, among the values from p99 on; of two the upper one. Small counts jump by
// nature, so a gap begins no lower than at 3.
func gap(values []int64, p99 int64) *Gap {
	var out *Gap
	widest := gapLeast
	for i := 1; i < len(values); i++ {
		if values[i-1] < max(p99, 3) {
			continue
		}
		if ratio := float64(values[i]) / float64(values[i-1]); ratio >= widest {
			widest, out = ratio, &Gap{Above: values[i-1], Below: values[i]}
		}
	}
	return out
}

// tidy rounds up to two digits, but not below least.
func tidy(v float64, least int64) int64 {
	unit := math.Pow(10, max(math.Floor(math.Log10(max(v, 1)))-1, 0))
	return max(int64(math.Ceil(v/unit)*unit), least)
}

// bound is what a threshold would have met.
func (d *distribution) bound(p detect.Probe, value int64) Bound {
	b := Bound{Value: value, KeysAtMost: value < p.TellsFrom()}
	for v, n := range d.by {
		if v >= value {
			b.Samples, b.Requests, b.OK = b.Samples+n.Samples, b.Requests+n.Requests, b.OK+n.OK
		}
	}
	if b.KeysAtMost {
		b.Keys = int(b.Samples)
		return b
	}
	for _, v := range d.most {
		if v >= value {
			b.Keys++
		}
	}
	return b
}
