package detect

import (
	"cmp"
	"slices"
	"time"
)

// When the requests a rule counts are a flood that its addresses do not explain. All three must hold of what is left
// without the rule's offenders.
const (
	floodFactor = 3    // times the usual
	floodLeast  = 1000 // requests
	floodKeys   = 50   // keys, so that no handful of addresses is taken for a crowd
)

// FloodTop is of how many addresses, the busiest, it is said what blocking them would stop: as many as the guard
// lets through in a run by default.
const FloodTop = 100

// MaxFloods is the most floods that are looked at: rules that count the same requests tell the same story.
const MaxFloods = 3

// Usual is how many requests a rule usually counts in its window, and how that is known.
type Usual struct {
	Requests float64
	From     string // such as "at this hour on 7 earlier days"; for people
}

// Flood is a rule's requests far above what is usual, of which its offenders are the smaller part: no single
// address stands out. It is shown, never acted on. Everything from Addresses on is filled by Engine.Flood.
type Flood struct {
	Rule     string
	Trust    Trust
	Window   time.Duration
	Requests int64
	Usual    Usual
	Keys     int64 // of the rule's group
	Busiest  int64 // requests of the busiest key
	Caught   int64 // requests of the rule's offenders; 0 for most floods
	Floor    int64 // requests that a key needs at least for the rule: 150 for weight >= 3000 when the heaviest class weighs 20

	Addresses    int64
	MostOfOne    int64 // requests of the busiest address
	TopAddresses int64 // FloodTop, or Addresses when there are fewer
	TopRequests  int64 // of the TopAddresses busiest addresses
	Clusters     []Cluster
}

// Cluster is the part of a flood that shares a value: up to three for each By, largest first.
type Cluster struct {
	By          string // "prefix", "asn", "ja4", "agent" or "path"
	Value       string // hostile; a path is preceded by its method
	Requests    int64
	Addresses   int64
	MostOfOne   int64
	TopRequests int64 // of its own FloodTop busiest addresses
}

// Factor is how many times the usual the flood is.
func (f Flood) Factor() float64 { return float64(f.Requests) / max(f.Usual.Requests, 1) }

// Floods finds the floods in an answer, the largest by its factor first. usual has what is known of earlier runs, by rule;
// for another rule the older half of its own window stands in, which shows only how a flood begins. Only rules that group
// by address or prefix are looked at, and of the classes of trust only the trusted one, unless all rows are untrusted.
func (s *Set) Floods(res Result, usual map[string]Usual, to time.Time) []Flood {
	var out []Flood
	for _, v := range res.Volumes {
		c := s.rules[s.byName[v.Rule]]
		if c.Group != ByAddress && c.Group != ByPrefix || v.Trust != (Trust{}) && res.Health.Trusted > 0 {
			continue
		}
		f := Flood{Rule: v.Rule, Trust: v.Trust, Window: c.Window, Requests: v.Requests, Keys: v.Keys, Busiest: v.Busiest, Floor: c.floor()}
		var known bool
		if f.Usual, known = usual[v.Rule]; !known {
			if f.Usual, known = c.olderRate(v, res.Health, to); !known {
				continue
			}
		}
		caught := int64(0)
		for _, o := range res.Offenders {
			if o.Rule == v.Rule && o.Trust == v.Trust {
				f.Caught += o.Measures.Requests
				caught++
			}
		}
		if rest := v.Requests - f.Caught; v.Keys-caught >= floodKeys && rest >= floodLeast && float64(rest) >= floodFactor*f.Usual.Requests {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b Flood) int { return cmp.Compare(b.Factor(), a.Factor()) })
	return out[:min(len(out), MaxFloods)]
}

// olderRate is what the rule counted in the older part of its window, as if the whole window had been like that. It
// is not known when the store does not reach back so far.
func (c compiled) olderRate(v Volume, h Health, to time.Time) (Usual, bool) {
	span := c.olderSpan()
	if span <= 0 || h.Oldest.IsZero() || h.Oldest.After(to.Add(-c.Window+span/4)) {
		return Usual{}, false
	}
	return Usual{Requests: float64(v.Older) * float64(c.Window) / float64(span), From: "by the older half of the window"}, true
}
