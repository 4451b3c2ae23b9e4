package detect

import "regexp"

// cond is a condition: the closed language after CEL has been checked and
// everything outside of it refused. The walks over it (evaluation, SQL, bounds)
// are complete switches over these types.
type cond interface{ isCond() }

// constant is true or false.
type constant bool

// junction joins conditions by && or, when or is set, by ||.
type junction struct {
	or   bool
	args []cond
}

// negation is !x.
type negation struct{ x cond }

// comparison compares two operands of the same type, or two numbers.
type comparison struct {
	op   operator
	l, r operand
}

// membership is l in [list]; the list is not empty and of l's type.
type membership struct {
	l    operand
	list []value
}

// textTest is a string method with a literal argument.
type textTest struct {
	method method
	l      operand
	arg    string
	re     *regexp.Regexp // of matches
}

// flag is a boolean name used as a condition.
type flag struct{ name int }

func (constant) isCond()   {}
func (junction) isCond()   {}
func (negation) isCond()   {}
func (comparison) isCond() {}
func (membership) isCond() {}
func (textTest) isCond()   {}
func (flag) isCond()       {}

// operand is a name of the table, or a literal when name is negative.
type operand struct {
	name int
	typ  valueType
	lit  value
}

func (o operand) isName() bool { return o.name >= 0 }

// value is a literal or a measured value.
type value struct {
	typ valueType
	s   string
	i   int64
	f   float64
	b   bool
}

type operator uint8

const (
	opEQ operator = iota
	opNE
	opLT
	opLE
	opGT
	opGE
)

// String is the operator as CEL writes it.
func (o operator) String() string { return [...]string{"==", "!=", "<", "<=", ">", ">="}[o] }

// negated is the operator that holds exactly when o does not. It needs values
// without NaN, and there are none.
func (o operator) negated() operator {
	return [...]operator{opNE, opEQ, opGE, opGT, opLE, opLT}[o]
}

// mirrored is the operator with its sides exchanged.
func (o operator) mirrored() operator {
	return [...]operator{opEQ, opNE, opGT, opGE, opLT, opLE}[o]
}

type method uint8

const (
	startsWith method = iota
	endsWith
	contains
	matches
)

var methods = map[string]method{"startsWith": startsWith, "endsWith": endsWith, "contains": contains, "matches": matches}
