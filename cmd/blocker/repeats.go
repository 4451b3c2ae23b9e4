package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
)

// repeatsFor is how long a look at request ids is good for where another one costs. A shield's logging changes with a version of
// the service, and the answer names its minute.
const repeatsFor = time.Hour

// repeatsKey is where a run's summary in the ledger keeps the answer.
const repeatsKey = "repeated_ids"

// countRepeats looks whether a shield logs requests again, which only the request ids can tell where lines do not say first_hop.
// Lines that do say it are not looked at. What it finds is a warning, so it may fail.
func (c *cycle) countRepeats(ctx context.Context, sr *serviceReport, query detect.Query, h *detect.Health) {
	if part(h.NoFirstHop, h.Rows) <= healthShare || h.Newest.IsZero() || c.Guard.RepeatedIDs < 0 || c.Guard.RepeatedIDs >= 1 {
		return
	}
	if _, paid := paidBy(c.engine); paid {
		if r := lastRepeats(sr.past); c.now.Sub(r.Minute) < repeatsFor {
			h.Repeats = r
			return
		}
	}
	var found detect.Repeats
	newest := h.TrustedNewest // one row that a stranger sends must not choose a minute in which there is nothing to see
	if newest.IsZero() {
		newest = h.Newest
	}
	scan := query.Repeats(newest, &found)
	c.estimate(ctx, sr, scan, "looking for repeated request ids would read")
	n, err := c.engine.Scan(ctx, scan)
	switch {
	case errors.Is(err, detect.ErrNoRequestID):
	case err != nil:
		sr.Notes = append(sr.Notes, fmt.Sprintf("whether a shield logs requests again is not known, request ids could not be counted: %v", err))
	default:
		h.Repeats, h.BytesScanned = found, h.BytesScanned+n
	}
}

// repeatsText is an answer as a summary keeps it; lastRepeats reads the newest that there is, or gives the zero one.
func repeatsText(r detect.Repeats) string {
	return fmt.Sprintf("%s %d of %d", r.Minute.UTC().Format(time.RFC3339), r.Repeated, r.Rows)
}

func lastRepeats(past []ledger.Event) (newest detect.Repeats) {
	for _, s := range ledger.Summaries(past) {
		var at string
		var r detect.Repeats
		if _, err := fmt.Sscanf(s.Extra[repeatsKey], "%s %d of %d", &at, &r.Repeated, &r.Rows); err != nil {
			continue
		}
		if minute, err := time.Parse(time.RFC3339, at); err == nil && minute.After(newest.Minute) {
			r.Minute = minute
			newest = r
		}
	}
	return newest
}
