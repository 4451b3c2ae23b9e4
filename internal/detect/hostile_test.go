package detect_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
)

// hostile are texts a statement could read as its own.
var hostile = []string{`' OR '1'='1`, "` --", `\'`, `\`, `";DROP TABLE x;--`, "a\nb", "\x00", "@v0", "$v0", "/*", `'''`, `%_`, "\u2028", "\xff\xfe", "\U0001f512", "x/y/z", "{}"}

// asked are the statements of a set of rules made of one text, in all the
// places a text can stand: twice where a text of a rule stands, since a text
// that stands twice is one parameter.
func asked(t *testing.T, d detect.Dialect, text, service, key string) (sql string, params []detect.Param) {
	t.Helper()
	q := strconv.QuoteToASCII(text)
	set, err := detect.Compile([]detect.Rule{
		{Name: "equal", Where: "path == " + q + " || host != " + q + " || method in [" + q + ", \"GET\"]", When: "requests >= 1", Window: time.Hour},
		{Name: "parts", Where: "path.startsWith(" + q + ") || path.endsWith(" + q + ") || user_agent.contains(" + q + ") || query < " + q, When: "requests >= 1", Window: time.Hour},
		{Name: "finger", Group: detect.ByJA4, Where: "referer > " + q + " && " + q + " != bot_name", When: "weight >= 1", Window: time.Hour},
	}, detect.Class{Name: "text", Where: "cache.endsWith(" + q + ") || pop == " + q, Weight: 3})
	if err != nil {
		t.Skip("no condition: ", err)
	}
	query := detect.Query{Set: set, ServiceID: service, To: detecttest.T, Now: detecttest.T, Present: []detect.Present{{Key: key, Rule: "equal", From: detecttest.T}}}
	st, err := set.DetectSQL(d, source(d), query)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := set.EvidenceSQL(d, source(d), query, []detect.Offender{{Key: key, Rule: "finger", Group: detect.ByJA4}})
	if err != nil {
		t.Fatal(err)
	}
	return st.SQL + ev.SQL, append(st.Params, ev.Params...)
}

// A statement is the same whatever the texts in it: they are all parameters.
func FuzzNoTextReachesTheStatement(f *testing.F) {
	for i, h := range hostile {
		f.Add(h, hostile[(i+1)%len(hostile)], hostile[(i+2)%len(hostile)])
	}
	f.Fuzz(func(t *testing.T, text, service, key string) {
		if text == "" || text == "GET" || service == "" || !utf8.ValidString(text) {
			return // another shape: one parameter fewer, or a condition that is always true
		}
		for _, d := range []detect.Dialect{detect.DuckDB, detect.BigQuery} {
			want, _ := asked(t, d, "plain", "SVC1", "203.0.113.9")
			got, params := asked(t, d, text, service, key)
			if got != want {
				t.Errorf("%s: the statement depends on the texts %q, %q, %q:\n%s", d, text, service, key, difference(want, got))
			}
			found := false
			for _, p := range params {
				found = found || p.Value == text
			}
			if !found {
				t.Errorf("%s: no parameter is %q", d, text)
			}
		}
	})
}

// A pattern is a parameter too, and a number is written in digits.
func TestPatternsAndNumbersDoNotShapeTheStatement(t *testing.T) {
	for _, h := range []string{`^/'x`, "a`b", `\\$v0`, `(?i)--`} {
		set := detecttest.MustCompile(detect.Rule{Where: "path.matches(" + strconv.Quote(h) + ") && status == 9223372036854775807 && response_bytes > 1.5e300"})
		for _, d := range []detect.Dialect{detect.DuckDB, detect.BigQuery} {
			st, err := set.DetectSQL(d, source(d), detect.Query{Set: set, To: detecttest.T})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(st.SQL, h) || !strings.Contains(st.SQL, "= 9223372036854775807") || !strings.Contains(st.SQL, "> 1.5e+300") {
				t.Errorf("%s: %s", d, st.SQL)
			}
		}
	}
}

func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "- " + w[i] + "\n+ " + g[i]
		}
	}
	return "one ends before the other"
}
