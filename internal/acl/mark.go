package acl

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/policy"
)

// The longest a part of a mark can be. Together with the fixed words they stay under MaxMark.
const (
	MaxMark    = 200 // bytes of a comment; Fastly documents no limit
	maxOwner   = 24
	maxRule    = 48
	maxRun     = 40
	maxStrikes = 9999
	maxUnix    = 99_999_999_999 // the year 5138
)

const markVersion = "ew1"

// Mark is what the comment of an entry of ours says.
//
//	ew1 o=<owner> k=<b|x|s|a> u=<until> s=<since> n=<strikes> r=<rule> i=<run>
//
// Times are unix seconds, 0 when there is none. The parts come in this order, one space apart, vital ones first.
type Mark struct {
	Owner   string // [a-z0-9-]{1,24}
	Kind    policy.Kind
	Until   time.Time // zero is written as 0: no expiry
	Since   time.Time
	Strikes int
	Rule    string // [a-z0-9_-]{1,48}
	Run     string // [A-Za-z0-9_.-]{1,40}
}

var kindLetters = map[policy.Kind]string{policy.KindBlock: "b", policy.KindExempt: "x", policy.KindShadow: "s", policy.KindAllow: "a"}

var letterKinds = map[string]policy.Kind{"b": policy.KindBlock, "x": policy.KindExempt, "s": policy.KindShadow, "a": policy.KindAllow}

// CheckOwner says what is wrong with an owner's name, or nil.
func CheckOwner(owner string) error {
	if !fits(owner, maxOwner, isOwner) {
		return fmt.Errorf("owner %q: want 1 to %d of a-z, 0-9 and -", owner, maxOwner)
	}
	return nil
}

// String gives the comment, at most 200 bytes. It can always be read back: parts outside their grammar are mended (an
// unknown kind is a block, a foreign character becomes -, an empty name is -).
func (m Mark) String() string {
	m = m.mended()
	b := make([]byte, 0, 128)
	b = append(b, markVersion+" o="...)
	b = append(b, m.Owner...)
	b = append(b, " k="...)
	b = append(b, kindLetters[m.Kind]...)
	b = append(b, " u="...)
	b = strconv.AppendInt(b, unix(m.Until), 10)
	b = append(b, " s="...)
	b = strconv.AppendInt(b, unix(m.Since), 10)
	b = append(b, " n="...)
	b = strconv.AppendInt(b, int64(m.Strikes), 10)
	b = append(b, " r="...)
	b = append(b, m.Rule...)
	b = append(b, " i="...)
	b = append(b, m.Run...)
	return string(b)
}

// mended is the mark as it will be read back.
func (m Mark) mended() Mark {
	if _, ok := kindLetters[m.Kind]; !ok {
		m.Kind = policy.KindBlock
	}
	m.Owner = mend(m.Owner, maxOwner, isOwner)
	m.Rule = mend(m.Rule, maxRule, isRule)
	m.Run = mend(m.Run, maxRun, isRun)
	m.Strikes = min(max(m.Strikes, 0), maxStrikes)
	m.Until, m.Since = fromUnix(unix(m.Until)), fromUnix(unix(m.Since))
	return m
}

// Same reports whether two marks say the same, whichever run wrote them.
func (m Mark) Same(o Mark) bool {
	a, b := m.mended(), o.mended()
	a.Run, b.Run = "", ""
	return a == b
}

// ParseMark reads a comment. ours is true when it begins as a mark of this version, or of a later one, and names owner; err
// then says what in it cannot be read. So what a newer release blocked ends after a rollback, too: as an unreadable entry. A comment of anybody else is (_, false, nil).
func ParseMark(comment, owner string) (m Mark, ours bool, err error) {
	rest, ok := strings.CutPrefix(comment, markVersion+" o="+owner)
	if !ok {
		if v, of := newerMark(comment); v != "" && of == owner {
			return Mark{Owner: owner}, true, fmt.Errorf("mark %s was written by a newer release: run that one, or purge", v)
		}
		return Mark{}, false, nil
	}
	if owner == "" || rest != "" && rest[0] != ' ' {
		return Mark{}, false, nil
	}
	m.Owner = owner
	p := markParser{rest: rest}
	m.Kind = letterKinds[p.part("k", 1, func(c byte) bool { return strings.IndexByte("bxsa", c) >= 0 })]
	m.Until = fromUnix(p.number("u", maxUnix))
	m.Since = fromUnix(p.number("s", maxUnix))
	m.Strikes = int(p.number("n", maxStrikes))
	m.Rule = p.part("r", maxRule, isRule)
	m.Run = p.part("i", maxRun, isRun)
	switch {
	case p.err != nil:
		err = p.err
	case p.rest != "":
		err = errors.New("there is more after i=")
	case len(comment) > MaxMark:
		err = fmt.Errorf("it is longer than %d bytes", MaxMark)
	}
	if err != nil {
		return Mark{Owner: owner}, true, fmt.Errorf("reading mark: %w", err)
	}
	return m, true, nil
}

// laterMark is how every later version has to begin.
var laterMark = regexp.MustCompile(`^(ew[1-9][0-9]{0,3}) o=([a-z0-9-]+)(?: |$)`)

// newerMark gives the version and the owner of a mark of a later version; empty for any other comment.
func newerMark(comment string) (version, owner string) {
	m := laterMark.FindStringSubmatch(comment)
	if m == nil || m[1] == markVersion {
		return "", ""
	}
	return m[1], m[2]
}

type markParser struct {
	rest string
	err  error
}

// part takes " key=value" off the front.
func (p *markParser) part(key string, most int, ok func(byte) bool) string {
	if p.err != nil {
		return ""
	}
	rest, found := strings.CutPrefix(p.rest, " "+key+"=")
	if !found {
		p.err = fmt.Errorf("%s= is missing or out of place", key)
		return ""
	}
	v := rest
	if i := strings.IndexByte(rest, ' '); i >= 0 {
		v = rest[:i]
	}
	if !fits(v, most, ok) {
		p.err = fmt.Errorf("the value of %s= is not allowed", key)
		return ""
	}
	p.rest = rest[len(v):]
	return v
}

// number takes a number without sign and leading zeros.
func (p *markParser) number(key string, most int64) int64 {
	v := p.part(key, 11, func(c byte) bool { return c >= '0' && c <= '9' })
	if p.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n > most || len(v) > 1 && v[0] == '0' {
		p.err = fmt.Errorf("the value of %s= is not allowed", key)
	}
	return n
}

func isOwner(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }
func isRule(c byte) bool  { return isOwner(c) || c == '_' }
func isRun(c byte) bool   { return isRule(c) || c >= 'A' && c <= 'Z' || c == '.' }

func fits(s string, most int, ok func(byte) bool) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func mend(s string, most int, ok func(byte) bool) string {
	if fits(s, most, ok) {
		return s
	}
	b := []byte(s[:min(len(s), most)])
	for i := range b {
		if !ok(b[i]) {
			b[i] = '-'
		}
	}
	if len(b) == 0 {
		return "-"
	}
	return string(b)
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return min(max(t.Unix(), 0), maxUnix)
}

func fromUnix(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
