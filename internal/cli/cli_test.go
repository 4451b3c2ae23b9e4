package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"edgewarden/internal/cli"
)

// grammar is a command line with what a script could stumble over.
type grammar struct {
	Color string `enum:"red,blue" default:"red" help:"It's a colour: any."`
	Get   struct {
		File string `arg:"" type:"path" help:"What to get."`
	} `cmd:"" help:"Don't ask."`
	Inner struct {
		Deep struct{} `cmd:"" help:"Far down."`
	} `cmd:"" help:"A room."`
	Secret struct{} `cmd:"" hidden:"" help:"Not shown."`
}

func model() *kong.Application { return kong.Must(&grammar{}, kong.Name("tool")).Model }

func TestScriptsHoldEveryCommandButHiddenOnes(t *testing.T) {
	for shell, want := range map[string][]string{
		"bash": {"_tool()", "'get inner --color --help'", "red blue", "compgen -f"},
		"zsh":  {"#compdef tool", `'get:Don'\''t ask.'`, "compadd -- red blue", "_files"},
		"fish": {"complete -c tool", `-d 'It'\''s a colour: any.'`, "-a 'red blue'", "-F"},
	} {
		script, err := cli.Completion(model(), shell)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(script, w) {
				t.Errorf("%s: no %q in\n%s", shell, w, script)
			}
		}
		if strings.Contains(script, "secret") {
			t.Errorf("%s offers a hidden command", shell)
		}
	}
	if _, err := cli.Completion(model(), "tcsh"); err == nil {
		t.Error("a script for a shell that nobody knows")
	}
}

func TestExamplesStandInTheHelpOfTheirCommand(t *testing.T) {
	m := model()
	if err := cli.Teach(m, map[string][]string{"inner deep": {"tool inner deep"}}); err != nil {
		t.Fatal(err)
	}
	if got := m.Children[1].Children[0].Detail; got != "Examples:\n  tool inner deep" {
		t.Errorf("%q", got)
	}
	if err := cli.Teach(m, map[string][]string{"outer": {"tool outer"}}); err == nil {
		t.Error("examples of a command that does not exist")
	}
	got := cli.Commands(m)
	slices.Sort(got)
	if !slices.Equal(got, []string{"get", "inner deep"}) {
		t.Errorf("%q", got)
	}
}
