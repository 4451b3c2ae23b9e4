package backtest

import (
	"context"
	"time"

	"edgewarden/internal/detect"
)

// Coverage is how much of the time that is looked at the store has rows of. Whoever asks for a week of a store that is a
// day old gets an answer about a day.
type Coverage struct {
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
	Length Duration  `json:"length"` // without what lies between them and has no rows
}

// quiet is how long no row may come in a time that counts as covered: a small shop sleeps.
const quiet = time.Hour

// cover joins spans, which are in order; nil when there are none.
func cover(spans []detect.Span) *Coverage {
	if len(spans) == 0 {
		return nil
	}
	c := &Coverage{Oldest: spans[0].From, Newest: spans[len(spans)-1].Until}
	length := c.Newest.Sub(c.Oldest)
	for i, s := range spans[1:] {
		if gap := s.From.Sub(spans[i].Until); gap > quiet {
			length -= gap
		}
	}
	c.Length = Duration(max(length.Round(time.Minute), time.Minute))
	return c
}

// Whole reports whether next to nothing is missing of a length.
func (c *Coverage) Whole(length time.Duration) bool {
	return c != nil && length-time.Duration(c.Length) <= min(2*quiet, length/10)
}

// within is the covered length, and at most that of what was looked at.
func (c *Coverage) within(length time.Duration) time.Duration {
	if c == nil {
		return 0
	}
	return min(time.Duration(c.Length), length)
}

// hours are the spans of the hours of which there are rows.
func hours(rows []detect.HourRow) (spans []detect.Span) {
	for _, r := range rows {
		spans = append(spans, detect.Span{From: time.UnixMicro(r.FirstUs).UTC(), Until: time.UnixMicro(r.LastUs).UTC()})
	}
	return spans
}

// covered asks the store which hours it has.
func (o *SuggestOptions) covered(ctx context.Context) (*Coverage, int64, error) {
	var rows []detect.HourRow
	n, err := o.Engine.Scan(ctx, o.hours(&rows))
	return cover(hours(rows)), n, err
}

func (o *SuggestOptions) hours(rows *[]detect.HourRow) detect.Scan {
	scan := detect.Query{Set: o.Set, ServiceID: o.ServiceID, To: o.To}.Hours(o.From, rows)
	scan.Deadline = o.Deadline
	return scan
}
