package terminal

import (
	"strings"

	"github.com/rivo/uniseg"
)

// narrowest is the least room that wrapped text is given; on a screen that is narrower still lines are as long as they are.
const narrowest = 20

// Field is a piece of a line that is never broken: an address, a rule's name, a duration.
type Field struct {
	Text  string
	Style Style
}

// Width is how many columns a text takes: two for a wide character, none for a combining mark.
func Width(text string) int {
	n := simple(text)
	if n < len(text) {
		n += uniseg.StringWidth(text[n:])
	}
	return n
}

// simple is how many characters at the beginning of a text are surely of one byte and one column, which is what most text is. The
// last one before anything else is not counted, since a mark may follow it.
func simple(text string) int {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return max(i-1, 0)
		}
	}
	return len(text)
}

// Pad fills a text with blanks up to n columns; longer text stays as it is.
func Pad(text string, n int) string {
	if w := Width(text); w < n {
		return text + strings.Repeat(" ", n-w)
	}
	return text
}

// Cut keeps as much of a text as n columns hold, the ellipsis of a cut text included. 0 or less keeps all.
func Cut(text string, n int) string {
	if n <= 0 || Width(text) <= n {
		return text
	}
	head, _ := split(text, n-1)
	return head + "…"
}

// split parts a text after the last character that n columns hold; a character is never parted from its marks.
func split(text string, n int) (head, tail string) {
	begin := min(simple(text), max(n, 0))
	used, at := begin, begin
	for g := uniseg.NewGraphemes(text[begin:]); used < n && g.Next(); {
		if used+g.Width() > n {
			break
		}
		used += g.Width()
		_, end := g.Positions()
		at = begin + end
	}
	return text[:at], text[at:]
}

// Line joins fields by two blanks. What does not fit goes on in a new line, indented by indent columns.
func (s Screen) Line(indent int, fields ...Field) string { return s.join("  ", indent, 0, fields) }

// Wrap breaks a text between words, and a word that is longer than a line anywhere. Every line is indented.
func (s Screen) Wrap(indent int, text string) string {
	var words []Field
	for _, w := range strings.Fields(text) {
		for room := s.room(indent); room > 0 && Width(w) > room; {
			head, tail := split(w, room)
			if head == "" {
				break
			}
			words, w = append(words, Field{Text: head}), tail
		}
		words = append(words, Field{Text: w})
	}
	return strings.Repeat(" ", indent) + s.join(" ", indent, indent, words)
}

// Fit is one indented line, cut where it would not fit.
func (s Screen) Fit(indent int, text string) string {
	return strings.Repeat(" ", indent) + Cut(text, s.room(indent))
}

// room is how many columns there are beside an indent; 0 means no limit.
func (s Screen) room(indent int) int {
	if s.Width <= 0 {
		return 0
	}
	return max(s.Width-indent, narrowest)
}

// join lays fields out from column at on.
func (s Screen) join(blank string, indent, at int, fields []Field) string {
	var b strings.Builder
	end := indent + s.room(indent)
	for i, f := range fields {
		w := Width(f.Text)
		switch {
		case i == 0:
		case s.Width > 0 && at+len(blank)+w > end:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteString(blank)
			at += len(blank)
		}
		b.WriteString(s.Paint(f.Style, f.Text))
		at += w
	}
	return b.String()
}
