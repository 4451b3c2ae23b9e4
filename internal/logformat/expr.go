package logformat

import (
	"errors"
	"fmt"
	"strings"
)

// node is a VCL expression, as far as lint needs to understand it.
type node struct {
	kind nodeKind
	name string // of a variable or function; the content of a literal
	args []*node
}

type nodeKind uint8

const (
	variable nodeKind = iota
	literal           // a string
	numeral
	call
	concat
	boolean // a comparison or logical expression
)

// walk calls fn for n and everything in it.
func (n *node) walk(fn func(*node)) {
	fn(n)
	for _, a := range n.args {
		a.walk(fn)
	}
}

// mentions reports whether the expression holds a variable or function of that name, in any case.
func (n *node) mentions(name string) (found bool) {
	n.walk(func(m *node) {
		found = found || (m.kind == variable || m.kind == call) && strings.EqualFold(m.name, name)
	})
	return found
}

// exprReader reads the expression of a %{…}V directive. A quote may be spelled
// %22 there: https://docs.fastly.com/en/guides/custom-log-formats
type exprReader struct {
	src   string
	at    int
	depth int
}

// maxDepth of an expression; a format that nests deeper is nobody's.
const maxDepth = 64

func parseExpr(src string) (*node, error) {
	r := &exprReader{src: src}
	n, err := r.expression()
	if err != nil {
		return nil, err
	}
	if r.space(); r.at < len(src) {
		return nil, fmt.Errorf("unexpected %q", src[r.at:])
	}
	return n, nil
}

func (r *exprReader) space() {
	for r.at < len(r.src) && strings.IndexByte(" \t\r\n", r.src[r.at]) >= 0 {
		r.at++
	}
}

// take consumes the first of the given tokens that comes next.
func (r *exprReader) take(tokens ...string) (string, bool) {
	r.space()
	for _, t := range tokens {
		if strings.HasPrefix(r.src[r.at:], t) {
			r.at += len(t)
			return t, true
		}
	}
	return "", false
}

// expression reads terms joined by operators. Precedence does not matter here:
// any comparison makes the whole a truth value.
func (r *exprReader) expression() (*node, error) {
	if r.depth++; r.depth > maxDepth {
		return nil, errors.New("expression nested too deep")
	}
	defer func() { r.depth-- }()
	out := &node{kind: concat}
	truth := false
	for {
		if _, ok := r.take("!"); ok {
			truth = true
		}
		t, err := r.term()
		if err != nil {
			return nil, err
		}
		out.args = append(out.args, t)
		if _, ok := r.take("&&", "||", "==", "!=", "!~", "<=", ">=", "~", "<", ">"); ok {
			truth = true
			continue
		}
		if _, ok := r.take("+"); ok {
			continue
		}
		if r.space(); r.at == len(r.src) || r.src[r.at] == ')' || r.src[r.at] == ',' {
			break
		}
	}
	switch {
	case truth:
		out.kind = boolean
	case len(out.args) == 1:
		return out.args[0], nil
	}
	return out, nil
}

func (r *exprReader) term() (*node, error) {
	r.space()
	rest := r.src[r.at:]
	switch {
	case rest == "":
		return nil, errors.New("the expression ends too early")
	case rest[0] == '(':
		r.at++
		n, err := r.expression()
		if err != nil {
			return nil, err
		}
		if _, ok := r.take(")"); !ok {
			return nil, errors.New("a parenthesis is not closed")
		}
		return n, nil
	case rest[0] == '"':
		return r.quoted(`"`, `"`)
	case strings.HasPrefix(rest, "%22"):
		return r.quoted("%22", "%22")
	case rest[0] == '{':
		return r.long()
	case rest[0] >= '0' && rest[0] <= '9' || rest[0] == '-' || rest[0] == '.':
		return &node{kind: numeral, name: r.word("0123456789.-smhdyx")}, nil
	}
	name := r.word("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:")
	if name == "" {
		return nil, fmt.Errorf("unexpected %q", rest)
	}
	if _, ok := r.take("("); !ok {
		return &node{kind: variable, name: name}, nil
	}
	return r.call(name)
}

func (r *exprReader) call(name string) (*node, error) {
	n := &node{kind: call, name: name}
	if _, ok := r.take(")"); ok {
		return n, nil
	}
	for {
		a, err := r.expression()
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, a)
		if _, ok := r.take(","); ok {
			continue
		}
		if _, ok := r.take(")"); ok {
			return n, nil
		}
		return nil, fmt.Errorf("%s( is not closed", name)
	}
}

func (r *exprReader) quoted(open, end string) (*node, error) {
	r.at += len(open)
	i := strings.Index(r.src[r.at:], end)
	if i < 0 {
		return nil, errors.New("a string is not closed")
	}
	s := r.src[r.at : r.at+i]
	r.at += i + len(end)
	return &node{kind: literal, name: strings.ReplaceAll(s, "%22", `"`)}, nil
}

// long reads {"…"} and {XY"…"XY}.
func (r *exprReader) long() (*node, error) {
	r.at++
	mark := r.word("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
	open, ok := r.take(`"`, "%22")
	if !ok {
		return nil, errors.New("a brace opens no string")
	}
	end := open + mark + "}"
	i := strings.Index(r.src[r.at:], end)
	if i < 0 {
		return nil, errors.New("a long string is not closed")
	}
	s := r.src[r.at : r.at+i]
	r.at += i + len(end)
	return &node{kind: literal, name: s}, nil
}

func (r *exprReader) word(letters string) string {
	from := r.at
	for r.at < len(r.src) && strings.IndexByte(letters, r.src[r.at]) >= 0 {
		r.at++
	}
	return r.src[from:r.at]
}
