package parse

import (
	"math/rand/v2"
	"testing"
)

// Every byte, at every place of a block and in lines of every length, is marked by both ways as its meaning in JSON has it.
func TestMarksAreThePlacesWhereAStringCannotSimplyGoOn(t *testing.T) {
	marked := func(c byte) bool { return c == '"' || c == '\\' || c < 0x20 || c >= 0x80 }
	rng := rand.New(rand.NewPCG(5, 6))
	room := make([]byte, 3*block+1)
	for n := range room {
		for c := range 256 {
			line := room[:n]
			for i := range line {
				line[i] = byte(rng.Uint32())
			}
			if n > 0 {
				line[(c+n)%n] = byte(c)
			}
			s := scanner{b: line}
			s.mark()
			words := make([]uint64, n/block)
			markWords(line, words)
			next := n
			for i := n - 1; i >= 0; i-- {
				want := marked(line[i])
				if got := s.marks[i/block]>>(i%block)&1 == 1; got != want {
					t.Fatalf("byte %#x at %d of %d: marked %v", line[i], i, n, got)
				}
				if i < len(words)*block && words[i/block]>>(i%block)&1 == 1 != want {
					t.Fatalf("byte %#x at %d of %d: marked %v eight bytes at a time", line[i], i, n, !want)
				}
				if want {
					next = i
				}
				if got := s.special(i); got != next {
					t.Fatalf("from %d of %d: the next marked place is %d, want %d", i, n, got, next)
				}
			}
			if got := s.special(n); got != n {
				t.Fatalf("from the end of %d: %d", n, got)
			}
		}
	}
}

func BenchmarkMarks(b *testing.B) {
	s := scanner{b: make([]byte, 879)}
	for i := range s.b {
		s.b[i] = 'a' + byte(i%26)
	}
	ways := map[string]func(){"vectors": s.mark, "words": func() { markWords(s.b, s.marks[:len(s.b)/block]) }}
	s.mark()
	for _, name := range []string{"vectors", "words"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				ways[name]()
			}
		})
	}
}
