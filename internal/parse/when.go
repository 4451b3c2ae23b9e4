package parse

import (
	"math"
	"strconv"
	"strings"
)

// instant is a time read from text.
type instant struct {
	usec  int64 // microseconds since 1970, as if UTC when there was no zone
	zoned bool  // the text carried a zone, or was an epoch
}

// parseTime reads every shape of a time that Fastly's formats produce:
//
//	2031-05-06T07:08:09Z, +0000, +00:00, UTC, GMT; with a space for the T or
//	before the zone; with a fraction; without a zone
//	Tue, 06 May 2031 07:08:09 GMT
//	[06/May/2031:07:08:09 +0000], with or without brackets
//	seconds, milliseconds, microseconds or nanoseconds since 1970; seconds may have a fraction
func parseTime(s string) (instant, bool) {
	switch {
	case len(s) >= 19 && s[4] == '-':
		return isoTime(s)
	case len(s) >= 25 && s[3] == ',':
		return httpTime(s)
	case len(s) >= 20 && (s[0] == '[' || s[2] == '/'):
		return clfTime(s)
	}
	return epoch(s)
}

func isoTime(s string) (instant, bool) {
	year, ok1 := num(s[0:4])
	month, ok2 := num(s[5:7])
	day, ok3 := num(s[8:10])
	clock, ok4 := clockTime(s[11:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || s[7] != '-' || (s[10]|0x20 != 't' && s[10] != ' ') || !validDate(year, month, day) {
		return instant{}, false
	}
	usec := (days(year, month, day)*86400 + clock) * 1e6
	rest := s[19:]
	if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for scale := int64(100000); n < len(rest) && isDigit(rest[n]); n++ {
			usec += int64(rest[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return instant{}, false
		}
		rest = rest[n:]
	}
	return withZone(usec, strings.TrimPrefix(rest, " "))
}

func httpTime(s string) (instant, bool) {
	// Tue, 06 May 2031 07:08:09 GMT
	day, ok1 := num(s[5:7])
	month := monthOf(s[8:11])
	year, ok2 := num(s[12:16])
	clock, ok3 := clockTime(s[17:25])
	if !ok1 || !ok2 || !ok3 || s[4] != ' ' || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' || !validDate(year, month, day) {
		return instant{}, false
	}
	return withZone((days(year, month, day)*86400+clock)*1e6, strings.TrimPrefix(s[25:], " "))
}

func clfTime(s string) (instant, bool) {
	if s[0] == '[' {
		s = strings.TrimSuffix(s[1:], "]")
	}
	if len(s) < 20 || s[2] != '/' || s[6] != '/' || s[11] != ':' {
		return instant{}, false
	}
	day, ok1 := num(s[0:2])
	month := monthOf(s[3:6])
	year, ok2 := num(s[7:11])
	clock, ok3 := clockTime(s[12:20])
	if !ok1 || !ok2 || !ok3 || !validDate(year, month, day) {
		return instant{}, false
	}
	return withZone((days(year, month, day)*86400+clock)*1e6, strings.TrimPrefix(s[20:], " "))
}

// epoch reads a number of seconds, or of a thousandth, millionth or billionth
// of one, told apart by size. Below 100,000,000 (March 1973) it is no time.
func epoch(s string) (instant, bool) {
	if len(s) < 9 || !isDigit(s[0]) {
		return instant{}, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n < 1e8:
			return instant{}, false
		case n < 1e11:
			return instant{n * 1e6, true}, true
		case n < 1e14:
			return instant{n * 1e3, true}, true
		case n < 1e17:
			return instant{n, true}, true
		}
		return instant{n / 1e3, true}, true
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || f < 1e8 || f >= 1e17:
		return instant{}, false
	case f < 1e11:
		return instant{int64(math.Round(f * 1e6)), true}, true
	case f < 1e14:
		return instant{int64(math.Round(f * 1e3)), true}, true
	}
	return instant{int64(f), true}, true
}

func withZone(usec int64, zone string) (instant, bool) {
	if zone == "" {
		return instant{usec, false}, true
	}
	offset, ok := zoneOffset(zone)
	return instant{usec - offset*1e6, true}, ok
}

// zoneOffset reads a zone as seconds east of UTC. Fastly's %z is "+0000", its
// %Z the name of the zone, which at the edge always is UTC.
func zoneOffset(z string) (int64, bool) {
	switch z {
	case "Z", "z", "UTC", "GMT", "+0000", "+00:00":
		return 0, true
	}
	if len(z) < 3 || (z[0] != '+' && z[0] != '-') {
		return 0, false
	}
	hours, ok1 := num(z[1:3])
	minutes, ok2 := int64(0), true
	switch {
	case len(z) == 5:
		minutes, ok2 = num(z[3:5])
	case len(z) == 6 && z[3] == ':':
		minutes, ok2 = num(z[4:6])
	case len(z) != 3:
		return 0, false
	}
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	seconds := hours*3600 + minutes*60
	if z[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// clockTime reads hh:mm:ss as seconds of the day; 60 is a leap second.
func clockTime(s string) (int64, bool) {
	h, ok1 := num(s[0:2])
	m, ok2 := num(s[3:5])
	sec, ok3 := num(s[6:8])
	return h*3600 + m*60 + sec, ok1 && ok2 && ok3 && s[2] == ':' && s[5] == ':' && h < 24 && m < 60 && sec <= 60
}

func num(s string) (int64, bool) {
	var n int64
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

func monthOf(s string) int64 {
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	for i := 0; i < len(names); i += 3 {
		if strings.EqualFold(s, names[i:i+3]) {
			return int64(i/3 + 1)
		}
	}
	return 0
}

func validDate(y, m, d int64) bool {
	if m < 1 || m > 12 || d < 1 || y < 1 {
		return false
	}
	last := int64(31)
	switch m {
	case 4, 6, 9, 11:
		last = 30
	case 2:
		last = 28
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			last = 29
		}
	}
	return d <= last
}

// days returns the days from 1970-01-01 to a date of the Gregorian calendar.
// Years are counted from March, so that the leap day is the last of its year.
func days(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
}
