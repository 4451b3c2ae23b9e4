package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	commandline "edgewarden/internal/cli"
)

func TestEveryCommandTeachesByExamplesThatParse(t *testing.T) {
	parser, err := newParser(&cli{}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range commandline.Commands(parser.Model) {
		if n := len(examples[command]); command != "version" && n < 2 {
			t.Errorf("%s has %d examples, want 2 or 3", command, n)
		}
	}
	for command, lines := range examples {
		for _, line := range lines {
			args := exampleArgs(t, line)
			fresh, err := newParser(&cli{}, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := fresh.Parse(args)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if command != "" && !strings.HasPrefix(parsed.Command(), command) {
				t.Errorf("%s: parsed as %q, is an example of %q", line, parsed.Command(), command)
			}
		}
	}
	var stdout bytes.Buffer
	if code := run(t.Context(), []string{"unblock", "--help"}, func(string) string { return "" }, &stdout, io.Discard); code != exitOK || !strings.Contains(stdout.String(), examples["unblock"][0]) {
		t.Errorf("exit code %d, help without its examples:\n%s", code, stdout.String())
	}
}

// exampleArgs takes an example apart as a shell does: what stands before blocker and after a pipe is not ours.
func exampleArgs(t *testing.T, line string) (args []string) {
	t.Helper()
	_, line, found := strings.Cut(line, "blocker ")
	if !found {
		t.Fatalf("%q calls no blocker", line)
	}
	line, _, _ = strings.Cut(line, " | ")
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(strings.TrimSuffix(line, ")"), -1) {
		args = append(args, m[1]+m[2])
	}
	return args
}

// complete asks a shell what it offers after a line.
func complete(t *testing.T, shell, line string) []string {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("there is no %s here", shell)
	}
	var script bytes.Buffer
	if code := run(t.Context(), []string{"completion", shell}, func(string) string { return "" }, &script, io.Discard); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	file := filepath.Join(t.TempDir(), "completion")
	ask := `
words=(` + line + `)
[[ "${LINE: -1}" == " " ]] && words+=("")
COMP_WORDS=("${words[@]}") COMP_CWORD=$(( ${#words[@]} - 1 ))
_blocker
printf '%s\n' "${COMPREPLY[@]}"
`
	if shell == "fish" {
		ask = "\ncomplete -C \"$LINE\"\n"
	}
	if err := os.WriteFile(file, []byte(script.String()+ask), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--noprofile", "--norc", file)
	if shell == "fish" {
		cmd = exec.Command(path, "--no-config", file)
	}
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "LINE="+line, "HOME="+cmd.Dir)
	if err := os.WriteFile(filepath.Join(cmd.Dir, "edgewarden.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	var words []string
	for l := range strings.Lines(string(out)) {
		word, _, _ := strings.Cut(strings.TrimSpace(l), "\t") // fish adds the help
		words = append(words, word)
	}
	return words
}

func TestShellsCompleteCommandsFlagsAndValues(t *testing.T) {
	for _, shell := range []string{"bash", "fish"} {
		t.Run(shell, func(t *testing.T) {
			for _, c := range []struct {
				line, want string
				alone      bool // nothing else is offered
			}{
				{"blocker un", "unblock", true},
				{"blocker audit ", "show verify", false},
				{"blocker --config run audit sh", "show", true}, // run is the value of a flag
				{"blocker --color ", "always auto never", true},
				{"blocker unblock 203.0.113.9 --ex", "--exempt", true},
				{"blocker --sched", "--schedule", true},
				{"blocker --config edge", "edgewarden.yaml", true},
				{"blocker completion ", "bash fish zsh", false},
				{"blocker apply edge", "edgewarden.yaml", true},
			} {
				got := complete(t, shell, c.line)
				for _, w := range strings.Fields(c.want) {
					if !slices.Contains(got, w) {
						t.Errorf("%q offers %q, not %q", c.line, got, w)
					}
				}
				if c.alone && len(got) != len(strings.Fields(c.want)) {
					t.Errorf("%q offers %q, want %q alone", c.line, got, c.want)
				}
			}
		})
	}
}

// Whether zsh reads the script can be said only where there is one.
func TestZshReadsItsCompletion(t *testing.T) {
	path, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("there is no zsh here")
	}
	var script bytes.Buffer
	run(t.Context(), []string{"completion", "zsh"}, func(string) string { return "" }, &script, io.Discard)
	file := filepath.Join(t.TempDir(), "completion")
	if err := os.WriteFile(file, []byte("autoload -Uz compinit && compinit -D -u\n"+script.String()+"\n[[ ${_comps[blocker]} == _blocker ]] && functions -c _blocker copy && print ok\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "-f", file).CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("%v: %s", err, out)
	}
}
