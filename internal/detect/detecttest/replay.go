package detecttest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// ReplayCase is records and a replay of them.
type ReplayCase struct {
	Name    string
	Records []record.Record
	Replay  detect.Replay
}

// plainRules are rules with windows of whole steps.
func plainRules() *detect.Set {
	return MustCompile(
		detect.Rule{Name: "flood", When: "requests >= 6", Window: 10 * time.Minute},
		detect.Rule{Name: "scanner", Where: "status == 404", When: "distinct_paths >= 4 && requests >= 5", Window: 10 * time.Minute},
		detect.Rule{Name: "outlier", When: "score > 2.0 && requests >= 3", Window: 15 * time.Minute},
		detect.Rule{Name: "outlier-again", When: "score > 1.0 && requests >= 2", Window: 15 * time.Minute},
		detect.Rule{Name: "burst", When: "peak_per_minute >= 3", Window: 10 * time.Minute},
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "addresses >= 3 && ok_addresses >= 2", Window: 10 * time.Minute},
		detect.Rule{Name: "asn", Group: detect.ByASN, When: "share > 0.1", Window: 15 * time.Minute},
		detect.Rule{Name: "ja4", Group: detect.ByJA4, When: "ja4s == 1 && requests > 20", Window: 10 * time.Minute},
	)
}

// ReplayCases are what both engines have to replay alike.
func ReplayCases() []ReplayCase {
	traffic := Traffic(5, 1500)
	replay := func(set *detect.Set, first time.Time, step time.Duration, steps int) detect.Replay {
		return detect.Replay{Set: set, ServiceID: Service, First: first, Step: step, Steps: steps}
	}
	lifted := replay(plainRules(), T.Add(-15*time.Minute), 5*time.Minute, 4)
	lifted.TrustForgeable, lifted.TrustUnauthenticated, lifted.ServiceID = true, true, ""
	return []ReplayCase{
		{"windows of whole steps", traffic, replay(plainRules(), T.Add(-25*time.Minute), 5*time.Minute, 7)},
		{"steps of a minute", traffic, replay(plainRules(), T.Add(-8*time.Minute), time.Minute, 9)},
		{"every rule, with windows that fit no step", traffic, replay(Rules(), T.Add(-12*time.Minute), 4*time.Minute, 4)},
		{"untrusted rows are counted with the others, of all services", traffic, lifted},
		{"steps longer than the windows", traffic, replay(plainRules(), T.Add(-20*time.Minute), 20*time.Minute, 2)},
		{"rules by weight", traffic, replay(weighing(), T.Add(-12*time.Minute), 4*time.Minute, 4)},
		{"fingerprints alone, compared with everybody", traffic, replay(MustCompile(detect.Rule{Name: "ja4", Group: detect.ByJA4, Window: 10 * time.Minute, When: "share > 0.3"}), T.Add(-12*time.Minute), 4*time.Minute, 4)},
		{"networks and prefixes alone", traffic, replay(MustCompile(detect.Rule{Name: "asn", Group: detect.ByASN, Window: 10 * time.Minute, When: "requests >= 2 && share > 0.05"},
			detect.Rule{Name: "prefix", Group: detect.ByPrefix, Window: 5 * time.Minute, Where: "status >= 400", When: "requests >= 2"}), T.Add(-12*time.Minute), 4*time.Minute, 4)},
		{"offices among those who make errors", append(shared(), traffic...), replay(MustCompile(detect.Rule{Name: "errors", Where: "status == 404", Window: 4 * time.Minute, When: "requests >= 2"},
			detect.Rule{Name: "fingers", Where: "status >= 400", Window: 8 * time.Minute, When: "requests >= 2 && ja4s >= 2"}, detect.Rule{Name: "flood", Window: 8 * time.Minute, When: "requests >= 9"},
			detect.Rule{Name: "prefix", Group: detect.ByPrefix, Where: "status == 404", Window: 4 * time.Minute, When: "requests >= 2"}, detect.Rule{Name: "asn", Group: detect.ByASN, Where: "status == 404", Window: 4 * time.Minute, When: "requests >= 2"}),
			T.Add(-8*time.Minute), 2*time.Minute, 5)},
		{"an empty store", nil, replay(plainRules(), T, 5*time.Minute, 2)},
	}
}

// RunReplay replays every case and compares each step with the reference.
func RunReplay(t *testing.T, open Open) {
	for _, c := range ReplayCases() {
		t.Run(c.Name, func(t *testing.T) { CheckReplay(t, open(t, c.Records).(detect.Replayer), c) })
	}
}

// CheckReplay holds what a replay finds at each step against what the reference
// answers at that T, and what it knows of the keys against the records.
func CheckReplay(t *testing.T, e detect.Replayer, c ReplayCase) {
	t.Helper()
	r := c.Replay
	found, err := r.Found(t.Context(), e, watched())
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-9, 1e-9)}
	offenders := 0
	for i := range r.Steps {
		q := detect.Query{Set: r.Set, ServiceID: r.ServiceID, To: r.At(i), Now: r.At(i).Add(24 * time.Hour), Present: presentAt(r, i),
			TrustForgeable: r.TrustForgeable, TrustUnauthenticated: r.TrustUnauthenticated}
		want := Reference(q, c.Records)
		got := found.Offenders(i, nil)
		for j := range want.Offenders {
			if j < len(got) {
				want.Offenders[j].Measures.Whole = ReferenceWhole(q, want.Offenders[j], c.Records)
				blind(r.Set, &want.Offenders[j], got[j])
			}
		}
		if d := cmp.Diff(want.Offenders, got, opts); d != "" {
			t.Errorf("step %d, T %s: the replay's offenders differ (-want +got):\n%s", i, q.To, d)
		}
		if d := cmp.Diff(want.After, found.After(i, q.Present, nil), opts); d != "" {
			t.Errorf("step %d: answers about present blocks differ (-want +got):\n%s", i, d)
		}
		offenders += len(got)
		if want := passedSince(r, c.Records, i); want != found.Requests(i) {
			t.Errorf("step %d: %d requests since the step before, want %d", i, found.Requests(i), want)
		}
	}
	if len(c.Records) > 0 && offenders == 0 {
		t.Error("no step has an offender: the case proves nothing")
	}
	span := detect.Span{From: r.First.Add(-r.Step), Until: r.Last()}
	for _, k := range watched() {
		if d := cmp.Diff(trafficOf(r, c.Records, k, span), found.Traffic(k, span)); d != "" {
			t.Errorf("traffic of %v differs (-want +got):\n%s", k, d)
		}
	}
}

// watched are keys of the traffic that are asked for whatever they did.
func watched() []detect.Keyed {
	return []detect.Keyed{{Group: detect.ByAddress, Key: "198.51.100.66"}, {Group: detect.ByAddress, Key: "203.0.0.3"}, {Group: detect.ByAddress, Key: "2001:db8:1:5::/64"},
		{Group: detect.ByPrefix, Key: "203.0.1.0/24"}, {Group: detect.ByAddress, Key: "192.0.2.1"}}
}

// presentAt are blocks of watched keys that took hold some slots before a step.
func presentAt(r detect.Replay, step int) []detect.Present {
	rng := rand.New(rand.NewPCG(9, uint64(step)))
	var out []detect.Present
	for _, k := range watched() {
		for _, rule := range r.Set.Rules() {
			if rule.Group == k.Group && rng.IntN(2) == 0 {
				out = append(out, detect.Present{Key: k.Key, Rule: rule.Name, From: r.At(step).Add(-time.Duration(rng.IntN(40)) * r.Slot())})
			}
		}
	}
	return append(out, detect.Present{Key: "203.0.0.3", Rule: "gone", From: r.At(step)})
}

// blind hides of want what a replay does not measure: what neither the rule nor
// the policy looks at.
func blind(set *detect.Set, want *detect.Offender, got detect.Offender) {
	i := slices.IndexFunc(set.Rules(), func(r detect.Rule) bool { return r.Name == want.Rule })
	rule := set.Rules()[i]
	uses := func(name string) bool { return strings.Contains(rule.When, name) }
	m := &want.Measures
	if !uses("share") || uses("error_share") {
		m.Share = got.Measures.Share
	}
	if !uses("score") {
		m.Score = got.Measures.Score
	}
	if !uses("distinct_paths") {
		m.DistinctPaths = 0
	}
	byIP := rule.Group == detect.ByAddress || rule.Group == detect.ByPrefix
	shared := byIP && 2*m.InAll().OK > m.InAll().Requests
	if !uses("ja4s") && !(shared && rule.Where == "true") {
		m.JA4s = 0
	}
	if rule.Group != detect.ByPrefix && rule.Group != detect.ByAddress && !uses("addresses") {
		m.Addresses, m.OKAddresses = 0, 0
	}
	if !shared {
		m.Whole.JA4s = 0
	}
}

// passedSince are the requests between a step and the one before.
func passedSince(r detect.Replay, recs []record.Record, step int) (n int64) {
	q := detect.Query{Set: r.Set, ServiceID: r.ServiceID, To: r.At(step)}
	for _, row := range rowsOf(wide(q, r), recs) {
		if row.base && !row.refused && row.Timestamp.Before(q.To) && !row.Timestamp.Before(q.To.Add(-r.Step)) {
			n++
		}
	}
	return n
}

// wide is q with rows from the replay's From on.
func wide(q detect.Query, r detect.Replay) detect.Query {
	q.To = r.From().Add(r.Set.MaxWindow())
	return q
}

// trafficOf goes through the records.
func trafficOf(r detect.Replay, recs []record.Record, k detect.Keyed, span detect.Span) (out detect.Traffic) {
	q := detect.Query{Set: r.Set, ServiceID: r.ServiceID}
	for _, row := range rowsOf(wide(q, r), recs) {
		if !row.base || keyOf(k.Group, row.Record) != k.Key || row.Timestamp.Before(span.From) || !row.Timestamp.Before(span.Until) {
			continue
		}
		switch s := status(row.Record); {
		case row.refused:
			out.Refused++
		case s == 0:
			out.Other++
		case s >= 400:
			out.Errors++
		case strings.HasPrefix(row.Cache, "HIT"):
			out.Cached++
		default:
			out.OK++
		}
	}
	return out
}
