package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Completion gives a shell's completion script for a program: every command, flag and closed set of values. The script holds
// them all, so completing starts no program.
func Completion(app *kong.Application, shell string) (string, error) {
	p := read(app)
	switch shell {
	case "bash":
		return p.bash(), nil
	case "zsh":
		return p.zsh(), nil
	case "fish":
		return p.fish(), nil
	}
	return "", fmt.Errorf("no completion for %q: want bash, zsh or fish", shell)
}

// program is what a completion script knows.
type program struct {
	name   string
	levels []level
}

// level is a place on the command line: the program itself, or a command.
type level struct {
	at       string // "", "/audit", "/audit/show"
	commands []word
	flags    []flag
	values   []string // of the first argument
	takes    takes    // what the arguments are
}

type word struct{ text, help string }

type flag struct {
	name   string // without the dashes
	short  string
	help   string
	values []string
	takes  takes
}

// takes says what follows: nothing, anything, a file or a folder.
type takes int

const (
	nothing takes = iota
	anything
	aFile
	aFolder
)

func read(app *kong.Application) program {
	p := program{name: app.Name}
	p.add(app.Node, "")
	return p
}

func (p *program) add(n *kong.Node, at string) {
	l := level{at: at}
	if len(n.Positional) > 0 {
		l.values, l.takes = values(n.Positional[0].Enum), kindOf(n.Positional[0])
	}
	flags := n.AllFlags(true)
	if n.DefaultCmd != nil { // its flags hold without its name
		flags = append(flags, n.DefaultCmd.Flags)
	}
	for _, group := range flags {
		for _, f := range group {
			one := flag{name: f.Name, help: f.Help, values: values(f.Enum), takes: kindOf(f.Value)}
			if f.Short != 0 {
				one.short = string(f.Short)
			}
			l.flags = append(l.flags, one)
		}
	}
	slices.SortFunc(l.flags, func(a, b flag) int { return cmp.Compare(a.name, b.name) })
	l.flags = slices.CompactFunc(l.flags, func(a, b flag) bool { return a.name == b.name })
	for _, c := range n.Children {
		if c.Type == kong.CommandNode && !c.Hidden {
			l.commands = append(l.commands, word{c.Name, c.Help})
		}
	}
	p.levels = append(p.levels, l)
	for _, c := range n.Children {
		if c.Type == kong.CommandNode && !c.Hidden {
			p.add(c, at+"/"+c.Name)
		}
	}
}

func values(enum string) (out []string) {
	for _, v := range strings.Split(enum, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// kindOf reads what a value is from its type and its placeholder: FILE and DIR are what the help shows.
func kindOf(v *kong.Value) takes {
	name := v.Tag.PlaceHolder
	switch {
	case v.IsBool() || v.IsCounter():
		return nothing
	case strings.Contains(name, "DIR"):
		return aFolder
	case strings.Contains(name, "FILE"), v.Tag.Type == "path", v.Tag.Type == "existingfile", v.Name == "file":
		return aFile
	}
	return anything
}

// words is what a level offers.
func (l level) words() (out []string) {
	for _, c := range l.commands {
		out = append(out, c.text)
	}
	out = append(out, l.values...)
	for _, f := range l.flags {
		out = append(out, "--"+f.name)
	}
	return out
}

// valued are the flags of all levels that take a value, once each.
func (p program) valued() (out []flag) {
	seen := map[string]bool{}
	for _, l := range p.levels {
		for _, f := range l.flags {
			if f.takes != nothing && !seen[f.name] {
				seen[f.name] = true
				out = append(out, f)
			}
		}
	}
	return out
}

// patterns are the spellings of flags as alternatives of a case.
func patterns(flags []flag) string {
	var out []string
	for _, f := range flags {
		out = append(out, "--"+f.name)
		if f.short != "" {
			out = append(out, "-"+f.short)
		}
	}
	return strings.Join(out, "|")
}

// paths are the levels below the program as alternatives of a case.
func (p program) paths() string {
	var out []string
	for _, l := range p.levels[1:] {
		out = append(out, l.at)
	}
	return strings.Join(out, "|")
}

// quote makes a word of a shell out of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
