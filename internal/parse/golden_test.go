package parse_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// describe lists the fields of a record that are present, one a line.
func describe(r *record.Record) string {
	var b strings.Builder
	for f := range record.NumFields {
		if !r.Has(f) || f == record.Received || f == record.Sender {
			continue
		}
		info := record.Fields[f]
		switch info.Type {
		case record.String:
			fmt.Fprintf(&b, "  %s = %q\n", info.Name, *r.Str(f))
		case record.Int:
			fmt.Fprintf(&b, "  %s = %d\n", info.Name, *r.Int(f))
		case record.Bool:
			fmt.Fprintf(&b, "  %s = %v\n", info.Name, *r.Bool(f))
		case record.Time:
			fmt.Fprintf(&b, "  %s = %s\n", info.Name, r.Time(f).Format(time.RFC3339Nano))
		}
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("../../testdata/fastly/*.log")
	if err != nil || len(files) < 5 {
		t.Fatalf("sample files: %v, %v", files, err)
	}
	// One parser for all files: what it learns from one line must not show in
	// the next.
	p := parse.New()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for line := range bytes.Lines(in) {
				line = bytes.TrimSuffix(line, []byte("\n"))
				var r record.Record
				p.Parse(line, parse.Meta{Received: received, Sender: record.SenderToken}, &r)
				checkRecord(t, line, &r)
				fmt.Fprintf(&got, "%q\n%s\n", line, describe(&r))
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s (see testdata/fastly/README.md):\n%s", golden, firstDifference(got.String(), string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return "one is longer"
}

// checkRecord asserts what holds for every record, whatever the line was.
func checkRecord(t *testing.T, line []byte, r *record.Record) {
	t.Helper()
	for f := range record.NumFields {
		if record.Fields[f].Type == record.String && !isValid(*r.Str(f)) {
			t.Errorf("%q: %s is no valid UTF-8: %q", line, record.Fields[f].Name, *r.Str(f))
		}
	}
	if !r.UTF8 {
		t.Errorf("%q: the record does not say that its strings are valid", line)
	}
	if r.Extra != "" {
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.Extra), &m); err != nil || len(m) == 0 {
			t.Errorf("%q: extra is no JSON object: %s (%v)", line, r.Extra, err)
		}
	}
	if !r.Present.Has(record.Timestamp) || !r.Present.Has(record.Received) || r.TimeSource == "" {
		t.Errorf("%q: no time", line)
	}
	switch r.Kind {
	case record.KindRequest:
		if r.Text != "" {
			t.Errorf("%q: a request has text", line)
		}
		if (r.ClientIP != "") != (r.ClientKey != "" && r.ClientPrefix != "" && r.AddressSource != "") {
			t.Errorf("%q: address %q, key %q, prefix %q, source %q", line, r.ClientIP, r.ClientKey, r.ClientPrefix, r.AddressSource)
		}
	case record.KindText:
		if r.Problem == "" || (r.Text == "" && len(line) > 0) || r.ClientIP != "" || r.ClientKey != "" || r.Status != 0 || r.AddressSource != "" {
			t.Errorf("%q: text with problem %q, address %q, status %d", line, r.Problem, r.ClientIP, r.Status)
		}
	default:
		t.Errorf("%q: kind %q", line, r.Kind)
	}
}

func isValid(s string) bool { return strings.ToValidUTF8(s, "") == s }
