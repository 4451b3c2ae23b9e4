package detect

import (
	"strconv"
	"time"

	"edgewarden/internal/record"
)

// Dialect is the SQL an engine speaks.
type Dialect uint8

// The dialects.
const (
	DuckDB   Dialect = iota
	BigQuery         // GoogleSQL
)

// String is the dialect's name.
func (d Dialect) String() string { return [...]string{"duckdb", "bigquery"}[d] }

// Source says where an engine's rows are and what the record's fields are
// called there.
type Source struct {
	// From is the FROM item, quoted: a table, or a call of a table function.
	From string
	// Time is the expression of the event time, a TIMESTAMP (in DuckDB
	// TIMESTAMPTZ). For BigQuery it must be the bare partition column, or
	// nothing is pruned.
	Time string
	// Column gives the expression of a field, of the field's type (STRING,
	// INT64, BOOL), which may be NULL; "" when the source does not have it.
	// It is never asked for timestamp.
	Column func(record.Field) string
	// Where is a further condition, such as one on _TABLE_SUFFIX; "" for none.
	Where string
}

// Statement is a query's text and its named parameters.
type Statement struct {
	SQL    string
	Params []Param // in order of first use; each is used in SQL
}

// Param is a named parameter; in the text it is @name (BigQuery) or $name (DuckDB).
type Param struct {
	Name  string
	Value any // string, int64, time.Time; []string for BigQuery, []KeyParam for DuckDB
}

// KeyParam is an element of DuckDB's array parameter, which is bound as the
// JSON text of the array. BigQuery gets the same in two arrays of texts.
type KeyParam struct {
	Rule   int64  `json:"rule"`
	Trust  int64  `json:"trust"`
	Key    string `json:"key"`
	FromUs int64  `json:"from_us"` // unix microseconds
}

// dialect holds what differs between the two; everything else is written so
// that both read it alike: CASE for IF, COUNT(CASE …) for COUNTIF, microseconds
// for time differences, STRPOS for LIKE, NULLIF under every division, and no
// GREATEST, CONCAT or cast of a fraction.
type dialect struct {
	param  string              // prefix of a named parameter
	str    string              // the string type
	micros func(string) string // a timestamp's unix microseconds
	div    func(a, b string) string
	search string // RE2 search of (text, pattern)
	bigint func(string) string
}

var dialects = [...]dialect{
	DuckDB: {
		param:  "$",
		str:    "VARCHAR",
		micros: func(x string) string { return "epoch_us(" + x + ")" },
		div:    func(a, b string) string { return "(" + a + ") // " + b },
		search: "regexp_matches",                                             // the operator ~ would match the whole text
		bigint: func(x string) string { return "CAST(" + x + " AS BIGINT)" }, // SUM of BIGINT is HUGEINT
	},
	BigQuery: {
		param:  "@",
		str:    "STRING",
		micros: func(x string) string { return "UNIX_MICROS(" + x + ")" },
		div:    func(a, b string) string { return "DIV(" + a + ", " + b + ")" },
		search: "REGEXP_CONTAINS",
		bigint: func(x string) string { return x },
	},
}

// builder collects one statement's parameters.
type builder struct {
	dialect
	kind   Dialect
	params []Param
	texts  map[string]string // value → reference
}

func newBuilder(d Dialect) *builder {
	return &builder{dialect: dialects[d], kind: d, texts: map[string]string{}}
}

// named refers to a parameter, which it adds at its first use.
func (b *builder) named(name string, v any) string {
	for _, p := range b.params {
		if p.Name == name {
			return b.param + name
		}
	}
	b.params = append(b.params, Param{name, v})
	return b.param + name
}

// text refers to a text from a rule. Texts are always parameters, since the
// dialects quote differently.
func (b *builder) text(s string) string {
	if ref, ok := b.texts[s]; ok {
		return ref
	}
	ref := b.named("v"+strconv.Itoa(len(b.texts)), s)
	b.texts[s] = ref
	return ref
}

// instant is a time to compare the source's time with. DuckDB gets a literal:
// a parameter is no constant to its planner, and nothing would be pruned.
func (b *builder) instant(name string, t time.Time) string {
	t = t.UTC()
	if b.kind == DuckDB {
		return "TIMESTAMPTZ '" + t.Format("2006-01-02 15:04:05.000000") + "+00'"
	}
	return b.named(name, t)
}
