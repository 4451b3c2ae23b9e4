package query

import (
	"fmt"
	"regexp"
	"strings"
)

// Table is the full name of a table.
type Table struct {
	Project, Dataset, Name string
}

// The characters a name may have:
// https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects (a
// legacy domain-scoped project carries "example.com:" before its id),
// https://docs.cloud.google.com/bigquery/docs/datasets#dataset-naming and
// https://docs.cloud.google.com/bigquery/docs/tables#table_naming. Table names may hold
// any letter of any script; nothing that ends the quoted name may pass.
var (
	projectName = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{0,29}$`)
	datasetName = regexp.MustCompile(`^[A-Za-z0-9_]{1,1000}$`)
	tableName   = regexp.MustCompile(`^[\pL\pM\pN\p{Pc}\p{Pd} ]{1,1000}$`)
)

// IsProject reports whether s can be a project's id.
func IsProject(s string) bool { return projectName.MatchString(s) }

// ParseTable reads a full table name, PROJECT.DATASET.TABLE.
func ParseTable(s string) (Table, error) {
	bad := func(format string, a ...any) (Table, error) {
		return Table{}, fmt.Errorf("table %q: %s; write PROJECT.DATASET.TABLE, such as my-project.fastly_logs.fastly",
			s, fmt.Sprintf(format, a...))
	}
	if strings.ContainsAny(s, "`[]") {
		return bad("quotes and brackets are not part of a name")
	}
	// The project alone may contain dots (example.com:logs), so names are cut
	// from the end.
	rest, table, ok := cutLast(s, ".")
	project, dataset, ok2 := cutLast(rest, ".")
	if !ok || !ok2 {
		return bad("needs a project, a dataset and a table, separated by dots")
	}
	switch {
	case !projectName.MatchString(project):
		return bad("%q is no project id (lower-case letters, digits and dashes)", project)
	case !datasetName.MatchString(dataset):
		return bad("%q is no dataset name (letters, digits and underscores)", dataset)
	case strings.HasSuffix(table, "*"):
		return bad("date-sharded tables are not read; set use_partitioned_tables on the log sink")
	case !tableName.MatchString(table):
		return bad("%q is no table name (letters, digits, underscores and dashes)", table)
	}
	return Table{Project: project, Dataset: dataset, Name: table}, nil
}

// String returns PROJECT.DATASET.TABLE.
func (t Table) String() string { return t.Project + "." + t.Dataset + "." + t.Name }

// SQL returns the name as it is written in a query. The whole path stands in
// one pair of backticks, which [ParseTable] keeps out of every part.
func (t Table) SQL() string { return "`" + t.String() + "`" }

// DatasetID returns the dataset as Google's console and its errors write it.
func (t Table) DatasetID() string { return t.Project + ":" + t.Dataset }

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
