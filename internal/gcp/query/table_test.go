package query_test

import (
	"strings"
	"testing"

	"edgewarden/internal/gcp/query"
)

func TestParseTable(t *testing.T) {
	for _, c := range []struct{ name, in, project, dataset, table, fault string }{
		{"three parts", "my-project.logs.fastly", "my-project", "logs", "fastly", ""},
		{"a domain-scoped project keeps its dots", "example.com:edge.logs.fastly", "example.com:edge", "logs", "fastly", ""},
		{"a table name may hold dashes and spaces", "p.d.fastly-edge 1", "p", "d", "fastly-edge 1", ""},
		{"two parts", "logs.fastly", "", "", "", "separated by dots"},
		{"empty", "", "", "", "", "separated by dots"},
		{"an empty part", "p..t", "", "", "", `"" is no dataset name`},
		{"an upper-case project", "Proj.d.t", "", "", "", `"Proj" is no project id`},
		{"a dash in the dataset", "p.my-logs.t", "", "", "", `"my-logs" is no dataset name`},
		{"quotes", "`p.d.t`", "", "", "", "quotes and brackets"},
		{"a quote that would end the name in SQL", "p.d.t` WHERE true --", "", "", "", "quotes and brackets"},
		{"a line break", "p.d.t\n", "", "", "", "is no table name"},
		{"date-sharded tables", "p.d.fastly_*", "", "", "", "use_partitioned_tables"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := query.ParseTable(c.in)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "write PROJECT.DATASET.TABLE") {
					t.Fatalf("error %v does not say %q and what to write", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := (query.Table{Project: c.project, Dataset: c.dataset, Name: c.table}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got.String() != c.in {
				t.Errorf("String is %q", got.String())
			}
		})
	}
}
