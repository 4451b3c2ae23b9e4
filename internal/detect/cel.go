package detect

import (
	"strconv"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
)

// compileCond parses text as CEL, lowers it to the closed subset and lets CEL's
// own checker look at it as well, so that nothing is accepted here that another
// CEL implementation would refuse. Faults are appended to errs; on any the
// condition is nil.
func compileCond(t *table, p place, text string, errs []error) (cond, []error) {
	if len(text) > maxExpr {
		return nil, append(errs, p.fault(1, 0, "the condition is longer than "+strconv.Itoa(maxExpr)+" bytes; split the rule, or use in [...] or matches"))
	}
	env, err := t.env()
	if err != nil {
		return nil, append(errs, p.fault(1, 0, "bug: "+err.Error()))
	}
	parsed, iss := env.Parse(text)
	if iss.Err() != nil {
		for _, e := range iss.Errors() {
			errs = append(errs, p.fault(e.Location.Line(), e.Location.Column(), syntaxMessage(text, e.Message)))
		}
		return nil, errs
	}
	l := lowerer{table: t, place: p, info: parsed.NativeRep().SourceInfo()}
	c := l.cond(parsed.NativeRep().Expr())
	if len(l.errs) > 0 {
		return nil, append(errs, l.errs...)
	}
	if _, iss := env.Check(parsed); iss.Err() != nil {
		for _, e := range iss.Errors() {
			errs = append(errs, p.fault(e.Location.Line(), e.Location.Column(), e.Message))
		}
		return nil, errs
	}
	return c, errs
}

// env declares the table's names. Macros are off, since the subset has none.
func (t *table) env() (*cel.Env, error) {
	opts := []cel.EnvOption{cel.ClearMacros(), cel.CrossTypeNumericComparisons(true), cel.ParserExpressionSizeLimit(maxExpr)}
	for _, n := range t.names {
		typ := [...]*cel.Type{cel.StringType, cel.IntType, cel.DoubleType, cel.BoolType}[n.typ]
		opts = append(opts, cel.Variable(n.Name.Name, typ))
	}
	return cel.NewEnv(opts...)
}

// place is where a condition stands, to turn offsets in it into places in the
// file.
type place struct {
	rule, class  string
	ofClass      bool
	part         string
	line, column int // 1-based; 0 unknown
}

// fault makes an error at a 1-based line and a 0-based column of the text.
func (p place) fault(line, column int, msg string) *Error {
	e := &Error{Rule: p.rule, Class: p.class, OfClass: p.ofClass, Part: p.part, Line: max(line, 1), Column: max(column, 0) + 1, Msg: msg}
	if p.line > 0 {
		e.Line += p.line - 1
	}
	if p.column > 0 {
		e.Column += p.column - 1
	}
	return e
}

func (l *lowerer) fault(e celast.Expr, msg string) {
	loc := l.info.GetStartLocation(e.ID())
	l.errs = append(l.errs, l.place.fault(loc.Line(), loc.Column(), msg))
}
