package backtest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/backtest"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// crowd makes windows of ten minutes: customers people ask 1 to 10 times in each, and an attacker 200 times in some.
func crowd(customers, windows, attacks int) (recs []record.Record) {
	for w := range windows {
		at := begin.Add(time.Duration(w) * 10 * time.Minute)
		for c := range customers {
			for n := range 1 + c%10 {
				recs = append(recs, detecttest.Request(at.Add(time.Duration(n)*30*time.Second+time.Second), fmt.Sprintf("203.0.%d.%d", c/250, 1+c%250), "/", 200))
			}
		}
		for n := 0; w < attacks && n < 200; n++ {
			recs = append(recs, detecttest.Request(at.Add(time.Duration(n)*time.Second), "198.51.100.9", "/", []int64{200, 403}[n%2]))
		}
	}
	return recs
}

func suggest(t *testing.T, recs []record.Record, windows int, rules ...detect.Rule) *backtest.Suggestions {
	t.Helper()
	out, err := backtest.Suggest(t.Context(), backtest.SuggestOptions{Engine: engine(t, recs), Set: detecttest.MustCompile(rules...), ServiceID: detecttest.Service,
		From: begin, To: begin.Add(time.Duration(windows) * 10 * time.Minute), Chunk: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A rule that looks at errors counts no success, whatever else those do whom it would meet: the numbers must not read as if there was none.
func TestRulesThatLookAtSomeRequestsAreNamed(t *testing.T) {
	s := suggest(t, crowd(100, 12, 3), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"},
		detect.Rule{Name: "failing", Window: 10 * time.Minute, Where: "status >= 400", When: "requests >= 50"}, detect.Rule{Name: "outlier", Where: "status == 404", When: "score > 3.0"})
	if !slices.Equal(s.WithinWhere, []string{"failing"}) {
		t.Errorf("%q", s.WithinWhere)
	}
}

func TestASuggestionLiesInTheNaturalGap(t *testing.T) {
	s := suggest(t, crowd(100, 12, 3), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"}, detect.Rule{Name: "outlier", When: "score > 3.0"})
	if len(s.Suggestions) != 1 || len(s.Without) != 1 || s.Without[0] != "outlier" {
		t.Fatalf("%+v", s)
	}
	got := s.Suggestions[0]
	if got.Samples != 12*100+3 || got.P50 != 6 || got.P99 != 10 || got.Max != 200 || got.Gap == nil || *got.Gap != (backtest.Gap{Above: 10, Below: 200}) {
		t.Errorf("%+v", got)
	}
	if p := got.Proposed; p == nil || p.Value != 45 || p.Keys != 1 || p.Samples != 3 || p.Requests != 600 || p.OK != 300 || p.KeysAtMost {
		t.Errorf("proposed %+v", p)
	}
	if got.Present.Value != 50 || got.Present.Keys != 1 {
		t.Errorf("present %+v", got.Present)
	}
	if !strings.Contains(got.Note, "weak: 1203 samples of 1h55m") {
		t.Errorf("a sample of two hours is not called weak: %q", got.Note)
	}
}

func TestWithoutAGapNobodyIsMet(t *testing.T) {
	got := suggest(t, crowd(100, 12, 0), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 4"}).Suggestions[0]
	if got.Gap != nil || got.Proposed == nil || got.Proposed.Value != 20 || got.Proposed.Samples != 0 || !strings.Contains(got.Note, "no natural gap") {
		t.Errorf("%+v, proposed %+v", got, got.Proposed)
	}
	if got.Present.Samples != 12*70 || got.Present.Keys != 70 {
		t.Errorf("present %+v", got.Present)
	}
}

func TestASmallSampleSuggestsNothing(t *testing.T) {
	got := suggest(t, crowd(10, 12, 3), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"}).Suggestions[0]
	if got.Proposed != nil || !strings.Contains(got.Note, "too small a sample") || got.Max != 200 {
		t.Errorf("%+v", got)
	}
	none := suggest(t, crowd(10, 12, 3), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, Where: "status == 599", When: "requests >= 50"}).Suggestions[0]
	if none.Proposed != nil || !strings.Contains(none.Note, "no request was counted") {
		t.Errorf("%+v", none)
	}
}

func TestUntrustedRowsSuggestNothing(t *testing.T) {
	recs := crowd(100, 12, 3)
	for i := range recs {
		recs[i].Sender = record.SenderNone
	}
	got := suggest(t, recs, 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"}).Suggestions[0]
	if got.Proposed != nil || !strings.Contains(got.Note, "1203 samples are of rows nobody is blocked for") {
		t.Errorf("%+v", got)
	}
}

// The sample is as long as the data, however far back is looked.
func TestASampleIsAsLongAsItsData(t *testing.T) {
	recs := crowd(100, 12, 3)
	for _, windows := range []int{12, 7 * 24 * 6} {
		out := suggest(t, recs, 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"})
		long, err := backtest.Suggest(t.Context(), backtest.SuggestOptions{Engine: engine(t, recs), Set: detecttest.MustCompile(detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"}),
			ServiceID: detecttest.Service, From: begin.Add(time.Duration(12-windows) * 10 * time.Minute), To: begin.Add(2 * time.Hour), Chunk: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*backtest.Suggestions{out, long} {
			if s.Covered == nil || s.Covered.Length.String() != "1h55m" || !s.Covered.Oldest.Equal(begin) || !strings.Contains(s.Suggestions[0].Note, "weak: 1203 samples of 1h55m") {
				t.Errorf("covered %+v, %q", s.Covered, s.Suggestions[0].Note)
			}
		}
	}
}

// Time in which there are no rows is no part of a sample.
func TestAGapIsNoPartOfASample(t *testing.T) {
	recs := crowd(100, 6, 0)
	for _, r := range crowd(100, 6, 0) {
		r.SetTime(record.Timestamp, r.Timestamp.Add(20*time.Hour))
		recs = append(recs, r)
	}
	out := suggest(t, recs, 6*24, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"})
	if c := out.Covered; c == nil || c.Length.String() != "1h49m" || !c.Newest.Equal(begin.Add(20*time.Hour+54*time.Minute+31*time.Second)) {
		t.Errorf("covered %+v", out.Covered)
	}
	for i := range recs {
		recs[i].ServiceID = "ELSE"
	}
	if out := suggest(t, recs, 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 50"}); out.Covered != nil {
		t.Errorf("covered %+v without a row", out.Covered)
	}
}

// A bound below which people are is proposed with what it would have done to them.
func TestAProposalThatMeetsPeopleSaysSo(t *testing.T) {
	got := suggest(t, crowd(100, 12, 3), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 5000"}).Suggestions[0]
	if !strings.Contains(got.Note, "CAREFUL: 300 of the 600 requests it would have met went well, 4 % of all that did, of at most 3 keys (with the present bound 0)") {
		t.Errorf("%q", got.Note)
	}
	if got := suggest(t, crowd(100, 12, 0), 12, detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 4"}).Suggestions[0]; strings.Contains(got.Note, "CAREFUL") {
		t.Errorf("a proposal that meets nobody: %q", got.Note)
	}
}
