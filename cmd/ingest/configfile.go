package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// fileValues are the flags that a configuration file sets, by name.
type fileValues map[string]string

// Validate implements [kong.Resolver]; the names were checked when the file was read.
func (fileValues) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver].
func (v fileValues) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if s, ok := v[flag.Name]; ok {
		return s, nil
	}
	return nil, nil
}

// readConfig reads the section "ingest" of the YAML file. Its keys are the
// names of serve's flags; a key that is none is an error with its place. All
// other sections are the blocker's and are not looked at.
func readConfig(file string, flags []string) (fileValues, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading --config: %w", err)
	}
	doc, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, fmt.Errorf("reading --config %s: %s", file, notYAML(err))
	}
	values := fileValues{}
	for _, d := range doc.Docs {
		for _, section := range entries(d.Body) {
			if section.Key.String() != "ingest" {
				continue
			}
			if err := values.add(file, section.Value, flags); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

// add takes the entries of the section in.
func (v fileValues) add(file string, section ast.Node, flags []string) error {
	if _, empty := section.(*ast.NullNode); empty {
		return nil
	}
	list := entries(section)
	if list == nil {
		return fmt.Errorf("%s: ingest must be a mapping of flag names to values", place(file, section))
	}
	for _, e := range list {
		name := e.Key.String()
		if !slices.Contains(flags, name) {
			return fmt.Errorf("%s: ingest.%s is unknown%s", place(file, e.Key), name, didYouMean(name, flags))
		}
		if _, twice := v[name]; twice {
			return fmt.Errorf("%s: ingest.%s is set twice", place(file, e.Key), name)
		}
		s, err := scalar(file, e.Value)
		if err != nil {
			return fmt.Errorf("%w (ingest.%s)", err, name)
		}
		v[name] = s
	}
	return nil
}

// entries are the pairs of a mapping, nil for anything else.
func entries(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// scalar is a value as it would stand on the command line; the elements of a
// list are joined by commas.
func scalar(file string, n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case *ast.SequenceNode:
		var parts []string
		for _, e := range n.Values {
			if _, nested := e.(*ast.SequenceNode); nested {
				return "", fmt.Errorf("%s: a list must not hold lists", place(file, e))
			}
			s, err := scalar(file, e)
			if err != nil {
				return "", err
			}
			parts = append(parts, strings.ReplaceAll(s, ",", `\,`))
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("%s: want a text, a number, true, false or a list of these", place(file, n))
}

func place(file string, n ast.Node) string {
	p := n.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", file, p.Line, p.Column)
}

// didYouMean offers the known name that is nearest in spelling, if one is near.
func didYouMean(name string, known []string) string {
	best, distance := "", len(name)/3+2
	for _, k := range known {
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// edits is the Levenshtein distance of two short names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// notYAML words the parser's error. Where the parser has lost the place, its own formatting would panic.
func notYAML(err error) string {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() == nil {
		return "this is not YAML: " + syntax.GetMessage()
	}
	return strings.TrimSpace(yaml.FormatError(err, false, false))
}
