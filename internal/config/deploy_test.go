package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"edgewarden/internal/config"
	"edgewarden/internal/policy"
)

var deploy = filepath.Join("..", "..", "deploy")

func TestTheCommentedConfigurationLoads(t *testing.T) {
	c, err := config.Load(filepath.Join(deploy, "edgewarden.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Compile(c.Rules, c.Period); err != nil {
		t.Errorf("its rules do not suit its period: %v", err)
	}
	if len(c.Services) != 1 || len(c.Allowlist) != 2 || len(c.Egress) != 1 || c.BigQuery.MaxBytes != 50<<30 || c.Guard.Loss != 0.05 {
		t.Errorf("it was not read whole: %+v", c)
	}
}

// TestTheCommentedConfigurationIsComplete uncomments every key and loads the file
// again: each comment that shows a key has the right name, place and form.
func TestTheCommentedConfigurationIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "edgewarden.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^( *)# ( *(?:[a-z_0-9]+): )`)
	full := commented.ReplaceAllStringFunc(string(text), func(line string) string {
		m := commented.FindStringSubmatch(line)
		if key := strings.TrimSpace(m[2]); strings.Contains("Durations: reason: until:", key) {
			return line
		}
		return m[1] + m[2]
	})
	full = strings.ReplaceAll(full, "# columns:", "columns:")
	for _, key := range []string{"exempt", "shadow", "control", "endpoint", "columns", "lake", "propagation", "min_addresses", "clock_skew", "ahead",
		"no_address", "volume", "settle", "schedule", "capacity", "ingest"} {
		if !regexp.MustCompile(`(?m)^ *` + key + `:`).MatchString(full) {
			t.Errorf("the file does not show the key %s", key)
		}
	}
	path := filepath.Join(t.TempDir(), "full.yaml")
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(path)
	want := []string{"both lake and bigquery are given", "columns are for kind: custom"}
	for i, fault := range lines(err) {
		if i >= len(want) || !strings.Contains(fault, want[i]) {
			t.Errorf("unexpected: %s", fault)
		}
	}
	if len(lines(err)) != len(want) {
		t.Errorf("got %d faults, want %d: the two choices the file offers", len(lines(err)), len(want))
	}
}

func TestTheStarterRulesAreSafe(t *testing.T) {
	rules, err := config.LoadRules(filepath.Join(deploy, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, actions, err := config.Compile(rules, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) < 5 {
		t.Errorf("%d rules, want at least 5", len(rules))
	}
	text, err := os.ReadFile(filepath.Join(deploy, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Enforce {
			t.Errorf("rule %s enforces", r.Name)
		}
		a := actions[r.Name]
		if !a.CountsOnly {
			t.Errorf("rule %s can be tripped by missing rows", r.Name)
		}
		if a.Floor < 60 || a.Block > policy.DefaultMax {
			t.Errorf("rule %s blocks from %d requests for %s", r.Name, a.Floor, a.Block)
		}
		above := string(text)[:strings.Index(string(text), "- name: "+r.Name+"\n")]
		comment := above[strings.LastIndex(above, "\n\n")+1:]
		if !strings.Contains(comment, "Catches:") || !strings.Contains(comment, "May catch wrongly:") {
			t.Errorf("rule %s does not say what it catches, and what wrongly", r.Name)
		}
	}
}

// lines takes a joined error apart.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}
