package detect

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

const subset = "&& || !, == != < <= > >=, in [...], startsWith, endsWith, contains, matches"

// lowerer turns CEL's tree into ours and reports everything outside the subset
// at its place. It goes on after a fault, so that one run shows all of them.
type lowerer struct {
	table *table
	place place
	info  *celast.SourceInfo
	errs  []error
}

var operatorOf = map[string]operator{
	operators.Equals: opEQ, operators.NotEquals: opNE,
	operators.Less: opLT, operators.LessEquals: opLE,
	operators.Greater: opGT, operators.GreaterEquals: opGE,
}

// cond lowers an expression that has to be a condition. After a fault it
// returns a constant, which nobody uses.
func (l *lowerer) cond(e celast.Expr) cond {
	switch e.Kind() {
	case celast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return constant(b)
		}
		l.fault(e, "a literal is no condition; compare a name with it")
	case celast.IdentKind:
		o, ok := l.name(e)
		if ok && o.typ == typeBool {
			return flag{o.name}
		}
		if ok {
			l.fault(e, fmt.Sprintf("%s is of type %s and no condition by itself; compare it, such as %s", e.AsIdent(), o.typ, exampleOf(e.AsIdent(), o.typ)))
		}
	case celast.CallKind:
		return l.call(e)
	default:
		l.fault(e, "this is not part of the rule language; it has "+subset)
	}
	return constant(false)
}

func exampleOf(name string, t valueType) string {
	if t == typeString {
		return name + ` == "..."`
	}
	return name + " >= 1"
}

func (l *lowerer) call(e celast.Expr) cond {
	call := e.AsCall()
	name := call.FunctionName()
	switch {
	case call.IsMemberFunction():
		return l.method(e, call)
	case name == operators.LogicalAnd || name == operators.LogicalOr:
		return l.junction(name == operators.LogicalOr, call.Args())
	case name == operators.LogicalNot:
		return negation{l.cond(call.Args()[0])}
	case name == operators.In:
		return l.membership(e, call.Args()[0], call.Args()[1])
	}
	if op, ok := operatorOf[name]; ok {
		return l.comparison(e, op, call.Args()[0], call.Args()[1])
	}
	if _, ok := methods[name]; ok {
		l.fault(e, fmt.Sprintf("%s is a method; write path.%s(\"...\")", name, name))
		return constant(false)
	}
	shown := name
	if d, ok := operators.FindReverse(name); ok && d != "" {
		shown = d
	}
	l.fault(e, fmt.Sprintf("%s is not part of the rule language%s; it has %s", shown, suggestion(name, methodNames()), subset))
	return constant(false)
}

// junction flattens a && b && c into one.
func (l *lowerer) junction(or bool, args []celast.Expr) cond {
	j := junction{or: or}
	for _, a := range args {
		c := l.cond(a)
		if inner, ok := c.(junction); ok && inner.or == or {
			j.args = append(j.args, inner.args...)
			continue
		}
		j.args = append(j.args, c)
	}
	return j
}

func (l *lowerer) comparison(e celast.Expr, op operator, le, re celast.Expr) cond {
	left, ok1 := l.operand(le)
	right, ok2 := l.operand(re)
	if !ok1 || !ok2 {
		return constant(false)
	}
	if !left.isName() {
		left, right, op = right, left, op.mirrored()
	}
	switch {
	case !left.isName():
		l.fault(e, "this compares two literals, which is always the same; one side has to be a name")
	case left.typ != right.typ && !(numeric(left.typ) && numeric(right.typ)):
		l.fault(e, l.mismatch(left, right))
	case left.typ == typeBool && op != opEQ && op != opNE:
		l.fault(e, fmt.Sprintf("%s is true or false and has no order; use it by itself, or with == or !=", l.table.names[left.name].Name.Name))
	}
	return comparison{op, left, right}
}

func numeric(t valueType) bool { return t == typeInt || t == typeDouble }

func (l *lowerer) mismatch(name, other operand) string {
	n := l.table.names[name.name].Name.Name
	if other.isName() {
		return fmt.Sprintf("%s is of type %s and %s of type %s; only values of one type can be compared", n, name.typ, l.table.names[other.name].Name.Name, other.typ)
	}
	msg := fmt.Sprintf("%s is of type %s and cannot be compared with the %s %s", n, name.typ, other.typ, other.lit.text())
	switch {
	case name.typ == typeInt && other.typ == typeString:
		return msg + "; leave the quotes out"
	case name.typ == typeString:
		return msg + "; put the value in quotes"
	}
	return msg
}

func (l *lowerer) membership(e, le, re celast.Expr) cond {
	left, ok := l.operand(le)
	if re.Kind() != celast.ListKind {
		l.fault(re, "in wants a list of literals on its right, such as status in [401, 403]; for a part of a text write path.contains(\"...\")")
		return constant(false)
	}
	if !ok {
		return constant(false)
	}
	m := membership{l: left}
	if !left.isName() {
		l.fault(e, "in wants a name on its left")
		return m
	}
	if left.typ == typeDouble {
		l.fault(e, fmt.Sprintf("%s is a fraction; compare it with < or > instead of in", l.table.names[left.name].Name.Name))
	}
	for _, el := range re.AsList().Elements() {
		o, ok := l.operand(el)
		switch {
		case !ok:
		case o.isName():
			l.fault(el, "the list after in holds literals only")
		case o.typ != left.typ:
			l.fault(el, l.mismatch(left, o))
		default:
			m.list = append(m.list, o.lit)
		}
	}
	if len(re.AsList().Elements()) == 0 {
		l.fault(re, "the list after in is empty, so nothing can be in it")
	}
	return m
}

func (l *lowerer) method(e celast.Expr, call celast.CallExpr) cond {
	m, known := methods[call.FunctionName()]
	if !known {
		l.fault(e, fmt.Sprintf("unknown method %q%s; the methods are %s", call.FunctionName(), suggestion(call.FunctionName(), methodNames()), strings.Join(methodNames(), ", ")))
		return constant(false)
	}
	target, ok := l.operand(call.Target())
	if !ok {
		return constant(false)
	}
	if !target.isName() || target.typ != typeString {
		l.fault(e, fmt.Sprintf("%s works on a field of type string, such as path", call.FunctionName()))
		return constant(false)
	}
	if len(call.Args()) != 1 {
		l.fault(e, fmt.Sprintf("%s wants one text in quotes, not %d arguments", call.FunctionName(), len(call.Args())))
		return constant(false)
	}
	arg, ok := l.operand(call.Args()[0])
	if ok && (arg.isName() || arg.typ != typeString) {
		l.fault(call.Args()[0], fmt.Sprintf("%s wants a text in quotes", call.FunctionName()))
		ok = false
	}
	if !ok {
		return constant(false)
	}
	t := textTest{method: m, l: target, arg: arg.lit.s}
	if m == matches {
		re, err := regexp.Compile(arg.lit.s)
		if err != nil {
			l.fault(call.Args()[0], fmt.Sprintf("not an RE2 expression: %s (no look-around, no back-references; in a CEL string a backslash is written \\\\, or use r\"...\")", strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
			return constant(false)
		}
		t.re = re
	}
	return t
}

func methodNames() []string {
	var names []string
	for n := range methods {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// operand lowers a name or a literal.
func (l *lowerer) operand(e celast.Expr) (operand, bool) {
	switch e.Kind() {
	case celast.IdentKind:
		return l.name(e)
	case celast.LiteralKind:
		v, ok := literal(e)
		if !ok {
			l.fault(e, "this kind of literal is not part of the rule language; it has texts, whole numbers, fractions, true and false")
			return operand{}, false
		}
		if strings.ContainsRune(v.s, 0) {
			l.fault(e, "a text cannot hold the character NUL")
			return operand{}, false
		}
		return operand{name: -1, typ: v.typ, lit: v}, true
	case celast.CallKind, celast.SelectKind:
		l.fault(e, "only a name or a literal can be compared; the rule language has no arithmetic, no functions and no sub-fields ("+subset+")")
	default:
		l.fault(e, "this is not part of the rule language; it has "+subset)
	}
	return operand{}, false
}

func literal(e celast.Expr) (value, bool) {
	switch v := e.AsLiteral().(type) {
	case types.String:
		return value{typ: typeString, s: string(v)}, true
	case types.Int:
		return value{typ: typeInt, i: int64(v)}, true
	case types.Double:
		return value{typ: typeDouble, f: float64(v)}, true
	case types.Bool:
		return value{typ: typeBool, b: bool(v)}, true
	}
	return value{}, false
}

func (l *lowerer) name(e celast.Expr) (operand, bool) {
	id := strings.TrimPrefix(e.AsIdent(), ".")
	i, ok := l.table.byName[id]
	if !ok {
		l.fault(e, l.unknown(id))
		return operand{}, false
	}
	return operand{name: i, typ: l.table.names[i].typ}, true
}

func (l *lowerer) unknown(id string) string {
	msg := fmt.Sprintf("unknown name %q", id)
	if h := l.table.hint(id); h != "" {
		return msg + " in " + l.place.part + h
	}
	if s := suggestion(id, l.table.all()); s != "" {
		return msg + s
	}
	return msg + "; the names are " + strings.Join(l.table.all(), ", ")
}

// text is the literal as CEL writes it.
func (v value) text() string {
	switch v.typ {
	case typeString:
		return strconv.Quote(v.s)
	case typeInt:
		return strconv.FormatInt(v.i, 10)
	case typeDouble:
		return strconv.FormatFloat(v.f, 'g', -1, 64)
	}
	return strconv.FormatBool(v.b)
}
