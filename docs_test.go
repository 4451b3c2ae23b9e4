package edgewarden_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

var update = flag.Bool("update", false, "write the generated files of docs/ anew")

// TestGeneratedDocsAreFresh fails when a page that is made from the code no longer says what the code does.
// `go test . -run GeneratedDocs -update` writes them.
func TestGeneratedDocsAreFresh(t *testing.T) {
	pages := map[string]string{
		"docs/fields.md": fieldsPage(),
		"docs/rules.md":  rulesPage(),
		"docs/flags.md":  flagsPage(t),
		"docs/scale.md":  scalePage(t),
	}
	for path, want := range pages {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is stale: run `go test . -run GeneratedDocs -update`", path)
		}
	}
}

const generated = "<!-- Made from the code by `go test . -run GeneratedDocs -update`; a test fails when it is stale. -->\n\n"

func fieldsPage() string {
	var b strings.Builder
	b.WriteString("# Fields of a record\n\n" + generated +
		"One line of the log, as it is stored: columns of the lake, keys of Cloud Logging's `jsonPayload`, columns of the BigQuery table.\n\n| field | type | from | meaning |\n|---|---|---|---|\n")
	origins := map[record.Origin]string{record.FromLine: "the line", record.ByIngest: "ingest", record.Computed: "computed"}
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		unit := info.Type.String()
		if info.Unit != "" {
			unit += ", " + info.Unit
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", info.Name, unit, origins[info.Origin], info.Meaning)
	}
	return b.String()
}

func rulesPage() string {
	var b strings.Builder
	b.WriteString("# Rules\n\n" + generated + `A rule says which requests count (` + "`where`" + `), how far back (` + "`window`" + `), what is counted together (` + "`group`" + `), and who is an offender (` + "`when`" + `).
Conditions are written in CEL, in a closed subset: ` + "`&& || !`, `== != < <= > >=`, `in [ … ]`, `startsWith`, `endsWith`, `contains`, `matches` (RE2)" + `, literals and parentheses.
Anything else is an error with line and column. A field that a line does not carry is ` + "`\"\"`, `0` or `false`" + `, never NULL. deploy/rules.yaml has rules to start from.

The path is what the client sent. Many origins answer ` + "`/LOGIN`, `//login`, `/x/../login` and `/%6cogin` as they answer `/login`, so a rule with `path.startsWith(\"/login\")`" + ` alone is easy to get round.
Write ` + "`path.matches(\"(?i)^/login\")`" + `, and add what no browser writes, an empty or dot segment or a percent sign before a character that needs none:
` + "`|| path.matches(\"(?i)//|/[.]{1,2}(/|$)|%(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)\")`" + `.

## What where can use

`)
	names(&b, detect.WhereNames())
	b.WriteString("\n## What when can use\n\n")
	names(&b, detect.WhenNames())
	fmt.Fprintf(&b, `
## What a request weighs

Not every request costs the same: an image from the cache costs nothing, a login costs a hash of a password. A list `+"`classes:` beside `rules:`"+` says what requests weigh,
and a rule whose `+"`when`"+` names `+"`weight`"+` counts by that:

    classes:
      - {name: cached, where: cache.startsWith("HIT"), weight: 0}
      - {name: login, where: method == "POST" && path.matches("(?i)^/login"), weight: 20}
    rules:
      - {name: heavy, window: 10m, when: weight >= 3000, block: 1h}

A class has a name, a `+"`where`"+` as a rule has, and a weight, a whole number from 0 to %d. At most %d are looked at, in the order of the file: the first whose where holds says what a request
weighs, and one that is in none weighs 1. The same classes hold for all rules; a service may have `+"`classes:`"+` of its own, in place of the file's.
Only weight looks at them: `+"`requests`, `errors`, `peak_per_minute`"+` and the others count every request that the rule's where lets in, and a request that weighs 0 is among them.
When no rule names weight, nothing is read or computed for it; when one does, the query reads the columns that the classes name, and still each once.

`+"`weight >= 3000`"+` is a lower bound on a count, as `+"`requests >= 3000`"+` is: missing log lines can hide an offender from it, but never make one. A client needs as few requests as the heaviest class
allows (150 that weigh 20 each), so mind what a weight does to somebody who is not an attacker; and what weighs 0 is invisible to such a rule, so keep one on requests beside it, the more so
where a class goes by the path, which is the client's choice. Where a plan has room for some offenders only, those with the most requests go first, whatever they weigh. Try them with `+"`blocker rules test`, `blocker backtest` and `blocker suggest`"+`.

Requests that our ACL refused weigh what their own log lines say. They carry the method and path they were sent with, but no cache hit and no status of the origin, so classes
by path keep telling them apart and classes by cache do not. It matters for one thing only: while an address goes on as before, its block is prolonged.
`, detect.MaxWeight, detect.MaxClasses)
	return b.String()
}

func names(b *strings.Builder, list []detect.Name) {
	b.WriteString("| name | type | meaning |\n|---|---|---|\n")
	for _, n := range list {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", n.Name, n.Type, n.Meaning)
	}
}

// commands lists every command whose --help is part of docs/flags.md.
var commands = [][]string{
	{"ingest", "serve"}, {"ingest", "import"}, {"ingest", "spool", "verify"}, {"ingest", "spool", "stats"}, {"ingest", "spool", "dump"}, {"ingest", "spool", "replay"}, {"ingest", "lint-format"}, {"ingest", "fastly-setup"}, {"ingest", "logformat"}, {"ingest", "completion"},
	{"blocker"}, {"blocker", "run"}, {"blocker", "plan"}, {"blocker", "apply"}, {"blocker", "explain"}, {"blocker", "backtest"}, {"blocker", "suggest"}, {"blocker", "rules", "test"}, {"blocker", "notify", "test"}, {"blocker", "audit", "verify"}, {"blocker", "audit", "show"}, {"blocker", "block"}, {"blocker", "unblock"}, {"blocker", "stop"}, {"blocker", "start"}, {"blocker", "purge"}, {"blocker", "status"}, {"blocker", "check"}, {"blocker", "completion"},
	{"gameday", "rehearse"}, {"gameday", "play"}, {"gameday", "fastly"},
}

func flagsPage(t *testing.T) string {
	t.Helper()
	bin := buildPrograms(t)
	var b strings.Builder
	b.WriteString("# Flags\n\n" + generated + "Every flag is also an environment variable: EDGEWARDEN_ and its name in capitals, with _ for -. Secrets have no flag: they come from the environment or a file.\n")
	for _, c := range commands {
		var out bytes.Buffer
		cmd := exec.Command(filepath.Join(bin, c[0]), append(c[1:], "--help")...)
		cmd.Env = []string{"COLUMNS=120", "HOME=/"}
		cmd.Stdout = &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v --help: %v", c, err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s```\n", strings.Join(c, " "), out.String())
	}
	return b.String()
}

// TestDocsNameWhatExists follows every relative path that a page names in backticks or a link.
func TestDocsNameWhatExists(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "README.md", "ARCHITECTURE.md", "SECURITY.md")
	path := regexp.MustCompile(`\b(?:deploy|docs|internal|cmd|testdata)/[A-Za-z0-9_./-]*[A-Za-z0-9_]`)
	found := 0
	for _, page := range pages {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range path.FindAllString(string(content), -1) {
			found++
			if _, err := os.Stat(name); err != nil && !strings.Contains(name, "…") {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
	}
	if found < 10 {
		t.Fatalf("only %d paths found: the test looks at the wrong pages", found)
	}
}

// TestNoTraceOfTheWorkshop keeps the paths of the machine it runs on out of the tree.
func TestNoTraceOfTheWorkshop(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	forbidden := []string{here + "/"}
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		forbidden = append(forbidden, home+"/")
	}
	read := 0
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == "bin" || name == "data"):
			return fs.SkipDir
		case d.IsDir() || name == ".git": // a worktree's .git is a file that names its repository
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read++
		for _, path := range forbidden {
			if bytes.Contains(content, []byte(path)) {
				t.Errorf("%s holds %q", name, path)
			}
		}
		return nil
	})
	if err != nil || read < 100 {
		t.Fatalf("read %d files: %v", read, err)
	}
}
