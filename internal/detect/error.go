package detect

import (
	"fmt"
	"strings"
)

// Error is a fault in a rule or a class.
type Error struct {
	Rule, Class  string // at most one of them; both empty for a fault of the set as a whole
	OfClass      bool   // of a class, which may have no name
	Part         string // "where", "when", "window", "group", "name", "weight"; "rules" or "classes" for all of them
	Line, Column int    // in the file when known, else in the expression; 0 when the fault has no place
	Msg          string // what is wrong and what to do, with a suggestion where there is one
}

// Error says rule, part, place and message.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Rule != "":
		fmt.Fprintf(&b, "rule %s: ", e.Rule)
	case e.OfClass:
		fmt.Fprintf(&b, "class %s: ", e.Class)
	}
	b.WriteString(e.Part)
	if e.Line > 0 {
		fmt.Fprintf(&b, ": line %d, column %d", e.Line, e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Msg)
	return b.String()
}
