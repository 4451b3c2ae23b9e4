package report

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
)

// The longest texts on the page, in runes. What is cut ends in an ellipsis; --json has it whole.
const (
	longText  = 600 // reasons, alerts
	logText   = 160 // a path, an agent
	shortText = 64  // names
)

func long(s string) string  { return plain.Text(s, longText) }
func log(s string) string   { return plain.Text(s, logText) }
func short(s string) string { return plain.Text(s, shortText) }

func longs(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = long(s)
	}
	return out
}

// stamp is a time as the page shows it.
type stamp struct {
	ISO  string // for machines; "" when there is no time
	Text string // in UTC, without the date when it is today's
	Age  string // to the run: "5m ago", "in 59m"
	Unix int64  // to sort by
}

// at shows t beside now. The zero time has the text none.
func at(t, now time.Time, none string) stamp {
	if t.IsZero() {
		return stamp{Text: none, Unix: math.MaxInt32 * int64(1000)} // no end is later than any
	}
	t, now = t.UTC(), now.UTC()
	layout := "15:04:05"
	switch {
	case t.Year() != now.Year():
		layout = "2 Jan 2006 15:04"
	case t.YearDay() != now.YearDay():
		layout = "2 Jan 15:04"
	}
	age := "now"
	switch d := t.Sub(now); {
	case d >= time.Second:
		age = "in " + span(d)
	case d <= -time.Second:
		age = span(-d) + " ago"
	}
	return stamp{ISO: t.Format(time.RFC3339), Text: t.Format(layout), Age: age, Unix: t.Unix()}
}

// span is a length of time in its two greatest units.
func span(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	units := []struct {
		n    int64
		name string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}
	for i, u := range units {
		if s < u.n && u.n > 1 {
			continue
		}
		text := strconv.FormatInt(s/u.n, 10) + u.name
		if i+1 < len(units) {
			if rest := s % u.n / units[i+1].n; rest > 0 {
				text += " " + strconv.FormatInt(rest, 10) + units[i+1].name
			}
		}
		return text
	}
	return "0s"
}

// number groups thousands: 12,031.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(s, "-")
	var b strings.Builder
	b.WriteString(s[:len(s)-len(digits)])
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func percent(f float64) string {
	switch p := f * 100; {
	case p == 0:
		return "0 %"
	case math.Abs(p) < 0.1:
		return "< 0.1 %"
	case math.Abs(p) < 10:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
}

// signed is a change: +1,203 or −7.
func signed(n int64) string {
	if n < 0 {
		return "−" + number(-n)
	}
	return "+" + number(n)
}

func figure(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return number(int64(f))
	}
	return strings.TrimRight(fmt.Sprintf("%.3f", f), "0")
}

func bytesText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, u
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + unit
}

// plural is "1 row", "2 rows".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return number(int64(n)) + " " + stem + "ies"
	}
	return number(int64(n)) + " " + noun + "s"
}

// keyOf is what a person calls a prefix.
func keyOf(p netip.Prefix) string {
	if !p.IsValid() {
		return "(no address)"
	}
	return policy.Key(p)
}
