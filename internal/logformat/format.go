package logformat

import (
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// MaxLength is how long a format may be: Fastly takes about 8,000 characters.
const MaxLength = 8000

// Format returns the Fastly log format (format version 2) of the record's
// field table: one line, at most MaxLength characters.
// https://docs.fastly.com/en/guides/custom-log-formats
func Format() string { return format(every) }

// BigQueryFormat returns the format for Fastly's own BigQuery endpoint. Nothing
// redacts what it writes, so it carries no query, referer or user agent.
func BigQueryFormat() string {
	return format(func(f record.Field) bool {
		return f != record.Query && f != record.Referer && f != record.UserAgent
	})
}

func format(wanted func(record.Field) bool) string {
	var b strings.Builder
	b.WriteByte('{')
	each(wanted, func(name string, v value) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%s":`, name)
		quote(&b, v)
		if v.form == instant {
			// Inside %{…}V the percent signs of a time format would be read as escapes;
			// %{begin:…}t takes them, and begin is time.start.
			b.WriteString("%{begin:%Y-%m-%dT%H:%M:%S}t.%{time.start.usec_frac}VZ")
		} else {
			// A quote inside an expression is spelled %22.
			fmt.Fprintf(&b, "%%{%s}V", strings.ReplaceAll(v.expression(), `"`, "%22"))
		}
		quote(&b, v)
	})
	b.WriteByte('}')
	return b.String()
}

// Statement returns the same line as a VCL log statement for the logging
// endpoint of that name, to be put in vcl_log; the endpoint's placement is then
// "none". https://www.fastly.com/documentation/reference/vcl/statements/log/
func Statement(endpoint string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "log {\"syslog \"} req.service_id {\" %s :: {\"}", endpoint)
	first := true
	each(every, func(name string, v value) {
		open := `"` + name + `":`
		if !first {
			open = "," + open
		}
		first = false
		end := ""
		if v.quoted() {
			open, end = open+`"`, ` {"""}`
		}
		expr := v.expression()
		if v.form == instant {
			expr = `strftime({"%Y-%m-%dT%H:%M:%S"}, time.start) "." time.start.usec_frac "Z"`
		}
		fmt.Fprintf(&b, "\n  {\"%s\"} %s%s", open, expr, end)
	})
	b.WriteString("\n  \"}\";\n")
	return b.String()
}

func every(record.Field) bool { return true }

// each calls fn for every wanted field that the edge writes, in the table's order.
func each(wanted func(record.Field) bool, fn func(name string, v value)) {
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Origin != record.FromLine || !wanted(f) {
			continue
		}
		v, ok := values[f]
		if !ok {
			panic("logformat: bug: no VCL for " + record.Fields[f].Name)
		}
		fn(record.Fields[f].Name, v)
	}
}

func quote(b *strings.Builder, v value) {
	if v.quoted() {
		b.WriteByte('"')
	}
}
