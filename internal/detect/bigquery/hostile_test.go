package bigquery_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/bigquery/bqtest"
)

// textOver is the statement over a table and a column that the configuration
// names, if it is let in. The stand-in refuses a second statement, a second
// table and anything that does not only read.
func textOver(t *testing.T, table, path, constant string) (sql string, ok bool) {
	t.Helper()
	s := &bqtest.Server{Table: table, Partition: "ts", Answers: map[string]bqtest.Answer{"detect": bqtest.DetectAnswer()}}
	s.Fail(bqtest.TablesGet, bqtest.AccessDeniedTable(table)) // or every column would have to be in a schema
	h := httptest.NewServer(s)
	defer h.Close()
	e, err := bigquery.Open(t.Context(), bigquery.Options{Table: table, Kind: bigquery.Custom, Location: "EU", Endpoint: h.URL, Deadline: 10 * time.Second,
		Columns: map[string]string{"timestamp": "ts", "client_ip": "ip", "path": path, "host": "=" + constant}})
	if err != nil {
		return "", false
	}
	defer e.Close()
	set := compile(t, detect.Rule{Name: "r", Where: `path != "" && host != ""`, When: "requests >= 1", Window: time.Minute})
	if _, err := e.Detect(t.Context(), detect.Query{Set: set, To: now, Now: now}); err != nil {
		t.Fatalf("table %q, column %q, constant %q were let in and then refused: %v", table, path, constant, err)
	}
	return s.Queries()[0].Text, true
}

var (
	insideBackticks = regexp.MustCompile("^[^`\n\r\\\\]+$")
	harmless        = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// Names from the configuration are refused or stand in backticks, which nothing
// in them ends; the rest of the statement does not depend on them.
func FuzzNamesFromTheConfiguration(f *testing.F) {
	f.Add("p.d.t", "http.path", "shop.example")
	f.Add("p.d.t` WHERE true --", "a`b", "' OR true --")
	f.Add("example.com:edge.logs.fastly-1", "select", `\`)
	f.Add("p.d.t\n", "a..b", "a\nb")
	f.Add("p.d.été ٣", "a.b-c.d", "@v0")
	f.Add("p.d.t;DROP TABLE x", ".", "*/")
	f.Fuzz(func(t *testing.T, table, path, constant string) {
		got, ok := textOver(t, table, path, constant)
		if !ok {
			return
		}
		if !insideBackticks.MatchString(table) || !harmless.MatchString(path) || strings.ContainsAny(constant, "'\"`\\\n") {
			t.Fatalf("table %q, column %q, constant %q were let in", table, path, constant)
		}
		want, _ := textOver(t, "zp.zd.zt", "zcolumn", "zconstant")
		parts := strings.Split(path, ".")
		for i, p := range parts {
			if !strings.Contains(got, "`"+p+"`") && !strings.Contains(got, p) {
				t.Errorf("the statement does not read column %q", path)
			}
			parts[i] = "`" + p + "`"
		}
		want = strings.NewReplacer("`zp.zd.zt`", "`"+table+"`", "`zcolumn`", strings.Join(parts, "."), "'zconstant'", "'"+constant+"'").Replace(want)
		if bare(got) != bare(want) {
			t.Errorf("the statement over table %q, column %q, constant %q has another shape", table, path, constant)
		}
	})
}

// bare leaves backticks out: names of ours stand without.
func bare(sql string) string { return strings.ReplaceAll(sql, "`", "") }
