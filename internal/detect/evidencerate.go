package detect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ratePoints is the most points a curve has: a step is a minute for windows of up to an hour, and longer for longer ones.
const ratePoints = 60

// Rate is how an offender's requests are spread over its rule's window: as many as its Measures count, so those refused
// at the edge are not among them. The zero Rate is that of no evidence.
type Rate struct {
	Step   time.Duration // whole minutes
	Counts []int64       // requests in each step, oldest first; the last one ends at To. The first may reach past the window
}

// rateStep is the step for a window, in minutes.
func rateStep(window time.Duration) int64 {
	return (minutesOf(window) + ratePoints - 1) / ratePoints
}

// minutesOf is how many minutes counted back from T a window touches.
func minutesOf(window time.Duration) int64 { return int64((window + time.Minute - 1) / time.Minute) }

// emptyRate is a curve of nothing over a window.
func emptyRate(window time.Duration) Rate {
	step := rateStep(window)
	return Rate{Step: time.Duration(step) * time.Minute, Counts: make([]int64, (minutesOf(window)+step-1)/step)}
}

// put takes a row of evidence in: its value is the step, counted back from T.
func (r Rate) put(row EvidenceRow) {
	if back, err := strconv.Atoi(row.Value); err == nil && back >= 0 && back < len(r.Counts) {
		r.Counts[len(r.Counts)-1-back] += row.N
	}
}

// ratePlace is the step a request of a rule lies in, counted back from T.
func (s *scan) ratePlace() string {
	var b strings.Builder
	for i, c := range s.q.Set.rules {
		if step := rateStep(c.Window); step > 1 {
			fmt.Fprintf(&b, " WHEN %d THEN %d", i, step)
		}
	}
	if b.Len() == 0 {
		return "minute"
	}
	return s.div("minute", "CASE rule"+b.String()+" ELSE 1 END")
}
