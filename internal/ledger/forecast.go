package ledger

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// The bounds of FillForecast.
const (
	forecastPast  = 14 * 24 * time.Hour
	forecastPairs = 12  // a day and a half of hourly runs
	forecastFloor = 0.5 // entries a day that count as growth
	forecastAlert = 7.0 // days
)

// Forecast says when the block ACLs will be full if they go on filling as they did.
type Forecast struct {
	Known  bool    // false: less than a day and a half of runs is known; only Ours and Room are filled
	Ours   int64   // entries of ours in the last run
	Room   int64   // places that ours may take
	PerDay float64 // entries more each day; negative when they get fewer
	Days   float64 // until full; 0 when it is, +Inf when it does not fill
}

// FillForecast looks at a service's entries over the last two weeks. Blocks come and go with the hours of the day, so
// only the same hours of different days are compared; of all these differences the median counts, so that one attack that is
// over does not fill the ACL for ever. room is how many places ours may take (acl.Usage.Room). It is pure.
func FillForecast(summaries []Summary, service string, room int64, now time.Time) Forecast {
	f := Forecast{Room: room, Days: math.Inf(1)}
	hours := map[int64]int64{}
	var last time.Time
	for _, s := range summaries {
		if s.Service != service || s.Time.After(now) || now.Sub(s.Time) > forecastPast {
			continue
		}
		if !s.Time.Before(last) {
			last, f.Ours = s.Time, s.Ours
		}
		hour := s.Time.Unix() / 3600
		hours[hour] = max(hours[hour], s.Ours)
	}
	if f.Ours >= room && !last.IsZero() {
		f.Days = 0
	}
	var slopes []float64
	at := slices.Sorted(maps.Keys(hours))
	for i, a := range at {
		for _, b := range at[i+1:] {
			if (b-a)%24 == 0 {
				slopes = append(slopes, float64(hours[b]-hours[a])/float64((b-a)/24))
			}
		}
	}
	if len(slopes) < forecastPairs {
		return f
	}
	slices.Sort(slopes)
	f.Known, f.PerDay = true, slopes[len(slopes)/2]
	if f.Days > 0 && f.PerDay >= forecastFloor {
		f.Days = float64(room-f.Ours) / f.PerDay
	}
	return f
}

// String is one line for a report.
func (f Forecast) String() string {
	used := fmt.Sprintf("%d of %d places taken", f.Ours, f.Room)
	switch {
	case f.Days == 0:
		return used + ": full"
	case !f.Known:
		return used + ": no forecast before a day and a half of runs"
	case math.IsInf(f.Days, 1):
		return fmt.Sprintf("%s, %+.1f a day: not filling", used, f.PerDay)
	}
	return fmt.Sprintf("%s, %+.1f a day: full in %.1f days", used, f.PerDay, f.Days)
}

// Alert says what to do when the ACLs are full, or will be within a week; "" when there is time.
func (f Forecast) Alert() string {
	if f.Days > forecastAlert {
		return ""
	}
	return "block ACLs: " + f.String() + ": add a block ACL, have Fastly raise the limit, or block for a shorter time; the least harmful entries are evicted when they are full"
}
