package redact

import (
	"math/rand/v2"
	"testing"
)

// Every byte, at every place of a block and in lines of every length, is of the classes that the tables of the slower way say.
func TestClassesAreThoseOfTheTables(t *testing.T) {
	if !hasVectors {
		t.Skip("this machine has no vectors")
	}
	r := New()
	rng := rand.New(rand.NewPCG(1, 2))
	line := make([]byte, 3*block+1)
	for n := range line {
		for c := range 256 {
			for i := range n {
				line[i] = byte(rng.Uint32())
			}
			if n > 0 {
				line[(c+n)%n] = byte(c)
			}
			marks, wantMarks := r.classify(line[:n]), false
			for i, c := range line[:n] {
				b := r.blocks[i/block]
				if got, want := b.separators>>(i%block)&1 == 1, c == ':' || c == '='; got != want {
					t.Fatalf("byte %#x at %d of %d: separator %v", c, i, n, got)
				}
				if got := b.inCard>>(i%block)&1 == 1; got != inCard[c] {
					t.Fatalf("byte %#x at %d of %d: in a card %v", c, i, n, got)
				}
				wantMarks = wantMarks || c == '^' || c == '@'
			}
			if marks != wantMarks {
				t.Fatalf("%q: marks %v", line[:n], marks)
			}
			if last := r.blocks[n/block]; (last.separators|last.inCard)>>(n%block) != 0 {
				t.Fatalf("%q: classes behind the end", line[:n])
			}
		}
	}
}

func TestRunsBeginWhereThirteenFollow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		at, next := rng.Uint64()|rng.Uint64()|rng.Uint64(), rng.Uint64()|rng.Uint64()|rng.Uint64()
		got := runs(at, next)
		for i := range 64 {
			want := true
			for j := i; j < i+minDigits; j++ {
				if j < 64 {
					want = want && at>>j&1 == 1
				} else {
					want = want && next>>(j-64)&1 == 1
				}
			}
			if got>>i&1 == 1 != want {
				t.Fatalf("runs(%#x, %#x): bit %d is %v", at, next, i, !want)
			}
		}
	}
}
