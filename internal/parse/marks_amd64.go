package parse

import "golang.org/x/sys/cpu"

// markBlocks sets the marks of as many blocks of b as marks has room for. A machine without AVX2, which Go does not demand
// (https://go.dev/wiki/MinimumRequirements), looks at eight bytes at a time instead of 32.
func markBlocks(b []byte, marks []uint64) {
	switch {
	case len(marks) == 0:
	case cpu.X86.HasAVX2:
		_ = b[len(marks)*block-1]
		marksAVX2(&b[0], &marks[0], len(marks))
	default:
		markWords(b, marks)
	}
}

// marksAVX2 is markWords for n blocks, of which there is at least one.
//
//go:noescape
func marksAVX2(b *byte, marks *uint64, n int)
