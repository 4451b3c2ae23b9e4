package edgewarden_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryAlertHasItsPageInTheRunbook holds both sets of alerts against each other and against docs/runbook.md: each has a section
// that says what it means, where to look, what to do and how to undo it, and no section is about an alert that is gone.
func TestEveryAlertHasItsPageInTheRunbook(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	names := func(text, form string) (found []string) {
		for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}
	rules, google, runbook := read("deploy/monitoring/prometheus-rules.yaml"), read("deploy/terraform/google/alerts.tf"), read("docs/runbook.md")
	sections := names(runbook, `(?m)^### Alert (\w+)$`)
	if len(sections) < 12 {
		t.Fatalf("only %d alerts in the runbook: %v", len(sections), sections)
	}
	if got := names(rules, `runbook: docs/runbook\.md#alert-(\w+)`); !slices.Equal(got, sections) {
		t.Errorf("Prometheus' rules point to %v, the runbook has %v", got, sections)
	}
	if got := names(google, `(?m)^    (\w+) = \{\n      title `); !slices.Equal(got, sections) {
		t.Errorf("Cloud Monitoring has %v, the runbook has %v", got, sections)
	}
	if !strings.Contains(google, "docs/runbook.md#alert-${each.key}") {
		t.Error("Cloud Monitoring's alerts do not point to their section")
	}
	for _, m := range regexp.MustCompile(`(?s)- alert: (\w+)\n(.*?)runbook: docs/runbook\.md#alert-(\w+)`).FindAllStringSubmatch(rules, -1) {
		if want := "edgewarden" + strings.ReplaceAll(m[3], "_", ""); strings.ToLower(m[1]) != want {
			t.Errorf("%s points to the section of %s", m[1], m[3])
		}
	}
	for i, part := range strings.Split(runbook, "\n### Alert ")[1:] {
		for _, heading := range []string{"* **Means:** ", "* **Look:** ", "* **Do:** ", "* **Undo:** "} {
			if !strings.Contains(part, "\n"+heading) {
				t.Errorf("section %d, %s: no %s", i+1, strings.SplitN(part, "\n", 2)[0], heading)
			}
		}
	}
}

// TestRulesDashboardsAndRunbookNameMetricsThatExist is the quick half of deploy/monitoring/verify, which also parses the expressions.
func TestRulesDashboardsAndRunbookNameMetricsThatExist(t *testing.T) {
	page, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("deploy/monitoring/*.*")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "deploy/terraform/google/alerts.tf", "docs/runbook.md")
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bedgewarden_(?:ingest|blocker)_\w+`).FindAllString(string(text), -1) {
			found++
			if plain := strings.TrimSuffix(name, "_bucket"); !strings.Contains(string(page), "| `"+plain+"` |") {
				t.Errorf("%s names %s, which docs/metrics.md does not have", file, name)
			}
		}
	}
	if found < 60 {
		t.Fatalf("only %d names of metrics found in %v", found, files)
	}
}
