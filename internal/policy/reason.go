package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/detect"
)

// maxKeyText bounds how much of a key that is no address gets into a reason.
const maxKeyText = 64

// sentence formats one sentence for a person.
func sentence(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// blockReason says what the rule that decides measured, and which others hit too.
func (a Action) blockReason(o *detect.Offender, others []string, strikes int, length time.Duration, shared bool) string {
	var b strings.Builder
	m := o.Measures
	sent := m.Sent()
	if !a.oneCount() {
		sent = a.met(m)
	}
	fmt.Fprintf(&b, "Rule %s: %s", o.Rule, sent)
	if m.PeakPerMinute > 0 {
		fmt.Fprintf(&b, ", at most %d a minute", m.PeakPerMinute)
	}
	if m.Errors > 0 {
		fmt.Fprintf(&b, ", %d of them failed", m.Errors)
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, "; met, too: rule %s", strings.Join(others, ", rule "))
	}
	fmt.Fprintf(&b, "; strike %d, %s", strikes, shortDuration(length))
	if shared {
		b.WriteString(", not escalated because many devices share the address")
	}
	b.WriteByte('.')
	return b.String()
}

// quoteKey shows a key that may hold anything.
func quoteKey(key string) string {
	if len(key) > maxKeyText {
		key = key[:maxKeyText]
	}
	return strconv.QuoteToASCII(key)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func untilText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + stamp(t)
}

func atText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " at " + stamp(t)
}

// ruleText names a rule; entries made by hand may have none.
func ruleText(rule string) string {
	if rule == "" {
		return "hand"
	}
	return "rule " + rule
}

func nounOf(k Kind) string {
	if k == KindShadow {
		return "The shadow entry"
	}
	return "The block"
}

// shortDuration is 1h30m instead of 1h30m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
