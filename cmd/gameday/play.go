package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// playCmd plays long games in compressed time.
type playCmd struct {
	Seed  []uint64 `help:"Seeds to play, one after the other; the same seed gives the same game (default 1)." placeholder:"N,…"`
	Fresh int      `help:"Play so many seeds that nobody has chosen." placeholder:"N"`
	JSON  bool     `help:"Print the scores as JSON, one object a line." name:"json"`
	Keep  bool     `help:"Keep the temporary folders (spool, lake, ledger, configuration) and say where they are."`
}

// seeds is what is to be played.
func (c playCmd) seeds() []uint64 {
	all := c.Seed
	for range c.Fresh {
		all = append(all, uint64(rand.Uint32()))
	}
	if len(all) == 0 {
		return []uint64{1}
	}
	return all
}

// play plays seed after seed and ends at the first that misses the mark.
func play(ctx context.Context, cmd playCmd, stdout, stderr io.Writer) (passed bool, err error) {
	seeds := cmd.seeds()
	for _, seed := range seeds {
		dir, done, err := folder(cmd.Keep, stderr)
		if err != nil {
			return false, err
		}
		began := time.Now()
		t, err := playDay(ctx, dir, seed)
		done()
		if err != nil {
			return false, fmt.Errorf("seed %d: %w\nagain: %s", seed, err, again(seed))
		}
		if err := t.print(stdout, cmd.JSON, len(seeds) == 1, time.Since(began)); err != nil || !t.Passed {
			return false, err
		}
	}
	return true, nil
}

func again(seed uint64) string { return fmt.Sprintf("bin/gameday play --seed %d", seed) }

// print shows the score: one line, and every attacker when asked or when it misses the mark.
func (t *tally) print(w io.Writer, asJSON, whole bool, took time.Duration) error {
	if asJSON {
		return json.NewEncoder(w).Encode(t)
	}
	verdict := "passed"
	if !t.Passed {
		verdict = "MISSED"
	}
	fmt.Fprintf(w, "seed %-10d %s  precision %.2f  recall %.2f  flaps %d  spared requests refused %d  attackers' refused %.0f %%  %d lines, %d runs, %.0f s\n",
		t.Seed, verdict, t.Precision, t.Recall, t.Flaps, t.SparedRefused, 100*t.AttackRefused, t.Sent, t.Runs, took.Seconds())
	if whole || !t.Passed {
		for _, g := range t.Targets {
			if g.Blocked {
				fmt.Fprintf(w, "  %-9s %-24s blocked by %-17s %3.0f min after its first request\n", g.Label, g.Key, g.Rule, g.Minutes)
			} else {
				fmt.Fprintf(w, "  %-9s %-24s NOT BLOCKED\n", g.Label, g.Key)
			}
		}
		for _, what := range allSeen {
			if t.saw[what] {
				fmt.Fprintf(w, "  seen: %s\n", what)
			}
		}
	}
	for _, m := range t.Misses {
		fmt.Fprintf(w, "  MISS: %s\n", m)
	}
	if !t.Passed {
		fmt.Fprintf(w, "  again: %s\n", again(t.Seed))
	}
	return nil
}
