package detect

import (
	"slices"
	"time"
)

// Probe is one bound of a rule on a counter: what a threshold could be suggested for.
type Probe struct {
	Rule    string
	Measure string // as in when
	Present int64  // the least value that meets the bound now
	Window  time.Duration
	Group   Group

	rule    compiled
	measure measure
}

// Probes lists the lower bounds on counters in the rules' conditions, and the
// rules that have none.
func (s *Set) Probes() (probes []Probe, without []string) {
	for _, c := range s.rules {
		before := len(probes)
		var walk func(cond)
		walk = func(x cond) {
			switch x := x.(type) {
			case junction:
				for _, a := range x.args {
					walk(a)
				}
			case comparison:
				m := measure(x.l.name)
				if !x.l.isName() || !lowerBound(x) || whenTable.names[x.l.name].typ != typeInt ||
					slices.ContainsFunc(probes[before:], func(p Probe) bool { return p.measure == m }) {
					return
				}
				probes = append(probes, Probe{Rule: c.Name, Measure: whenTable.names[m].Name.Name, Present: floorOfComparison(x), Window: c.Window, Group: c.Group, rule: c, measure: m})
			}
		}
		walk(c.norm)
		if len(probes) == before {
			without = append(without, c.Name)
		}
	}
	return probes, without
}

// shape is what a request has to be counted by, besides its key, to measure.
type shape int

const (
	shapeSum shape = iota // adds up
	shapeMinute
	shapePath
	shapeAddress
	shapeJA4
)

func (m measure) shape() shape {
	switch m {
	case mPeak:
		return shapeMinute
	case mDistinctPaths:
		return shapePath
	case mAddresses, mOKAddresses:
		return shapeAddress
	case mJA4s:
		return shapeJA4
	}
	return shapeSum
}

// Survey measures probes over windows that lie end to end: a sample is a key and a
// window in which it asked for something that the rule counts.
type Survey struct {
	Probes []Probe // of one window and one shape
	replay Replay
}

// Surveys cuts probes into those that one scan can measure, over the steps whole windows
// of which fit between from and to.
func Surveys(probes []Probe, service string, from, to time.Time, forgeable, unauthenticated bool) []Survey {
	var out []Survey
	for _, p := range probes {
		i := slices.IndexFunc(out, func(s Survey) bool {
			return s.Probes[0].Window == p.Window && s.Probes[0].measure.shape() == p.measure.shape() && len(s.Probes) < MaxRules
		})
		if i < 0 {
			i = len(out)
			windows := int(to.Sub(from) / p.Window)
			out = append(out, Survey{replay: Replay{Set: &Set{byName: map[string]int{}}, ServiceID: service, First: to.Add(-time.Duration(windows-1) * p.Window), Step: p.Window, Steps: windows,
				TrustForgeable: forgeable, TrustUnauthenticated: unauthenticated}})
		}
		out[i].Probes = append(out[i].Probes, p)
		out[i].replay.Set.rules = append(out[i].replay.Set.rules, p.rule)
	}
	return slices.DeleteFunc(out, func(s Survey) bool { return s.replay.Steps < 1 })
}

// Windows is how many windows a survey looks at.
func (s Survey) Windows() int { return s.replay.Steps }

// Cut cuts a survey into parts of at most the given length, but of at least one window.
func (s Survey) Cut(length time.Duration, deadline time.Duration) []Survey {
	s.replay.Deadline = deadline
	each := s.replay.Steps
	if length > 0 {
		each = max(int(length/s.replay.Step), 1)
	}
	var out []Survey
	for from := 0; from < s.replay.Steps; from += each {
		part := s
		part.replay.First = s.replay.At(from)
		part.replay.Steps = min(each, s.replay.Steps-from)
		out = append(out, part)
	}
	return out
}

// SampleRow counts the samples of a probe that have a value. Keys are told from a quarter of the
// present bound on: who is below is many, and near no threshold.
type SampleRow struct {
	Probe, Trust int64
	Value        int64
	Key          string // empty below
	Samples      int64
	Requests, OK int64 // of those samples
}

var sampleColumns = []string{"probe", "trust", "value", "k", "samples", "requests", "ok"}

// Samples is the scan that appends to out.
func (s Survey) Samples(out *[]SampleRow) Scan {
	return s.replay.scan("samples", sampleColumns, s.samplesSQL, func() { *out = nil }, func() []any {
		*out = append(*out, SampleRow{})
		r := &(*out)[len(*out)-1]
		return []any{&r.Probe, &r.Trust, &r.Value, &r.Key, &r.Samples, &r.Requests, &r.OK}
	})
}

// TellsFrom is the least value from which SampleRow names the key.
func (p Probe) TellsFrom() int64 { return max(2, (p.Present+3)/4) }
