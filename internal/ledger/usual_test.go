package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/ledger"
)

var noon = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

// counted is a run at noon that many days and minutes ago.
func counted(days, minutes int, requests int64, edit ...func(*ledger.Summary)) ledger.Summary {
	s := ledger.Summary{Time: noon.Add(-time.Duration(days)*24*time.Hour - time.Duration(minutes)*time.Minute), Outcome: ledger.Success, Service: "S", Trusted: 1,
		Rules: map[string]ledger.RuleCount{"login": {Shape: "ab", Requests: requests, Keys: requests / 2, Median: float64(requests) / 100, Scale: 0.5}}}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func TestWhatIsUsualAtThisHour(t *testing.T) {
	three := []ledger.Summary{counted(1, 0, 100), counted(2, 25, 300), counted(3, -25, 200)}
	with := func(more ...ledger.Summary) []ledger.Summary {
		return append(append([]ledger.Summary{}, three...), more...)
	}
	shape := func(s *ledger.Summary) {
		s.Rules = map[string]ledger.RuleCount{"login": {Shape: "other", Requests: 9e6}}
	}
	for name, tc := range map[string]struct {
		past []ledger.Summary
		want float64
		days int
	}{
		"the median of the days":                     {three, 200, 3},
		"two days are no baseline":                   {three[:2], 0, 0},
		"other hours do not count":                   {with(counted(1, 31, 9e6), counted(2, -31, 9e6), counted(0, 5, 9e6), counted(0, 0, 9e6)), 200, 3},
		"a run or two of a day do not count":         {with(counted(3, 5, 9e6), counted(3, 10, 210)), 210, 3},
		"one bad day does not count":                 {with(counted(4, 0, 9e6), counted(5, 0, 150)), 200, 5},
		"what is older than two weeks does not":      {with(counted(15, 0, 9e6), counted(16, 0, 9e6)), 200, 3},
		"nor what failed":                            {with(counted(4, 0, 9e6, func(s *ledger.Summary) { s.Outcome = ledger.Failure })), 200, 3},
		"nor another service":                        {with(counted(4, 0, 9e6, func(s *ledger.Summary) { s.Service = "T" })), 200, 3},
		"nor a run without trusted rows":             {with(counted(4, 0, 9e6, func(s *ledger.Summary) { s.Trusted = 0 })), 200, 3},
		"nor a rule of that name that was rewritten": {with(counted(4, 0, 0, shape)), 200, 3},
	} {
		t.Run(name, func(t *testing.T) {
			got, known := ledger.UsualAtHour(tc.past, "S", "login", "ab", noon)
			if known != (tc.days > 0) || got.Requests != tc.want || got.Days != tc.days {
				t.Errorf("%+v, %v", got, known)
			}
		})
	}
}

func TestWhatIsUsualLately(t *testing.T) {
	var past []ledger.Summary
	for i := range 12 {
		past = append(past, counted(0, 5*i+5, int64(100+i)))
	}
	if _, known := ledger.UsualLately(past[1:], "S", "login", "ab", noon); known {
		t.Error("eleven runs are a baseline")
	}
	past = append(past, counted(2, 0, 9e6))
	got, known := ledger.UsualLately(past, "S", "login", "ab", noon)
	if !known || got.Requests != 106 || got.Runs != 12 {
		t.Errorf("%+v, %v", got, known)
	}
}

func TestTheCountsOfRulesSurviveTheLedger(t *testing.T) {
	rules := map[string]ledger.RuleCount{
		"login":  {Shape: "0123abcd", Requests: 41_200, Keys: 3_900, Median: 1.099, Scale: 0.3456},
		"silent": {Shape: "ff", Requests: 0},
	}
	got := ledger.Summaries([]ledger.Event{{Event: ledger.RunEvent, Detail: ledger.Summary{Rules: rules}.Event().Detail}})
	if d := cmp.Diff(rules, got[0].Rules); d != "" {
		t.Error(d)
	}
	if got[0].Extra != nil {
		t.Errorf("extra is %v", got[0].Extra)
	}
	broken := ledger.Summaries([]ledger.Event{{Event: ledger.RunEvent, Detail: map[string]string{"rules": "a=1 b=x/1/2 c=y/1/2/3/z d=ee/5/4/1.5/0.1 = //"}}})
	if d := cmp.Diff(map[string]ledger.RuleCount{"d": {Shape: "ee", Requests: 5, Keys: 4, Median: 1.5, Scale: 0.1}}, broken[0].Rules); d != "" {
		t.Error(d)
	}
}
