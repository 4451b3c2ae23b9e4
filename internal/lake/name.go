package lake

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	suffix       = ".parquet"
	importPrefix = "import-"
	idLen        = 16 // hex digits of a spool id
	posLen       = 16 // hex digits of a position
	hourLayout   = "2006-01-02T15"

	// An import's name carries at least this many hex digits of the SHA-256
	// of its input: 64 bits, so that two inputs do not meet by chance.
	minSumLen = 16
	maxSumLen = 64
)

// name is what the name of a lake file says.
type name struct {
	spool    string // spool id; empty for an import
	from, to uint64 // positions [from, to) of that spool
	sum      string // hex digits of the input's SHA-256; empty for a spool file
}

// String returns the file name.
func (n name) String() string {
	if n.spool == "" {
		return importPrefix + n.sum + suffix
	}
	return fmt.Sprintf("%s-%016x-%016x%s", n.spool, n.from, n.to, suffix)
}

// covers reports whether every row of o is in n as well, both being files of
// the same hour. A file covers itself.
func (n name) covers(o name) bool {
	return n.spool == o.spool && n.sum == o.sum && n.from <= o.from && o.to <= n.to
}

// parseName reads a file name; ok is false for a name the lake does not write.
func parseName(s string) (n name, ok bool) {
	base, ok := strings.CutSuffix(s, suffix)
	if !ok {
		return name{}, false
	}
	if sum, isImport := strings.CutPrefix(base, importPrefix); isImport {
		if len(sum) < minSumLen || len(sum) > maxSumLen || !isHex(sum) {
			return name{}, false
		}
		return name{sum: sum}, true
	}
	if len(base) != idLen+2*(1+posLen) || base[idLen] != '-' || base[idLen+1+posLen] != '-' {
		return name{}, false
	}
	id, from, to := base[:idLen], base[idLen+1:idLen+1+posLen], base[idLen+2+posLen:]
	if !isHex(id) || !isHex(from) || !isHex(to) {
		return name{}, false
	}
	n.spool = id
	n.from, _ = strconv.ParseUint(from, 16, 64)
	n.to, _ = strconv.ParseUint(to, 16, 64)
	return n, n.from < n.to
}

// isHex reports whether s is made of lower-case hex digits, the only ones the
// lake writes, so that one file has one name.
func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// parsePosition returns the number in a record's position, which is its
// spool's id, a dash and 16 hex digits.
func parsePosition(s string) (uint64, bool) {
	if len(s) <= posLen || s[len(s)-posLen-1] != '-' || !isHex(s[len(s)-posLen:]) {
		return 0, false
	}
	p, err := strconv.ParseUint(s[len(s)-posLen:], 16, 64)
	return p, err == nil
}

// hourName is the folder for event time t.
func hourName(t time.Time) string { return t.UTC().Format(hourLayout) }

// parseHour returns the hour a folder is for; ok is false for other folders.
func parseHour(s string) (time.Time, bool) {
	t, err := time.Parse(hourLayout, s)
	return t, err == nil && hourName(t) == s
}
