package bqtest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Shapes the service insists on.
var (
	jobIDShape      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,1000}$`)
	labelKeyShape   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	labelValueShape = regexp.MustCompile(`^[a-z0-9_-]{0,63}$`)
)

const minBytesBilled = 10 << 20

// checkJob judges everything about a job but its text.
func (s *Server) checkJob(q *request) *Failure {
	location, dataset := s.location(), s.dataset()
	if k := s.kept(q); k != nil {
		location = cmp.Or(k.Location, location)
		rest, _, _ := cutLast(k.Name)
		dataset = strings.Replace(rest, ".", ":", 1)
	}
	for k, v := range q.Labels {
		if !labelKeyShape.MatchString(k) || !labelValueShape.MatchString(v) {
			return invalid("Label %q: %q is not a valid label", k, v)
		}
	}
	switch {
	case len(q.Labels) > 64:
		return invalid("Too many labels: %d", len(q.Labels))
	case q.JobID != "" && !jobIDShape.MatchString(q.JobID):
		return invalid("Invalid job ID %q", q.JobID)
	case q.UseLegacySQL == nil || *q.UseLegacySQL:
		return invalidQuery("Legacy SQL: set useLegacySql to false")
	case q.Location == "":
		return invalid("bqtest: a job without a location")
	case !strings.EqualFold(q.Location, location):
		return notFound("Not found: Dataset %s was not found in location %s", dataset, q.Location)
	case q.MaximumBytesBilled == 0 && !q.DryRun:
		return invalid("bqtest: a query without maximumBytesBilled")
	}
	return nil
}

// checkBytes is the guard the service applies before a query starts.
func (s *Server) checkBytes(q *request) *Failure {
	if q.DryRun && q.MaximumBytesBilled == 0 {
		return nil
	}
	need := billedFor(s.bytesOf(q))
	if int64(q.MaximumBytesBilled) >= need {
		return nil
	}
	return &Failure{Status: 400, Reason: "bytesBilledLimitExceeded",
		Message: fmt.Sprintf("Query exceeded limit for bytes billed: %d. %d or higher required.", int64(q.MaximumBytesBilled), need)}
}

// writing words never begin or join a statement that only reads.
var writing = []string{"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "EXPORT", "CALL", "EXECUTE", "DECLARE", "BEGIN", "GRANT", "LOAD"}

// checkText judges the query's text and its parameters.
func (s *Server) checkText(q *request) *Failure {
	tokens, err := lex(q.Query)
	if err != nil {
		return invalidQuery("%v", err)
	}
	if len(tokens) == 0 || tokens[0].kind != 'w' || !slices.Contains([]string{"SELECT", "WITH"}, strings.ToUpper(tokens[0].text)) {
		return invalidQuery("bqtest: a query begins with SELECT or WITH")
	}
	if f := checkBrackets(tokens); f != nil {
		return f
	}
	tables := 0
	mentioned := map[string]bool{}
	for i, t := range tokens {
		switch {
		case t.kind == ';' && i < len(tokens)-1:
			return invalidQuery("bqtest: more than one statement")
		case t.kind == 'w' && slices.Contains(writing, strings.ToUpper(t.text)):
			return invalidQuery("bqtest: %s does more than read", t.text)
		case t.kind == '`' && strings.Contains(t.text, "."):
			if t.text != s.Table {
				return notFound("Not found: Table %s was not found in location %s", strings.Replace(t.text, ".", ":", 1), q.Location)
			}
			tables++
		case t.kind == '@':
			mentioned[strings.ToLower(t.text)] = true
		}
	}
	if tables != 1 {
		return invalidQuery("bqtest: the table %s is named %d times, not once; every naming is a scan that is paid for", s.Table, tables)
	}
	if f := checkParameters(q, mentioned); f != nil {
		return f
	}
	return s.checkPartition(tokens)
}

func checkBrackets(tokens []token) *Failure {
	closes := map[byte]byte{')': '(', ']': '['}
	var open []byte
	for _, t := range tokens {
		switch t.kind {
		case '(', '[':
			open = append(open, t.kind)
		case ')', ']':
			if len(open) == 0 || open[len(open)-1] != closes[t.kind] {
				return invalidQuery("Syntax error: Unexpected %q", t.text)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return invalidQuery("Syntax error: Expected \")\" but got end of script")
	}
	return nil
}

func checkParameters(q *request, mentioned map[string]bool) *Failure {
	given := map[string]bool{}
	for _, p := range q.QueryParameters {
		name := strings.ToLower(p.Name)
		switch {
		case name == "":
			return invalidQuery("bqtest: a positional parameter")
		case given[name]:
			return invalidQuery("Duplicate parameter name %s", p.Name)
		case !mentioned[name]:
			return invalidQuery("bqtest: parameter @%s is given but not mentioned", p.Name)
		}
		given[name] = true
	}
	for name := range mentioned {
		if !given[name] {
			return invalidQuery("Query parameter '%s' not found", name)
		}
	}
	return nil
}

// checkPartition wants the partition column compared bare with a parameter on
// both sides, in the WHERE of the SELECT that names the table: anything else
// may read every partition.
func (s *Server) checkPartition(tokens []token) *Failure {
	scan := tokens[slices.IndexFunc(tokens, func(t token) bool { return t.kind == '`' && t.text == s.Table }):]
	depth := 0
	lower, upper := false, false
	for i := 1; i+2 < len(scan) && depth >= 0; i++ {
		t := scan[i]
		switch {
		case t.kind == '(':
			depth++
		case t.kind == ')':
			depth--
		case depth == 0 && t.kind == 'w' && strings.EqualFold(t.text, "OR"):
			lower, upper = false, false // anything may be true beside it
		case depth == 0 && (t.kind == 'w' || t.kind == '`') && strings.EqualFold(t.text, s.partition()) && scan[i-1].kind != '.' && scan[i+2].kind == '@':
			lower = lower || scan[i+1].kind == '>'
			upper = upper || scan[i+1].kind == '<'
		}
	}
	if lower && upper {
		return nil
	}
	return invalidQuery("Cannot query over table '%s' without a filter over column(s) '%s' that can be used for partition elimination", s.Table, s.partition())
}
