package duckdb_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// scanned is what DuckDB's own profile says of the reading of files.
type scanned struct {
	Scans   int
	Rows    int64
	Bytes   int64
	Columns []string
}

// operator is a node of EXPLAIN (ANALYZE, FORMAT json).
type operator struct {
	Name     string         `json:"operator_name"`
	Type     string         `json:"operator_type"`
	Rows     int64          `json:"operator_rows_scanned"`
	Read     int64          `json:"total_bytes_read"` // of the root
	Extra    map[string]any `json:"extra_info"`
	Children []operator     `json:"children"`
}

func (s *scanned) add(o operator) {
	s.Bytes = max(s.Bytes, o.Read)
	if strings.Contains(o.Name+o.Type, "PARQUET") || o.Type == "TABLE_SCAN" {
		s.Scans++
		s.Rows += o.Rows
		switch p := o.Extra["Projections"].(type) {
		case string:
			s.Columns = append(s.Columns, p)
		case []any:
			for _, c := range p {
				s.Columns = append(s.Columns, fmt.Sprint(c))
			}
		}
	}
	for _, c := range o.Children {
		s.add(c)
	}
}

// What a run reads must not grow with the number of its rules: fifty over the columns of one read the files once, and
// the same of them; nor with their classes, when those look at the same columns.
func TestFiftyRulesReadNoMoreOfTheFilesThanOne(t *testing.T) {
	dir := t.TempDir()
	writeLake(t, dir, detecttest.Traffic(7, 5000))
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the lake: %v", err)
	}
	var all []scanned
	classes := []detect.Class{{Name: "static", Where: `path.startsWith("/p/1")`}, {Name: "login", Where: `method == "POST" || status >= 500`, Weight: 20}}
	for _, c := range []struct {
		n       int
		when    string
		classes []detect.Class
	}{{1, "requests >= 2", nil}, {50, "requests >= 2", nil}, {50, "weight >= 2", classes}} {
		n := c.n
		db, err := sql.Open("duckdb", "") // its own: a second query finds the files in a cache
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		var rules []detect.Rule
		for i := range n {
			rules = append(rules, detect.Rule{Where: fmt.Sprintf(`method == "GET" && path != "/p/%d" && status >= %d`, i%40, 200+i), When: c.when + " && distinct_paths >= 1"})
		}
		set := detecttest.MustWeigh(c.classes, rules...)
		src := detect.Source{From: "read_parquet(['" + strings.Join(files, "', '") + "'], union_by_name = true)", Time: `"timestamp"`,
			Column: func(f record.Field) string { return `"` + record.Fields[f].Name + `"` }}
		st, err := set.DetectSQL(detect.DuckDB, src, detect.Query{Set: set, ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T})
		if err != nil {
			t.Fatal(err)
		}
		var args []any
		for _, p := range st.Params {
			args = append(args, sql.Named(p.Name, p.Value))
		}
		var key, profile string
		if err := db.QueryRowContext(t.Context(), "EXPLAIN (ANALYZE, FORMAT json) "+st.SQL, args...).Scan(&key, &profile); err != nil {
			t.Fatal(err)
		}
		var root operator
		if err := json.Unmarshal([]byte(profile), &root); err != nil {
			t.Fatalf("%v: %.200s", err, profile)
		}
		var s scanned
		s.add(root)
		slices.Sort(s.Columns)
		if s.Scans != 1 || s.Rows == 0 || s.Bytes == 0 || len(s.Columns) == 0 {
			t.Fatalf("%d rules: %+v\n%.3000s", n, s, profile)
		}
		all = append(all, s)
	}
	if d := cmp.Diff(all[0], all[1]); d != "" {
		t.Errorf("fifty rules read other than one (-one +fifty):\n%s", d)
	}
	if d := cmp.Diff(all[0], all[2]); d != "" {
		t.Errorf("rules that weigh read other than one that counts (-counts +weighs):\n%s", d)
	}
}
