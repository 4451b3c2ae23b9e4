package bigquery

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"edgewarden/internal/logformat"
	"edgewarden/internal/record"
)

// fastlySchema is the schema of a table that Fastly's BigQuery endpoint fills, as Terraform and `bq mk` read it. Nothing is
// REQUIRED: a row without a value is better than a row that BigQuery refuses and Fastly then drops.
func fastlySchema() []byte {
	names := map[record.Type]string{record.String: "STRING", record.Int: "INTEGER", record.Bool: "BOOLEAN", record.Time: "TIMESTAMP"}
	have := fastlyColumns()
	var lines []string
	for f := record.Field(0); f < record.NumFields; f++ {
		if c, ok := have[f]; ok && c.path == record.Fields[f].Name {
			info := record.Fields[f]
			lines = append(lines, fmt.Sprintf(`  {"name": %q, "type": %q, "mode": "NULLABLE", "description": %q}`, info.Name, names[info.Type], info.Meaning))
		}
	}
	return []byte("[\n" + strings.Join(lines, ",\n") + "\n]\n")
}

func TestTheFastlyTablesSchemaIsTheGeneratedOne(t *testing.T) {
	const path = "../../../deploy/terraform/google/fastly.schema.json"
	want := fastlySchema()
	if flag.Lookup("update").Value.String() == "true" { // golden_test.go defines it
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: go test ./internal/detect/bigquery -run FastlyTables -update", path)
	}
}

// BigQuery refuses a row with a key that is no column, and Fastly tells nobody.
func TestTheFastlyFormatHasTheTablesColumns(t *testing.T) {
	for f := record.Field(0); f < record.NumFields; f++ {
		name := record.Fields[f].Name
		written := strings.Contains(logformat.BigQueryFormat(), `"`+name+`":`)
		column := strings.Contains(string(fastlySchema()), `{"name": "`+name+`",`)
		if written != column {
			t.Errorf("%s: in the format %v, in the table %v", name, written, column)
		}
	}
}
