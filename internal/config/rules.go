package config

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"edgewarden/internal/detect"
)

func (r *reader) rules(n ast.Node) []Rule {
	var rules []Rule
	for _, item := range r.list(n, "rules") {
		rules = append(rules, r.rule(item))
	}
	return rules
}

func (r *reader) rule(n ast.Node) Rule {
	rule := Rule{Places: map[string]Place{"": r.place(n)}}
	var group, mode string
	at := func(part string, read func(ast.Node)) func(ast.Node) {
		return func(n ast.Node) {
			rule.Places[part] = r.place(n)
			read(n)
		}
	}
	r.mapping(n, "a rule", keys{
		"name":   at("name", r.word(&rule.Name, "name")),
		"where":  func(n ast.Node) { rule.Where, rule.Places["where"] = r.expression(n, "where") },
		"window": at("window", r.duration(&rule.Window, "window", time.Second, detect.MaxWindow)),
		"group":  at("group", r.word(&group, "group")),
		"when":   func(n ast.Node) { rule.When, rule.Places["when"] = r.expression(n, "when") },
		"block":  at("block", r.duration(&rule.Block, "block", time.Minute, 30*day)),
		"mode":   at("mode", r.oneOf(&mode, "mode", "enforce", "shadow")),
	})
	rule.Group, rule.Enforce = detect.Group(group), mode == "enforce"
	where, when := rule.Places["where"], rule.Places["when"]
	rule.WhereLine, rule.WhereColumn = where.Line, where.Column
	rule.WhenLine, rule.WhenColumn = when.Line, when.Column
	return rule
}

func (r *reader) classes(n ast.Node) []Class {
	classes := []Class{} // never nil: none, for a service, is not those of the file
	for _, item := range r.list(n, "classes") {
		classes = append(classes, r.class(item))
	}
	return classes
}

func (r *reader) class(n ast.Node) Class {
	class := Class{Places: map[string]Place{"": r.place(n)}}
	at := func(part string, read func(ast.Node)) func(ast.Node) {
		return func(n ast.Node) {
			class.Places[part] = r.place(n)
			read(n)
		}
	}
	seen := r.mapping(n, "a class", keys{
		"name":   at("name", r.word(&class.Name, "name")),
		"where":  func(n ast.Node) { class.Where, class.Places["where"] = r.expression(n, "where") },
		"weight": at("weight", r.integer(&class.Weight, "weight", 0, detect.MaxWeight)),
	})
	if seen["weight"] == nil {
		r.fail(n, "class %s has no weight: write a whole number from 0 to %d", orDefault(class.Name, "without a name"), detect.MaxWeight)
	}
	where := class.Places["where"]
	class.WhereLine, class.WhereColumn = where.Line, where.Column
	return class
}

// expression reads a condition and where it begins, so that a position in the
// condition can be found in the file: the lines of a block are taken as they stand, folded or
// not, since a condition does not mind line ends; a plain scalar over several lines is taken with
// its indentation, from column 1 on.
func (r *reader) expression(n ast.Node, what string) (string, Place) {
	text, ok := r.text(n, what)
	at := r.place(n)
	if !ok {
		return "", at
	}
	switch v := n.(type) {
	case *ast.LiteralNode:
		if raw, indent, ok := r.blockLines(at.Line); ok {
			at.Line, at.Column = at.Line+1, indent+1
			return raw, at
		}
	case *ast.StringNode:
		origin := strings.TrimSpace(v.Token.Origin)
		switch {
		case v.Token.Type == token.DoubleQuoteType || v.Token.Type == token.SingleQuoteType:
			at.Column++
			at.escapes = escapes(origin)
		case strings.Contains(origin, "\n"):
			text = strings.Repeat(" ", at.Column-1) + origin
			at.Column = 1
		}
	}
	return text, at
}

// blockLines gives the content of the block scalar whose header is on the line, as
// it stands but without its indentation.
func (r *reader) blockLines(header int) (text string, indent int, ok bool) {
	indent = -1
	var lines []string
	for _, line := range r.lines[min(header, len(r.lines)):] {
		spaces := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == "":
			lines = append(lines, "")
			continue
		case indent < 0:
			indent = spaces
		}
		if spaces < indent || indent == 0 {
			break
		}
		lines = append(lines, line[indent:])
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n "), indent, indent > 0
}

// escapes lists, for a quoted scalar on one line, the columns of its value after
// which the file is one column further than the value: \" is two columns for one.
func escapes(quoted string) []int {
	if len(quoted) < 2 || strings.Contains(quoted, "\n") {
		return nil
	}
	double := quoted[0] == '"'
	var after []int
	column := 1
	for rest := quoted[1 : len(quoted)-1]; rest != ""; column++ {
		_, size := utf8.DecodeRuneInString(rest)
		wide := 1
		switch {
		case double && rest[0] == '\\' && len(rest) > 1:
			wide = map[byte]int{'x': 4, 'u': 6, 'U': 10}[rest[1]]
			if wide == 0 {
				wide = 2
			}
			size = min(wide, len(rest))
		case !double && strings.HasPrefix(rest, "''"):
			wide, size = 2, 2
		}
		for range wide - 1 {
			after = append(after, column)
		}
		rest = rest[size:]
	}
	return after
}
