package bqtest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kept is a table that can be added to and read back, and nothing else: what is
// asked of a ledger. It takes
//
//	INSERT INTO `t` (columns) SELECT r.column or CURRENT_TIMESTAMP(), … FROM UNNEST(@rows) AS r
//	SELECT columns FROM `t` WHERE column >= @parameter ORDER BY columns
type Kept struct {
	Name     string   // PROJECT.DATASET.TABLE
	Location string   // of its dataset; empty means the server's
	Schema   []Column // nil: there is no such table

	mu   sync.Mutex
	rows []map[string]any // int64, string, time.Time by column
	last time.Time        // the server's clock, which never stands still
}

// Rows returns what was inserted, in that order, for tests to look at and, being
// the rows themselves, to tamper with.
func (k *Kept) Rows() []map[string]any {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rows
}

// kept returns the kept table if the query is about it.
func (s *Server) kept(q *request) *Kept {
	if s.Kept != nil && strings.Contains(q.Query, "`"+s.Kept.Name+"`") {
		return s.Kept
	}
	return nil
}

// plan judges a statement. What it does is done by do, which runs when the job
// ends well.
func (k *Kept) plan(q *request) (do func() Answer, f *Failure) {
	tokens, err := lex(q.Query)
	if err != nil {
		return nil, invalidQuery("%v", err)
	}
	if f := checkBrackets(tokens); f != nil {
		return nil, f
	}
	if k.Schema == nil {
		return nil, notFound("Not found: Table %s was not found in location %s", wireName(k.Name), q.Location)
	}
	mentioned := map[string]bool{}
	for _, t := range tokens {
		if t.kind == '@' {
			mentioned[strings.ToLower(t.text)] = true
		}
	}
	if f := checkParameters(q, mentioned); f != nil {
		return nil, f
	}
	p := &statement{tokens: tokens}
	switch {
	case p.take("INSERT"):
		return k.planInsert(p, q)
	case p.take("SELECT"):
		return k.planSelect(p, q)
	}
	return nil, invalidQuery("bqtest: a ledger is only inserted into and selected from, not %q", tokens[0].text)
}

func wireName(s string) string {
	rest, table, _ := cutLast(s)
	project, dataset, _ := cutLast(rest)
	return project + ":" + dataset + "." + table
}

func (k *Kept) planInsert(p *statement, q *request) (func() Answer, *Failure) {
	if !p.take("INTO") || !p.name(k.Name) {
		return nil, invalidQuery("Syntax error: Expected INTO and the table")
	}
	into, ok := p.list()
	if !ok {
		return nil, invalidQuery("bqtest: an INSERT without its columns")
	}
	if !p.take("SELECT") {
		return nil, invalidQuery("bqtest: only INSERT … SELECT")
	}
	var from []string // "" for the clock
	for len(from) == 0 || p.take(",") {
		switch {
		case p.take("CURRENT_TIMESTAMP", "(", ")"):
			from = append(from, "")
		case p.take("r", "."):
			from = append(from, p.next().text)
		default:
			return nil, invalidQuery("bqtest: cannot evaluate %q", p.next().text)
		}
	}
	if !p.take("FROM", "UNNEST", "(", "@rows", ")", "AS", "r") || !p.done() {
		return nil, invalidQuery("bqtest: only FROM UNNEST(@rows) AS r")
	}
	if len(into) != len(from) {
		return nil, invalidQuery("Inserted row has wrong column count; Has %d, expected %d", len(from), len(into))
	}
	rows, f := k.values(q.QueryParameters[0], into, from)
	if f != nil {
		return nil, f
	}
	return func() Answer {
		k.mu.Lock()
		defer k.mu.Unlock()
		now := time.Now().UTC().Truncate(time.Microsecond)
		if !now.After(k.last) {
			now = k.last.Add(time.Microsecond)
		}
		k.last = now
		for _, row := range rows {
			for i, source := range from {
				if source == "" {
					row[into[i]] = now
				}
			}
			k.rows = append(k.rows, row)
		}
		return Answer{}
	}, nil
}

// values reads the rows of the parameter and holds them against the schema.
func (k *Kept) values(p parameter, into, from []string) ([]map[string]any, *Failure) {
	if p.Type.ArrayType == nil || p.Type.ArrayType.StructTypes == nil {
		return nil, invalidQuery("bqtest: @rows is %s, no array of structs", p.Type)
	}
	given := map[string]string{}
	for _, f := range p.Type.ArrayType.StructTypes {
		given[f.Name] = f.Type.Type
	}
	api := map[string]string{"INT64": "INTEGER", "STRING": "STRING", "TIMESTAMP": "TIMESTAMP"}
	for i, name := range into {
		at := slices.IndexFunc(k.Schema, func(c Column) bool { return c.Name == name })
		switch {
		case slices.Contains(into[:i], name):
			return nil, invalidQuery("Duplicate column name %s", name)
		case at < 0:
			return nil, invalidQuery("Column %s is not present in table %s", name, k.Name)
		case from[i] != "" && given[from[i]] == "":
			return nil, invalidQuery("Field name %s does not exist in STRUCT", from[i])
		case from[i] != "" && api[given[from[i]]] != k.Schema[at].Type, from[i] == "" && k.Schema[at].Type != "TIMESTAMP":
			return nil, invalidQuery("Query column %d has type %s which cannot be inserted into column %s, which has type %s", i+1, given[from[i]], name, k.Schema[at].Type)
		}
	}
	for _, c := range k.Schema {
		if c.Mode == "REQUIRED" && !slices.Contains(into, c.Name) {
			return nil, invalidQuery("Required column value for column %s is not present in the inserted row", c.Name)
		}
	}
	var rows []map[string]any
	for _, v := range p.Value.ArrayValues {
		row := map[string]any{}
		for i, name := range into {
			if from[i] == "" {
				continue
			}
			x, err := scalar(given[from[i]], v.StructValues[from[i]])
			if err != nil {
				return nil, invalidQuery("Invalid value for column %s: %v", name, err)
			}
			row[name] = x
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// scalar reads a parameter's value.
func scalar(typ string, v pvalue) (any, error) {
	if v.Value == nil {
		return nil, fmt.Errorf("NULL for a required column")
	}
	switch typ {
	case "INT64":
		return strconv.ParseInt(*v.Value, 10, 64)
	case "TIMESTAMP":
		t, err := time.Parse("2006-01-02 15:04:05.999999-07:00", *v.Value)
		return t.UTC(), err
	}
	return *v.Value, nil
}

func (k *Kept) planSelect(p *statement, q *request) (func() Answer, *Failure) {
	var out []Column
	var bound, param string
	var order []string
	for len(out) == 0 || p.take(",") {
		name := p.next().text
		at := slices.IndexFunc(k.Schema, func(c Column) bool { return c.Name == name })
		if at < 0 {
			return nil, invalidQuery("Unrecognized name: %s at [1:1]", name)
		}
		out = append(out, k.Schema[at])
	}
	if !p.take("FROM") || !p.name(k.Name) || !p.take("WHERE") {
		return nil, invalidQuery("Cannot query over table '%s' without a filter over column(s) 'time' that can be used for partition elimination", k.Name)
	}
	bound = p.next().text
	if !p.take(">=") {
		return nil, invalidQuery("bqtest: only a lower bound")
	}
	param = p.next().text
	if !p.take("ORDER", "BY") {
		return nil, invalidQuery("bqtest: a ledger without an order")
	}
	for len(order) == 0 || p.take(",") {
		order = append(order, p.next().text)
	}
	if !p.done() || bound != "time" || param != q.QueryParameters[0].Name {
		return nil, invalidQuery("bqtest: cannot evaluate the rest of the statement")
	}
	since, err := scalar(q.QueryParameters[0].Type.Type, q.QueryParameters[0].Value)
	if err != nil {
		return nil, invalidQuery("%v", err)
	}
	return func() Answer {
		k.mu.Lock()
		defer k.mu.Unlock()
		rows := slices.DeleteFunc(slices.Clone(k.rows), func(r map[string]any) bool { return r[bound].(time.Time).Before(since.(time.Time)) })
		slices.SortStableFunc(rows, func(a, b map[string]any) int {
			for _, c := range order {
				if n := compare(a[c], b[c]); n != 0 {
					return n
				}
			}
			return 0
		})
		ans := Answer{Columns: out}
		for _, r := range rows {
			var values []any
			for _, c := range out {
				values = append(values, r[c.Name])
			}
			ans.Rows = append(ans.Rows, values)
		}
		return ans
	}, nil
}

func compare(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case time.Time:
		return a.Compare(b.(time.Time))
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// statement reads tokens from the front.
type statement struct{ tokens []token }

func (p *statement) done() bool { return len(p.tokens) == 0 }

func (p *statement) next() token {
	if p.done() {
		return token{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// take takes these words and signs if they come next, all or none.
func (p *statement) take(words ...string) bool {
	for i, w := range words {
		if i >= len(p.tokens) {
			return false
		}
		t, text := p.tokens[i], p.tokens[i].text
		if t.kind == '@' {
			text = "@" + text
		}
		if t.kind == '`' || t.kind == '\'' || !strings.EqualFold(text, w) {
			return false
		}
	}
	p.tokens = p.tokens[len(words):]
	return true
}

// name takes a quoted name.
func (p *statement) name(s string) bool {
	t := p.next()
	return t.kind == '`' && t.text == s
}

// list takes names in brackets.
func (p *statement) list() (names []string, ok bool) {
	if !p.take("(") {
		return nil, false
	}
	for len(names) == 0 || p.take(",") {
		names = append(names, p.next().text)
	}
	return names, p.take(")")
}
