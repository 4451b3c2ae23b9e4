package plain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = '…'

// maxMarks is how many combining marks may follow each other. Living languages
// need fewer; more of them paint over the lines above and below.
const maxMarks = 4

// Text makes s safe to print on a terminal, a page, in chat or a log. Control
// bytes (ESC with its CSI and OSC sequences, C1, NUL, line ends), bidirectional
// overrides and isolates, invisible characters, line separators, odd spaces and
// invalid UTF-8 become visible escapes such as \x1b and \u202e. max is the number
// of runes kept, the ellipsis of a cut text included; 0 or less keeps all. An escape is
// never cut in half. Text of a Text is the same text.
func Text(s string, max int) string {
	switch {
	case max > 0 && len(s) > max && isPlainASCII(s[:max+1]): // one more rune than fits
		return s[:max-1] + string(ellipsis)
	case (max <= 0 || len(s) <= max) && isPlainASCII(s):
		return s
	}
	w := writer{max: max}
	for marks := 0; len(s) > 0; {
		r, size := utf8.DecodeRuneInString(s)
		if unicode.IsMark(r) {
			marks++
		} else {
			marks = 0
		}
		fits := false
		switch {
		case r == utf8.RuneError && size == 1:
			fits = w.add(fmt.Sprintf(`\x%02x`, s[0]))
		case marks > maxMarks || !visible(r):
			marks = 0
			fits = w.add(escape(r))
		default:
			fits = w.add(s[:size])
		}
		if !fits {
			break
		}
		s = s[size:]
	}
	return w.String()
}

// isPlainASCII is the fast path: most text of a log is that.
func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// visible reports whether r shows itself, and nothing but itself.
func visible(r rune) bool {
	return unicode.IsPrint(r) && r != '\u2800' && // BRAILLE PATTERN BLANK: a symbol that looks like nothing
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// writer collects pieces up to max runes. It remembers where the last piece ended
// that leaves room for the ellipsis, so that a cut text still fits.
type writer struct {
	b        strings.Builder
	max      int // 0 or less: no limit
	runes    int
	roomy    int // bytes up to which one more rune fits
	overflow bool
}

// add appends p whole or, if it does not fit, marks the text as cut.
func (w *writer) add(p string) bool {
	n := utf8.RuneCountInString(p)
	if w.max > 0 && w.runes+n > w.max {
		w.overflow = true
		return false
	}
	w.b.WriteString(p)
	w.runes += n
	if w.runes < w.max {
		w.roomy = w.b.Len()
	}
	return true
}

// String is the text, cut and ended by an ellipsis when something did not fit.
func (w *writer) String() string {
	if !w.overflow {
		return w.b.String()
	}
	return w.b.String()[:w.roomy] + string(ellipsis)
}
