package detect_test

import (
	"testing"
	"time"

	"cel.dev/cel-go/cel"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// conditions are every form of the language over fields.
var conditions = []string{
	`true`, `false`, `!true || false`,
	`method == "POST"`, `method != "POST"`, `"GET" == method`, `path < "/p/3"`, `path <= "/p/3"`, `"/p/3" < path`, `path >= "/p/3" && path > ""`,
	`status == 404`, `status != 404`, `status >= 400 && status < 500`, `status in [401, 403]`, `!(status in [200, 204])`, `status >= 400.5`, `status < -1`,
	`response_bytes > status`, `user_agent == host || method == method`,
	`blocked`, `!blocked`, `first_hop == true`, `first_hop != would_block`, `true == blocked`, `blocked in [true]`, `claims_other_ip`, `claims_other_ip == blocked`,
	`path.startsWith("/login")`, `path.endsWith(".php")`, `path.contains("scan")`, `path.contains("")`,
	`user_agent.matches("^curl/[0-9.]+$")`, `user_agent.matches("(?i)MOZILLA")`, `user_agent.matches(r"\\")`, `user_agent.contains("☃")`,
	`client_country in ["NL", "DE"] && !(client_asn == 64500 || client_asn == 64501)`,
	`client_key == "198.51.100.66"`, `client_prefix == "198.51.100.0/24"`, `client_ip == ""`,
	"method == 'POST' // a comment\n  && status == 401",
}

// The evaluator gives what CEL's own interpreter gives, on every condition and
// every kind of row.
func TestConditionsMeanWhatCELSaysTheyMean(t *testing.T) {
	recs := detecttest.Traffic(9, 400)
	opts := []cel.EnvOption{cel.CrossTypeNumericComparisons(true)}
	types := map[string]*cel.Type{"string": cel.StringType, "int": cel.IntType, "bool": cel.BoolType}
	for _, n := range detect.WhereNames() {
		opts = append(opts, cel.Variable(n.Name, types[n.Type]))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conditions {
		set := compile(t, rule(func(r *detect.Rule) { r.Where = c }))
		ast, iss := env.Compile(c)
		if iss.Err() != nil {
			t.Fatal(iss.Err())
		}
		program, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		for i := range recs {
			want, _, err := program.Eval(activation(&recs[i]))
			if err != nil {
				t.Fatal(err)
			}
			got, err := set.Matches("r", &recs[i])
			if err != nil {
				t.Fatal(err)
			}
			if got != want.Value() {
				t.Fatalf("%s is %v, CEL says %v, for %+v", c, got, want, recs[i])
			}
		}
	}
}

func activation(r *record.Record) map[string]any {
	vars := map[string]any{}
	for _, n := range detect.WhereNames() {
		f, _ := record.ByName(n.Name)
		switch n.Type {
		case "string":
			vars[n.Name] = *r.Str(f)
		case "int":
			vars[n.Name] = int64(0)
			if r.Has(f) {
				vars[n.Name] = *r.Int(f)
			}
		case "bool":
			vars[n.Name] = r.Has(f) && *r.Bool(f)
		}
	}
	return vars
}

func TestAnAbsentFieldIsZeroWhateverItsMemberHolds(t *testing.T) {
	r := record.Record{Status: 500, Blocked: true} // neither is marked present
	set := compile(t, rule(func(r *detect.Rule) { r.Where = `status == 0 && !blocked && path == ""` }))
	if ok, err := set.Matches("r", &r); err != nil || !ok {
		t.Errorf("Matches is %v, %v", ok, err)
	}
}

func TestEveryMeasureReachesAWhen(t *testing.T) {
	m := detect.Measures{Requests: 40, Weight: 11, Weighed: true, PeakPerMinute: 2, OK: 3, Errors: 10, DistinctPaths: 5, Share: 0.5, Score: 6.5, BaselineScore: 4.5, BaselineRatio: 12.5, BaselineKnown: true, Addresses: 7, OKAddresses: 8, JA4s: 9}
	for _, when := range []string{`requests == 40`, `weight == 11`, `peak_per_minute == 2`, `ok == 3`, `errors == 10`, `error_share == 0.25`, `distinct_paths == 5`,
		`share == 0.5`, `score > 6 && score < 7`, `baseline_score == 4.5`, `baseline_ratio == 12.5`, `addresses == 7`, `ok_addresses == 8`, `ja4s == 9`} {
		set := compile(t, rule(func(r *detect.Rule) { r.When = when }))
		if ok, err := set.Met("r", m); err != nil || !ok {
			t.Errorf("%s is %v, %v", when, ok, err)
		}
	}
	if len(detect.WhenNames()) != 14 {
		t.Errorf("there are %d measures; extend the test", len(detect.WhenNames()))
	}
	if (detect.Measures{}).ErrorShare() != 0 {
		t.Error("the error share of no requests is not 0")
	}
}

func TestWithoutABaselineNoComparisonWithItHolds(t *testing.T) {
	m := detect.Measures{Requests: 40, BaselineScore: 9, BaselineRatio: 9}
	for when, want := range map[string]bool{
		`baseline_score > 3.0`:                                          false,
		`baseline_score < 3.0`:                                          false,
		`!(baseline_score > 3.0)`:                                       false,
		`!(baseline_score > 3.0 || requests < 10)`:                      false,
		`baseline_ratio >= 0.0 && requests >= 10`:                       false,
		`baseline_ratio > score`:                                        false,
		`!(score >= baseline_ratio)`:                                    false,
		`baseline_score > 3.0 || requests >= 10`:                        true,
		`!(baseline_score > 3.0 && requests >= 10) && !(requests > 40)`: false,
		`!(baseline_score > 3.0 && requests >= 41)`:                     true, // its second part alone makes it true
	} {
		set := compile(t, rule(func(r *detect.Rule) { r.When = when }))
		if got, err := set.Met("r", m); err != nil || got != want {
			t.Errorf("%s is %v, %v", when, got, err)
		}
		if !set.UsesBaseline("r") || set.CountsOnly("r") {
			t.Errorf("%s: uses a baseline %v, counts only %v", when, set.UsesBaseline("r"), set.CountsOnly("r"))
		}
	}
}

func TestAShapeIsWhatIsCountedNotWhatIsAskedOfIt(t *testing.T) {
	shape := func(edit func(*detect.Rule)) string { return compile(t, rule(edit)).Shape("r") }
	is := shape(func(*detect.Rule) {})
	if got := shape(func(r *detect.Rule) { r.When = "requests >= 7777" }); got != is {
		t.Error("another when makes another shape")
	}
	for name, edit := range map[string]func(*detect.Rule){
		"where":  func(r *detect.Rule) { r.Where = `path == "/other"` },
		"window": func(r *detect.Rule) { r.Window += time.Minute },
		"group":  func(r *detect.Rule) { r.Group = detect.ByPrefix },
	} {
		if shape(edit) == is {
			t.Errorf("another %s makes no other shape", name)
		}
	}
}

func TestARuleThatIsNotInTheSetIsAnError(t *testing.T) {
	set := compile(t, rule())
	if _, err := set.Matches("x", &record.Record{}); err == nil {
		t.Error("Matches accepts it")
	}
	if _, err := set.Met("x", detect.Measures{}); err == nil {
		t.Error("Met accepts it")
	}
}
