package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RuleCount is what one rule counted in one run: a few numbers for all its keys together, so that a summary stays small
// whatever the traffic.
type RuleCount struct {
	Shape         string // what was counted, so that a rule that was rewritten is not held against itself: [0-9a-f]
	Requests      int64
	Keys          int64
	Median, Scale float64 // of ln(requests) of the keys
}

// writeRules is one text for all rules: name=shape/requests/keys/median/scale, parted by blanks. A name that this would
// not survive is left out.
func writeRules(rules map[string]RuleCount) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if r := rules[name]; !strings.ContainsAny(name+r.Shape, " =/") {
			parts = append(parts, fmt.Sprintf("%s=%s/%d/%d/%.4g/%.4g", name, r.Shape, r.Requests, r.Keys, r.Median, r.Scale))
		}
	}
	return strings.Join(parts, " ")
}

// readRules reads what writeRules wrote; what cannot be read is left out.
func readRules(text string) map[string]RuleCount {
	rules := map[string]RuleCount{}
	for _, part := range strings.Fields(text) {
		name, rest, _ := strings.Cut(part, "=")
		f := strings.Split(rest, "/")
		if len(f) != 5 {
			continue
		}
		requests, err1 := strconv.ParseInt(f[1], 10, 64)
		keys, err2 := strconv.ParseInt(f[2], 10, 64)
		median, err3 := strconv.ParseFloat(f[3], 64)
		scale, err4 := strconv.ParseFloat(f[4], 64)
		if err1 == nil && err2 == nil && err3 == nil && err4 == nil {
			rules[name] = RuleCount{Shape: f[0], Requests: requests, Keys: keys, Median: median, Scale: scale}
		}
	}
	return rules
}

// The bounds of what is usual.
const (
	usualDays    = 14               // how far back the same hour is looked for
	usualMinDays = 3                // days it must have been seen on
	usualSlack   = 30 * time.Minute // before and after the time of day
	usualLately  = 24 * time.Hour
	usualMinRuns = 12 // an hour of runs at the default period
)

// Usual is what a rule usually counts.
type Usual struct {
	Requests      float64 // of all its keys
	Median, Scale float64
	Days          int // earlier days it was seen on; of UsualLately 0
	Runs          int
}

// UsualAtHour is what a rule of that shape counted around this time of day on earlier days: the median over the
// days of each day's median, so that an attack of one day, or a run or two, does not become usual. It is not known before
// three such days. Runs that failed do not count. A run in which the rule counted nothing counts as such.
func UsualAtHour(summaries []Summary, service, rule, shape string, now time.Time) (Usual, bool) {
	days := map[int][]RuleCount{}
	runs := 0
	for _, s := range summaries {
		age := now.Sub(s.Time)
		day := int((age + 12*time.Hour) / (24 * time.Hour))
		off := age - time.Duration(day)*24*time.Hour
		if day < 1 || day > usualDays || off.Abs() > usualSlack {
			continue
		}
		if c, ok := s.counted(service, rule, shape); ok {
			days[day] = append(days[day], c)
			runs++
		}
	}
	if len(days) < usualMinDays {
		return Usual{}, false
	}
	var each []RuleCount
	for _, counts := range days {
		each = append(each, middle(counts))
	}
	return usual(middle(each), len(days), runs), true
}

// UsualLately is the median of the last day's runs, at least an hour of them. It knows nothing of the time of day.
func UsualLately(summaries []Summary, service, rule, shape string, now time.Time) (Usual, bool) {
	var counts []RuleCount
	for _, s := range summaries {
		if age := now.Sub(s.Time); age <= 0 || age > usualLately {
			continue
		}
		if c, ok := s.counted(service, rule, shape); ok {
			counts = append(counts, c)
		}
	}
	if len(counts) < usualMinRuns {
		return Usual{}, false
	}
	return usual(middle(counts), 0, len(counts)), true
}

// counted is what the rule counted in a run that saw trusted rows.
func (s Summary) counted(service, rule, shape string) (RuleCount, bool) {
	if s.Service != service || s.Outcome != Success || s.Trusted <= 0 {
		return RuleCount{}, false
	}
	c, ok := s.Rules[rule]
	return c, ok && c.Shape == shape
}

func usual(c RuleCount, days, runs int) Usual {
	return Usual{Requests: float64(c.Requests), Median: c.Median, Scale: c.Scale, Days: days, Runs: runs}
}

// middle is the median of each number by itself.
func middle(counts []RuleCount) RuleCount {
	return RuleCount{
		Requests: median(counts, func(c RuleCount) int64 { return c.Requests }),
		Keys:     median(counts, func(c RuleCount) int64 { return c.Keys }),
		Median:   median(counts, func(c RuleCount) float64 { return c.Median }),
		Scale:    median(counts, func(c RuleCount) float64 { return c.Scale }),
	}
}

func median[T int64 | float64](counts []RuleCount, number func(RuleCount) T) T {
	all := make([]T, len(counts))
	for i, c := range counts {
		all[i] = number(c)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
