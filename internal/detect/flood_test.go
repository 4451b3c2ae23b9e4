package detect_test

import (
	"fmt"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// crowd are n requests to /login of as many addresses as said, evenly over the time between from and to before T.
func crowd(n, addresses int, from, to time.Duration, edit ...func(*record.Record)) []record.Record {
	var recs []record.Record
	for i := range n {
		at := detecttest.T.Add(-from + (from-to)*time.Duration(i)/time.Duration(n))
		recs = append(recs, detecttest.Request(at, fmt.Sprintf("198.51.%d.%d", i%addresses/250, i%addresses%250), "/login", 401, edit...))
	}
	return recs
}

func TestAFloodIsFarMoreThanUsualThatOffendersDoNotExplain(t *testing.T) {
	const window = 10 * time.Minute
	set := detecttest.MustCompile(detect.Rule{Name: "login", Where: `path == "/login"`, When: "requests >= 60", Window: window},
		detect.Rule{Name: "asn", Where: `path == "/login"`, Group: detect.ByASN, Window: window})
	usual := func(n float64) map[string]detect.Usual {
		return map[string]detect.Usual{"login": {Requests: n, From: "test"}}
	}
	all := crowd(2000, 400, window, 0)
	one := crowd(1500, 1, window, 0)
	for name, tc := range map[string]struct {
		recs  []record.Record
		usual map[string]detect.Usual
		want  string
	}{
		"three times the usual, of many addresses":       {all, usual(600), "login 2000 caught 0 usual 600"},
		"not three times":                                {all, usual(700), ""},
		"where nothing is usual":                         {all, usual(0), "login 2000 caught 0 usual 0"},
		"few requests are no flood":                      {crowd(900, 400, window, 0), usual(10), ""},
		"of few addresses each stands out enough":        {crowd(1200, 30, window, 0), usual(10), ""},
		"one offender explains it":                       {append(one, crowd(500, 400, window, 0)...), usual(600), ""},
		"a flood goes on beside an offender":             {append(one, all...), usual(600), "login 3500 caught 1505 usual 600"},
		"it begins in the window, with no history":       {append(crowd(1900, 400, 4*time.Minute, 0), crowd(50, 40, window, 5*time.Minute)...), nil, "login 1950 caught 0 usual 100"},
		"it goes on since the window began: not seen":    {all, nil, ""},
		"a store that begins in the window has no usual": {crowd(1900, 400, 4*time.Minute, 0), nil, ""},
		"nothing in the older half, but the store is older": {append(crowd(1900, 400, 4*time.Minute, 0), detecttest.Request(detecttest.T.Add(-window+time.Second), "192.0.2.1", "/", 200)), nil,
			"login 1900 caught 0 usual 0"},
		"strangers are no flood among trusted rows": {append(crowd(2000, 400, window, 0, func(r *record.Record) { r.Sender = record.SenderNone }), crowd(30, 10, window, 0)...), usual(30), ""},
		"unless nobody is trusted":                  {crowd(2000, 400, window, 0, func(r *record.Record) { r.Sender = record.SenderImport }), usual(30), "login 2000 caught 0 usual 30"},
		"what was refused is no flood":              {crowd(2000, 400, window, 0, func(r *record.Record) { r.SetBool(record.Blocked, true) }), usual(30), ""},
	} {
		t.Run(name, func(t *testing.T) {
			q := detect.Query{Set: set, ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
			got := ""
			for _, f := range set.Floods(detecttest.Reference(q, tc.recs), tc.usual, q.To) {
				got += fmt.Sprintf("%s %d caught %d usual %.0f", f.Rule, f.Requests, f.Caught, f.Usual.Requests)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOfManyFloodsTheLargestAreLookedAt(t *testing.T) {
	var rules []detect.Rule
	usual := map[string]detect.Usual{}
	for i := range 6 {
		name := fmt.Sprintf("r%d", i)
		rules = append(rules, detect.Rule{Name: name, When: "requests >= 60"})
		usual[name] = detect.Usual{Requests: float64(400 - 50*i)}
	}
	set := detecttest.MustCompile(rules...)
	q := detect.Query{Set: set, To: detecttest.T, Now: detecttest.T}
	floods := set.Floods(detecttest.Reference(q, crowd(2000, 400, 10*time.Minute, 0)), usual, q.To)
	if len(floods) != detect.MaxFloods || floods[0].Rule != "r5" || floods[2].Rule != "r3" {
		t.Errorf("floods %+v", floods)
	}
}

func TestAFloodStatementReadsTheWindowOfItsRulesAlone(t *testing.T) {
	set := detecttest.MustCompile(detect.Rule{Name: "long", Where: `referer == "x"`, Window: 6 * time.Hour}, detect.Rule{Name: "short", Where: `path == "/login"`, Window: 5 * time.Minute})
	q := detect.Query{Set: set, To: detecttest.T, Now: detecttest.T}
	st, err := set.FloodSQL(detect.BigQuery, source(detect.BigQuery), q, []detect.Flood{{Rule: "short"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range st.Params {
		if p.Name == "lo" && !p.Value.(time.Time).Equal(detecttest.T.Add(-5*time.Minute)) || p.Name == "hi" && !p.Value.(time.Time).Equal(detecttest.T) {
			t.Errorf("%s is %v", p.Name, p.Value)
		}
		if p.Value == "x" {
			t.Error("it asks for the other rule too")
		}
	}
	if _, err := set.FloodSQL(detect.BigQuery, source(detect.BigQuery), q, nil); err == nil {
		t.Error("no floods are no error")
	}
	if _, err := set.FloodSQL(detect.BigQuery, source(detect.BigQuery), q, []detect.Flood{{Rule: "gone"}}); err == nil {
		t.Error("a flood of a rule that is not in the set is no error")
	}
}
