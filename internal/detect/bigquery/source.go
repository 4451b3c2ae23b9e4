package bigquery

import (
	"fmt"
	"slices"
	"strings"

	"edgewarden/internal/detect"
	"edgewarden/internal/gcp/query"
	"edgewarden/internal/record"
)

// Parameters of a statement that the scan shares with it.
const (
	paramFrom    = "lo"
	paramTo      = "hi"
	paramService = "service"
)

// computed are the fields that ingest computes from the address, for tables
// that ingest did not write. addr is the address in 4 or 16 bytes.
//
// NET.IP_TRUNC fails on a length greater than the address has bits, so each
// family has its own branch.
// https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/net_functions#netip_trunc
var computed = map[record.Field]string{
	record.ClientIP:     "NET.IP_TO_STRING(addr)",
	record.ClientKey:    "CASE BYTE_LENGTH(addr) WHEN 4 THEN NET.IP_TO_STRING(addr) WHEN 16 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 64)) || '/64' END",
	record.ClientPrefix: "CASE BYTE_LENGTH(addr) WHEN 4 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 24)) || '/24' WHEN 16 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 56)) || '/56' END",
}

// unmap turns the 16 bytes of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2)
// into the 4 it means, or every IPv4 client would share one /64.
const unmap = `CASE WHEN BYTE_LENGTH(raw) = 16 AND SUBSTR(raw, 1, 12) = b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff' THEN SUBSTR(raw, 13) ELSE raw END`

// source writes the FROM item of a table: its rows in the window, with the
// fields under their own names, in the record's types, NULL where a row has
// none. It names the table once and compares its bare timestamp with
// parameters.
type source struct {
	kind    Kind
	table   query.Table
	cols    map[record.Field]column
	schema  *schema
	service bool       // the statement has the parameter service
	rules   record.Set // the fields that rules and classes name
}

// isComputed reports whether f has to be computed from the address here. A
// table's own client_key, if it is mapped, is taken to be right.
func (s *source) isComputed(f record.Field) bool {
	if s.kind == Sink || computed[f] == "" {
		return false
	}
	_, mapped := s.cols[f]
	return !mapped || f == record.ClientIP
}

// has reports whether the table kind can give f.
func (s *source) has(f record.Field) bool {
	_, mapped := s.cols[f]
	return mapped || s.isComputed(f)
}

// isNew reports whether f came to the log format later than the others and is read unasked. A table of before does not have
// it, so a table whose columns are not known must not fail on it, unless a rule needs it.
func (s *source) isNew(f record.Field) bool {
	return f == record.ClaimsOtherIP && s.schema == nil && !s.rules.Has(f)
}

// statement compiles a query over the table. write is asked twice: the first
// time to learn which fields it reads, so that no other column is paid for.
func (s *source) statement(write func(detect.Source) (detect.Statement, error)) (detect.Statement, error) {
	var need record.Set
	src := detect.Source{From: s.table.SQL(), Time: record.Fields[record.Timestamp].Name}
	src.Column = func(f record.Field) string {
		if !s.has(f) || s.isNew(f) || f == record.Kind {
			return "" // the scan leaves other kinds out before anything is grouped
		}
		if path := s.cols[f].path; path != "" && !s.schema.has(path) {
			return ""
		}
		need = need.With(f)
		return record.Fields[f].Name
	}
	if _, err := write(src); err != nil {
		return detect.Statement{}, err
	}
	src.From = "(\n" + indent(s.from(need)) + "\n)"
	return write(src)
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// from writes the SELECT.
func (s *source) from(need record.Set) string {
	var plain, addressed []record.Field
	for f := record.Field(0); f < record.NumFields; f++ {
		switch {
		case !need.Has(f) || f == record.Timestamp:
		case s.isComputed(f):
			addressed = append(addressed, f)
		default:
			plain = append(plain, f)
		}
	}
	switch {
	case s.kind == Sink:
		return s.deduplicated(plain)
	case len(addressed) == 0:
		return s.rows(plain, "")
	}
	list := []string{"timestamp"}
	for _, f := range plain {
		list = append(list, record.Fields[f].Name)
	}
	outer := list
	for _, f := range addressed {
		outer = append(outer, computed[f]+" AS "+record.Fields[f].Name)
	}
	return "SELECT " + strings.Join(outer, ",\n  ") + "\nFROM (\n  SELECT " + strings.Join(append(list[:len(list):len(list)], unmap+" AS addr"), ",\n    ") +
		"\n  FROM (\n" + indent(indent(s.rows(plain, ",\n  NET.SAFE_IP_FROM_STRING("+s.expr(record.ClientIP)+") AS raw"))) + "\n  )\n)"
}

// expr is a field's SQL over the table's own columns.
func (s *source) expr(f record.Field) string {
	if s.kind == Sink && f == record.TimeSource {
		if sql, ok := timeSource(s.schema); ok {
			return sql
		}
	}
	return s.cols[f].expr(f, s.schema)
}

// rows is the scan of a table that has each row once, or, where a custom table
// has an id of its rows, makes it so: rows of one time and id that are equal in
// all that is read are one. Equal in all, since a row without an id must not
// swallow another.
func (s *source) rows(fields []record.Field, more string) string {
	list := []string{as(s.expr(record.Timestamp), record.Timestamp)}
	for _, f := range fields {
		list = append(list, as(s.expr(f), f))
	}
	begin := "SELECT "
	if s.cols[record.Position].path != "" {
		begin = "SELECT DISTINCT "
		if !slices.Contains(fields, record.Position) {
			list = append(list, as(s.expr(record.Position), record.Position))
		}
	}
	return begin + strings.Join(list, ",\n  ") + more + s.scan()
}

// deduplicated is the scan of a table that may have an entry more than once:
// ingest delivers at least once, and the Log Router does not promise to drop
// what Cloud Logging would show once. Rows of one timestamp and insertId are
// one entry; both are the same in every delivery.
func (s *source) deduplicated(fields []record.Field) string {
	list := []string{"timestamp"}
	for _, f := range fields {
		if f == record.Position {
			list = append(list, as(s.expr(f), f)) // a key of the grouping
			continue
		}
		list = append(list, as("ANY_VALUE("+s.expr(f)+")", f))
	}
	return "SELECT " + strings.Join(list, ",\n  ") + s.scan() + "\nGROUP BY timestamp, insertId"
}

// scan is the part that touches the table. Other services' rows and rows that
// are no requests are left out here, before anything is grouped.
func (s *source) scan() string {
	ts := s.expr(record.Timestamp)
	text := fmt.Sprintf("\nFROM %s\nWHERE %s >= @%s AND %s < @%s", s.table.SQL(), ts, paramFrom, ts, paramTo)
	if s.cols[record.Kind].path != "" {
		text += fmt.Sprintf("\n  AND %s = %s", s.expr(record.Kind), quote(record.KindRequest))
	}
	if s.service && s.cols[record.ServiceID].path != "" {
		text += fmt.Sprintf("\n  AND %s = @%s", s.expr(record.ServiceID), paramService)
	}
	return text
}

// as names an expression after its field, unless it has that name already.
func as(expr string, f record.Field) string {
	if expr == record.Fields[f].Name {
		return expr
	}
	return expr + " AS " + record.Fields[f].Name
}
