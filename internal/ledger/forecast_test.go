package ledger_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/ledger"
)

func TestFillForecast(t *testing.T) {
	end := time.Date(2031, 5, 15, 12, 0, 0, 0, time.UTC)
	runs := func(days float64, ours func(day float64) float64) []ledger.Summary {
		var all []ledger.Summary
		for at := end.Add(-time.Duration(days * float64(24*time.Hour))); !at.After(end); at = at.Add(5 * time.Minute) {
			day := at.Sub(end).Hours() / 24
			all = append(all, ledger.Summary{Service: "SVC1", Time: at, Outcome: ledger.Success, Ours: int64(ours(day))},
				ledger.Summary{Service: "SVC2", Time: at, Ours: 7})
		}
		return all
	}
	wave := func(day float64) float64 { return 80 * math.Sin(2*math.Pi*day) }
	for _, c := range []struct {
		name string
		runs []ledger.Summary
		room int64
		want string
		warn bool
	}{
		{"a steady growth of ten a day", runs(10, func(d float64) float64 { return 900 + 10*d }), 1000, "900 of 1000 places taken, +10.0 a day: full in 10.0 days", false},
		{"within a week it is an alert", runs(10, func(d float64) float64 { return 930 + 10*d }), 1000, "930 of 1000 places taken, +10.0 a day: full in 7.0 days", true},
		{"a daily wave is no growth", runs(10, func(d float64) float64 { return 500 + wave(d) }), 1000, "500 of 1000 places taken, +0.0 a day: not filling", false},
		{"growth under a daily wave", runs(10, func(d float64) float64 { return 800 + 20*d + wave(d) }), 1000, "800 of 1000 places taken, +20.0 a day: full in 10.0 days", false},
		{"an attack that is over does not fill it", runs(10, func(d float64) float64 {
			if d > -6 && d < -5 {
				return 900
			}
			return 100
		}), 1000, "100 of 1000 places taken, +0.0 a day: not filling", false},
		{"entries that get fewer", runs(10, func(d float64) float64 { return 500 - 10*d }), 1000, "500 of 1000 places taken, -10.0 a day: not filling", false},
		{"full", runs(3, func(float64) float64 { return 1000 }), 1000, "1000 of 1000 places taken: full", true},
		{"fuller than there is room since others came", runs(3, func(float64) float64 { return 1000 }), 900, "1000 of 900 places taken: full", true},
		{"a day is too short to tell", runs(1, func(d float64) float64 { return 900 + 100*d }), 1000, "900 of 1000 places taken: no forecast before a day and a half of runs", false},
		{"no run", nil, 1000, "0 of 1000 places taken: no forecast before a day and a half of runs", false},
		{"other services and older runs do not count", append(runs(1, func(float64) float64 { return 5 }),
			ledger.Summary{Service: "SVC1", Time: end.Add(-20 * 24 * time.Hour), Ours: 1000}, ledger.Summary{Service: "SVC1", Time: end.Add(time.Hour), Ours: 1000}),
			1000, "5 of 1000 places taken: no forecast before a day and a half of runs", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ledger.FillForecast(c.runs, "SVC1", c.room, end)
			if strings.ReplaceAll(f.String(), "-0.0", "+0.0") != c.want {
				t.Errorf("got  %s\nwant %s", f, c.want)
			}
			if (f.Alert() != "") != c.warn {
				t.Errorf("alert %q", f.Alert())
			}
		})
	}
}
