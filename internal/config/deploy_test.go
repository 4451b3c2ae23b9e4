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
	commented := regexp.MustCompile(`(?m)^( *)# ( *(?:- )?(?:[a-z_0-9]+:(?: |$)|/))`)
	full := commented.ReplaceAllStringFunc(string(text), func(line string) string {
		m := commented.FindStringSubmatch(line)
		if key := strings.TrimSpace(m[2]); strings.Contains("Durations: reason: until:", key) && m[2] == strings.TrimLeft(m[2], " ") {
			return line
		}
		return m[1] + m[2]
	})
	for what, keys := range knownKeys(t) {
		for _, key := range keys {
			if !regexp.MustCompile(`(?m)[ {-]` + key + `:|^` + key + `:`).MatchString(full) {
				t.Errorf("the file does not show the key %s of %s", key, what)
			}
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

// knownKeys asks every part of the file for a key that it does not have: the error lists those that it has.
func knownKeys(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for what, text := range map[string]string{
		"the file": "zzzzzzzzzz: 1\n", "a service": "services: [{zzzzzzzzzz: 1}]\n", "a rule": "rules: [{zzzzzzzzzz: 1}]\n",
		"bigquery": "bigquery: {zzzzzzzzzz: 1}\n", "an allowlist entry": "allowlist: [{zzzzzzzzzz: 1}]\n",
		"an entry of allowlist_files": "allowlist_files: [{zzzzzzzzzz: 1}]\n", "an entry of allowlist_urls": "allowlist_urls: [{zzzzzzzzzz: 1}]\n",
		"a crawler": "crawlers: [{zzzzzzzzzz: 1}]\n", "trust": "trust: {zzzzzzzzzz: 1}\n", "policy": "policy: {zzzzzzzzzz: 1}\n",
		"guard": "guard: {zzzzzzzzzz: 1}\n", "fastly": "fastly: {zzzzzzzzzz: 1}\n", "notify": "notify: {zzzzzzzzzz: 1}\n", "monitoring": "monitoring: {zzzzzzzzzz: 1}\n",
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path)
		for _, fault := range lines(err) {
			if _, keys, ok := strings.Cut(fault, " in "+what+": the keys are "); ok {
				all[what] = strings.Split(keys, ", ")
			}
		}
		if len(all[what]) == 0 {
			t.Fatalf("%s: no keys in %v", what, err)
		}
	}
	return all
}

// TestACopiedConfigurationWorksWithATokenFromTheEnvironment guards against a file that names what a copy does not have.
func TestACopiedConfigurationWorksWithATokenFromTheEnvironment(t *testing.T) {
	c, err := config.Load(filepath.Join(deploy, "edgewarden.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if c.FastlyTokenFile != "" || len(c.AllowlistFiles)+len(c.AllowlistURLs) > 0 || c.ListsCache != "" || c.Policy.RollUp != 0 {
		t.Errorf("a copy would look for files or places it does not have, or roll up: %+v", c)
	}
}

func TestTheStarterRulesAreSafe(t *testing.T) {
	rules, _, err := config.LoadRules(filepath.Join(deploy, "rules.yaml"))
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

// TestTheExamplesOfClassesLoad: those in comments and on the page of the rules are read as they stand.
func TestTheExamplesOfClassesLoad(t *testing.T) {
	root, err := filepath.Abs(deploy) // writing a file changes the folder
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, from, indent string }{
		{filepath.Join(root, "rules.yaml"), "#   classes:\n", "#   "},
		{filepath.Join(root, "../docs/rules.md"), "    classes:\n", "    "},
		{filepath.Join(root, "edgewarden.yaml"), "\n# classes:\n", "# "},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), c.from)
		example := "classes:\n"
		for line := range strings.Lines(after) {
			line, ok := strings.CutPrefix(line, c.indent)
			if !ok {
				break
			}
			example += line
		}
		if !strings.Contains(example, "rules:") {
			example += "rules:\n  - {name: heavy, window: 10m, when: weight >= 3000}\n"
		}
		rules, classes, err := config.LoadRules(write(t, example))
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.file, err, example)
		}
		set, actions, err := config.Compile(rules, 0, classes...)
		if err != nil || !set.Weighs() || len(classes) != 2 {
			t.Fatalf("%s: %v, %d classes", c.file, err, len(classes))
		}
		if a := actions["heavy"]; a.FloorOf != "weight" || !a.CountsOnly {
			t.Errorf("%s: heavy is %+v", c.file, a)
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
