package detect

import (
	"fmt"
	"strings"
)

// Error is a fault in a rule.
type Error struct {
	Rule         string
	Part         string // "where", "when", "window", "group", "name"; "rules" for the set as a whole
	Line, Column int    // in the file when known, else in the expression; 0 when the fault has no place
	Msg          string // what is wrong and what to do, with a suggestion where there is one
}

// Error says rule, part, place and message.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Rule != "" {
		fmt.Fprintf(&b, "rule %s: ", e.Rule)
	}
	b.WriteString(e.Part)
	if e.Line > 0 {
		fmt.Fprintf(&b, ": line %d, column %d", e.Line, e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Msg)
	return b.String()
}
