package redact

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A needle is found where bytes.Index finds it, in lines of few different bytes, where its own bytes stand everywhere.
func TestANeedleIsFoundWhereItStands(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	found := 0
	for range 200_000 {
		text, line := make([]byte, minSecret+rng.IntN(8)), make([]byte, rng.IntN(150))
		for _, b := range [][]byte{text, line} {
			for i := range b {
				b[i] = "aTk"[rng.IntN(3)]
			}
		}
		if len(line) > len(text) && rng.IntN(2) == 0 {
			copy(line[rng.IntN(len(line)-len(text)+1):], text)
		}
		n := newNeedle(text)
		if n.rare == n.next || n.rare < 0 || n.next < 0 {
			t.Fatalf("%q: places %d and %d", text, n.rare, n.next)
		}
		from := rng.IntN(len(line) + 1)
		want := bytes.Index(line[from:], text)
		if want >= 0 {
			want += from
			found++
		}
		for _, vectors := range []bool{false, hasVectors} {
			if got := n.index(line, from, vectors); got != want {
				t.Fatalf("%q in %q from %d: %d, want %d (vectors: %v)", text, line, from, got, want, vectors)
			}
		}
	}
	if found < 20_000 {
		t.Errorf("only %d stood there", found)
	}
}
