package main

import (
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/backtest"
	"edgewarden/internal/plain"
)

// lengthText writes a time of hours or days.
func lengthText(d time.Duration) string {
	if days := d.Hours() / 24; days >= 2 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", days), ".0") + " days"
	}
	return backtest.Duration(d.Round(time.Minute)).String()
}

// coveredText says of what there are rows, where that is less than what was asked for; empty where it is all.
func coveredText(c *backtest.Coverage, asked time.Duration) string {
	if c.Whole(asked) {
		return ""
	}
	gaps := ""
	if c.Newest.Sub(c.Oldest)-time.Duration(c.Length) > time.Hour {
		gaps = ", with gaps"
	}
	return fmt.Sprintf("there are rows of %s in the %s asked for, from %s to %s%s", lengthText(time.Duration(c.Length)), lengthText(asked), minuteText(c.Oldest), minuteText(c.Newest), gaps)
}

// codeOfRows is the exit code of what was asked of some services: there was something to go by for all, for a part, or for none.
func codeOfRows[T any](all []T, rows func(T) bool) int {
	without := 0
	for _, one := range all {
		if !rows(one) {
			without++
		}
	}
	switch without {
	case 0:
		return exitOK
	case len(all):
		return exitFailed
	}
	return exitPartly
}

// noRowsText says that there is nothing to look at, and what to look at instead.
func noRowsText(service string, from, to time.Time) string {
	return fmt.Sprintf("NO ROWS%s from %s to %s: this says nothing about the rules. Is the service id right, does --lake or --bigquery name the place that ingest writes to, and does ingest run? blocker check looks.",
		ofService(plain.Text(service, 60)), minuteText(from), minuteText(to))
}
