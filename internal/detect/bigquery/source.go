package bigquery

import (
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// Fields computed at parse, which a table that ingest did not write has to
// have computed from client_ip.
var computed = map[record.Field]string{
	record.ClientIP:     "NET.IP_TO_STRING(addr)",
	record.ClientKey:    "CASE BYTE_LENGTH(addr) WHEN 4 THEN NET.IP_TO_STRING(addr) WHEN 16 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 64)) || '/64' END",
	record.ClientPrefix: "CASE BYTE_LENGTH(addr) WHEN 4 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 24)) || '/24' WHEN 16 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 56)) || '/56' END",
}

// unmap turns the 16 bytes of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2)
// into the 4 it means, or every IPv4 client would share one /64.
const unmap = `IF(BYTE_LENGTH(raw) = 16 AND SUBSTR(raw, 1, 12) = b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff', SUBSTR(raw, 13), raw)`

// source is the SQL of a table's rows in the window: a SELECT that gives the
// fields under their own names, with the types of the record, NULL where a row
// has none. It names the table once, and compares its bare timestamp with the
// parameters.
type source struct {
	kind   Kind
	table  Table
	cols   map[record.Field]column
	schema *schema
}

// addressed reports whether f has to be computed from client_ip here.
func (s source) addressed(f record.Field) bool {
	if s.kind == Sink || computed[f] == "" {
		return false
	}
	_, there := s.cols[f]
	return !there || f == record.ClientIP && !s.mapped(record.ClientKey)
}

// mapped reports whether a custom table says where f is.
func (s source) mapped(f record.Field) bool { _, ok := s.cols[f]; return ok }

// has reports whether the table kind can give f at all.
func (s source) has(f record.Field) bool { return s.mapped(f) || s.addressed(f) }

// text writes the SELECT.
func (s source) text(fields []record.Field, from, to string) string {
	var b strings.Builder
	if s.kind == Sink {
		s.deduplicated(&b, fields, from, to)
		return b.String()
	}
	var plain, byAddress []record.Field
	for _, f := range fields {
		if s.addressed(f) {
			byAddress = append(byAddress, f)
		} else {
			plain = append(plain, f)
		}
	}
	if len(byAddress) == 0 {
		s.rows(&b, plain, "", from, to)
		return b.String()
	}
	b.WriteString("SELECT\n")
	for _, f := range plain {
		fmt.Fprintf(&b, "  %s,\n", record.Fields[f].Name)
	}
	for _, f := range byAddress {
		fmt.Fprintf(&b, "  %s AS %s,\n", computed[f], record.Fields[f].Name)
	}
	fmt.Fprintf(&b, "FROM (SELECT *, %s AS addr FROM (\n", unmap)
	raw := "  NET.SAFE_IP_FROM_STRING(" + s.expr(record.ClientIP) + ") AS raw,\n"
	s.rows(&b, plain, raw, from, to)
	b.WriteString("))\n")
	return b.String()
}

func (s source) expr(f record.Field) string { return s.cols[f].expr(f, s.schema) }

// rows writes the scan of a table whose rows come once.
func (s source) rows(b *strings.Builder, fields []record.Field, more, from, to string) {
	b.WriteString("SELECT\n")
	for _, f := range fields {
		fmt.Fprintf(b, "  %s AS %s,\n", s.expr(f), record.Fields[f].Name)
	}
	b.WriteString(more)
	s.scan(b, from, to)
}

// deduplicated writes the scan of a table in which a replayed entry stands
// again: delivery is at least once, and the Log Router does not promise to drop
// what Cloud Logging knows as a duplicate. Rows of one insertId and timestamp
// are one entry, whatever later rows add to it.
func (s source) deduplicated(b *strings.Builder, fields []record.Field, from, to string) {
	b.WriteString("SELECT\n")
	for _, f := range fields {
		switch f {
		case record.Timestamp, record.Position:
			fmt.Fprintf(b, "  %s AS %s,\n", s.expr(f), record.Fields[f].Name)
		default:
			fmt.Fprintf(b, "  ANY_VALUE(%s) AS %s,\n", s.expr(f), record.Fields[f].Name)
		}
	}
	s.scan(b, from, to)
	b.WriteString("GROUP BY timestamp, insertId\n")
}

func (s source) scan(b *strings.Builder, from, to string) {
	column := s.expr(record.Timestamp)
	fmt.Fprintf(b, "FROM %s\nWHERE %s >= @%s AND %s < @%s\n", s.table.sql(), column, from, column, to)
}
