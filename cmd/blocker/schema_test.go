package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"edgewarden/internal/acl"
	"edgewarden/internal/backtest"
	"edgewarden/internal/ledger"
)

// replies are the documents of --json: the file in docs/schema, the Go type, and the commands that print it.
var replies = []struct {
	name, what string
	of         any
	commands   []string
}{
	{"run", "What a run found, decided and did.", document{}, []string{"run", "plan", "apply <file>", "block", "block <address>", "unblock <address>", "purge"}},
	{"status", "What the edge holds.", statusReply{}, []string{"status"}},
	{"explain", "What rules, lists, edge and ledger know of an address.", explainReply{}, []string{"explain", "explain <address>"}},
	{"control", "What stop and start did.", controlReply{}, []string{"stop", "start"}},
	{"check", "What check found.", checkReply{}, []string{"check"}},
	{"notify-test", "What notify test did.", notifyReply{}, []string{"notify test"}},
	{"backtest", "What rules would have done in the past.", backtestReply{}, []string{"backtest"}},
	{"suggest", "What the past says of the bounds of rules.", suggestReply{}, []string{"suggest"}},
	{"rules-test", "What the tests of a rules file found.", rulesTestReply{}, []string{"rules test <file>"}},
	{"audit-show", "One record of the ledger; audit show prints one a line. It carries its own version instead of the key schema.", ledger.Event{}, []string{"audit show"}},
	{"audit-verify", "Whether the ledger is whole.", verifyReply{}, []string{"audit verify"}},
}

// suggestReply is what suggest prints, which it puts together from these two.
type suggestReply struct {
	Schema      int                     `json:"schema"`
	Suggestions []*backtest.Suggestions `json:"suggestions"` // one a service
}

// TestSchemasAreFresh fails when docs/schema no longer says what the types say. `go test ./cmd/blocker -run Schemas -update` writes it.
func TestSchemasAreFresh(t *testing.T) {
	comments := fieldComments(t, ".", "../../internal/acl", "../../internal/backtest", "../../internal/detect", "../../internal/ledger")
	for _, r := range replies {
		content, err := json.MarshalIndent(schemaOf(r.of, r.what, comments, false), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, '\n')
		path := filepath.Join("../../docs/schema", r.name+".schema.json")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is stale (%v): run `go test ./cmd/blocker -run Schemas -update`", path, err)
		}
		if bytes.Contains(content, []byte("{}")) {
			t.Errorf("%s says nothing of some value: the generator does not know its type", path)
		}
	}
}

// TestASchemaFindsWhatIsWrong proves that the check can fail.
func TestASchemaFindsWhatIsWrong(t *testing.T) {
	w := flooded(t)
	good := w.want(w.run("run", "--json"), exitOK).stdout
	for what, bad := range map[string]string{
		"an unknown key": strings.Replace(good, `"summary": {`, `"summary": {"surprise": 1,`, 1),
		"a missing key":  strings.Replace(good, `"dry_run"`, `"dry"`, 1),
		"another type":   strings.Replace(good, `"requests": 300`, `"requests": "300"`, 1),
		"another op":     strings.Replace(good, `"op": "create"`, `"op": "make"`, 1),
		"no time":        strings.Replace(good, w.T.Format(time.RFC3339), "yesterday", 1),
	} {
		if bad == good {
			t.Errorf("%s: nothing was replaced", what)
		}
		if checkSchema([]string{"run", "--json"}, []byte(bad)) == nil {
			t.Errorf("%s passes", what)
		}
	}
	if err := checkSchema([]string{"run", "--json"}, []byte(good)); err != nil {
		t.Error(err)
	}
}

// strict compiles the schemas with unknown keys as errors.
var strict = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	byCommand := map[string]*jsonschema.Schema{}
	for _, r := range replies {
		content, err := json.Marshal(schemaOf(r.of, r.what, nil, true))
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(r.name, doc); err != nil {
			return nil, err
		}
		s, err := c.Compile(r.name)
		if err != nil {
			return nil, err
		}
		for _, command := range r.commands {
			byCommand[command] = s
		}
	}
	return byCommand, nil
})

// checkSchema checks what a call with --json printed. Calls without it, and commands that have no schema, pass.
func checkSchema(args []string, stdout []byte) error {
	if !slices.Contains(args, "--json") || len(bytes.TrimSpace(stdout)) == 0 {
		return nil
	}
	var c cli
	parser, err := kong.New(&c, kong.Exit(func(int) {}))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	schemas, err := strict()
	if err != nil {
		return err
	}
	s := schemas[parsed.Command()]
	if s == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(stdout))
	for dec.More() { // audit show prints several
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fmt.Errorf("%s --json prints no JSON: %w", parsed.Command(), err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		if err := s.Validate(doc); err != nil {
			return fmt.Errorf("%s --json does not meet its schema: %w", parsed.Command(), err)
		}
	}
	return nil
}

type object = map[string]any

// generator turns Go types into a JSON Schema of draft 2020-12.
type generator struct {
	defs     object
	comments map[string]string
	strict   bool
}

func schemaOf(v any, what string, comments map[string]string, strict bool) object {
	g := &generator{defs: object{}, comments: comments, strict: strict}
	t := reflect.TypeOf(v)
	root := g.structure(t)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "blocker --json"
	root["description"] = what + " Keys may be added; a key that is renamed, removed or means something else raises \"schema\"."
	if len(g.defs) > 0 {
		root["$defs"] = g.defs
	}
	return root
}

var timeType = reflect.TypeFor[time.Time]()

// enums are the types whose values are a closed set.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[acl.Op](): {acl.Create, acl.Update, acl.Delete},
}

func (g *generator) of(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[netip.Prefix](), t == reflect.TypeFor[backtest.Duration]():
		return object{"type": "string"}
	case enums[t] != nil:
		return object{"type": "string", "enum": enums[t]}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return object{"anyOf": []any{g.of(t.Elem()), object{"type": "null"}}}
	case reflect.Slice:
		of := t.Elem()
		if of.Kind() == reflect.Pointer { // a list holds no gaps
			of = of.Elem()
		}
		return object{"type": "array", "items": g.of(of)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.of(t.Elem())}
	case reflect.Struct:
		if _, known := g.defs[t.Name()]; !known {
			g.defs[t.Name()] = nil // stands for a type that is being described
			g.defs[t.Name()] = g.structure(t)
		}
		return object{"$ref": "#/$defs/" + t.Name()}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	}
	return object{}
}

func (g *generator) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	g.fields(t, properties, &required)
	s := object{"type": "object", "properties": properties, "required": required}
	if g.strict {
		s["additionalProperties"] = false
	}
	return s
}

func (g *generator) fields(t reflect.Type, properties object, required *[]string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			g.fields(f.Type, properties, required)
			continue
		}
		if name == "-" || !f.IsExported() {
			continue
		}
		omitted := strings.Contains(options, "omit")
		kind := f.Type
		if omitted && kind.Kind() == reflect.Pointer {
			kind = kind.Elem() // it is left out, never null
		}
		p := g.of(kind)
		if name == "schema" {
			p = object{"const": schemaVersion}
		}
		if text := g.comments[t.Name()+"."+f.Name]; text != "" && name != "schema" {
			p["description"] = text
		}
		properties[name] = p
		if !omitted {
			*required = append(*required, name)
		}
	}
}

// fieldComments reads what the source says beside the fields of its structs, by type and field.
func fieldComments(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				s, ok := spec.Type.(*ast.StructType)
				if !ok {
					return true
				}
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						out[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Comment.Text())
					}
				}
				return true
			})
		}
	}
	return out
}
