//go:build !amd64

package parse

// markBlocks sets the marks of as many blocks of b as marks has room for.
func markBlocks(b []byte, marks []uint64) { markWords(b, marks) }
