package parse

import (
	"strings"
	"unsafe"
)

// arenaChunk is how much text one allocation serves. A record keeps the chunk
// of its strings alive, so whoever keeps single records for long pays up to
// this much each.
const arenaChunk = 32 << 10

// arena hands out strings that share few allocations: about one for every 35
// lines of usual length, or for every 600 whose text needs no copy.
type arena struct{ b strings.Builder }

func (a *arena) room(n int) {
	if a.b.Cap()-a.b.Len() < n {
		a.b = strings.Builder{}
		a.b.Grow(max(n, arenaChunk))
	}
}

// bytes returns p as a string. A builder only ever appends, so strings handed
// out before stay as they are.
func (a *arena) bytes(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	a.room(len(p))
	start := a.b.Len()
	a.b.Write(p)
	return a.b.String()[start:]
}

// join returns s followed by t as one string.
func (a *arena) join(s, t string) string {
	a.room(len(s) + len(t))
	start := a.b.Len()
	a.b.WriteString(s)
	a.b.WriteString(t)
	return a.b.String()[start:]
}

// unescaped returns what the inside of a JSON string means that has no byte
// above 0x7f. It never grows: the shortest escape of a character is as long as
// its longest form in UTF-8.
func (a *arena) unescaped(s string) string {
	a.room(len(s))
	start := a.b.Len()
	for {
		k := strings.IndexByte(s, '\\')
		if k < 0 {
			a.b.WriteString(s)
			return a.b.String()[start:]
		}
		a.b.WriteString(s[:k])
		if s[k+1] != 'u' {
			a.b.WriteByte(plainEscape(s[k+1]))
			s = s[k+2:]
			continue
		}
		r, n := unicodeEscape(s[k:])
		a.b.WriteRune(r)
		s = s[k+n:]
	}
}

// alias returns the bytes of p as a string without a copy. Whoever calls it
// promises that p is not written to as long as the string is in use.
func alias(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }
