package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/lake"
	"edgewarden/internal/plain"
)

// rulesTests is a file of `blocker rules test`: made-up traffic and whom the rules must name for it.
//
//	service: SVC1 # only where the configuration has services with different rules; a test may name its own
//	tests:
//	  - name: a flood is caught, its neighbour is not
//	    traffic:
//	      - repeat: 4000
//	        over: 9m
//	        request: {client_ip: 203.0.113.9, method: GET, path: /search, status: 200}
//	      - request: {client_ip: 203.0.113.10, path: /, status: 200}
//	    offenders:
//	      - {rule: flood, key: 203.0.113.9}
type rulesTests struct {
	Service string          `yaml:"service"` // whose rules; empty where there is no choice
	Tests   []rulesTestCase `yaml:"tests"`

	place func(path ...any) string // where a value stands: file:line:column
}

type rulesTestCase struct {
	Name      string         `yaml:"name"`
	Service   string         `yaml:"service"` // empty means the file's
	Traffic   []testTraffic  `yaml:"traffic"`
	Offenders []testOffender `yaml:"offenders"`
}

type testOffender struct {
	Rule string `yaml:"rule"`
	Key  string `yaml:"key"`
}

// testRules runs every case of a file against the configured rules, through the real parser, lake and engine.
func (p *program) testRules(ctx context.Context, file string) (int, error) {
	s, err := p.settings()
	if err != nil {
		return exitUsage, err
	}
	subjects, err := s.testSubjects()
	if err != nil {
		return exitUsage, err
	}
	tests, err := readRulesTests(file)
	if err != nil {
		return exitUsage, err
	}
	reply := rulesTestReply{Schema: schemaVersion}
	for i, c := range tests.Tests {
		under, err := subjects.choose(cmp.Or(c.Service, tests.Service))
		if err != nil {
			return exitUsage, usagef("%s: test %q: %v", tests.place("tests", i, "name"), c.Name, err)
		}
		wrong, err := c.run(ctx, subjects, under, func(path ...any) string { return tests.place(append([]any{"tests", i}, path...)...) })
		if err != nil {
			return exitUsage, usageError{err}
		}
		reply.add(c.Name, wrong)
	}
	code := exitOK
	if reply.Failed > 0 {
		code = exitFailed
	}
	if p.flags.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return code, enc.Encode(reply)
	}
	return code, reply.text(p.stdout)
}

// readRulesTests reads a file of tests.
func readRulesTests(file string) (tests rulesTests, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return tests, usagef("reading the tests: %v", err)
	}
	if err := yaml.UnmarshalWithOptions(content, &tests, yaml.Strict()); err != nil {
		return tests, usagef("%s: %v", file, err)
	}
	if len(tests.Tests) == 0 {
		return tests, usagef("%s: no tests: want a list under the key tests", file)
	}
	parsed, err := parser.ParseBytes(content, 0)
	if err != nil {
		return tests, usagef("%s: %v", file, err)
	}
	tests.place = func(path ...any) string { return placeIn(file, parsed, path) }
	return tests, nil
}

// placeIn is file:line:column of the value at the path, or the file where that does not say.
func placeIn(file string, parsed *ast.File, path []any) string {
	b := (&yaml.PathBuilder{}).Root()
	for _, step := range path {
		switch step := step.(type) {
		case int:
			b = b.Index(uint(step))
		case string:
			if step != "" {
				b = b.Child(step)
			}
		}
	}
	node, err := b.Build().FilterFile(parsed)
	if err != nil || node == nil {
		return file
	}
	at := node.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", file, at.Line, at.Column)
}

// rulesTestReply is what rules test prints.
type rulesTestReply struct {
	Schema int              `json:"schema"` // 1
	Passed int              `json:"passed"`
	Failed int              `json:"failed"`
	Tests  []rulesTestFound `json:"tests"`
}

// rulesTestFound is one case and what differs from what it expects: nothing when it passed.
type rulesTestFound struct {
	Name  string   `json:"name"`
	OK    bool     `json:"ok"`
	Wrong []string `json:"wrong"`
}

func (r *rulesTestReply) add(name string, wrong []string) {
	if len(wrong) > 0 {
		r.Failed++
	} else {
		r.Passed++
	}
	r.Tests = append(r.Tests, rulesTestFound{Name: name, OK: len(wrong) == 0, Wrong: append([]string{}, wrong...)})
}

func (r *rulesTestReply) text(w io.Writer) error {
	var b strings.Builder
	for _, t := range r.Tests {
		verdict := "ok  "
		if !t.OK {
			verdict = "FAIL"
		}
		fmt.Fprintf(&b, "%s %s\n", verdict, plain.Text(t.Name, 0))
		for _, wrong := range t.Wrong {
			fmt.Fprintf(&b, "     %s\n", plain.Text(wrong, 0))
		}
	}
	fmt.Fprintf(&b, "%d passed, %d failed\n", r.Passed, r.Failed)
	_, err := io.WriteString(w, b.String())
	return err
}

// run plays one case and says what differs from what it expects. place says where a part of it stands.
func (c rulesTestCase) run(ctx context.Context, subjects testSubjects, under testSubject, place func(path ...any) string) (wrong []string, err error) {
	to := time.Now().UTC().Truncate(time.Hour) // T at an hour's edge shows both of its folders
	rows, err := c.records(to, under.service, place)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "edgewarden-rules-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	writer, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(writer.Write(strings.Repeat("0", 16), 0, uint64(len(rows)), rows), writer.Close()); err != nil {
		return nil, err
	}
	engine, err := duckdb.Open(duckdb.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	found, err := engine.Detect(ctx, detect.Query{Set: under.set, To: to, Now: time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	return c.compare(found.Offenders, subjects, under), nil
}

// compare holds what was found against what was expected.
func (c rulesTestCase) compare(found []detect.Offender, subjects testSubjects, under testSubject) (wrong []string) {
	got := map[testOffender]detect.Measures{}
	for _, o := range found {
		got[testOffender{o.Rule, o.Key}] = o.Measures
	}
	for _, want := range c.Offenders {
		folded := testOffender{want.Rule, under.fold(want)}
		if !under.has(want.Rule) {
			wrong = append(wrong, subjects.whose(want.Rule, under))
		} else if _, ok := got[folded]; !ok {
			wrong = append(wrong, fmt.Sprintf("rule %s does not name %s", want.Rule, folded.Key))
		}
		delete(got, folded)
	}
	for _, o := range slices.SortedFunc(maps.Keys(got), func(a, b testOffender) int { return strings.Compare(a.Rule+a.Key, b.Rule+b.Key) }) {
		wrong = append(wrong, fmt.Sprintf("rule %s names %s with %s, which was not expected", o.Rule, o.Key, got[o].Sent()))
	}
	return wrong
}
