package main

import (
	"context"
	"fmt"
	"slices"

	"edgewarden/internal/detect"
)

// countWholes asks what the offenders of rules with a where, and the keys that somebody asks about, asked for besides: only that
// tells whether one of them looks shared, and whom its block would hit. Those who may be blocked are asked about first. Of whom
// there is no answer, policy and guard know that it is not known: the error says so.
func (c *cycle) countWholes(ctx context.Context, sr *serviceReport, query detect.Query, found *detect.Result) error {
	all := slices.Concat(found.Offenders, found.Asked)
	scan, attach, left, asks := query.Wholes(all, func(o detect.Offender) bool {
		return sr.Actions[o.Rule].Enforce || slices.Contains(query.About, detect.Keyed{Group: o.Group, Key: o.Key})
	})
	// So that it is known of each that it is not known, too.
	defer func() { copy(found.Asked, all[copy(found.Offenders, all):]) }()
	if !asks {
		return nil
	}
	c.estimate(ctx, sr, scan, "counting all that offenders asked for would read")
	n, err := c.engine.Scan(ctx, scan)
	if err != nil {
		return fmt.Errorf("what offenders asked for beside what their rules look at could not be counted, so each has the room of an office: %w", err)
	}
	attach()
	found.Health.BytesScanned += n
	if left > 0 {
		return fmt.Errorf("of %s it was not counted what else they asked for beside what their rules look at, for there are more than %d: each of those has the room of an office", counted(int64(left), "offender"), detect.MaxWholes)
	}
	return nil
}

// estimate adds what one more scan would read to what a dry run says. Its failure is that of the question, which tells.
func (c *cycle) estimate(ctx context.Context, sr *serviceReport, scan detect.Scan, what string) {
	if sr.Cost.Estimated == nil {
		return
	}
	scan.Dry = true
	if n, err := c.engine.Scan(ctx, scan); err == nil {
		*sr.Cost.Estimated += n
		c.log.Info(what, "service_id", sr.Service.ID, "bytes", n)
	}
}
