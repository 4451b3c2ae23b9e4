package detect_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// classed is a set of one rule over classes of which the heaviest weighs 20.
func classed(t *testing.T, when string) *detect.Set {
	t.Helper()
	set, err := detect.Compile([]detect.Rule{rule(func(r *detect.Rule) { r.When = when })},
		detect.Class{Name: "static", Where: `path.startsWith("/static/")`, Weight: 0},
		detect.Class{Name: "login", Where: `method == "POST"`, Weight: 20})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAFaultInAClassSaysWhereAndWhatToDo(t *testing.T) {
	good := detect.Class{Name: "static", Where: `path.startsWith("/static/")`, WhereLine: 7, WhereColumn: 12}
	edit := func(change func(*detect.Class)) []detect.Class {
		c := good
		change(&c)
		return []detect.Class{c}
	}
	many := make([]detect.Class, detect.MaxClasses+1)
	for i := range many {
		many[i] = good
		many[i].Name = fmt.Sprintf("c%d", i)
	}
	for _, c := range []struct {
		name         string
		classes      []detect.Class
		part         string
		line, column int
		want         string
	}{
		{"unknown field", edit(func(c *detect.Class) { c.Where = `status == 200 && pth == "/"` }), "where", 7, 29, `class static: where: line 7, column 29: unknown name "pth"; did you mean "path"?`},
		{"on a later line", edit(func(c *detect.Class) { c.Where = "status == 200\n && cach == \"\"" }), "where", 8, 16, `did you mean "cache"?`},
		{"a measure", edit(func(c *detect.Class) { c.Where = `requests > 1` }), "where", 7, 12, "it is a measure, so it belongs in when"},
		{"a weight in a where", edit(func(c *detect.Class) { c.Where = `weight > 1` }), "where", 7, 12, "it is a measure, so it belongs in when"},
		{"no where", edit(func(c *detect.Class) { c.Where = " " }), "where", 0, 0, `there is no where; write which requests are in the class, such as path.startsWith("/static/")`},
		{"no name", edit(func(c *detect.Class) { c.Name = "" }), "name", 0, 0, `the name "" is not 1 to 48 of a-z`},
		{"too heavy", edit(func(c *detect.Class) { c.Weight = 101 }), "weight", 0, 0, "class static: weight: the weight 101 is not one of 0 to 100"},
		{"lighter than nothing", edit(func(c *detect.Class) { c.Weight = -1 }), "weight", 0, 0, "the weight -1 is not one of 0 to 100"},
		{"twice", []detect.Class{good, good}, "name", 0, 0, "classes 1 and 2 have the same name; rename one"},
		{"never reached", []detect.Class{{Name: "all", Where: "true", Weight: 2}, good}, "where", 0, 0, "no request is in this class, since class all before it takes all; put that one last"},
		{"too many", many, "classes", 0, 0, "classes: 17 classes are too many; at most 16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := detect.Compile([]detect.Rule{rule()}, c.classes...)
			var e *detect.Error
			if !errors.As(err, &e) || e.Rule != "" || e.Part != c.part || e.Line != c.line || e.Column != c.column || !strings.Contains(e.Error(), c.want) {
				t.Errorf("got %#v: %v\nwant %q in %s at %d:%d", e, err, c.want, c.part, c.line, c.column)
			}
		})
	}
	if _, err := detect.Compile([]detect.Rule{rule()}, many[:detect.MaxClasses]...); err != nil {
		t.Errorf("%d classes: %v", detect.MaxClasses, err)
	}
}

func TestTheFirstClassOfARequestSaysWhatItWeighs(t *testing.T) {
	set := classed(t, "weight >= 60")
	for name, c := range map[string]struct {
		method, path string
		want         int64
	}{"first": {"POST", "/static/x", 0}, "second": {"POST", "/login", 20}, "none": {"GET", "/", 1}} {
		r := record.Record{Method: c.method, Path: c.path}
		class := map[string]string{"first": "static", "second": "login"}[name]
		if got, in := set.Weigh(&r); got != c.want || in != class {
			t.Errorf("%s: weighs %d in %q, want %d in %q", name, got, in, c.want, class)
		}
	}
	if weight, class := compile(t, rule()).Weigh(&record.Record{}); weight != 1 || class != "" {
		t.Error("without classes a request does not weigh 1")
	}
}

func TestABoundOnTheWeightIsOneOnRequestsByTheHeaviest(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, c := range []struct {
		when       string
		countsOnly bool
		floor      int64
		of         string
		flood      int64 // the least requests
	}{
		{`weight >= 3000`, true, 3000, "weight", 150},
		{`weight > 3000`, true, 3001, "weight", 151},
		{`weight >= 2999.5 && requests >= 10`, true, 3000, "weight", 150},
		{`weight >= 3000 && requests >= 200`, true, 3000, "weight", 200},
		{`errors >= 151 && weight >= 3000`, true, 3000, "weight", 151},
		{`weight >= 40 && requests >= 1000 || weight >= 3000`, false, 40, "weight", 150},
		{`weight >= 3000 || weight >= 40`, false, 40, "weight", 2},
		{`weight >= 3000 || requests >= 400`, false, 150, "requests", 150},
		{`weight >= 41 && weight >= 42`, true, 42, "weight", 3},
		{`weight in [60, 41]`, false, 41, "weight", 3},
		{`!(weight < 60)`, false, 60, "weight", 3},
		{`weight >= 1`, true, 1, "requests", 1},
		{`weight >= 0`, true, 1, "requests", 1},
		{`weight < 5`, false, 1, "requests", 1},
		{`weight >= requests`, false, 1, "requests", 1},
		{`weight > 9223372036854775807`, true, math.MaxInt64, "weight", math.MaxInt64/20 + 1},
	} {
		set := classed(t, c.when)
		if got := set.CountsOnly("r"); got != c.countsOnly {
			t.Errorf("CountsOnly of %s is %v", c.when, got)
		}
		if got, of := set.Floor("r"), set.FloorOf("r"); got != c.floor || of != c.of {
			t.Errorf("the floor of %s is %d %s, want %d %s", c.when, got, of, c.floor, c.of)
		}
		found := detect.Result{Volumes: []detect.Volume{{Rule: "r", Requests: 5000, Keys: 100}}}
		floods := set.Floods(found, map[string]detect.Usual{"r": {Requests: 10}}, detecttest.T)
		if len(floods) != 1 || floods[0].Floor != c.flood {
			t.Errorf("%s: the least requests are not %d: %+v", c.when, c.flood, floods)
		}
		for range 3000 {
			m := measures(rng)
			m.Weighed, m.Weight = true, rng.Int64N(20*m.Requests+1)
			met, err := set.Met("r", m)
			if err != nil {
				t.Fatal(err)
			}
			if met && (m.Requests < c.flood || m.Count(c.of) < c.floor) {
				t.Fatalf("%s holds for %+v, below its floor", c.when, m)
			}
		}
	}
}

// Without classes a weight is the requests, and with classes that no rule weighs by, nothing looks at them.
func TestASetThatWeighsNothingReadsNothingForIt(t *testing.T) {
	plain := compile(t, rule(func(r *detect.Rule) { r.When = "requests >= 60" }))
	for name, c := range map[string]struct {
		set  *detect.Set
		same bool
	}{
		"classes that no rule weighs by": {classed(t, "requests >= 60"), true},
		"a weight without classes":       {compile(t, rule(func(r *detect.Rule) { r.When = "weight >= 60" })), true},
		"a weight by classes":            {classed(t, "weight >= 60"), false},
	} {
		for _, d := range []detect.Dialect{detect.DuckDB, detect.BigQuery} {
			want, err1 := plain.DetectSQL(d, source(d), detect.Query{Set: plain, To: detecttest.T})
			got, err2 := c.set.DetectSQL(d, source(d), detect.Query{Set: c.set, To: detecttest.T})
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if same := got.SQL == want.SQL; same != c.same || c.set.Weighs() == c.same {
				t.Errorf("%s: the statement in %s is the plain one: %v\n%s", name, d, same, got.SQL)
			}
		}
	}
}
