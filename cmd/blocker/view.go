package main

import (
	"fmt"
	"strings"

	"edgewarden/internal/acl"
	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
	"edgewarden/internal/terminal"
)

// view is how a call's text is shown.
type view struct {
	again  func(service string) string // flags that a command about a service needs
	screen terminal.Screen
	all    bool                                         // --all
	undo   func(service string) func(acl.Change) string // nil functions of it mean no commands
}

// top is how many changes of each kind a screen shows without --all.
const top = 60

// max is how many changes of each kind are shown; 0 means all. A file or a pipe gets all: who searches it for an address must
// not miss one.
func (v view) max() int {
	if v.all || v.screen.Width == 0 {
		return 0
	}
	return top
}

// view is how this call's text is shown on its stdout.
func (p *program) view() view {
	return view{screen: p.screen, all: p.flags.All, undo: p.undo, again: p.again}
}

// say prints a sentence that may hold text from anywhere; head, if there is one, stands before it in the style.
func (v view) say(b *strings.Builder, style terminal.Style, head, text string) {
	text = plain.Text(text, 0)
	if head == "" {
		head, text = text, ""
	}
	whole := head
	if text != "" {
		whole += " " + text
	}
	lines := strings.Replace(v.screen.Wrap(2, whole), "  ", "", 1)
	if v.screen.Color && style != "" {
		if rest, ok := strings.CutPrefix(lines, head); ok {
			lines = v.screen.Paint(style, head) + rest
		}
	}
	fmt.Fprintln(b, lines)
}

// undo names the command that takes a change back, complete with what this call was told about the service. An entry of the
// allowlist or of the shadow ACL needs none: the first comes from the configuration, the second refuses nobody.
func (p *program) undo(service string) func(acl.Change) string {
	if service == "" {
		return nil // nothing was read from an edge and nothing can be written to one
	}
	tail := p.again(service)
	return func(c acl.Change) string {
		command := ""
		switch taken := c.Op == acl.Delete; {
		case !c.Prefix.IsValid():
			return ""
		case c.Mark.Kind == policy.KindBlock && taken, c.Mark.Kind == policy.KindExempt && !taken:
			command = "block " + policy.Key(c.Prefix) + " --for 1h"
		case c.Mark.Kind == policy.KindBlock, c.Mark.Kind == policy.KindExempt:
			command = "unblock " + policy.Key(c.Prefix)
		default:
			return ""
		}
		return "blocker " + command + " --reason 'undo " + map[bool]string{false: "block", true: "release"}[strings.HasPrefix(command, "block")] + "' " + tail
	}
}

// again is the flags of this call that name what it works on, for a command about one service.
func (p *program) again(service string) string {
	words := p.flagsForPeople()
	if p.flags.Config != "" && p.flags.ServiceID == "" {
		words = append(words, "--service-id "+shellWord(service)) // the file may hold several
	}
	if p.flags.Now != "" {
		words = append(words, "--now "+shellWord(p.flags.Now))
	}
	return strings.Join(words, " ")
}
