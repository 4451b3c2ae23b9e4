package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"edgewarden/internal/backtest"
	"edgewarden/internal/plain"
)

// refusalsShown is how many offenders that were not blocked the text lists.
const refusalsShown = 10

// backtestText prints reports for people: the table per rule, the worst blocks, whom the lists saved, and one paragraph that can
// be read aloud.
func backtestText(w io.Writer, reports []*backtest.Report, warnings []string, top int) error {
	var b strings.Builder
	for _, warning := range warnings {
		fmt.Fprintf(&b, "ALERT: %s\n", plain.Text(warning, 0))
	}
	for _, r := range reports {
		fmt.Fprintf(&b, "backtest%s from %s to %s, a run every %s, as if every rule enforced\n", ofService(plain.Text(r.ServiceID, 60)), minuteText(r.From), minuteText(r.To), r.Step)
		if r.Covered == nil {
			b.WriteString(noRowsText(r.ServiceID, r.From, r.To) + "\n")
			continue
		}
		if text := coveredText(r.Covered, r.To.Sub(r.From)); text != "" {
			b.WriteString(text + "\n")
		}
		b.WriteString("\n")
		rulesTable(&b, r)
		blocksTable(&b, r, top)
		refusalsTable(&b, "saved by a list of today", r.Saved)
		refusalsTable(&b, "offenders that would not have been blocked", r.Unblocked)
		comparisonText(&b, r.Real)
		b.WriteString("\n" + aloud(r) + "\n")
		if len(r.Baselines) > 0 {
			fmt.Fprintf(&b, "Not judged by its baseline: rule %s. A backtest knows no baseline, so that no comparison with one holds and such a rule finds too few or nobody.\n", strings.Join(r.Baselines, ", rule "))
		}
		b.WriteString("The guard's limits and the room in the ACL are left out: a run may refuse some of these blocks.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func minuteText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// table writes aligned columns.
func table(b *strings.Builder, rows func(row func(cells ...any))) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	tw.Flush() // a strings.Builder does not fail
}

func rulesTable(b *strings.Builder, r *backtest.Report) {
	table(b, func(row func(...any)) {
		row("RULE", "MODE NOW", "OFFENDERS", "BLOCKS", "ADDRESSES", "STRIKE 2+", "BLOCKED", "LONGEST", "WOULD REFUSE", "OK", "CACHED", "ERRORS")
		for _, x := range r.Rules {
			row(x.Rule, x.Mode, x.Offenders, x.Blocks, x.Addresses, x.Escalated, x.Blocked, x.Longest, x.Traffic.Passed(), x.Traffic.OK, x.Traffic.Cached, x.Traffic.Errors)
		}
	})
}

func blocksTable(b *strings.Builder, r *backtest.Report, top int) {
	if len(r.Blocks) == 0 || top <= 0 {
		return
	}
	shown := r.Blocks[:min(top, len(r.Blocks))]
	fmt.Fprintf(b, "\nblocks that would have refused most (%d of %d)\n", len(shown), len(r.Blocks))
	table(b, func(row func(...any)) {
		row("  ADDRESS", "RULES", "FROM (UTC)", "LASTED", "STRIKE", "WOULD REFUSE", "OK", "CACHED", "ERRORS", "REFUSED THEN")
		for _, x := range shown {
			lasted := x.Lasted.String()
			if x.Until == nil {
				lasted += " and on"
			}
			row("  "+plain.Text(x.Key, 0), strings.Join(x.Rules, " "), minuteText(x.From), lasted, x.Strike, x.Traffic.Passed(), x.Traffic.OK, x.Traffic.Cached, x.Traffic.Errors, x.Traffic.Refused)
		}
	})
}

func refusalsTable(b *strings.Builder, title string, list []backtest.Refusal) {
	if len(list) == 0 {
		return
	}
	shown := list[:min(refusalsShown, len(list))]
	fmt.Fprintf(b, "\n%s (%d of %d)\n", title, len(shown), len(list))
	table(b, func(row func(...any)) {
		row("  KEY", "RULE", "RUNS", "REQUESTS", "WHY")
		for _, x := range shown {
			row("  "+plain.Text(x.Key, 60), x.Rule, x.Steps, x.Requests, plain.Text(x.Reason, 0))
		}
	})
}

func comparisonText(b *strings.Builder, c *backtest.Comparison) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "\nthe ledger's blocks: %d of %d by rules would be made again, %d of %d by hand would be found by a rule, %d addresses are new\n", c.Caught, c.Blocks, c.Found, c.ByHand, c.New)
	for _, m := range c.Missed[:min(refusalsShown, len(c.Missed))] {
		by := "rule " + plain.Text(m.Rule, 0)
		if m.Rule == "" {
			by = "hand"
		}
		fmt.Fprintf(b, "  missed: %s, blocked by %s at %s\n", plain.Text(m.Key, 0), by, minuteText(m.Since))
	}
}

// aloud is the summary that can be read aloud.
func aloud(r *backtest.Report) string {
	length := lengthText(r.To.Sub(r.From))
	if !r.Covered.Whole(r.To.Sub(r.From)) {
		length = lengthText(time.Duration(r.Covered.Length)) + " of data"
	}
	if len(r.Blocks) == 0 {
		return fmt.Sprintf("In %s these rules would have blocked nobody; %s were looked at.", length, counted(r.Requests, "request"))
	}
	keys := map[string]bool{}
	for _, x := range r.Blocks {
		keys[x.Key] = true
	}
	t := r.Refused.ByClass
	text := fmt.Sprintf("In %s these rules would have made %s of %s and refused %s of %d (%s): %s had been answered with an error, %s successfully, %s from the cache.",
		length, counted(int64(len(r.Blocks)), "block"), counted(int64(len(keys)), "entry"), counted(r.Refused.Requests, "request"), r.Requests, percent(r.Refused.Requests, r.Requests),
		percent(t.Errors, t.Passed()), percent(t.OK, t.Passed()), percent(t.Cached, t.Passed()))
	text += fmt.Sprintf(" %s behind them, %d with a successful request. At most %s at once and %d new in one run.",
		counted(int64(r.Refused.Addresses), "address"), r.Refused.OKAddresses, counted(int64(r.MostBlocks), "block"), r.MostNewBlocks)
	if t.Refused > 0 {
		text += fmt.Sprintf(" %s of these addresses were refused in the past already and count for no block.", counted(t.Refused, "request"))
	}
	return text
}

// counted is a number with its noun.
func counted(n int64, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	case strings.HasSuffix(noun, "s"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
