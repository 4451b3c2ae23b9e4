package redact

// maxUserinfo is how far before an "@" the user of a URL is looked for.
const maxUserinfo = 256

// maskUserinfo masks the password of scheme://user:password@host (RFC 3986
// section 3.2.1), where at is the place of the "@" or of its "%40". Slashes and
// the colon may be encoded, too, and slashes escaped as \/.
func (r *Redactor) maskUserinfo(line []byte, at int) (changed bool) {
	from := 0 // of the password
	for i := at - 1; i > 0 && at-i <= maxUserinfo; i-- {
		switch c := line[i]; {
		case c == ':':
			from = i + 1
		case c == '/' || (c|0x20 == 'f' && line[i-1] == '2' && i > 1 && line[i-2] == '%'):
			return from > 0 && beginsAuthority(line[:i+1]) && r.fill(line, from, at)
		case c|0x20 == 'a' && line[i-1] == '3' && i > 1 && line[i-2] == '%':
			from = i + 1
		case c <= ' ' || c == '"' || c == '\\' || c == '?' || c == '#' || c == '<' || c == '>':
			return false
		}
	}
	return false
}

// beginsAuthority reports whether b ends in "://", however written.
func beginsAuthority(b []byte) bool {
	slash := func() bool {
		switch n := len(b); {
		case n > 0 && b[n-1] == '/':
			b = b[:n-1]
			for n = len(b); n > 0 && b[n-1] == '\\'; n-- {
				b = b[:n-1]
			}
			return true
		case n > 2 && foldedPrefix(b[n-3:], "%2f"):
			b = b[:n-3]
			return true
		}
		return false
	}
	for range 2 {
		if !slash() {
			return false
		}
	}
	n := len(b)
	return n > 0 && b[n-1] == ':' || n > 2 && foldedPrefix(b[n-3:], "%3a")
}
