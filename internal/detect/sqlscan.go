package detect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// cte is a named step of a statement. The hint says whether DuckDB keeps its
// rows; "" leaves that to it.
type cte struct{ name, body, hint string }

// with writes the steps and the last SELECT.
func with(steps []cte, last string) string {
	var b strings.Builder
	for i, s := range steps {
		if i == 0 {
			b.WriteString("WITH ")
		} else {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%s AS %s(\n%s\n)", s.name, s.hint, indent(s.body))
	}
	b.WriteString("\n" + last + "\n")
	return b.String()
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// scan writes the two first steps, the only ones that touch the source.
//
// req reads the columns the rules name, each once, with NULL replaced. src
// turns a request into what every later step needs: a bit for each rule whose
// where holds (mask), its trust class, its age before T in microseconds and the
// minute that lies in.
type scan struct {
	*builder
	q       Query
	src     Source
	fields  []record.Field
	weighed bool // src says what a row weighs, in w,
	classed bool // or rather of which class it is, in class
}

func newScan(d Dialect, src Source, q Query, more ...record.Field) *scan {
	s := &scan{builder: newBuilder(d), q: q, src: src}
	need := map[record.Field]bool{}
	for _, f := range append(more, record.ClientKey, record.Status, record.Blocked, record.FirstHop, record.AddressSource, record.Sender, record.TimeSource) {
		need[f] = true
	}
	for _, c := range q.Set.rules {
		used := map[int]bool{}
		names(c.where, used)
		for n := range used {
			need[whereTable.names[n].field] = true
		}
		need[keyField(c.Group)] = true
	}
	for f := record.Field(0); f < record.NumFields; f++ {
		if need[f] {
			s.fields = append(s.fields, f)
		}
	}
	return s
}

func keyField(g Group) record.Field {
	return map[Group]record.Field{ByAddress: record.ClientKey, ByPrefix: record.ClientPrefix, ByASN: record.ClientASN, ByJA4: record.JA4}[g]
}

// f is a field's column in req and src.
func f(field record.Field) string { return "f_" + record.Fields[field].Name }

// read is the expression of a field that is never NULL.
func (s *scan) read(field record.Field) string {
	zero := map[record.Type]string{record.String: "''", record.Int: "0", record.Bool: "FALSE"}[record.Fields[field].Type]
	if col := s.src.Column(field); col != "" {
		return "COALESCE(" + col + ", " + zero + ")"
	}
	return zero
}

func (s *scan) req() cte { return s.reqBetween(s.q.From(), s.q.Until()) }

// reqBetween is req of the event times in [from, to).
func (s *scan) reqBetween(from, to time.Time) cte {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT %s AS us", s.micros(s.src.Time))
	for _, field := range s.fields {
		fmt.Fprintf(&b, ",\n  %s AS %s", s.read(field), f(field))
	}
	hop := "TRUE"
	if col := s.src.Column(record.FirstHop); col != "" {
		hop = col + " IS NULL"
	}
	fmt.Fprintf(&b, ",\n  %s AS hop_unsaid\nFROM %s\nWHERE %s >= %s AND %s < %s", hop, s.src.From,
		s.src.Time, s.instant("lo", from), s.src.Time, s.instant("hi", to))
	if col := s.src.Column(record.Kind); col != "" {
		fmt.Fprintf(&b, "\n  AND %s = '%s'", col, record.KindRequest)
	}
	if s.q.ServiceID != "" {
		col := s.src.Column(record.ServiceID)
		if col == "" {
			col = "''"
		}
		fmt.Fprintf(&b, "\n  AND %s = %s", col, s.named("service", s.q.ServiceID))
	}
	if s.src.Where != "" {
		fmt.Fprintf(&b, "\n  AND (%s)", s.src.Where)
	}
	return cte{name: "req", body: b.String()}
}

// shield and received are the conditions of rows that are never counted; base
// is that of every other.
var (
	shield   = "NOT (" + f(record.FirstHop) + " OR hop_unsaid)"
	received = f(record.TimeSource) + " = '" + record.TimeReceived + "'"
	base     = f(record.TimeSource) + " <> '" + record.TimeReceived + "' AND (" + f(record.FirstHop) + " OR hop_unsaid)"
)

// steps are req and the two that make src: the second can name the age the
// first computed. The mask is 0 for a row no rule may count.
func (s *scan) steps(carry ...record.Field) []cte {
	to := s.named("to_us", s.q.To.UnixMicro())
	columns := []string{"us", "age", s.div("age", "60000000") + " AS minute", s.trust() + " AS trust"}
	for _, field := range carry {
		columns = append(columns, f(field))
	}
	columns = append(columns, s.classColumn()...)
	columns = append(columns, "hop_unsaid", shield+" AS shield", received+" AS received", base+" AS base")
	return []cte{
		s.req(),
		{name: "aged", body: "SELECT *, " + to + " - 1 - us AS age\nFROM req"},
		{name: "src", body: "SELECT " + strings.Join(columns, ", ") + ",\n  CASE WHEN age >= 0 AND " + base + " THEN\n    " + s.mask() + "\n  ELSE 0 END AS mask\nFROM aged"},
	}
}

func (s *scan) mask() string {
	return strings.Join(s.bits(func(c compiled) string {
		in := fmt.Sprintf("age < %d", c.Window.Microseconds())
		if c.where != constant(true) {
			in += " AND " + s.sql(c.where, whereColumn)
		}
		return in
	}), "\n    + ")
}

// bits are terms that add up to the bits of the rules whose condition holds; "" leaves a rule out. For DuckDB rules of the
// same condition share a term, since it would be computed once a term.
func (s *scan) bits(condition func(compiled) string) []string {
	var conditions []string
	var bits []int64
	for i, c := range s.q.Set.rules {
		in := condition(c)
		if in == "" {
			continue
		}
		if at := slices.Index(conditions, in); at >= 0 && s.kind == DuckDB {
			bits[at] |= 1 << i
			continue
		}
		conditions, bits = append(conditions, in), append(bits, 1<<i)
	}
	terms := make([]string, len(bits))
	for i, in := range conditions {
		terms[i] = fmt.Sprintf("CASE WHEN %s THEN %s ELSE 0 END", in, s.bigint(strconv.FormatInt(bits[i], 10)))
	}
	return terms
}

func whereColumn(n int) string { return f(whereTable.names[n].field) }

// trust is the class of a row; a kind the query lifts is left out of it.
func (s *scan) trust() string {
	var parts []string
	if !s.q.TrustForgeable {
		parts = append(parts, fmt.Sprintf("CASE WHEN %s = '%s' THEN 0 ELSE %d END", f(record.AddressSource), record.AddressEdge, trustForgeable))
	}
	if !s.q.TrustUnauthenticated {
		parts = append(parts, fmt.Sprintf("CASE WHEN %s IN ('%s', '%s') THEN 0 ELSE %d END", f(record.Sender), record.SenderMTLS, record.SenderToken, trustUnauthenticated))
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " + ")
}

// keyOf is the key of a row of src under a group; ” is none.
func (s *scan) keyOf(g Group) string {
	if g == ByASN {
		return fmt.Sprintf("CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS %s) ELSE '' END", s.str)
	}
	return f(keyField(g))
}

// key is the key of a row of src under the group of the rule joined as r.
func (s *scan) key() string {
	kinds := map[Group]bool{}
	for _, c := range s.q.Set.rules {
		kinds[c.Group] = true
	}
	if len(kinds) == 1 {
		return s.keyOf(s.q.Set.rules[0].Group)
	}
	var b strings.Builder
	b.WriteString("CASE r.grp")
	for i, g := range groups[1:] {
		if kinds[g] {
			fmt.Fprintf(&b, " WHEN %d THEN %s", i+1, s.keyOf(g))
		}
	}
	last := "''" // no rule groups by address, whose column may be missing then
	if kinds[ByAddress] {
		last = s.keyOf(ByAddress)
	}
	b.WriteString(" ELSE " + last + " END")
	return b.String()
}

func groupIndex(g Group) int {
	for i, k := range groups {
		if k == g {
			return i
		}
	}
	return 0
}

// carried are the fields that src hands on beside the rules' keys.
func (s *scan) carried(more ...record.Field) []record.Field {
	need := map[record.Field]bool{}
	for _, field := range append(more, record.ClientKey, record.Status, record.Blocked) {
		need[field] = true
	}
	for _, c := range s.q.Set.rules {
		need[keyField(c.Group)] = true
	}
	var out []record.Field
	for _, field := range s.fields {
		if need[field] {
			out = append(out, field)
		}
	}
	return out
}

// ok and failed are the conditions of a request's status; 0 is neither.
const (
	okStatus     = "f_status >= 1 AND f_status < 400"
	failedStatus = "f_status >= 400"
)

// perRule writes a CASE over the rule with one condition for each.
func (s *scan) perRule(rule string, column func(int) string, pick func(compiled) cond) string {
	var b strings.Builder
	b.WriteString("CASE " + rule)
	for i, c := range s.q.Set.rules {
		fmt.Fprintf(&b, "\n  WHEN %d THEN %s", i, s.sql(pick(c), column))
	}
	b.WriteString("\n  ELSE FALSE END")
	return b.String()
}

// whenColumn is a measure's column in the steps that have it.
func (s *scan) whenColumn(n int) string {
	switch measure(n) {
	case mWeight:
		if !s.weighed {
			return "requests"
		}
	case mPeak:
		return "peak"
	case mErrorShare:
		return "COALESCE(errors / NULLIF(requests, 0), 0)"
	}
	return whenTable.names[n].Name.Name
}
