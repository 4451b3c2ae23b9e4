package terminal_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgewarden/internal/terminal"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestAFileHasNoWidthAndNoColour(t *testing.T) {
	var b bytes.Buffer
	for _, c := range []struct {
		getenv func(string) string
		color  terminal.When
		want   terminal.Screen
	}{
		{env(), terminal.Auto, terminal.Screen{}},
		{env(), terminal.Always, terminal.Screen{Color: true}},
		{env("NO_COLOR", "1"), terminal.Always, terminal.Screen{Color: true}},
		{env("COLUMNS", "60"), terminal.Never, terminal.Screen{Width: 60}},
		{env("COLUMNS", "-3"), terminal.Auto, terminal.Screen{}},
	} {
		if got := terminal.Of(&b, c.getenv, c.color); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.color, got, c.want)
		}
	}
}

func TestWideAndCombiningCharactersKeepTheColumns(t *testing.T) {
	for text, want := range map[string]int{"abc": 3, "漢字": 4, "e\u0301": 1, "": 0, "…": 1} {
		if got := terminal.Width(text); got != want {
			t.Errorf("%q is %d wide, want %d", text, got, want)
		}
		if got := terminal.Width(terminal.Pad(text, 9)); got != 9 {
			t.Errorf("%q padded is %d wide", text, got)
		}
	}
	for n := 1; n < 12; n++ {
		got := terminal.Cut("a漢e\u0301字字字字", n)
		if terminal.Width(got) > n || strings.HasSuffix(got, "e…") {
			t.Errorf("cut to %d: %q", n, got)
		}
	}
}

func TestWordsBreakOnlyWhereALineCannotHoldOne(t *testing.T) {
	s := terminal.Screen{Width: 30}
	if got, want := s.Wrap(4, "one two three four five six seven"), "    one two three four five\n    six seven"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for line := range strings.Lines(s.Wrap(4, strings.Repeat("漢", 100))) {
		if w := terminal.Width(strings.TrimSuffix(line, "\n")); w > 30 {
			t.Errorf("%d columns: %q", w, line)
		}
	}
	if got, want := s.Line(2, terminal.Field{Text: "+ block 203.0.113.9"}, terminal.Field{Text: "rule flood"}, terminal.Field{Text: "1h"}), "+ block 203.0.113.9\n  rule flood  1h"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestProgressOnATerminalIsDrawnOverAndWipedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := terminal.NewProgress(&b, true, 40, nil)
		p.Step("reading entries")
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if b.Len() > 0 {
			t.Errorf("said within a second: %q", b.String())
		}
		p.Step("writing")
		p.Count(300, 3000)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if want := "writing 300/3000, about 10s left … 1 s"; b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
		if _, err := p.Write([]byte("a log line\n")); err != nil {
			t.Fatal(err)
		}
		p.Close()
		p.Close()
		if want := "writing 300/3000, about 10s left … 1 s\r\x1b[Ka log line\n"; b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	})
}

func TestProgressElsewhereIsOneLogLineAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := terminal.NewProgress(nil, false, 0, slog.New(slog.NewTextHandler(&b, nil)))
		p.Step("querying")
		time.Sleep(10 * time.Second)
		p.Step("writing")
		time.Sleep(500 * time.Millisecond)
		p.Close()
		if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "msg=busy with=querying") || strings.Contains(got, "\x1b") {
			t.Errorf("%q", got)
		}
	})
}

func TestNobodyNeedsAProgress(t *testing.T) {
	var p *terminal.Progress
	p.Step("x")
	p.Count(1, 2)
	p.Close()
}

// Cutting is the same whichever way a character is found: against the plain rule, on every mix of narrow, wide and combining.
func FuzzCut(f *testing.F) {
	for _, s := range []string{"plain ascii", "e\u0301e\u0301", "a漢b字", "x\u0301漢", "", "🇳🇿🇳🇿", "ab\u0301cd"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(1, min(n, 50))
		got := terminal.Cut(s, n)
		if terminal.Width(got) > n && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q cut to %d is %q", s, n, got)
		}
		if head, cut := strings.CutSuffix(got, "…"); cut && got != s && !strings.HasPrefix(s, head) {
			t.Errorf("%q is no beginning of %q", head, s)
		}
	})
}
