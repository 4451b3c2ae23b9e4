package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	commandline "edgewarden/internal/cli"
)

func TestEveryCommandTeachesByExamplesThatParse(t *testing.T) {
	folder := t.TempDir()
	config := writeFile(t, filepath.Join(folder, "edgewarden.yaml"), "ingest: {spool: ./data/spool}\n")
	for _, command := range commandline.Commands(kong.Must(&cli{}).Model) {
		if n := len(examples[command]); command != "version" && n < 2 {
			t.Errorf("%s has %d examples, want 2 or 3", command, n)
		}
	}
	for command, lines := range examples {
		for _, line := range lines {
			_, words, found := strings.Cut(line, "ingest ")
			words = regexp.MustCompile(`\)?( [|&]{1,2} .*)?$`).ReplaceAllString(words, "")
			args := strings.Fields(strings.ReplaceAll(words, "edgewarden.yaml", config))
			_, parsed, _, err := parseAll(args, func(string) string { return "" }, io.Discard)
			if !found || err != nil || parsed == nil || !strings.HasPrefix(parsed.Command(), command) {
				t.Errorf("%s: an example of %q: %v", line, command, err)
			}
		}
	}
	if _, stdout, _ := invoke(t, nil, "import", "--help"); !strings.Contains(stdout, examples["import"][0]) {
		t.Errorf("help without its examples:\n%s", stdout)
	}
}

func TestBashCompletesItsCommands(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash here")
	}
	_, script, _ := invoke(t, nil, "completion", "bash")
	file := writeFile(t, filepath.Join(t.TempDir(), "completion"), script+"\nCOMP_WORDS=(ingest spool re) COMP_CWORD=2\n_ingest\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
	cmd := exec.Command(bash, "--noprofile", "--norc", file)
	cmd.Env = os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "replay\n" {
		t.Errorf("%v: %s", err, out)
	}
}
