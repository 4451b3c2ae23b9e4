package duckdb_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

func BenchmarkZZ(b *testing.B) {
	dir := "/tmp/detect-benchlake"
	if _, err := os.Stat(dir); err != nil {
		benchLake(b, dir)
	}
	n := 20
	fmt.Sscan(os.Getenv("RULES"), &n)
	q := detect.Query{Set: benchRules(n), ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
	files, _ := lake.Select(dir, q.From(), q.Until())
	src := detect.Source{From: "read_parquet(['" + strings.Join(files, "','") + "'], union_by_name = true)", Time: `"timestamp"`, Column: func(f record.Field) string { return `"` + record.Fields[f].Name + `"` }}
	st, err := q.Set.DetectSQL(detect.DuckDB, src, q)
	if err != nil {
		b.Fatal(err)
	}
	s := st.SQL
	if p := os.Getenv("SQLOUT"); p != "" {
		os.WriteFile(p, []byte(s), 0o644)
	}
	if p := os.Getenv("SQLIN"); p != "" {
		x, _ := os.ReadFile(p)
		s = string(x)
	}
	for i := len(st.Params) - 1; i >= 0; i-- {
		p := st.Params[i]
		v := fmt.Sprint(p.Value)
		if t, ok := p.Value.(string); ok {
			v = "'" + strings.ReplaceAll(t, "'", "''") + "'"
		}
		s = strings.ReplaceAll(s, "$"+p.Name, v)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		b.Fatal(err)
	}
	db.Exec("SET threads=2")
	db.Exec("SET preserve_insertion_order=false")
	for range 2 {
		start, cpu := time.Now(), cpuSeconds(b)
		rows, err := db.Query(s)
		if err != nil {
			b.Fatal(err)
		}
		c := 0
		for rows.Next() {
			c++
		}
		b.Log("wall", time.Since(start), "cpu", cpuSeconds(b)-cpu, "rows", c)
	}
	if os.Getenv("EXPLAIN") != "" {
		rows, err := db.Query("EXPLAIN ANALYZE " + s)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			var k, v string
			rows.Scan(&k, &v)
			fmt.Println(v)
		}
	}
}
