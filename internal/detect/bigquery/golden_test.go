package bigquery_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// now is the time the tests' queries are asked at.
var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// compile fails the test on a rule that does not compile.
func compile(t *testing.T, rules ...detect.Rule) *detect.Set {
	t.Helper()
	set, err := detect.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// question is what most tests ask: a flood rule over all requests, and a login
// rule with conditions of every sort.
func question(t *testing.T) detect.Query {
	return detect.Query{
		Set: compile(t,
			detect.Rule{Name: "flood", When: "requests >= 1000 && score > 3.5", Window: 10 * time.Minute},
			detect.Rule{Name: "login", Where: `method == "POST" && path.startsWith("/login") && status in [401, 403]`,
				When: "requests >= 60", Window: 15 * time.Minute, Group: detect.ByPrefix},
		),
		ServiceID: "SVC1", To: now.Add(-2 * time.Minute), Now: now,
		Present: []detect.Present{{Key: "203.0.113.9", Rule: "flood", From: now.Add(-5 * time.Minute)}},
	}
}

func offenders() []detect.Offender {
	return []detect.Offender{
		{Key: "203.0.113.9", Group: detect.ByAddress, Rule: "flood"},
		{Key: "2001:db8:1::/56", Group: detect.ByPrefix, Rule: "login", Trust: detect.Trust{Forgeable: true}},
	}
}

// scanOf cuts the part out of a statement that is this package's: the FROM item
// that reads the table. The steps after it are the detect package's.
func scanOf(t *testing.T, text string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "FROM (\n")
	depth := 1
	for i, c := range rest {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return strings.TrimRight(rest[:i], " ")
		}
	}
	t.Fatalf("no FROM item in brackets (%v):\n%s", ok, text)
	return ""
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".sql")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the text is not that of %s (run with -update and read the difference):\n%s", file, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "- " + w[i] + "\n+ " + g[i]
		}
	}
	return "one text ends before the other"
}
