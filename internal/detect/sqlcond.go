package detect

import (
	"fmt"
	"strconv"
	"strings"
)

// sql writes a condition; column gives the expression of a name of its table,
// which is never NULL.
func (b *builder) sql(c cond, column func(int) string) string {
	switch c := c.(type) {
	case constant:
		if c {
			return "TRUE"
		}
		return "FALSE"
	case flag:
		return column(c.name)
	case negation:
		return "NOT (" + b.sql(c.x, column) + ")"
	case junction:
		word := " AND "
		if c.or {
			word = " OR "
		}
		parts := make([]string, len(c.args))
		for i, a := range c.args {
			parts[i] = b.sql(a, column)
		}
		return "(" + strings.Join(parts, word) + ")"
	case comparison:
		op := c.op.String()
		switch c.op {
		case opEQ:
			op = "="
		case opNE:
			op = "<>"
		}
		return b.operand(c.l, column) + " " + op + " " + b.operand(c.r, column)
	case membership:
		items := make([]string, len(c.list))
		for i, v := range c.list {
			items[i] = b.literal(v)
		}
		return b.operand(c.l, column) + " IN (" + strings.Join(items, ", ") + ")"
	case textTest:
		l, arg := b.operand(c.l, column), b.text(c.arg)
		switch c.method {
		case startsWith:
			return "STARTS_WITH(" + l + ", " + arg + ")"
		case endsWith:
			return "ENDS_WITH(" + l + ", " + arg + ")"
		case contains:
			return "STRPOS(" + l + ", " + arg + ") > 0"
		}
		return b.search + "(" + l + ", " + arg + ")"
	}
	panic(fmt.Sprintf("detect: bug: no condition %T", c))
}

func (b *builder) operand(o operand, column func(int) string) string {
	if o.isName() {
		return column(o.name)
	}
	return b.literal(o.lit)
}

func (b *builder) literal(v value) string {
	switch v.typ {
	case typeString:
		return b.text(v.s)
	case typeInt:
		return strconv.FormatInt(v.i, 10)
	case typeDouble:
		// Always with an exponent: without one DuckDB reads a decimal.
		return strconv.FormatFloat(v.f, 'e', -1, 64)
	}
	return strings.ToUpper(strconv.FormatBool(v.b))
}

// names adds the names c uses to used.
func names(c cond, used map[int]bool) {
	add := func(o operand) {
		if o.isName() {
			used[o.name] = true
		}
	}
	switch c := c.(type) {
	case flag:
		used[c.name] = true
	case negation:
		names(c.x, used)
	case junction:
		for _, a := range c.args {
			names(a, used)
		}
	case comparison:
		add(c.l)
		add(c.r)
	case membership:
		add(c.l)
	case textTest:
		add(c.l)
	}
}
