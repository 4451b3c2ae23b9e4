package redact

// maxUserinfo is how far before an "@" the user of a URL is looked for.
const maxUserinfo = 256

// userinfo is what stands before an at sign, kept for the next one: a line of
// at signs is read once, not once for each of them.
type userinfo struct {
	at    int // the at sign; 0 for none yet
	slash int // the last "/" of "://" before it; 0 when no authority begins there
	from  int // the byte after the first colon behind the slash; 0 for none
}

// maskUserinfo masks the password of scheme://user:password@host (RFC 3986
// section 3.2.1), where at is the place of the "@" or of its "%40". Slashes and
// the colon may be encoded, too, and slashes escaped as \/. What it masks makes
// r.user void, and so does whatever else is masked between two at signs of a line.
func (r *Redactor) maskUserinfo(line []byte, at int) (changed bool) {
	u := userinfo{at: at}
	if r.user.at < at {
		u.slash, u.from = r.user.slash, r.user.from
	} else {
		r.user.at = 0
	}
	from := 0 // of the password
scan:
	for i := at - 1; i > r.user.at && at-i <= maxUserinfo; i-- {
		switch c := line[i]; {
		case c == ':':
			from = i + 1
		case c == '/' || (c|0x20 == 'f' && line[i-1] == '2' && i > 1 && line[i-2] == '%'):
			u.slash, u.from = 0, 0
			if beginsAuthority(line[:i+1]) {
				u.slash = i
			}
			break scan
		case c|0x20 == 'a' && line[i-1] == '3' && i > 1 && line[i-2] == '%':
			from = i + 1
		case c <= ' ' || c == '"' || c == '\\' || c == '?' || c == '#' || c == '<' || c == '>':
			u.slash, u.from = 0, 0
			from = 0
			break scan
		}
	}
	if u.from == 0 {
		u.from = from
	}
	r.user = u
	if u.slash == 0 || u.from == 0 || at-u.slash > maxUserinfo || !r.fill(line, u.from, at) {
		return false
	}
	r.user = userinfo{}
	return true
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
