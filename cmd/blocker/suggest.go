package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"edgewarden/internal/backtest"
	"edgewarden/internal/config"
	"edgewarden/internal/plain"
)

type suggestCmd struct {
	Since string `help:"How far back: 7d, 36h." default:"7d" placeholder:"DURATION"`
}

// suggest measures every bound of the rules over the past and proposes thresholds.
func (p *program) suggest(ctx context.Context, cmd suggestCmd) (int, error) {
	r, err := p.openReplay(ctx, cmd.Since, 0)
	if err != nil {
		return codeOf(err), err
	}
	defer r.engine.Close()
	all := []*backtest.Suggestions{}
	for _, svc := range r.Services {
		o, err := r.suggestOptions(svc)
		if err != nil {
			return codeOf(err), err
		}
		if _, paid := paidBy(r.engine); paid {
			total, scans, err := backtest.EstimateSuggest(ctx, o)
			if err == nil {
				err = r.withinMaxBytes(total, scans)
			}
			if err != nil {
				return exitFailed, err
			}
		}
		p.busy.Step("measuring" + ofService(svc.ID))
		o.Progress = p.busy.Count
		s, err := backtest.Suggest(ctx, o)
		if err != nil {
			return exitFailed, err
		}
		all = append(all, s)
	}
	code := codeOfRows(all, func(s *backtest.Suggestions) bool { return s.Covered != nil })
	if p.flags.JSON {
		return code, p.encode(map[string]any{"schema": schemaVersion, "suggestions": all})
	}
	return code, suggestText(p.stdout, all)
}

func (r *replaying) suggestOptions(svc config.Service) (backtest.SuggestOptions, error) {
	set := r.compiled[svc.ID].set
	o := backtest.SuggestOptions{Engine: r.replayer, Set: set, ServiceID: svc.ID, From: r.from, To: r.to,
		TrustForgeable: r.Policy.TrustForgeable, TrustUnauthenticated: r.Policy.TrustUnauthenticated, Chunk: lakeChunk, Deadline: replayDeadline}
	if w := set.MaxWindow(); r.to.Sub(r.from) < w {
		return o, usagef("--since is shorter than the longest window, %s", short(w))
	}
	if _, paid := paidBy(r.engine); paid {
		o.Chunk = 0
	}
	return o, nil
}

// suggestText prints a block of lines for each bound.
func suggestText(w io.Writer, all []*backtest.Suggestions) error {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "measured%s from %s to %s; a sample is an address (or what the rule groups by) in one window\n", ofService(plain.Text(s.ServiceID, 60)), minuteText(s.From), minuteText(s.To))
		if s.Covered == nil {
			b.WriteString(noRowsText(s.ServiceID, s.From, s.To) + "\n")
			continue
		}
		if text := coveredText(s.Covered, s.To.Sub(s.From)); text != "" {
			b.WriteString(text + "\n")
		}
		b.WriteByte('\n')
		table(&b, func(row func(...any)) {
			row("RULE", "MEASURE", "WINDOW", "SAMPLES", "P50", "P90", "P99", "P99.9", "MAX", "GAP", "NOW", "WOULD MEET", "PROPOSED", "WOULD MEET")
			for _, x := range s.Suggestions {
				gap, proposed, meets := "none", "none", ""
				if x.Gap != nil {
					gap = fmt.Sprintf("%d to %d", x.Gap.Above, x.Gap.Below)
				}
				if x.Proposed != nil {
					proposed, meets = fmt.Sprint(x.Proposed.Value), boundText(*x.Proposed)
				}
				row(x.Rule, x.Measure, x.Window, x.Samples, x.P50, x.P90, x.P99, x.P999, x.Max, gap, x.Present.Value, boundText(x.Present), proposed, meets)
			}
		})
		b.WriteByte('\n')
		for _, x := range s.Suggestions {
			fmt.Fprintf(&b, "%s, %s: %s.\n", x.Rule, x.Measure, x.Note)
		}
		if len(s.Without) > 0 {
			fmt.Fprintf(&b, "Nothing is suggested for %s: no lower bound on a count; shares and scores move with the traffic.\n", strings.Join(s.Without, ", "))
		}
		if len(s.WithinWhere) > 0 {
			fmt.Fprintf(&b, "Only requests that match the where are counted for %s, the successful ones, too: what else those ask for whom a bound would meet, blocker backtest shows.\n", strings.Join(s.WithinWhere, ", "))
		}
		b.WriteString("Each bound is measured alone: the other conditions of its rule are left aside. Put a number into the rules, then look with blocker backtest.\n")
		if s.BytesScanned > 0 {
			fmt.Fprintf(&b, "Measuring read %s.\n", bytesText(s.BytesScanned))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// boundText is a bound's collateral.
func boundText(b backtest.Bound) string {
	atMost := ""
	if b.KeysAtMost {
		atMost = "at most "
	}
	return fmt.Sprintf("%s%d, %s ok", atMost, b.Keys, counted(b.OK, "request"))
}
