package redact

import "golang.org/x/sys/cpu"

// The classes of a byte, as bits: those of inCard in five parts, since each class is a set of high halves times a set of low
// halves; two marks that are rare; and what parts a key from its value.
const (
	classDigit     = 1 << iota // 0-9
	classGap                   // space % + - .
	classSlash                 // \
	classUX                    // u x
	classD                     // d D
	classCaret                 // ^
	classAt                    // @
	classSeparator             // : =
)

// highHalves and lowHalves are the classes that a byte with this half may belong to; it belongs to those that both have.
//
//lint:ignore U1000 the assembly reads them
var highHalves, lowHalves = func() (high, low [16]uint8) {
	for _, c := range []struct {
		class uint8
		bytes string
	}{
		{classDigit, "0123456789"}, {classGap, " %+-."}, {classSlash, `\`}, {classUX, "ux"}, {classD, "dD"},
		{classCaret, "^"}, {classAt, "@"}, {classSeparator, ":="},
	} {
		for i := range len(c.bytes) {
			high[c.bytes[i]>>4] |= c.class
			low[c.bytes[i]&15] |= c.class
		}
	}
	return high, low
}()

// hasVectors says that lines can be classified 32 bytes at a time. A machine without AVX2, which Go does not demand
// (https://go.dev/wiki/MinimumRequirements), looks at each line in smaller steps, with the same result.
var hasVectors = cpu.X86.HasAVX2

//go:noescape
func classesAVX2(p *byte, n int, out *classes) (seen uint8)

// pairAVX2 returns the first i below n at which a stands i bytes after p and b i bytes after q, or -1. n is at least pairStep.
//
//go:noescape
func pairAVX2(p, q *byte, n int, a, b byte) int

// classify sets r.blocks to the classes of line and reports whether a caret or an at sign is in it.
func (r *Redactor) classify(line []byte) (marks bool) {
	n := len(line) / block
	if cap(r.blocks) < n+1 {
		r.blocks = make([]classes, n+1, 2*n+8)
	}
	r.blocks = r.blocks[:n+1]
	seen := uint8(0)
	if n > 0 {
		seen = classesAVX2(&line[0], n, &r.blocks[0])
	}
	var rest [block]byte // zeros are of no class
	copy(rest[:], line[n*block:])
	seen |= classesAVX2(&rest[0], 1, &r.blocks[n])
	return seen&(classCaret|classAt) != 0
}
