package bigquery

import (
	"fmt"
	"regexp"
	"strings"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// checkFields refuses a rule that names a field this table cannot give: it
// would read as empty in every row, and the rule would silently find nobody,
// or everybody. A class that nothing is weighed by is not looked at.
func (e *Engine) checkFields(s *source, q detect.Query) []error {
	var errs []error
	check := func(fields record.Set, fault detect.Error) {
		for f := record.Field(0); f < record.NumFields; f++ {
			if !fields.Has(f) {
				continue
			}
			if why := e.lacks(s, f); why != "" {
				fault.Msg = fmt.Sprintf("field %s is not in table %s of kind %s: %s", record.Fields[f].Name, e.table, e.opt.Kind, why)
				errs = append(errs, new(fault))
			}
		}
	}
	for _, r := range q.Set.Rules() {
		check(ruleFields(r), detect.Error{Rule: r.Name, Part: "where", Line: r.WhereLine, Column: r.WhereColumn})
	}
	if q.Set.Weighs() {
		for _, c := range q.Set.Classes() {
			check(fieldsIn(c.Where), detect.Error{Class: c.Name, OfClass: true, Part: "where", Line: c.WhereLine, Column: c.WhereColumn})
		}
	}
	if q.ServiceID != "" {
		if why := e.lacks(s, record.ServiceID); why != "" {
			errs = append(errs, fmt.Errorf("service %s: field service_id is not in table %s of kind %s: %s", q.ServiceID, e.table, e.opt.Kind, why))
		}
	}
	return errs
}

// lacks says why the table cannot give f and what to do, or nothing.
func (e *Engine) lacks(s *source, f record.Field) string {
	name := record.Fields[f].Name
	path := s.cols[f].path
	switch {
	case s.isComputed(f):
		return ""
	case !s.has(f) && e.opt.Kind == Custom:
		return "map it under columns, or take it out of the rule"
	case !s.has(f):
		return "Fastly's own format leaves " + name + " out; take it out of the rule, or use a table of kind sink"
	case path == "" || s.schema.has(path):
		return ""
	case e.opt.Kind == Sink:
		// The Log Router makes a column with the first entry that has it, so a
		// rule may be older than its column.
		e.mention(f)
		return ""
	}
	return "the table has no column " + path + "; add it, or take the field out of the rule"
}

// mention says once that a field's column does not exist yet.
func (e *Engine) mention(f record.Field) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mentioned.Has(f) {
		return
	}
	e.mentioned = e.mentioned.With(f)
	e.log.Warn("no log entry has carried this field yet; rules see it as empty", "field", record.Fields[f].Name, "table", e.table.String())
}

// checkColumns refuses a table without the two columns nothing works without,
// or without the id of rows that was promised.
func (s *source) checkColumns() error {
	must := []record.Field{record.Timestamp, record.ClientIP}
	if s.kind == Sink {
		must[1] = record.ClientKey
	}
	for _, f := range must {
		if path := s.cols[f].path; !s.schema.has(path) {
			return fmt.Errorf("query %s: the table has no column %s, so it is not of kind %s; check --bigquery and --table-kind", s.table, path, s.kind)
		}
	}
	if path := s.cols[record.Position].path; s.kind == Custom && path != "" && !s.schema.has(path) {
		return fmt.Errorf("query %s: the table has no column %s, to which position is mapped, so rows that came twice would count twice; correct the column mapping", s.table, path)
	}
	return nil
}

var (
	// literal is a CEL text literal, raw ones included.
	literal = regexp.MustCompile(`(?s)[rRbB]{0,2}("""(?:[^\\]|\\.)*?"""|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)
	word    = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
)

// named are the fields that the rules and classes of a set read.
func named(set *detect.Set) (fields record.Set) {
	for _, r := range set.Rules() {
		fields |= ruleFields(r)
	}
	for _, c := range set.Classes() {
		fields |= fieldsIn(c.Where)
	}
	return fields
}

// ruleFields returns the fields a rule reads: the ones its where names, which
// compiling has found correct, and its group's.
func ruleFields(r detect.Rule) record.Set {
	set := fieldsIn(r.Where)
	switch r.Group {
	case detect.ByPrefix:
		set = set.With(record.ClientPrefix)
	case detect.ByASN:
		set = set.With(record.ClientASN)
	case detect.ByJA4:
		set = set.With(record.JA4)
	default:
		set = set.With(record.ClientKey)
	}
	if strings.Contains(r.When, "distinct_paths") {
		set = set.With(record.Path)
	}
	return set
}

// fieldsIn returns the fields a where names.
func fieldsIn(where string) (set record.Set) {
	for _, w := range word.FindAllString(literal.ReplaceAllString(where, " "), -1) {
		if f, ok := record.ByName(w); ok {
			set = set.With(f)
		}
	}
	return set
}
