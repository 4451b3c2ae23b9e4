package emulator_test

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// A case of more records than most is cut to fewer: the emulator answers a question over so many in a second or two, and over
// ten times as many in ten times that. Cases made for a certain number of records have no more than most.
const (
	most  = 200
	fewer = 130
)

func TestBigQueryAnswersLikeTheReference(t *testing.T) {
	for _, k := range kinds() {
		t.Run(string(k.kind), func(t *testing.T) {
			t.Parallel()
			e := start(t)
			met, ran, list := map[string]bool{}, 0, cases(t, k)
			for _, c := range list {
				t.Run(c.Name, func(t *testing.T) {
					ran++
					c := k.tell(t, c, met)
					detecttest.Check(t, e.open(t, k, c.Records), c)
				})
			}
			for _, r := range detecttest.Rules().Rules() {
				if !met[r.Name] && ran == len(list) { // not with -run
					t.Errorf("no case has an offender of rule %s", r.Name)
				}
			}
		})
	}
}

// cases are those both engines pass, cut to size, and real traffic among the generated. The case that is about many requests
// is asked of one kind, whole: it takes the emulator a quarter of a minute, and cut it would say nothing.
func cases(t *testing.T, k kind) []detecttest.Case {
	t.Helper()
	const many = "more requests of one key than are looked at in detail"
	var list []detecttest.Case
	found := false
	for _, c := range detecttest.Cases() {
		if c.Name == many {
			if found = true; k.kind != bigquery.Fastly {
				continue
			}
		} else {
			c.Records = cut(c)
		}
		list = append(list, c)
	}
	if !found {
		t.Fatalf("there is no case %q", many)
	}
	mixed := append(logLines(t), detecttest.Traffic(2, 120)...)
	for i := range 5 {
		mixed = append(mixed, detecttest.Request(detecttest.T.Add(-time.Duration(i+1)*time.Second), "198.51.100.9", "/login", 401,
			func(r *record.Record) { r.Method = "POST" }))
	}
	return append(list, detecttest.Case{Name: "real traffic among the generated", Records: mixed, Query: list[0].Query})
}

// cut takes as few of a case's records as leave something to find.
func cut(c detecttest.Case) []record.Record {
	if len(c.Records) <= most {
		return c.Records
	}
	if few := c.Records[:fewer]; len(detecttest.Reference(c.Query, few).Offenders) > 0 {
		return few
	}
	return c.Records[:most]
}

// logLines are the lines of the sample log file as parse understands them,
// moved to the end of the window.
func logLines(t *testing.T) []record.Record {
	t.Helper()
	file, err := os.ReadFile("../../../testdata/combined.log")
	if err != nil {
		t.Fatal(err)
	}
	p := parse.New()
	var recs []record.Record
	var newest time.Time
	for line := range bytes.Lines(file) {
		var r record.Record
		p.Parse(bytes.TrimSpace(line), parse.Meta{Received: detecttest.T, Sender: record.SenderImport, ServiceID: detecttest.Service}, &r)
		if r.Kind != record.KindRequest {
			t.Fatalf("the sample line is no request: %s", line)
		}
		if r.Timestamp.After(newest) {
			newest = r.Timestamp
		}
		recs = append(recs, r)
	}
	for i := range recs {
		at := detecttest.T.Add(-time.Second).Add(-newest.Sub(recs[i].Timestamp) / 4)
		recs[i].SetTime(record.Timestamp, at.Truncate(time.Microsecond))
	}
	return recs
}

// tell is a case as a table of the kind can tell it, and notes the rules that have
// offenders.
func (k kind) tell(t *testing.T, c detecttest.Case, met map[string]bool) detecttest.Case {
	t.Helper()
	var recs []record.Record
	for _, r := range c.Records {
		if r, ok := k.seen(r); ok {
			recs = append(recs, r)
		}
	}
	rules := c.Query.Set.Rules()
	for i := range rules {
		rules[i].Where = k.where(rules[i].Where)
	}
	classes := slices.Clone(c.Query.Set.Classes())
	for i := range classes {
		classes[i].Where = k.where(classes[i].Where)
	}
	set, err := detect.Compile(rules, classes...)
	if err != nil {
		t.Fatal(err)
	}
	c.Records, c.Query.Set = recs, set
	found := detecttest.Reference(c.Query, recs).Offenders
	if len(recs) > 0 && len(found) == 0 {
		t.Fatal("there is nothing to find")
	}
	for _, o := range found {
		met[o.Rule] = true
	}
	return c
}
