package edgewarden_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notRunMark stands in a page before commands that need a real account, or what only the reader has. It holds to the next heading. Their flags are checked
// as those of all others; only TestTheWalkthroughOfTheReadme runs commands.
const notRunMark = "<!-- not run:"

// walkthrough is the section of README.md that TestTheWalkthroughOfTheReadme runs.
const walkthrough = "## By hand, on one machine"

// generatedPages hold no commands of our writing.
var generatedPages = []string{"docs/flags.md", "docs/fields.md", "docs/rules.md", "docs/metrics.md"}

// command is one simple command that a page shows.
type command struct {
	page    string
	line    int
	words   []string
	block   bool // in a code block, not in a sentence
	section string
	marked  bool // notRunMark stands before it
}

// TestEveryCommandInTheDocsIsOne finds every command of ours in README.md and docs/, in code blocks and in backticks. The
// program itself must take its words and flags, make must have its target, go must find its folder. In a code block it must also be run
// by a test or stand under a mark that says what it needs.
func TestEveryCommandInTheDocsIsOne(t *testing.T) {
	bin, dir := buildPrograms(t), t.TempDir()
	for _, name := range []string{"rules.yaml", "edgewarden.yaml", "plan.json", "FILE"} { // named on pages, made by their reader
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	checked := 0
	for _, c := range commandsOfThePages(t) {
		problem := c.problem(bin, dir)
		if problem == "" && c.block && c.ours() && !c.printsOnly() && !c.marked && c.section != walkthrough {
			problem = "is in a code block, is run by no test, and the page does not say what it would need: put a comment `" + notRunMark + " what it needs -->` before it, or run it in a test"
		}
		if problem != "" {
			t.Errorf("%s:%d: `%s` %s", c.page, c.line, strings.Join(c.words, " "), problem)
		}
		checked++
	}
	if checked < 60 {
		t.Fatalf("only %d commands found: the test looks at the wrong places", checked)
	}
}

// TestACommandThatIsNoneIsSeen proves that the check can fail.
func TestACommandThatIsNoneIsSeen(t *testing.T) {
	bin := buildPrograms(t)
	for _, text := range []string{
		"blocker --no-such-flag", "blocker pllan", "bin/ingest serve --spool", "ingest spool burn", "make no-such-target", "cd bench && go run ./nothing", "gameday --seed many",
	} {
		for _, c := range commandsIn("page.md", "    x=1 "+text+" | cat", nil) {
			if c.words[0] != "cat" && c.words[0] != "cd" && c.problem(bin, t.TempDir()) == "" {
				t.Errorf("%q passes", text)
			}
		}
	}
}

// ours says that the command is one of the three programs.
func (c command) ours() bool {
	return slices.Contains([]string{"ingest", "blocker", "gameday"}, strings.TrimPrefix(c.words[0], "bin/"))
}

// printsOnly says that the command needs nothing and changes nothing, so that this test runs it as it stands.
func (c command) printsOnly() bool {
	return c.ours() && len(c.words) > 1 && slices.Contains([]string{"logformat", "version"}, c.words[1])
}

var (
	makeTarget = regexp.MustCompile(`(?m)^([a-z-]+):`)
	goFolder   = regexp.MustCompile(`^\./[a-z/]+$`)
)

// problem says what is wrong with a command; empty when nothing is.
func (c command) problem(bin, dir string) string {
	switch name := strings.TrimPrefix(c.words[0], "bin/"); {
	case c.ours():
		// Help is printed only after all words and flags before it were understood. What only prints is run.
		args := slices.Clone(c.words[1:])
		if !c.printsOnly() {
			args = append(args, "--help")
		}
		for i, arg := range args {
			if arg == "N" { // stands for a number of the reader's
				args[i] = "1"
			}
		}
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir}
		if out, err := cmd.CombinedOutput(); err != nil {
			return "is not understood: " + strings.Join(strings.Fields(string(out)), " ")
		}
	case name == "make":
		content, err := os.ReadFile("Makefile")
		if err != nil {
			return err.Error()
		}
		targets := makeTarget.FindAllStringSubmatch(string(content), -1)
		for _, w := range c.words[1:] {
			if !strings.Contains(w, "=") && !slices.ContainsFunc(targets, func(m []string) bool { return m[1] == w }) {
				return "names a target that the Makefile does not have"
			}
		}
	case name == "go":
		for _, w := range c.words[1:] {
			if goFolder.MatchString(w) && !exists(w) && !exists(filepath.Join("bench", w)) {
				return "names a folder that does not exist"
			}
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// commandsOfThePages reads README.md and the pages of docs/ that people write.
func commandsOfThePages(t *testing.T) []command {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []command
	for _, page := range append(pages, "README.md", "SECURITY.md") {
		if slices.Contains(generatedPages, page) {
			continue
		}
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, commandsIn(page, string(content), map[string]string{"B": "blocker --config edgewarden.yaml"})...)
	}
	return all
}

var (
	span       = regexp.MustCompile("`([^`]+)`")
	assignment = regexp.MustCompile(`^([A-Za-z_]+)="([^"]*)"$`)
	variable   = regexp.MustCompile(`\$([A-Za-z_]+)`)
	heredoc    = regexp.MustCompile(`<<'?([A-Z]+)'?`)
	programs   = []string{"ingest", "blocker", "gameday", "make", "go"}
)

// commandsIn finds the commands of a page. Code blocks are fenced or indented by four blanks or more; in a sentence, only a
// span in backticks with a subcommand or a flag is taken for a command.
func commandsIn(page, content string, vars map[string]string) (all []command) {
	known := map[string]string{}
	for name, value := range vars {
		known[name] = value
	}
	var section, until string
	fenced, marked := false, false
	lines := strings.Split(content, "\n")
	for i := 0; i < len(lines); i++ {
		line, n := lines[i], i+1
		trimmed := strings.TrimSpace(line)
		switch {
		case until != "":
			if trimmed == until {
				until = ""
			}
			continue
		case strings.HasPrefix(trimmed, "```"):
			fenced = !fenced
			continue
		case !fenced && strings.HasPrefix(line, "#"):
			section, marked = line, false
		case strings.HasPrefix(trimmed, notRunMark):
			marked = true
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				text := expand(m[1], known)
				words := shellWords(text)
				if len(words) > 0 && len(words[0]) > 1 && !strings.ContainsAny(strings.Split(text, " --")[0], "|<>[") {
					all = appendOurs(all, command{page: page, line: n, words: words[0], section: section, marked: marked})
				}
			}
			continue
		}
		for strings.HasSuffix(trimmed, `\`) && i+1 < len(lines) {
			i++
			trimmed = strings.TrimSuffix(trimmed, `\`) + strings.TrimSpace(lines[i])
		}
		if m := heredoc.FindStringSubmatch(trimmed); m != nil {
			until = m[1]
		}
		if m := assignment.FindStringSubmatch(trimmed); m != nil {
			known[m[1]] = m[2]
			continue
		}
		for _, words := range shellWords(expand(trimmed, known)) {
			all = appendOurs(all, command{page: page, line: n, words: words, block: true, section: section, marked: marked})
		}
	}
	return all
}

// appendOurs appends a command that is of interest, without assignments before it.
func appendOurs(all []command, c command) []command {
	for len(c.words) > 0 && strings.Contains(c.words[0], "=") {
		c.words = c.words[1:]
	}
	if len(c.words) == 0 || !slices.Contains(programs, strings.TrimPrefix(c.words[0], "bin/")) {
		return all
	}
	return append(all, c)
}

func expand(text string, vars map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := vars[v[1:]]; ok {
			return value
		}
		return v
	})
}

// shellWords splits a line into simple commands and their words, as far as the pages need it: quotes, comments, pipes,
// lists. What comes after a redirection belongs to no command.
func shellWords(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	var quote rune
	started, redirected := false, false
	endWord := func() {
		if started && !redirected {
			words = append(words, word.String())
		}
		redirected = redirected && !started
		word.Reset()
		started = false
	}
	end := func() {
		endWord()
		if len(words) > 0 {
			commands = append(commands, words)
		}
		words, redirected = nil, false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, started = r, true
		case r == '#' && !started:
			end()
			return commands
		case r == ' ' || r == '\t':
			endWord()
		case r == ';' || r == '|' || r == '&':
			end()
		case r == '>' || r == '<':
			endWord()
			redirected = true
		default:
			word.WriteRune(r)
			started = true
		}
	}
	end()
	return commands
}
