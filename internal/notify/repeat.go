package notify

import (
	"regexp"
	"time"

	"edgewarden/internal/ledger"
)

// again is how long a repeat of the same trouble stays untold.
const again = time.Hour

var numbers = regexp.MustCompile(`[0-9]+|0x[0-9a-f]+`)

// same reduces an error to what is the same about it in every run: the numbers in it change.
func same(text string) string {
	text = numbers.ReplaceAllString(text, "#")
	return text[:min(len(text), 160)]
}

// trouble is the key of what a summary has under a mark; empty when it has nothing.
func trouble(s ledger.Summary, mark string) string {
	text := s.Extra[mark]
	if mark == errorMark && text == "" && s.Outcome != ledger.Success {
		text = "unknown"
	}
	return same(text)
}

// due reports whether trouble with this key is to be told now: it is new, or goes on and another hour is full. Trouble that
// went away for less than an hour goes on.
func due(past []ledger.Summary, mark, key string, now time.Time) bool {
	key = same(key)
	first, last := now, time.Time{}
	for i := len(past) - 1; i >= 0 && first.Sub(past[i].Time) <= again; i-- {
		if trouble(past[i], mark) != key {
			continue
		}
		if last.IsZero() {
			last = past[i].Time
		}
		first = past[i].Time
	}
	return last.IsZero() || now.Sub(first)/again > last.Sub(first)/again
}

// failures is the runs that failed last, without a good one after them.
func failures(past []ledger.Summary) (streak []ledger.Summary) {
	i := len(past)
	for i > 0 && past[i-1].Outcome != ledger.Success {
		i--
	}
	return past[i:]
}

// recovered reports whether a good run now ends failures that people were told of, and which.
func recovered(past []ledger.Summary) (streak []ledger.Summary, told bool) {
	streak = failures(past)
	before := len(past) - len(streak)
	for i, s := range streak {
		told = told || due(past[:before+i], errorMark, trouble(s, errorMark), s.Time)
	}
	return streak, told
}
