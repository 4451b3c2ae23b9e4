package parse

import "strings"

// arenaChunk is how much text one allocation serves. A record keeps the chunk
// of its strings alive, so whoever keeps single records for long pays up to
// this much each.
const arenaChunk = 32 << 10

// arena hands out strings that share few allocations: about one for every 38
// lines of usual length.
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
