package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"edgewarden/internal/config"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// testTraffic is one request, or several alike.
type testTraffic struct {
	Repeat  int            `yaml:"repeat"` // 0 means once
	Over    string         `yaml:"over"`   // spread evenly over so long before T; empty means one minute
	Request map[string]any `yaml:"request"`
}

// testRequestsMax bounds a test, whose requests all go through the store.
const testRequestsMax = 1_000_000

// records makes the case's requests, each by way of a line in our format and the real parser.
func (c rulesTestCase) records(to time.Time, service string, place func(path ...any) string) ([]record.Record, error) {
	var rows []record.Record
	parser := parse.New()
	for i, t := range c.Traffic {
		fault := func(format string, args ...any) error {
			return fmt.Errorf("test %q: traffic %d: %w", c.Name, i+1, fmt.Errorf(format, args...))
		}
		at := func(path ...any) string { return place(append([]any{"traffic", i}, path...)...) }
		over := time.Minute
		if t.Over != "" {
			d, err := config.ParseDuration(t.Over)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at("over"), fault("over: %w", err))
			}
			over = d
		}
		n := max(t.Repeat, 1)
		switch {
		case t.Repeat < 0:
			return nil, fmt.Errorf("%s: %w", at("repeat"), fault("repeat is %d: want how many requests, 1 or more", t.Repeat))
		case n > testRequestsMax-len(rows):
			return nil, fmt.Errorf("%s: %w", at("repeat"), fault("more than %d requests in one test", testRequestsMax))
		}
		for j := range n {
			when := to.Add(-time.Duration(float64(over) * float64(j+1) / float64(n+1)))
			line, field, err := testLine(t.Request, service, when)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at("request", field), fault("request: %w", err))
			}
			var r record.Record
			parser.Parse(line, parse.Meta{Received: when, Sender: record.SenderToken, Position: fmt.Sprintf("%016x-%016x", 0, len(rows))}, &r)
			if r.Kind != record.KindRequest {
				return nil, fmt.Errorf("%s: %w", at("request"), fault("not a request: %s", r.Problem))
			}
			if j == 0 { // the others are alike
				if field, err := understood(t.Request, &r); err != nil {
					return nil, fmt.Errorf("%s: %w", at("request", field), fault("request: %w", err))
				}
			}
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: test %q: no traffic", place("name"), c.Name)
	}
	return rows, nil
}

// testLine writes a request as the edge would. With an error comes the field it is about, if it is about one.
func testLine(request map[string]any, service string, at time.Time) (line []byte, field string, err error) {
	fields := map[string]any{"service_id": "TEST", "method": "GET", "path": "/", "status": 200, "host": "example.com", "first_hop": true, "blocked": false}
	if service != "" {
		fields["service_id"] = service
	}
	for _, name := range slices.Sorted(maps.Keys(request)) {
		f, ok := record.ByName(name)
		if !ok || record.Fields[f].Origin != record.FromLine || f == record.Timestamp {
			return nil, name, fmt.Errorf("%q is no field of a line (docs/fields.md)", name)
		}
		fields[name] = request[name]
	}
	if _, ok := request["client_ip"]; !ok {
		return nil, "", errors.New("client_ip is missing")
	}
	fields["timestamp"] = at.Format(time.RFC3339Nano)
	line, err = json.Marshal(fields)
	return line, "", err
}

// understood finds a value that the parser could make nothing of: a line from the edge would count without it, a test that
// means it would pass or fail for another reason than it says.
func understood(request map[string]any, r *record.Record) (field string, err error) {
	for _, name := range slices.Sorted(maps.Keys(request)) {
		f, _ := record.ByName(name)
		want := map[record.Type]string{record.Int: "a whole number", record.Bool: "true or false"}[record.Fields[f].Type]
		if want != "" && !r.Has(f) {
			return name, fmt.Errorf("%s is %v: want %s", name, request[name], want)
		}
	}
	return "", nil
}
