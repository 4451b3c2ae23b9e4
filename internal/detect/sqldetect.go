package detect

import (
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// DetectSQL is the one statement for all rules: it reads the source once,
// whatever the number of rules, and gives rows for [Assemble].
func (s *Set) DetectSQL(d Dialect, src Source, q Query) (Statement, error) {
	if err := q.validate(); err != nil {
		return Statement{}, err
	}
	more := []record.Field{record.Path, record.JA4, record.ClaimsOtherIP}
	sc := newScan(d, src, q, append(s.weightFields(), more...)...)
	sc.weighed = s.Weighs()
	steps := sc.steps(sc.carried(more...)...)
	var last string
	if d == BigQuery {
		steps, last = sc.chain(steps)
	} else {
		steps, last = sc.countFirst(steps)
	}
	return Statement{SQL: with(steps, last), Params: sc.params}, nil
}

// trusted is the condition of a row that counts as trusted in the health of the
// data. Without an address a row has no source of one; from an authenticated
// sender it shows a broken column all the same.
var trusted = fmt.Sprintf("base AND (trust = 0 OR trust = %d AND %s = '')", trustForgeable, f(record.ClientKey))

// healthTests are the conditions of a row of src for each count of the health
// row. Rows at or after To count as Ahead only.
func (s *scan) healthTests() []struct{ name, test string } {
	in := "us < " + s.named("to_us", s.q.To.UnixMicro())
	ahead := "FALSE"
	if s.q.Until().After(s.q.To) {
		ahead = trusted + " AND us >= " + s.named("to_us", s.q.To.UnixMicro()) +
			" AND us > " + s.named("ahead_us", s.q.Now.Add(aheadTolerance).UnixMicro())
	}
	return []struct{ name, test string }{
		{"h_rows", in},
		{"h_trusted", in + " AND " + trusted},
		{"h_no_address", in + " AND f_client_key = ''"},
		{"h_no_first_hop", in + " AND hop_unsaid"},
		{"h_trusted_no_address", in + " AND " + trusted + " AND f_client_key = ''"},
		{"h_trusted_claims", in + " AND " + trusted + " AND " + f(record.ClaimsOtherIP)},
		{"h_shield", in + " AND shield"},
		{"h_received", in + " AND received"},
		{"h_ahead", ahead},
		{"h_forgeable", in + " AND base AND f_client_key <> '' AND trust IN (1, 3)"},
		{"h_ok_requests", in + " AND base AND trust = 0 AND NOT f_blocked AND " + okStatus},
	}
}

// notClient is the condition of a key that lies in Query.NotClients.
func (s *scan) notClient(key string) string {
	pattern := rangePattern(s.q.NotClients)
	if pattern == "" {
		return "FALSE"
	}
	return s.search + "(" + key + ", " + s.named("not_clients", pattern) + ")"
}

// newestTests are the conditions of a row of src whose time a newest row is
// looked for among.
func (s *scan) newestTests() []struct{ name, test string } {
	in := " AND us < " + s.named("to_us", s.q.To.UnixMicro())
	return []struct{ name, test string }{{"h_newest_us", "base" + in}, {"h_trusted_newest_us", trusted + in}}
}

// countIf counts the rows for which the condition holds.
func countIf(c string) string { return "COUNT(CASE WHEN " + c + " THEN 1 END)" }

// list writes every column of the statement: as given, or as zero.
func (s *scan) list(given map[string]string) string {
	var parts []string
	for _, c := range s.q.Set.columns() {
		var row Row
		expr, ok := given[c.name]
		switch c.dest(&row).(type) {
		case *string:
			if !ok {
				expr = "''"
			}
		case *float64:
			if !ok {
				expr = "0e0"
			}
		default:
			if !ok {
				expr = "0"
			}
			expr = s.bigint(expr)
		}
		if expr != c.name {
			expr += " AS " + c.name
		}
		parts = append(parts, expr)
	}
	return strings.Join(parts, ", ")
}

// rulesList is the constant table of rules: id, which is also its bit in the
// mask, and grp. Without only it has every rule.
func (s *scan) rulesList(only map[int64]bool, row func(id, grp string) string) string {
	var rows []string
	for i, c := range s.q.Set.rules {
		if only != nil && !only[int64(i)] {
			continue
		}
		rows = append(rows, row(fmt.Sprint(i), fmt.Sprint(groupIndex(c.Group))))
	}
	return strings.Join(rows, ",\n    ")
}
