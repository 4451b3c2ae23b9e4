package detect_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

var update = flag.Bool("update", false, "write testdata/*.sql anew")

// source is a table with every column but one.
func source(d detect.Dialect) detect.Source {
	from, q := "`shop.logs.requests`", "`"
	if d == detect.DuckDB {
		from, q = "read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)", `"`
	}
	return detect.Source{From: from, Time: "timestamp", Column: func(f record.Field) string {
		if f == record.JA4 {
			return ""
		}
		return q + record.Fields[f].Name + q
	}}
}

type statement struct {
	name string
	make func(detect.Dialect) (detect.Statement, error)
}

func statements() []statement {
	one := detecttest.MustCompile(detect.Rule{Name: "login-bruteforce", Where: `method == "POST" && path.startsWith("/login") && status in [401, 403]`, When: "requests >= 60"})
	every := detecttest.Rules()
	plain := detect.Query{Set: one, To: detecttest.T}
	full := detect.Query{Set: every, ServiceID: "SVC1", To: detecttest.T, Now: detecttest.T.Add(2 * time.Minute), TrustForgeable: true,
		Baselines: map[string]detect.Baseline{"outlier": {Requests: 1200, Median: 1.25, Scale: 0.05}}, NotClients: detecttest.NotClients(),
		Present: []detect.Present{{Key: "203.0.113.9", Rule: "flood", From: detecttest.T.Add(-5 * time.Minute)}}}
	offenders := []detect.Offender{{Key: "203.0.113.9", Rule: "flood"}, {Key: "203.0.113.0/24", Rule: "prefix", Trust: detect.Trust{Unauthenticated: true}}}
	busy := []detect.Offender{{Key: "203.0.113.9", Rule: "login-bruteforce", Measures: detect.Measures{Requests: detect.EvidenceKept + 1}}}
	long := detecttest.MustCompile(detect.Rule{Name: "short"}, detect.Rule{Name: "long", Window: 3 * time.Hour})
	mixed := detect.Query{ServiceID: "SVC1", To: detecttest.T, Set: detecttest.MustCompile(detect.Rule{Name: "flood"}, detect.Rule{Name: "scanner", Where: "status == 404"},
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, Where: "status >= 400", Window: 5 * time.Minute})}
	slow := detect.Query{Set: long, To: detecttest.T}
	weighs := detecttest.MustWeigh([]detect.Class{
		{Name: "static", Where: `path.startsWith("/static/") || cache.startsWith("HIT")`, Weight: 0},
		{Name: "login", Where: `method == "POST" && path.startsWith("/login")`, Weight: 20},
	}, detect.Rule{Name: "flood", When: "weight >= 3000"}, detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "addresses >= 20 && weight >= 9000"})
	weighed := detect.Query{Set: weighs, To: detecttest.T, Present: []detect.Present{{Key: "203.0.113.9", Rule: "flood", From: detecttest.T.Add(-5 * time.Minute)}}}
	asked := weighed
	asked.About = []detect.Keyed{{Group: detect.ByAddress, Key: "203.0.113.50"}, {Group: detect.ByPrefix, Key: "203.0.113.0/24"}, {Group: detect.ByASN, Key: "64500"}}
	where := func(d detect.Dialect) detect.Source {
		s := source(d)
		s.Where = "_TABLE_SUFFIX = '20261122'"
		return s
	}
	return []statement{
		{"detect-one", func(d detect.Dialect) (detect.Statement, error) { return one.DetectSQL(d, where(d), plain) }},
		{"detect-every", func(d detect.Dialect) (detect.Statement, error) { return every.DetectSQL(d, source(d), full) }},
		{"detect-weights", func(d detect.Dialect) (detect.Statement, error) { return weighs.DetectSQL(d, source(d), weighed) }},
		{"detect-asked", func(d detect.Dialect) (detect.Statement, error) { return weighs.DetectSQL(d, source(d), asked) }},
		{"candidates-every", replayed(every, func(r detect.Replay) detect.Scan { return r.Candidates(new([]detect.Candidate)) })},
		{"candidates-weights", replayed(weighs, func(r detect.Replay) detect.Scan { return r.Candidates(new([]detect.Candidate)) })},
		{"series-weights", replayed(weighs, func(r detect.Replay) detect.Scan {
			return r.Series([]detect.Keyed{{Group: detect.ByAddress, Key: "203.0.113.9"}}, new([]detect.SeriesRow))
		})},
		{"evidence", func(d detect.Dialect) (detect.Statement, error) {
			return every.EvidenceSQL(d, source(d), full, offenders)
		}},
		{"evidence-weights", func(d detect.Dialect) (detect.Statement, error) {
			return weighs.EvidenceSQL(d, source(d), weighed, []detect.Offender{{Key: "203.0.113.9", Rule: "flood", Measures: detect.Measures{Requests: detect.EvidenceRequests + 1}}})
		}},
		{"evidence-long", func(d detect.Dialect) (detect.Statement, error) {
			return long.EvidenceSQL(d, source(d), slow, []detect.Offender{{Key: "203.0.113.9", Rule: "long"}})
		}},
		{"flood", func(d detect.Dialect) (detect.Statement, error) {
			return every.FloodSQL(d, source(d), full, []detect.Flood{{Rule: "login-bruteforce"}, {Rule: "prefix", Trust: detect.Trust{Unauthenticated: true}}})
		}},
		{"repeats", func(d detect.Dialect) (detect.Statement, error) {
			return full.Repeats(detecttest.T.Add(-time.Second), new(detect.Repeats)).Compile(d, source(d))
		}},
		{"wholes", func(d detect.Dialect) (detect.Statement, error) {
			scan, _, _, _ := mixed.Wholes([]detect.Offender{{Key: "203.0.113.9", Rule: "scanner"}, {Key: "203.0.113.0/24", Rule: "prefix"}, {Key: "203.0.114.0/24", Rule: "prefix", Trust: detect.Trust{Unauthenticated: true}}, {Key: "203.0.113.9", Rule: "flood"}}, everyone)
			return scan.Compile(d, source(d))
		}},
		{"lookup", func(d detect.Dialect) (detect.Statement, error) {
			return full.Lookup("4f0e-_req", detecttest.T.Add(-24*time.Hour), detecttest.T, new([]detect.Sighting)).Compile(d, source(d))
		}},
		{"hours", func(d detect.Dialect) (detect.Statement, error) {
			return full.Hours(detecttest.T.Add(-7*24*time.Hour), new([]detect.HourRow)).Compile(d, source(d))
		}},
		{"evidence-busy", func(d detect.Dialect) (detect.Statement, error) { return one.EvidenceSQL(d, source(d), plain, busy) }},
	}
}

// replayed is a statement of a replay of the set.
func replayed(set *detect.Set, scan func(detect.Replay) detect.Scan) func(detect.Dialect) (detect.Statement, error) {
	return func(d detect.Dialect) (detect.Statement, error) {
		return scan(detect.Replay{Set: set, First: detecttest.T, Step: 5 * time.Minute, Steps: 4}).Compile(d, source(d))
	}
}

func TestTheStatementsAreTheReviewedOnes(t *testing.T) {
	for _, s := range statements() {
		for _, d := range []detect.Dialect{detect.DuckDB, detect.BigQuery} {
			st, err := s.make(d)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for _, p := range st.Params {
				fmt.Fprintf(&got, "-- %s = %#v\n", p.Name, printable(p.Value))
			}
			got.WriteString(st.SQL)
			file := filepath.Join("testdata", s.name+"."+d.String()+".sql")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, got.Bytes()) {
				t.Errorf("%s differs from %s; look at the difference, then run go test -update", s.name, file)
			}
		}
	}
}

func printable(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.RFC3339Nano)
	}
	return v
}

var cteName = regexp.MustCompile(`(?m)^(?:WITH )?([a-z_]+) AS \(`)

// BigQuery keeps no step: one that is named twice is computed, and paid, twice.
func TestTheBigQueryStatementsReadTheTableAndEveryStepOnce(t *testing.T) {
	for _, s := range statements() {
		st, err := s.make(detect.BigQuery)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(st.SQL, "`shop.logs.requests`"); n != 1 {
			t.Errorf("%s names the table %d times", s.name, n)
		}
		steps := cteName.FindAllStringSubmatch(st.SQL, -1)
		if len(steps) < 3 && !slices.Contains([]string{"repeats", "lookup", "hours"}, s.name) {
			t.Fatalf("%s has %d steps: the test looks at the wrong text", s.name, len(steps))
		}
		for _, step := range steps {
			read := regexp.MustCompile(`(?:FROM|JOIN) ` + step[1] + `\b`)
			if n := len(read.FindAllString(st.SQL, -1)); n != 1 {
				t.Errorf("%s reads %s %d times", s.name, step[1], n)
			}
		}
		if !strings.Contains(st.SQL, "WHERE timestamp >= @lo AND timestamp < @hi") {
			t.Errorf("%s does not compare the bare partition column with parameters", s.name)
		}
	}
}

func TestEveryParameterIsUsedAndNoTextOfARuleIsInTheStatement(t *testing.T) {
	for _, s := range statements() {
		for d, prefix := range map[detect.Dialect]string{detect.DuckDB: "$", detect.BigQuery: "@"} {
			st, err := s.make(d)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range st.Params {
				if !regexp.MustCompile(regexp.QuoteMeta(prefix+p.Name) + `\b`).MatchString(st.SQL) {
					t.Errorf("%s in %s: parameter %s is not used", s.name, d, p.Name)
				}
			}
			for _, text := range []string{"/login", "POST", "_sure", "curl", "SVC1", "203.0.113", "4f0e"} {
				if strings.Contains(st.SQL, text) {
					t.Errorf("%s in %s holds the text %q", s.name, d, text)
				}
			}
		}
	}
}

func TestAStatementReadsOnlyTheColumnsItsRulesName(t *testing.T) {
	st, err := statements()[0].make(detect.BigQuery)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []record.Field{record.UserAgent, record.Query, record.Referer, record.Host, record.Text, record.Extra, record.ResponseBytes, record.ClientPrefix} {
		if strings.Contains(st.SQL, "`"+record.Fields[f].Name+"`") {
			t.Errorf("the statement reads %s, which no rule names", record.Fields[f].Name)
		}
	}
}

func TestAQuestionThatCannotBeAskedIsAnError(t *testing.T) {
	set := compile(t, rule())
	q := detect.Query{Set: set, To: detecttest.T}
	for name, fail := range map[string]func() error{
		"no rules": func() error {
			_, err := set.DetectSQL(detect.DuckDB, source(detect.DuckDB), detect.Query{To: detecttest.T})
			return err
		},
		"no time": func() error {
			_, err := set.DetectSQL(detect.DuckDB, source(detect.DuckDB), detect.Query{Set: set})
			return err
		},
		"no offenders": func() error {
			_, err := set.EvidenceSQL(detect.DuckDB, source(detect.DuckDB), q, nil)
			return err
		},
		"an offender of another set": func() error {
			_, err := set.EvidenceSQL(detect.DuckDB, source(detect.DuckDB), q, []detect.Offender{{Key: "k", Rule: "x"}})
			return err
		},
	} {
		if fail() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func everyone(detect.Offender) bool { return true }
