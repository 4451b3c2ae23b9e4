package bigquery

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"edgewarden/internal/record"
)

// column is where a table kind keeps a field.
type column struct {
	path string // dotted path of a table column; empty for a constant
	text string // the constant's SQL
	cast bool   // the column may be of another type than the field
}

func at(path string) column   { return column{path: path} }
func cast(path string) column { return column{path: path, cast: true} }
func constant(s string) column {
	return column{text: quote(s)}
}

// sqlType is how BigQuery names a field's type.
func sqlType(t record.Type) string {
	switch t {
	case record.Int:
		return "INT64"
	case record.Bool:
		return "BOOL"
	case record.Time:
		return "TIMESTAMP"
	}
	return "STRING"
}

// columns returns the fields a table kind has, and where.
func (o *Options) columns() map[record.Field]column {
	switch o.Kind {
	case Fastly:
		return fastlyColumns()
	case Custom:
		return o.customColumns()
	}
	return sinkColumns()
}

// sinkColumns: the Log Router keeps the names of a LogEntry's own fields and
// puts the payload under jsonPayload with lower-case names, every number a
// FLOAT64. https://cloud.google.com/logging/docs/export/bigquery
func sinkColumns() map[record.Field]column {
	m := map[record.Field]column{}
	for f := record.Field(0); f < record.NumFields; f++ {
		path := "jsonPayload." + record.Fields[f].Name
		switch record.Fields[f].Type {
		case record.Int, record.Time: // a FLOAT64, and a text
			m[f] = cast(path)
		default:
			m[f] = at(path)
		}
	}
	m[record.Timestamp] = at("timestamp")
	m[record.Position] = at("insertId")
	return m
}

// originalTime is the column of an event time that Cloud Logging would not have
// kept, so that the row's timestamp is that of its arrival instead. It exists
// once an entry had one.
const originalTime = "jsonPayload.original_timestamp"

// timeSource is the SQL of a sink's time_source: a row whose timestamp is not
// its event time is one whose time is only when it was received, or a spool
// replayed after an age would count as the traffic of now.
func timeSource(s *schema) (sql string, ok bool) {
	if s == nil || !s.has(originalTime) || !s.has("jsonPayload.time_source") {
		return "", false
	}
	return "CASE WHEN " + originalTime + " IS NULL THEN jsonPayload.time_source ELSE " + quote(record.TimeReceived) + " END", true
}

// fastlyColumns: the columns are named and typed as the fields. Only Fastly's
// service account may write the table, so every row counts as authenticated; no
// ingest stood between, so what ingest would have said is said here.
func fastlyColumns() map[record.Field]column {
	m := map[record.Field]column{}
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Origin == record.FromLine {
			m[f] = at(record.Fields[f].Name)
		}
	}
	// Nothing redacts these on their way from Fastly, so its format leaves
	// them out.
	delete(m, record.Query)
	delete(m, record.Referer)
	delete(m, record.UserAgent)

	m[record.Kind] = constant(record.KindRequest)
	m[record.Sender] = constant(record.SenderToken)
	m[record.TimeSource] = constant(record.TimeMessage)
	m[record.AddressSource] = column{
		path: record.Fields[record.FirstHop].Name,
		text: "IF(first_hop, 'edge', 'header')",
	}
	return m
}

// customColumns: what is mapped is there; the few fields every query needs get
// the answer that grants no trust.
func (o *Options) customColumns() map[record.Field]column {
	m := map[record.Field]column{
		record.Kind:          constant(record.KindRequest),
		record.Sender:        constant(record.SenderNone),
		record.AddressSource: constant(record.AddressHeader),
		record.TimeSource:    constant(record.TimeMessage),
	}
	for name, path := range o.Columns {
		f, _ := record.ByName(name)
		if text, ok := strings.CutPrefix(path, "="); ok {
			m[f] = constant(text)
			continue
		}
		// The timestamp is compared bare, or no partition is skipped.
		m[f] = column{path: path, cast: f != record.Timestamp}
	}
	return m
}

// columnPath is a column, or a path into a record column.
var columnPath = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`)

// constantText is what a constant may be: nothing that a dialect could read as
// its own.
var constantText = regexp.MustCompile(`^[A-Za-z0-9_.:/@+ -]{1,200}$`)

// validateColumns checks the mapping of a custom table.
func (o *Options) validateColumns() []error {
	if o.Kind != Custom {
		if len(o.Columns) > 0 {
			return []error{fmt.Errorf("columns: table kind %s has fixed columns; remove the mapping, or set the kind to custom", o.Kind)}
		}
		return nil
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(o.Columns)) {
		f, ok := record.ByName(name)
		path := o.Columns[name]
		text, fixed := strings.CutPrefix(path, "=")
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("columns: %q is no field of a record; see the field table in the documentation", name))
		case fixed && record.Fields[f].Type != record.String:
			errs = append(errs, fmt.Errorf("columns: %s is no text and cannot be a constant (%q); name a column", name, path))
		case fixed && !constantText.MatchString(text):
			errs = append(errs, fmt.Errorf("columns: the constant of %s is %q; write 1 to 200 letters, digits and any of _ . : / @ + - and blank", name, text))
		case !fixed && (len(path) > 300 || !columnPath.MatchString(path)):
			errs = append(errs, fmt.Errorf("columns: %s: %q is no column; write a name or a dotted path such as http.status", name, path))
		}
	}
	for _, f := range []record.Field{record.Timestamp, record.ClientIP} {
		if o.Columns[record.Fields[f].Name] == "" {
			errs = append(errs, fmt.Errorf("columns: %s is missing; map it to the column that holds %s", record.Fields[f].Name, record.Fields[f].Meaning))
		}
	}
	return errs
}

// expr is the SQL of a column as a value of the field's type, NULL where the
// row does not have it.
func (c column) expr(f record.Field, s *schema) string {
	typ := sqlType(record.Fields[f].Type)
	switch {
	case c.path != "" && !s.has(c.path):
		return "CAST(NULL AS " + typ + ")"
	case c.text != "":
		return c.text
	case c.cast:
		return "SAFE_CAST(" + quotePath(c.path) + " AS " + typ + ")"
	}
	return quotePath(c.path)
}

// plainName is a name that needs no quotes because it is no reserved word; the
// record's own names are plain.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func quotePath(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		_, ours := record.ByName(p)
		if !plainName.MatchString(p) || !ours && p != "jsonPayload" && p != "httpRequest" && p != "insertId" {
			parts[i] = "`" + p + "`"
		}
	}
	return strings.Join(parts, ".")
}

// quote writes a string literal. BigQuery reads backslash escapes in it.
// https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/lexical#string_and_bytes_literals
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
