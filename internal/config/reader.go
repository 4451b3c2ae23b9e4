package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a configuration file, in bytes; one with a thousand allowlist
// entries has 100 KiB.
const maxFile = 4 << 20

// reader walks the syntax tree of one file and collects its faults.
type reader struct {
	file    string
	lines   []string // the text, for what the tree does not keep
	anchors map[string]ast.Node
	faults  []*Error
}

// open parses a file and gives its one document.
func open(path string) (*reader, ast.Node, error) {
	r := &reader{file: path, anchors: map[string]ast.Node{}}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	text, err := readLimited(f)
	if err != nil {
		return nil, nil, fmt.Errorf("reading configuration: %s: %w", path, err)
	}
	root := r.parse(text)
	return r, root, nil
}

// parse gives the root node, or nil and a fault.
func (r *reader) parse(text string) ast.Node {
	if !utf8.ValidString(text) {
		line := 1 + strings.Count(text[:invalidAt(text)], "\n")
		r.faults = append(r.faults, &Error{File: r.file, Line: line, Column: 1, Msg: "the line is not UTF-8"})
		return nil
	}
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	r.lines = strings.Split(text, "\n")
	tree, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	var bodies []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		r.faults = append(r.faults, &Error{File: r.file, Msg: "the file says nothing"})
		return nil
	case 1:
		ast.Walk(anchorVisitor{r.anchors}, bodies[0])
		return bodies[0]
	}
	r.fail(bodies[1], "a second document begins here: one file holds one configuration")
	return nil
}

// syntax turns the parser's error into one of ours.
func (r *reader) syntax(err error) {
	fault := &Error{File: r.file}
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		fault.Msg = "this is not YAML: " + err.Error()
	} else { // whose Error panics when the parser has lost the place
		fault.Msg = "this is not YAML: " + syntax.GetMessage()
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			fault.Line, fault.Column = t.Position.Line, t.Position.Column
		}
	}
	r.faults = append(r.faults, fault)
}

type anchorVisitor struct{ anchors map[string]ast.Node }

// Visit remembers what an alias may name.
func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		v.anchors[a.Name.GetToken().Value] = a.Value
	}
	return v
}

// fail records a fault at a node.
func (r *reader) fail(n ast.Node, format string, args ...any) {
	at := r.place(n)
	r.faults = append(r.faults, &Error{File: at.File, Line: at.Line, Column: at.Column, Msg: fmt.Sprintf(format, args...)})
}

// place is where a node begins: a mapping at its first key, a scalar at its first character.
func (r *reader) place(n ast.Node) Place {
	var t *token.Token
	switch n := n.(type) {
	case *ast.MappingNode:
		t = n.Start
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return r.place(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return r.place(n.Key)
	case *ast.LiteralNode:
		t = n.Start
	}
	if t == nil && n != nil {
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return Place{File: r.file}
	}
	return Place{File: r.file, Line: t.Position.Line, Column: t.Position.Column}
}

// resolve follows anchors, aliases and tags to what they stand for; nil, with a
// fault, when there is nothing.
func (r *reader) resolve(n ast.Node) ast.Node {
	for range 16 {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := r.anchors[v.Value.GetToken().Value]
			if !ok {
				r.fail(v, "no anchor has the name %q", v.Value.GetToken().Value)
				return nil
			}
			n = target
		case *ast.TagNode:
			r.fail(v, "tags such as %s have no meaning here: leave it away", v.Start.Value)
			return nil
		default:
			return n
		}
	}
	r.fail(n, "the alias refers to itself")
	return nil
}

// keys says what a mapping may hold: for each key what reads its value.
type keys map[string]func(ast.Node)

// mapping reads a mapping strictly and returns the places of the keys it has.
func (r *reader) mapping(n ast.Node, what string, known keys) map[string]ast.Node {
	seen := map[string]ast.Node{}
	for _, pair := range r.pairs(n, what) {
		name := pair.Key.GetToken().Value
		if _, twice := seen[name]; twice {
			r.fail(pair.Key, "%s has the key %q twice", what, name)
			continue
		}
		seen[name] = pair.Key
		read, ok := known[name]
		if !ok {
			r.fail(pair.Key, "%s", unknownKey(what, name, slices.Sorted(maps.Keys(known))))
			continue
		}
		if value := r.resolve(pair.Value); value != nil {
			read(value)
		}
	}
	return seen
}

// pairs gives the key–value pairs of a mapping; a null is an empty mapping.
func (r *reader) pairs(n ast.Node, what string) []*ast.MappingValueNode {
	var pairs []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		pairs = v.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{v}
	case *ast.NullNode:
	default:
		r.fail(n, "%s is a mapping of keys to values, not %s", what, kindOf(n))
	}
	return slices.DeleteFunc(slices.Clone(pairs), func(p *ast.MappingValueNode) bool {
		if _, merge := p.Key.(*ast.MergeKeyNode); merge {
			r.fail(p.Key, "merge keys (<<) are not read: write the keys out")
			return true
		}
		return false
	})
}

// list gives the items of a sequence; a null is an empty one.
func (r *reader) list(n ast.Node, what string) []ast.Node {
	switch v := n.(type) {
	case *ast.SequenceNode:
		var items []ast.Node
		for _, item := range v.Values {
			if item = r.resolve(item); item != nil {
				items = append(items, item)
			}
		}
		return items
	case *ast.NullNode:
		return nil
	}
	r.fail(n, "%s is a list, not %s", what, kindOf(n))
	return nil
}

// kindOf names a node's kind for a person.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	default:
		return "a text"
	}
}
