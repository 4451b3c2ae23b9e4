package notify

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"edgewarden/internal/plain"
)

// maxText is how long a text may be, in runes: Slack shows 4,000 characters of a message well.
// https://docs.slack.dev/changelog/2018-truncating-really-long-messages
const maxText = 400

// breaker parts what a chat would join to a mention or a link. It is invisible, and plain lets none through from outside.
const breaker = "\u200b"

// defuse makes text from anywhere safe to show in a chat: plain, and without mentions and links.
func defuse(s string, mask bool) string {
	if mask {
		s = maskText(s)
	}
	return breakLinks(plain.Text(s, maxText))
}

// breakLinks parts every @ from its name, every scheme from its host, and the labels of everything that looks like the name of a
// host: chats make links of bare names too. Addresses and version numbers stay whole.
func breakLinks(s string) string {
	var b strings.Builder
	rest := s
	for i, r := range s {
		b.WriteRune(r)
		rest = s[i+utf8.RuneLen(r):]
		next, _ := utf8.DecodeRuneInString(rest)
		switch {
		case rest == "":
		case r == '@' || r == '＠' || r == '<': // <!channel>, <@U1>, <https://…|…>
			b.WriteString(breaker)
		case r == ':' && strings.HasPrefix(rest, "//"):
			b.WriteString(breaker)
		case r == ':' && schemes.MatchString(s[:i+1]): // mailto:, tel:, javascript:
			b.WriteString(breaker)
		case masked.MatchString(rest) && r == '.': // 203.0.113.x
		case (r == '.' || r == '。' || r == '．' || r == '｡') && unicode.IsLetter(next):
			b.WriteString(breaker)
		}
	}
	return b.String()
}

var masked = regexp.MustCompile(`^x\b`)

var schemes = regexp.MustCompile(`(?i)(^|[^a-z-])(mailto|tel|sms|slack|javascript|data|file|ftp):$`)

var (
	v4 = regexp.MustCompile(`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b(?:/[0-9]{1,2}\b)?`)
	v6 = regexp.MustCompile(`(?i)[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*(?:/[0-9]{1,3}\b)?`)
)

// maskText masks every address in a text: the last number of an IPv4 address, all but the first 48 bits of an IPv6 one. Wider
// prefixes say nothing about one client and stay.
func maskText(s string) string {
	s = v6.ReplaceAllStringFunc(s, func(found string) string {
		text := strings.TrimRight(found, ":.")
		if strings.HasSuffix(found, "::") {
			text = found
		}
		p, ok := prefixOf(text)
		if !ok || p.Addr().Is4In6() || p.Addr().Is4() || p.Bits() <= 48 {
			return found
		}
		p, _ = p.Addr().WithZone("").Prefix(48)
		return p.String() + found[len(text):]
	})
	return v4.ReplaceAllStringFunc(s, func(found string) string {
		p, ok := prefixOf(found)
		if !ok || p.Bits() <= 24 {
			return found
		}
		text := p.Addr().String()
		return text[:strings.LastIndex(text, ".")+1] + "x"
	})
}

func prefixOf(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// plain defuses every text of a message. Commands are ours: of the log they hold only a prefix, which is masked where that is asked
// for, and they must stay as they are to be copied.
func (m Message) plain(mask bool) Message {
	m.Text = defuse(m.Text, mask)
	for i := range m.Events {
		e := &m.Events[i]
		e.ServiceID, e.Name, e.Text = defuse(e.ServiceID, false), defuse(e.Name, mask), defuse(e.Text, mask)
		e.Undo, e.Look = plain.Text(e.Undo, 0), plain.Text(e.Look, 0)
		for j := range e.Details {
			e.Details[j] = defuse(e.Details[j], mask)
		}
		for _, list := range [][]Entry{e.Blocked, e.Released} {
			for j := range list {
				n := &list[j]
				n.Prefix, n.Rule, n.Why, n.Undo = defuse(n.Prefix, mask), defuse(n.Rule, false), defuse(n.Why, mask), plain.Text(n.Undo, 0)
			}
		}
	}
	return m
}
