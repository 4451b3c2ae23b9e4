package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// runLines are the lines about runs in a log.
func runLines(t *testing.T, log string) (lines []map[string]any) {
	t.Helper()
	for l := range strings.Lines(log) {
		var line map[string]any
		if json.Unmarshal([]byte(l), &line) == nil && line["message"] == "run done" {
			lines = append(lines, line)
		}
	}
	return lines
}

// What the alerts of deploy/terraform/google count is in the line that a run logs.
func TestARunLeavesTheLineThatAlertsCount(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.store()
	flags := []string{"run", "--log-format", "json", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "SVC1", "--acl", "edgewarden_1",
		"--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339)}
	o := w.want(w.raw(flags...), exitOK)
	lines := runLines(t, o.stderr)
	if len(lines) != 1 || lines[0]["healthy"] != true || lines[0]["exit_code"] != 0.0 || lines[0]["dry_run"] != false {
		t.Fatalf("%v in %s", lines, o.stderr)
	}
	tf, err := os.ReadFile("../../deploy/terraform/google/alerts.tf")
	if err != nil {
		t.Fatal(err)
	}
	fields := regexp.MustCompile(`jsonPayload\.(\w+)`).FindAllStringSubmatch(string(tf), -1)
	if len(fields) < 5 {
		t.Fatalf("%d fields in alerts.tf", len(fields))
	}
	for _, f := range fields {
		if _, ok := lines[0][f[1]]; !ok {
			t.Errorf("alerts.tf counts %s, which the line does not have", f[1])
		}
	}
	if lines := runLines(t, w.raw(append(flags[:1:1], flags[3:]...)...).stderr); len(lines) != 0 {
		t.Errorf("somebody who reads text gets %v", lines)
	}
}

// The alerts find texts that the program has.
func TestTheTextsThatAlertsLookForExist(t *testing.T) {
	tf, err := os.ReadFile("../../deploy/terraform/google/alerts.tf")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, pattern := range []string{"*.go", "../../internal/ledger/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			if content, err := os.ReadFile(f); err == nil && !strings.HasSuffix(f, "_test.go") {
				source.Write(content)
			}
		}
	}
	filters := regexp.MustCompile(`alerts=~\\"([^\\]+)\\"`).FindAllStringSubmatch(string(tf), -1)
	if len(filters) < 3 {
		t.Fatalf("%d filters by text in alerts.tf", len(filters))
	}
	for _, f := range filters {
		for text := range strings.SplitSeq(f[1], "|") {
			if !strings.Contains(source.String(), text) {
				t.Errorf("alerts.tf looks for %q, which no alert says", text)
			}
		}
	}
}
