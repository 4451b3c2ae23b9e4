package main

import (
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

	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/lake"
	"edgewarden/internal/parse"
	"edgewarden/internal/plain"
	"edgewarden/internal/record"
)

// rulesTests is a file of `blocker rules test`: made-up traffic and whom the rules must name for it.
//
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
	Tests []rulesTestCase `yaml:"tests"`
}

type rulesTestCase struct {
	Name      string         `yaml:"name"`
	Traffic   []testTraffic  `yaml:"traffic"`
	Offenders []testOffender `yaml:"offenders"`
}

// testTraffic is one request, or several alike.
type testTraffic struct {
	Repeat  int            `yaml:"repeat"` // 0 means once
	Over    string         `yaml:"over"`   // spread evenly over so long before T; empty means one minute
	Request map[string]any `yaml:"request"`
}

type testOffender struct {
	Rule string `yaml:"rule"`
	Key  string `yaml:"key"`
}

// testRequestsMax bounds a test, whose requests all go through the store.
const testRequestsMax = 1_000_000

// testRules runs every case of a file against the configured rules, through the real parser, lake and engine.
func (p *program) testRules(ctx context.Context, file string) (int, error) {
	s, err := p.settings()
	if err != nil {
		return exitUsage, err
	}
	svc := s.servicesOrAll()[0]
	set, _, err := config.Compile(svc.Rules, s.period, svc.Classes...)
	if err == nil && len(svc.Rules) == 0 {
		err = errors.New("no rules: name a file with --rules, or put rules into --config")
	}
	if err != nil {
		return exitUsage, usageError{err}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return exitUsage, usagef("reading the tests: %v", err)
	}
	var tests rulesTests
	if err := yaml.UnmarshalWithOptions(content, &tests, yaml.Strict()); err != nil {
		return exitUsage, usagef("%s: %v", file, err)
	}
	if len(tests.Tests) == 0 {
		return exitUsage, usagef("%s: no tests: want a list under the key tests", file)
	}
	reply := rulesTestReply{Schema: schemaVersion}
	for _, c := range tests.Tests {
		wrong, err := c.run(ctx, set)
		if err != nil {
			return exitUsage, usagef("%s: test %q: %v", file, c.Name, err)
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

// run plays one case and says what differs from what it expects.
func (c rulesTestCase) run(ctx context.Context, set *detect.Set) (wrong []string, err error) {
	dir, err := os.MkdirTemp("", "edgewarden-rules-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	to := time.Now().UTC().Truncate(time.Hour) // T at an hour's edge shows both of its folders
	rows, err := c.records(to)
	if err != nil {
		return nil, err
	}
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
	found, err := engine.Detect(ctx, detect.Query{Set: set, To: to, Now: time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	return c.compare(found.Offenders, set), nil
}

// compare holds what was found against what was expected.
func (c rulesTestCase) compare(found []detect.Offender, set *detect.Set) (wrong []string) {
	known := map[string]bool{}
	for _, r := range set.Rules() {
		known[r.Name] = true
	}
	got := map[testOffender]detect.Measures{}
	for _, o := range found {
		got[testOffender{o.Rule, o.Key}] = o.Measures
	}
	for _, want := range c.Offenders {
		if !known[want.Rule] {
			wrong = append(wrong, fmt.Sprintf("there is no rule %q", want.Rule))
		} else if _, ok := got[want]; !ok {
			wrong = append(wrong, fmt.Sprintf("rule %s does not name %s", want.Rule, want.Key))
		}
		delete(got, want)
	}
	for _, o := range slices.SortedFunc(maps.Keys(got), func(a, b testOffender) int { return strings.Compare(a.Rule+a.Key, b.Rule+b.Key) }) {
		wrong = append(wrong, fmt.Sprintf("rule %s names %s with %s, which was not expected", o.Rule, o.Key, got[o].Sent()))
	}
	return wrong
}

// records makes the case's requests, each by way of a line in our format and the real parser.
func (c rulesTestCase) records(to time.Time) ([]record.Record, error) {
	var rows []record.Record
	parser := parse.New()
	for i, t := range c.Traffic {
		n, over := max(t.Repeat, 1), time.Minute
		if t.Over != "" {
			d, err := config.ParseDuration(t.Over)
			if err != nil {
				return nil, fmt.Errorf("traffic %d: over: %w", i+1, err)
			}
			over = d
		}
		if len(rows)+n > testRequestsMax {
			return nil, fmt.Errorf("traffic %d: more than %d requests in one test", i+1, testRequestsMax)
		}
		for j := range n {
			at := to.Add(-time.Duration(float64(over) * float64(j+1) / float64(n+1)))
			line, err := testLine(t.Request, at)
			if err != nil {
				return nil, fmt.Errorf("traffic %d: %w", i+1, err)
			}
			var r record.Record
			parser.Parse(line, parse.Meta{Received: at, Sender: record.SenderToken, Position: fmt.Sprintf("%016x-%016x", 0, len(rows))}, &r)
			if r.Kind != record.KindRequest {
				return nil, fmt.Errorf("traffic %d: not a request: %s", i+1, r.Problem)
			}
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("no traffic")
	}
	return rows, nil
}

// testLine writes a request as the edge would.
func testLine(request map[string]any, at time.Time) ([]byte, error) {
	line := map[string]any{"service_id": "TEST", "method": "GET", "path": "/", "status": 200, "host": "example.com", "first_hop": true, "blocked": false}
	for name, v := range request {
		f, ok := record.ByName(name)
		if !ok || record.Fields[f].Origin != record.FromLine || f == record.Timestamp {
			return nil, fmt.Errorf("request: %q is no field of a line (docs/fields.md)", name)
		}
		line[name] = v
	}
	if _, ok := request["client_ip"]; !ok {
		return nil, errors.New("request: client_ip is missing")
	}
	line["timestamp"] = at.Format(time.RFC3339Nano)
	return json.Marshal(line)
}
