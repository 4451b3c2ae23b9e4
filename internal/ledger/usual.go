package ledger

import (
	"slices"
	"time"
)

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
