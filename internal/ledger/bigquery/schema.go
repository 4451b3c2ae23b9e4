package bigquery

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	bq "cloud.google.com/go/bigquery"

	"edgewarden/internal/gcp/query"
)

// Schema is the table's, as `bq mk --schema` and Terraform read it.
//
//go:embed schema.json
var Schema []byte

// column is one of the table.
type column struct {
	Name        string `json:"name"`
	Type        string `json:"type"` // as the API names it
	Mode        string `json:"mode"`
	Description string `json:"description"`
}

var columns = readSchema()

func readSchema() []column {
	var out []column
	if err := json.Unmarshal(Schema, &out); err != nil {
		panic("ledger/bigquery: bug: schema.json: " + err.Error())
	}
	return out
}

// stored is the column that is no part of an event.
const stored = "stored"

// names are the columns, quoted (hash is a reserved word), each after prefix.
func names(prefix string) []string {
	var out []string
	for _, c := range columns {
		out = append(out, prefix+"`"+c.Name+"`")
	}
	return out
}

// sqlType is how GoogleSQL names a type of the API.
var sqlType = map[string]string{"INTEGER": "INT64", "STRING": "STRING", "TIMESTAMP": "TIMESTAMP"}

// DDL is the statement that creates the table, for `bq query --use_legacy_sql=false`.
func DDL(table string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE `%s` (", table)
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "`%s` %s NOT NULL", c.Name, sqlType[c.Type])
	}
	b.WriteString(") PARTITION BY DATE(`time`) CLUSTER BY run")
	return b.String()
}

// checkSchema says which column the table lacks or has with another type, and
// how to mend it.
func checkSchema(table query.Table, have bq.Schema) error {
	types := map[string]string{}
	for _, f := range have {
		types[strings.ToLower(f.Name)] = string(f.Type)
	}
	for _, c := range columns {
		switch got, ok := types[c.Name]; {
		case !ok:
			return fmt.Errorf("ledger %s: the table has no column %s; add it with ALTER TABLE `%s` ADD COLUMN `%s` %s", table, c.Name, table, c.Name, sqlType[c.Type])
		case got != c.Type:
			return fmt.Errorf("ledger %s: column %s is a %s, not a %s; keep the ledger in a table of its own, made with: %s", table, c.Name, got, c.Type, DDL(table.String()))
		}
	}
	return nil
}

// CheckName says what is wrong with a table's name.
func CheckName(s string) error {
	_, err := query.ParseTable(s)
	return err
}
