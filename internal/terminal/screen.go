package terminal

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Screen is what a stream ends in. The zero Screen is a file: lines of any length, no colour.
type Screen struct {
	Width int  // columns; 0 means no limit
	Color bool // ANSI colours are understood and wanted
}

// When is the value of --color.
type When string

// The values of --color. Auto is colour on a terminal, unless NO_COLOR is set or TERM is dumb. https://no-color.org
const (
	Auto   When = "auto"
	Always When = "always"
	Never  When = "never"
)

// Of looks at a stream. COLUMNS, where it is a number above zero, goes before what the terminal says, also for a stream that is
// none.
func Of(w io.Writer, getenv func(string) string, color When) Screen {
	fd, on := descriptor(w)
	s := Screen{Color: color == Always || color != Never && on && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		s.Width = n
	} else if on {
		s.Width, _, _ = term.GetSize(fd) // 0 on an error: no limit
	}
	return s
}

// IsTerminal reports whether a person may be watching the stream.
func IsTerminal(w io.Writer) bool {
	_, on := descriptor(w)
	return on
}

func descriptor(w io.Writer) (fd int, on bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// Style is a meaning that is shown as a colour.
type Style string

// The styles; the zero Style is plain text.
const (
	Good    Style = "32"   // what is put in: green, as in a diff
	Gone    Style = "31"   // what is taken out: red
	Changed Style = "33"   // yellow
	Refused Style = "35"   // magenta
	Alarm   Style = "1;31" // what a person must read
	Strong  Style = "1"
	Quiet   Style = "2"
)

// Paint colours text where colours are wanted.
func (s Screen) Paint(style Style, text string) string {
	if !s.Color || style == "" || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}
