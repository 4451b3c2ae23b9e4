package backtest

import (
	"fmt"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
)

func TestChunksAreSmallEnoughForLongWindowsAndShortSteps(t *testing.T) {
	to := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		window, step, chunk time.Duration
		chunks              int
	}{
		{15 * time.Minute, 5 * time.Minute, 0, 1}, // all at once, whatever it takes
		{24 * time.Hour, 5 * time.Minute, 0, 1},
		{15 * time.Minute, 5 * time.Minute, time.Hour, 24},
		{6 * time.Hour, 5 * time.Minute, 6 * time.Hour, 7},
		{24 * time.Hour, 5 * time.Minute, 24 * time.Hour, 7},
		{15 * time.Minute, time.Minute, time.Hour, 24},
		{15 * time.Minute, 8 * time.Second, time.Hour, 258},
	} {
		t.Run(fmt.Sprintf("%s every %s by %s", c.window, c.step, c.chunk), func(t *testing.T) {
			o := Options{Set: detecttest.MustCompile(detect.Rule{Name: "a", Window: c.window}, detect.Rule{Name: "b", Window: time.Minute}),
				From: to.Add(-24 * time.Hour), To: to, Step: c.step, Chunk: c.chunk}
			replays := o.replays()
			next := o.From.Add(o.Step)
			for _, r := range replays {
				if n := r.Pieces(); c.chunk > 0 && n > mostPieces {
					t.Errorf("%d steps make %d pieces", r.Steps, n)
				}
				if !r.First.Equal(next) {
					t.Errorf("a chunk begins at %s, want %s", r.First, next)
				}
				next = r.At(r.Steps)
			}
			if !next.Equal(o.To.Add(o.Step)) || len(replays) != c.chunks {
				t.Errorf("%d chunks end before %s; want %d, before %s", len(replays), next, c.chunks, o.To.Add(o.Step))
			}
		})
	}
}
