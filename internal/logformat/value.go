package logformat

import (
	"slices"
	"strings"
)

// facts are what lint knows of the value of an expression.
type facts struct {
	typ     vclType
	author  author // the least trusted of those who decide what it holds
	safe    bool   // holds nothing that ends a JSON string
	cEsc    bool   // went through cstr_escape, and not through json.escape after that
	twice   bool   // went through both
	utf8    bool   // cannot be emptied by bytes that are no UTF-8
	bounded bool
	source  string // the variable that the least trusted author fills
}

// branch says what a surrounding if(utf8.is_valid(x), …, …) has found out.
type branch struct {
	valid   *node // is UTF-8
	invalid bool  // something is not
}

// weigh says what a value is.
func weigh(n *node, in branch) facts {
	switch n.kind {
	case literal, numeral:
		return facts{safe: !strings.ContainsAny(n.name, "\"\\"), utf8: true, bounded: true}
	case boolean:
		return facts{typ: typeBool, safe: true, utf8: true, bounded: true}
	case variable:
		return weighVariable(n.name)
	case concat:
		return mergeAll(n.args, in)
	}
	return weighCall(n, in)
}

func weighVariable(name string) facts {
	v := lookup(name)
	f := facts{typ: v.typ, author: v.author, source: name, bounded: v.author == byEdge || v.short}
	f.safe = v.author == byEdge
	f.utf8 = true // until something empties it
	return f
}

func mergeAll(args []*node, in branch) facts {
	out := facts{safe: true, utf8: true, bounded: true}
	for _, a := range args {
		out = merge(out, weigh(a, in))
	}
	return out
}

// merge is what is true of both.
func merge(a, b facts) facts {
	out := facts{
		safe: a.safe && b.safe, utf8: a.utf8 && b.utf8, bounded: a.bounded && b.bounded, cEsc: a.cEsc || b.cEsc, twice: a.twice || b.twice,
		author: a.author, source: a.source,
	}
	if b.author > a.author || a.source == "" {
		out.author, out.source = b.author, b.source
	}
	return out
}

func weighCall(n *node, in branch) facts {
	name := strings.ToLower(n.name)
	switch {
	case name == "if" && len(n.args) == 3:
		return weighIf(n, in)
	case numberFunctions.MatchString(name):
		return facts{typ: typeNumber, safe: true, utf8: true, bounded: true}
	case boolFunctions.MatchString(name):
		return facts{typ: typeBool, safe: true, utf8: true, bounded: true}
	case len(n.args) == 0:
		return facts{safe: true, utf8: true, bounded: true}
	}
	f := weigh(n.args[0], in)
	f.typ = typeString
	switch {
	case name == "json.escape":
		f.twice = f.twice || f.cEsc
		// cstr_escape has made ASCII of it, so nothing empties it any more.
		f.utf8 = f.author == byEdge || f.cEsc || f.safe || in.covers(n.args[0])
		f.safe, f.cEsc = true, false
	case name == "cstr_escape":
		f.cEsc = f.author != byEdge
	case safeFunctions.MatchString(name):
		return facts{safe: true, utf8: true, bounded: f.bounded || strings.HasPrefix(name, "digest.h"), author: f.author, source: f.source}
	case name == "substr" || name == "utf8.substr":
		f.bounded = f.bounded || len(n.args) == 3
	case (name == "regsub" || name == "regsuball") && len(n.args) == 3:
	default: // whatever it does, its arguments may come through
		return mergeAll(n.args, in)
	}
	return f
}

// covers reports whether an argument of json.escape is known to be UTF-8: it is the very string that was asked about (a
// piece of it may end inside a character), or, where that was found bad, one in which something was replaced.
func (in branch) covers(arg *node) bool {
	if in.valid != nil && same(in.valid, arg) {
		return true
	}
	return in.invalid && arg.kind == call && strings.EqualFold(arg.name, "regsuball")
}

func same(a, b *node) bool {
	return a.kind == b.kind && strings.EqualFold(a.name, b.name) && slices.EqualFunc(a.args, b.args, same)
}

// weighIf weighs both branches, each with what the condition says of it.
func weighIf(n *node, in branch) facts {
	yes, no := in, in
	if c := n.args[0]; c.kind == call && strings.EqualFold(c.name, "utf8.is_valid") && len(c.args) == 1 {
		yes.valid, no.invalid = c.args[0], true
	}
	a, b := weigh(n.args[1], yes), weigh(n.args[2], no)
	f := merge(a, b)
	if a.typ == b.typ {
		f.typ = a.typ
	}
	return f
}

// numeric reports whether an expression always prints something that JSON takes without quotes.
func numeric(n *node) bool {
	switch n.kind {
	case numeral:
		return true
	case literal:
		return jsonToken(n.name)
	case variable:
		t := lookup(n.name).typ
		return t == typeNumber || t == typeDigits
	case call:
		name := strings.ToLower(n.name)
		if name == "if" && len(n.args) == 3 {
			return numeric(n.args[1]) && numeric(n.args[2])
		}
		return numberFunctions.MatchString(name)
	case concat:
		if inQuotes(n) {
			return true
		}
		for _, a := range n.args {
			if !numeric(a) && (a.kind != literal || strings.Trim(a.name, "0123456789.-") != "") {
				return false
			}
		}
		return true
	}
	return false
}

// inQuotes reports whether a concatenation brings the quotes of a JSON string itself.
func inQuotes(n *node) bool {
	first, last := n.args[0], n.args[len(n.args)-1]
	return len(n.args) > 2 && first.kind == literal && strings.HasPrefix(first.name, `"`) && last.kind == literal && strings.HasSuffix(last.name, `"`)
}

func jsonToken(s string) bool {
	if s == "true" || s == "false" || s == "null" {
		return true
	}
	return s != "" && strings.Trim(s, "0123456789.-") == ""
}
