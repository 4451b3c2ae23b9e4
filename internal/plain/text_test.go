package plain_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"edgewarden/internal/plain"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, in string
		max      int
		want     string
	}{
		{"ordinary text stays", "GET /login?x=1 ~", 0, "GET /login?x=1 ~"},
		{"other scripts stay", "Grüße, 東京, עברית, 😀", 0, "Grüße, 東京, עברית, 😀"},
		{"a combining accent stays", "e\u0301", 0, "e\u0301"},
		{"nothing stays nothing", "", 5, ""},
		{"an escape sequence that clears the screen shows itself", "\x1b[2Jx", 0, `\x1b[2Jx`},
		{"an OSC that sets the window title shows itself", "\x1b]0;owned\a", 0, `\x1b]0;owned\x07`},
		{"an 8-bit CSI as a rune shows itself", "\u009b31m", 0, `\u009b31m`},
		{"an 8-bit CSI as a raw byte shows itself", "\x9b31m", 0, `\x9b31m`},
		{"NUL and DEL show themselves", "a\x00b\x7f", 0, `a\x00b\x7f`},
		{"line ends and tabs cannot start a line of their own", "a\nb\r\nc\td", 0, `a\nb\r\nc\td`},
		{"line and paragraph separators show themselves", "a\u2028b\u2029c\u0085", 0, `a\u2028b\u2029c\u0085`},
		{"a bidirectional override shows itself", "exe\u202egpj", 0, `exe\u202egpj`},
		{"bidirectional isolates and marks show themselves", "\u2066a\u2069\u200e\u061c", 0, `\u2066a\u2069\u200e\u061c`},
		{"zero width characters show themselves", "a\u200bb\u200dc\ufeff\u2060", 0, `a\u200bb\u200dc\ufeff\u2060`},
		{"fillers that look like nothing show themselves", "\u3164\u115f\u2800\ufe0f", 0, `\u3164\u115f\u2800\ufe0f`},
		{"tag characters outside the BMP show themselves", "\U000e0041", 0, `\U000e0041`},
		{"private use and odd spaces show themselves", "\ue000\u00a0\u3000", 0, `\ue000\u00a0\u3000`},
		{"invalid UTF-8 shows its bytes", "\xff\xc3(", 0, `\xff\xc3(`},
		{"a surrogate written as UTF-8 shows its bytes", "\xed\xa0\x80", 0, `\xed\xa0\x80`},
		{"a replacement character that was sent stays", "\ufffd", 0, "\ufffd"},
		{"the fifth combining mark in a row is one too many", "a\u0301\u0302\u0303\u0304\u0305", 0, "a\u0301\u0302\u0303\u0304" + `\u0305`},
		{"a text of the allowed length is not cut", "abcde", 5, "abcde"},
		{"a longer text ends in an ellipsis within the limit", "abcdef", 5, "abcd…"},
		{"runes are counted, not bytes", "äöüßé", 5, "äöüßé"},
		{"an escape is not cut in half", "abc\x1b", 5, "abc…"},
		{"an escape that fills the limit makes room for the ellipsis", "\x1bb", 4, "…"},
		{"a limit of one leaves the ellipsis", "abc", 1, "…"},
		{"a negative limit keeps all", "abc\n", -1, `abc\n`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := plain.Text(c.in, c.max); got != c.want {
				t.Errorf("Text(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[31m", "\u202eabc\u2069", "\xff\xfe", "a\u0301\u0301\u0301\u0301\u0301\u0301", "\u009d0;x\u009c", "\\x1b", "…"} {
		f.Add(s, 0)
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, max int) {
		got := plain.Text(s, max)
		if !utf8.ValidString(got) {
			t.Fatalf("Text(%q, %d) = %q is not UTF-8", s, max, got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Variation_Selector, r) {
				t.Fatalf("Text(%q, %d) = %q lets %U through", s, max, got, r)
			}
		}
		if n := utf8.RuneCountInString(got); max > 0 && n > max {
			t.Fatalf("Text(%q, %d) has %d runes", s, max, n)
		}
		if again := plain.Text(got, max); again != got {
			t.Fatalf("Text is not stable: %q, then %q", got, again)
		}
	})
}

func BenchmarkText(b *testing.B) {
	for name, s := range map[string]string{
		"plain":   strings.Repeat("/products/list?page=12&sort=asc ", 8),
		"hostile": strings.Repeat("\x1b[31m/p\u202eth\xff ", 16),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				plain.Text(s, 200)
			}
		})
	}
}
