package detect_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// similar are n rules that name the same columns and nothing else alike.
func similar(n int) *detect.Set {
	var rules []detect.Rule
	for i := range n {
		rules = append(rules, detect.Rule{Where: fmt.Sprintf(`method == "M%d" && path.startsWith("/p%d") && status == %d`, i, i, 400+i), When: fmt.Sprintf("requests >= %d && score > 2.0", 10+i)})
	}
	return detecttest.MustCompile(rules...)
}

var quotedColumn = regexp.MustCompile("[`\"]([a-z_0-9]+)[`\"]")

// BigQuery bills columns of a range of time: what a run costs must not grow with the number of its rules.
func TestFiftyRulesReadTheTableOnceAndTheColumnsOfOne(t *testing.T) {
	for d, table := range map[detect.Dialect]string{detect.DuckDB: "read_parquet(", detect.BigQuery: "`shop.logs.requests`"} {
		var read [][]string
		for _, n := range []int{1, 50} {
			set := similar(n)
			q := detect.Query{Set: set, ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
			var asked []record.Field
			src := source(d)
			column := src.Column
			src.Column = func(f record.Field) string {
				if !slices.Contains(asked, f) {
					asked = append(asked, f)
				}
				return column(f)
			}
			st, err := set.DetectSQL(d, src, q)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(st.SQL, table); got != 1 {
				t.Errorf("%s, %d rules: the table is named %d times", d, n, got)
			}
			var columns []string
			for _, m := range quotedColumn.FindAllStringSubmatch(st.SQL, -1) {
				columns = append(columns, m[1])
			}
			slices.Sort(columns)
			columns = slices.Compact(columns)
			if len(columns) < 8 || slices.Contains(columns, "user_agent") {
				t.Errorf("%s, %d rules: columns %v", d, n, columns)
			}
			if slices.Contains(asked, record.UserAgent) {
				t.Errorf("%s, %d rules: asks for columns no rule names: %v", d, n, asked)
			}
			read = append(read, columns)
		}
		if !slices.Equal(read[0], read[1]) {
			t.Errorf("%s: one rule reads %v, fifty read %v", d, read[0], read[1])
		}
	}
}
