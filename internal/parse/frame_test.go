package parse_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"edgewarden/internal/parse"
)

// frames cuts stream, fed in pieces of the given size (0: at once), and
// describes what came out.
func frames(o parse.FramerOptions, stream []byte, piece int) []string {
	var out []string
	f := parse.NewFramer(o)
	emit := func(fr parse.Frame) {
		s := string(fr.Line)
		if fr.Token {
			s = "T:" + s
		}
		if fr.Cut {
			s += fmt.Sprintf(" (cut of %d)", fr.Length)
		}
		if fr.Unterminated {
			s += " (open)"
		}
		out = append(out, s)
	}
	if piece <= 0 {
		piece = len(stream) + 1
	}
	for rest := stream; len(rest) > 0; {
		n := min(piece, len(rest))
		// A copy of its own, spoilt afterwards: the framer must not keep it.
		p := bytes.Clone(rest[:n])
		f.Feed(p, emit)
		for i := range p {
			p[i] = '#'
		}
		rest = rest[n:]
	}
	f.Close(emit)
	return out
}

func TestFraming(t *testing.T) {
	token := [][]byte{[]byte("s3cr3tTok")}
	two := [][]byte{[]byte("old-token"), []byte("new-token-longer")}
	for _, tc := range []struct {
		name   string
		max    int
		tokens [][]byte
		in     string
		want   []string
	}{
		{"lines end with LF", 0, nil, "<134>a\n<134>b\n", []string{"<134>a", "<134>b"}},
		{"CRLF, NUL and empty lines leave nothing behind", 0, nil, "\n\r\n\x00a\r\n\x00\nb\x00\n", []string{"a", "b"}},
		{"a last line without LF is kept and marked", 0, nil, "a\nb", []string{"a", "b (open)"}},
		{"counted frames follow each other without LF", 0, nil, "5 <13>a7 <13>b c", []string{"<13>a", "<13>b c"}},
		{"stray line ends between counted frames are skipped", 0, nil, "5 <13>a\n\r\n5 <13>b\n", []string{"<13>a", "<13>b"}},
		{"a counted frame may hold its own LF at the end", 0, nil, "6 <13>a\n5 <13>b", []string{"<13>a", "<13>b"}},
		{"a counted frame may hold LF inside", 0, nil, "7 <13>a\nb\n", []string{"<13>a\nb"}},
		{"framing may change from frame to frame", 0, nil, "<13>a\n5 <13>b{\"c\":1}\n5 <13>d", []string{"<13>a", "<13>b", `{"c":1}`, "<13>d"}},
		{"digits not followed by space and < are a line", 0, nil, "404 not found\n12\n7<a\n5 \n", []string{"404 not found", "12", "7<a", "5 "}},
		{"a count with a leading zero is a line", 0, nil, "05 <13>a\n", []string{"05 <13>a"}},
		{"a count beyond the cap is a line", 0, nil, "1048577 <13>a\n5 <13>b", []string{"1048577 <13>a", "<13>b"}},
		{"a count too large for any integer is a line", 0, nil, "99999999999999999999999999 <13>a\nb\n", []string{"99999999999999999999999999 <13>a", "b"}},
		{"a count that lies is cured at the next LF", 0, nil, "9 <13>a\n<13>b\n<13>c\n", []string{"<13>a\n<13", ">b", "<13>c"}},
		{"a counted frame that never ends is kept and marked", 0, nil, "50 <13>abc", []string{"<13>abc (open)"}},
		{"a long line is cut and the next is whole", 4, nil, "abcdefgh\nij\n", []string{"abcd (cut of 8)", "ij"}},
		{"a line of exactly the limit is not cut", 4, nil, "abcd\r\nefgh\n", []string{"abcd", "efgh"}},
		{"a long counted frame is cut and the next is whole", 4, nil, "9 <13>abcde5 <13>f", []string{"<13> (cut of 9)", "<13> (cut of 5)"}},
		{"a long line that never ends is cut and marked", 4, nil, "abcdefgh", []string{"abcd (cut of 8) (open)"}},
		{"a token stands before the priority", 0, token, "s3cr3tTok<134>a\n<134>b\n", []string{"T:<134>a", "<134>b"}},
		{"one space after the token is dropped", 0, token, "s3cr3tTok <134>a\ns3cr3tTok  b\n", []string{"T:<134>a", "T: b"}},
		{"a token may stand before a count", 0, token, "s3cr3tTok5 <13>as3cr3tTok 5 <13>b", []string{"T:<13>a", "T:<13>b"}},
		{"a token may stand inside a counted frame", 0, token, "14 s3cr3tTok<13>a15 s3cr3tTok <13>b", []string{"T:<13>a", "T:<13>b"}},
		{"a token inside counts as many octets as it has", 0, token, "9 s3cr3tTok5 <13>b", []string{"<13>b"}},
		{"a wrong token is part of the line", 0, token, "s3cr3tTox<134>a\ns3cr\ns3cr3tTok\n", []string{"s3cr3tTox<134>a", "s3cr"}},
		{"a wrong token in a counted frame makes it a line", 0, token, "14 s3cr3tTox<13>a\nb\n", []string{"14 s3cr3tTox<13>a", "b"}},
		{"a token at the end of the stream", 0, token, "s3cr3tTok", nil},
		{"either of two tokens is accepted", 0, two, "old-token<1>a\nnew-token-longer<1>b\nnew-token<1>c\n", []string{"T:<1>a", "T:<1>b", "new-token<1>c"}},
		{"a token that begins another gives way to it", 0, [][]byte{[]byte("ab"), []byte("abcd")}, "ab<1>\nabcd<1>\n", []string{"T:<1>", "T:<1>"}},
		{"a token may begin with digits", 0, [][]byte{[]byte("12 34")}, "12 34<13>a\n5 <13>b", []string{"T:<13>a", "<13>b"}},
		{"a token may stand where Loggly puts it", 0, token,
			"<134>1 2031-05-06T07:08:09Z ABC weblog - - [s3cr3tTok@41058 tag=\"f\"] m\n<134>1 2031-05-06T07:08:09Z ABC weblog - - [s3cr3tTox@41058] m\n<134>1 2031-05-06T07:08:09Z ABC weblog - - - [s3cr3tTok@41058] m\n",
			[]string{"T:<134>1 2031-05-06T07:08:09Z ABC weblog - - [s3cr3tTok@41058 tag=\"f\"] m", "<134>1 2031-05-06T07:08:09Z ABC weblog - - [s3cr3tTox@41058] m", "<134>1 2031-05-06T07:08:09Z ABC weblog - - - [s3cr3tTok@41058] m"}},
		{"a TLS hello on the plain port is a line like any other", 0, nil, "\x16\x03\x01\x02\x00\n", []string{"\x16\x03\x01\x02"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := parse.FramerOptions{MaxLine: tc.max, Tokens: tc.tokens}
			for piece := range len(tc.in) + 1 {
				if got := frames(o, []byte(tc.in), piece); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("pieces of %d:\n got %q\nwant %q", piece, got, tc.want)
				}
			}
		})
	}
}

func TestFramerCanBeUsedAgainAfterClose(t *testing.T) {
	f := parse.NewFramer(parse.FramerOptions{})
	var got []string
	emit := func(fr parse.Frame) { got = append(got, string(fr.Line)) }
	f.Feed([]byte("50 <13>abc"), emit)
	f.Close(emit)
	f.Feed([]byte("x\n"), emit)
	f.Close(emit)
	if want := []string{"<13>abc", "x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A connection that sends without an LF for ever costs no more than one line.
func TestMemoryOfAFramerIsBounded(t *testing.T) {
	for name, begin := range map[string]string{"line": "x", "counted": "1000000 <13>x", "head": "1"} {
		f := parse.NewFramer(parse.FramerOptions{MaxLine: 1 << 10, Tokens: [][]byte{[]byte("token")}})
		n := 0
		emit := func(fr parse.Frame) { n += len(fr.Line) }
		f.Feed([]byte(begin), emit)
		chunk := bytes.Repeat([]byte("1"), 4096)
		allocs := testing.AllocsPerRun(100, func() { f.Feed(chunk, emit) })
		if allocs > 0 {
			t.Errorf("%s: %v allocations a read of an endless line", name, allocs)
		}
		f.Close(emit)
		if n > 1<<10 {
			t.Errorf("%s: kept %d bytes", name, n)
		}
	}
}

// Lines cut by the ends of reads need no new buffer each.
func TestSplitLinesDoNotAllocate(t *testing.T) {
	f := parse.NewFramer(parse.FramerOptions{})
	n := 0
	emit := func(parse.Frame) { n++ }
	a, b := []byte("<134>first half, "), []byte("second half\n")
	allocs := testing.AllocsPerRun(100, func() { f.Feed(a, emit); f.Feed(b, emit) })
	if allocs > 0 || n != 101 {
		t.Errorf("%v allocations a line, %d lines", allocs, n)
	}
}

func FuzzFramesDoNotDependOnReads(f *testing.F) {
	for _, s := range []string{"<134>a\n5 <13>b", "tok5 <13>a8 tok<13>bc\n", "12 tok\ntok", "\x00\r\n99 <", "tok", "1234567 <a\n", "token2 5 <13>a", "5 token2<1>"} {
		f.Add([]byte(s), uint8(3), uint8(8), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece, limit uint8, withTokens bool) {
		o := parse.FramerOptions{MaxLine: int(limit) + 1}
		if withTokens {
			o.Tokens = [][]byte{[]byte("tok"), []byte("token2")}
		}
		want := frames(o, stream, 0)
		for _, n := range []int{1, int(piece) + 1} {
			if got := frames(o, stream, n); !reflect.DeepEqual(got, want) {
				t.Errorf("pieces of %d:\n got %q\nwant %q", n, got, want)
			}
		}
		fr := parse.NewFramer(o)
		total := 0
		emit := func(x parse.Frame) {
			total += x.Length
			if len(x.Line) > o.MaxLine || len(x.Line) > x.Length || x.Cut != (x.Length > o.MaxLine) || len(x.Line) == 0 {
				t.Errorf("frame of %d bytes, length %d, cut %v, limit %d", len(x.Line), x.Length, x.Cut, o.MaxLine)
			}
		}
		fr.Feed(stream, emit)
		fr.Close(emit)
		if total > len(stream) {
			t.Errorf("%d bytes of lines from %d bytes", total, len(stream))
		}
	})
}

func BenchmarkFramer(b *testing.B) {
	for name, line := range map[string]string{"lf": canonical + "\n", "counted": fmt.Sprintf("%d %s", len(canonical), canonical)} {
		b.Run(name, func(b *testing.B) {
			const lines = 100
			stream := []byte(strings.Repeat(line, lines))
			f := parse.NewFramer(parse.FramerOptions{})
			n := 0
			b.ReportAllocs()
			b.SetBytes(int64(len(stream) / lines))
			for i := 0; i < b.N; i += lines {
				f.Feed(stream, func(parse.Frame) { n++ })
			}
			if n < b.N {
				b.Fatalf("%d frames of %d", n, b.N)
			}
		})
	}
}
