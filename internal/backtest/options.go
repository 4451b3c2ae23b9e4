package backtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// MostSteps bounds a backtest: two weeks of minutes.
const MostSteps = 14 * 24 * 60

// Options say what to replay.
type Options struct {
	Engine    detect.Replayer
	Set       *detect.Set
	Actions   map[string]policy.Action // by rule; every rule is replayed as if it enforced
	ServiceID string                   // empty counts the rows of all services
	From, To  time.Time                // steps lie at To, To - Step and so on, all after From
	Step      time.Duration
	Settings  policy.Settings

	Allow, Never, Crawlers *lists.Set // as they are today

	// Chunk is how much of the past is asked for at a time: 0 means all of it. An
	// engine that pays for each scan is asked once, one that keeps rows in memory often.
	Chunk    time.Duration
	Deadline time.Duration // of one scan; 0 means the engine's own

	Real []Real // blocks of the past, to compare with; nil means that none are known

	Progress func(done, steps int) // called between chunks; nil says nothing
}

// Real is a block that a run or a person made in the past.
type Real struct {
	Prefix netip.Prefix
	Rule   string // empty for one made by hand
	Since  time.Time
	Until  time.Time // as it was first set
}

// Validate fills defaults in and says what makes the options impossible.
func (o *Options) Validate() error {
	var errs []error
	if o.Engine == nil || o.Set == nil {
		errs = append(errs, errors.New("there is no engine or no rule"))
	}
	if o.Step <= 0 || o.Step%time.Second != 0 {
		errs = append(errs, fmt.Errorf("the step %s is not whole seconds; use one such as 5m", o.Step))
	} else if n := o.To.Sub(o.From) / o.Step; n < 1 || n > MostSteps {
		errs = append(errs, fmt.Errorf("%d steps of %s lie between %s and %s; want 1 to %d: look at less, or use a longer step", n, o.Step, o.From.Format(time.RFC3339), o.To.Format(time.RFC3339), MostSteps))
	}
	if o.Chunk < 0 {
		errs = append(errs, errors.New("the chunk is negative"))
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	return errors.Join(errs...)
}

// mostPieces bounds the memory that an engine which is asked in chunks takes for
// what a key did, however short the steps and however long the windows are: see
// [detect.Replay.Pieces]. Shorter chunks read what lies before them more often.
const mostPieces = 128

// replays cuts the steps into chunks.
func (o *Options) replays() []detect.Replay {
	steps := int(o.To.Sub(o.From) / o.Step)
	first := o.To.Add(-time.Duration(steps-1) * o.Step)
	replay := func(from, each int) detect.Replay {
		return detect.Replay{Set: o.Set, ServiceID: o.ServiceID, First: first.Add(time.Duration(from) * o.Step), Step: o.Step, Steps: min(each, steps-from),
			TrustForgeable: o.Settings.TrustForgeable, TrustUnauthenticated: o.Settings.TrustUnauthenticated, Deadline: o.Deadline}
	}
	each := steps
	if o.Chunk > 0 {
		each = min(max(int(o.Chunk/o.Step), 1), steps)
		each = max(1, sort.Search(each, func(i int) bool { return replay(0, i+1).Pieces() > mostPieces }))
	}
	var out []detect.Replay
	for from := 0; from < steps; from += each {
		out = append(out, replay(from, each))
	}
	return out
}

// Scans is how many queries a backtest in one piece asks at most.
const Scans = 4

// Estimate asks the engine what a backtest would read at most; it costs nothing.
func Estimate(ctx context.Context, o Options) (total int64, err error) {
	if err := o.Validate(); err != nil {
		return 0, fmt.Errorf("backtest: %w", err)
	}
	for _, r := range o.replays() {
		for _, s := range r.Estimates() {
			n, err := o.Engine.Scan(ctx, s)
			if err != nil {
				return total, err
			}
			total += n
		}
	}
	return total, nil
}
