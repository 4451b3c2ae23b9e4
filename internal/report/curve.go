package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/detect"
)

// curve is a drawing of counts over time in a box of its own, for an inline SVG. All of it is numbers, but for Label.
type curve struct {
	W, H  int
	Area  string // path data
	Marks []mark
	Max   string // the highest value, with its unit
	From  stamp
	To    stamp
	Label string // what a screen reader says instead of the drawing
}

// mark is a line across a curve at a moment.
type mark struct {
	X    int
	Kind string // block, failed: a class of the style
}

// draw makes steps of counts, the oldest first, into a box.
func draw(counts []float64, w, h int) (area string, most float64) {
	for _, n := range counts {
		most = max(most, n)
	}
	if len(counts) == 0 || most == 0 {
		return fmt.Sprintf("M0 %dH%d", h, w), most
	}
	var b strings.Builder
	fmt.Fprintf(&b, "M0 %d", h)
	last := -1
	for i, n := range counts {
		y := h - int(math.Round(n/most*float64(h-2)))
		if n > 0 {
			y = min(y, h-1) // one request is seen
		}
		if y != last {
			fmt.Fprintf(&b, "H%dV%d", i*w/len(counts), y)
			last = y
		}
	}
	fmt.Fprintf(&b, "H%dV%dZ", w, h)
	return b.String(), most
}

// place is where a moment lies in a box of width w from start to end; false when it is outside.
func place(t, start, end time.Time, w int) (int, bool) {
	if t.IsZero() || t.Before(start) || t.After(end) || !end.After(start) {
		return 0, false
	}
	return int(float64(w) * float64(t.Sub(start)) / float64(end.Sub(start))), true
}

// The box of an offender's curve.
const (
	smallW, smallH = 180, 28
	bigW, bigH     = 960, 96
)

// offenderCurve draws an offender's rate up to T. since is when its present block began; zero when there is none.
func offenderCurve(r detect.Rate, to, since, now time.Time, created bool) *curve {
	if len(r.Counts) == 0 {
		return nil
	}
	start := to.Add(-time.Duration(len(r.Counts)) * r.Step)
	c := &curve{W: smallW, H: smallH, From: at(start, now, ""), To: at(to, now, "")}
	perMinute := make([]float64, len(r.Counts))
	for i, n := range r.Counts {
		perMinute[i] = float64(n) / r.Step.Minutes()
	}
	area, most := draw(perMinute, c.W, c.H)
	c.Area, c.Max = area, figure(math.Round(most))+"/min"
	c.Label = fmt.Sprintf("Requests per minute from %s to %s UTC: at most %s, %s at the end", c.From.Text, c.To.Text, figure(math.Round(most)), figure(math.Round(perMinute[len(perMinute)-1])))
	if x, ok := place(since, start, to, c.W); ok {
		c.Marks = append(c.Marks, mark{x, "block"})
		c.Label += ", blocked at " + at(since, now, "").Text
	} else if created {
		c.Marks = append(c.Marks, mark{c.W - 1, "block"})
		c.Label += ", blocked now"
	}
	return c
}

// together adds the rates of different offenders up, minute by minute up to T; of an address that broke several rules the
// longest curve counts, and of prefixes and the addresses in them only one kind.
func together(offenders []detect.Offender) []float64 {
	byKey := map[string]detect.Rate{}
	group := detect.Group("")
	for _, o := range offenders {
		if o.Evidence == nil || len(o.Evidence.Rate.Counts) == 0 {
			continue
		}
		if group == "" || o.Group == detect.ByAddress && group != detect.ByAddress {
			group = o.Group
			clear(byKey)
		}
		if o.Group != group {
			continue
		}
		if old := byKey[o.Key]; minutes(o.Evidence.Rate) > minutes(old) || minutes(o.Evidence.Rate) == minutes(old) && sum(o.Evidence.Rate) > sum(old) {
			byKey[o.Key] = o.Evidence.Rate
		}
	}
	most := 0
	for _, r := range byKey {
		most = max(most, minutes(r))
	}
	total := make([]float64, most)
	for _, r := range byKey {
		step := int(r.Step / time.Minute)
		for i, n := range r.Counts {
			for m := range step {
				total[most-minutes(r)+i*step+m] += float64(n) / float64(step)
			}
		}
	}
	return total
}

func minutes(r detect.Rate) int { return len(r.Counts) * int(r.Step/time.Minute) }

func sum(r detect.Rate) (n int64) {
	for _, c := range r.Counts {
		n += c
	}
	return n
}

// bins makes at most n values of many, each the mean of its share.
func bins(values []float64, n int) []float64 {
	if len(values) <= n {
		return values
	}
	per := (len(values) + n - 1) / n
	var out []float64
	for part := range slices.Chunk(values, per) {
		var s float64
		for _, v := range part {
			s += v
		}
		out = append(out, s/float64(len(part)))
	}
	return out
}
