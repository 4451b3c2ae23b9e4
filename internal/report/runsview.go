package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// runRow is one earlier run.
type runRow struct {
	ID                                string
	Time                              stamp
	Outcome, Kind, Guard              string
	Rows, Offenders, Blocks, Extends  string
	Releases, Refusals, Ours, Problem string
}

// The window of history on the page.
const (
	historyRuns = 12
	historyPast = 24 * time.Hour
)

// runs are the last of the ledger, newest first.
func (s Service) runs(now time.Time) (rows []runRow) {
	all := ledger.Summaries(s.Past)
	for i := len(all) - 1; i >= 0 && len(rows) < historyRuns; i-- {
		m := all[i]
		row := runRow{
			ID: short(m.Run), Time: at(m.Time, now, "unknown"), Outcome: short(m.Outcome), Kind: "ok", Guard: short(m.Extra["guard"]),
			Rows: number(m.Rows), Offenders: number(m.Offenders), Blocks: number(m.Blocks), Extends: number(m.Extends),
			Releases: number(m.Releases), Refusals: number(m.Refusals), Ours: number(m.Ours), Problem: long(m.Extra["error"]),
		}
		if m.Outcome != ledger.Success {
			row.Kind = "bad"
		}
		rows = append(rows, row)
	}
	return rows
}

// traffic draws the rows of a window, per minute, over the runs of the last day, and this one.
func (s Service) traffic(r Run) *curve {
	type point struct {
		t       time.Time
		rate    float64
		blocks  int64
		failure bool
	}
	var points []point
	for _, m := range ledger.Summaries(s.Past) {
		if r.Now.Sub(m.Time) > historyPast || m.Time.After(r.Now) {
			continue
		}
		p := point{t: m.Time, blocks: m.Blocks, failure: m.Outcome != ledger.Success}
		if m.Window > 0 {
			p.rate = float64(m.Rows) / m.Window.Minutes()
		}
		points = append(points, p)
	}
	if s.Window > 0 && s.Found.Health.Rows > 0 {
		points = append(points, point{t: r.Now, rate: float64(s.Found.Health.Rows) / s.Window.Minutes()})
	}
	if len(points) < 3 {
		return nil
	}
	start, end := points[0].t, points[len(points)-1].t
	if !end.After(start) {
		return nil
	}
	const n = 240
	counts := make([]float64, n)
	c := &curve{W: bigW, H: bigH, From: at(start, r.Now, ""), To: at(end, r.Now, "")}
	for i, p := range points {
		until := end
		if i+1 < len(points) {
			until = points[i+1].t
		}
		from, _ := place(p.t, start, end, n)
		to, _ := place(until, start, end, n)
		for x := from; x < max(to, from+1) && x < n; x++ {
			counts[x] = max(counts[x], p.rate)
		}
		x, _ := place(p.t, start, end, c.W)
		switch {
		case p.failure:
			c.Marks = append(c.Marks, mark{x, "failed"})
		case p.blocks > 0:
			c.Marks = append(c.Marks, mark{x, "block"})
		}
	}
	area, most := draw(counts, c.W, c.H)
	c.Area, c.Max = area, number(int64(most+0.5))+"/min"
	c.Label = fmt.Sprintf("Log rows per minute of %s from %s to %s UTC: at most %s, now %s", plural(len(points), "run"), c.From.Text, c.To.Text, number(int64(most+0.5)), number(int64(counts[n-1]+0.5)))
	return c
}

// attack draws the offenders' requests together.
func (s Service) attack(r Run) *curve {
	total := together(s.Found.Offenders)
	if len(total) == 0 {
		return nil
	}
	start := r.To.Add(-time.Duration(len(total)) * time.Minute)
	c := &curve{W: bigW, H: bigH, From: at(start, r.Now, ""), To: at(r.To, r.Now, "")}
	area, most := draw(bins(total, 240), c.W, c.H)
	c.Area, c.Max = area, number(int64(most+0.5))+"/min"
	c.Label = fmt.Sprintf("Requests per minute of the offenders together from %s to %s UTC: at most %s, %s at the end", c.From.Text, c.To.Text, number(int64(most+0.5)), number(int64(total[len(total)-1]+0.5)))
	if s.Plan != nil {
		for _, ch := range s.Plan.Changes {
			if ch.Op == acl.Create && ch.Mark.Kind == policy.KindBlock {
				c.Marks = append(c.Marks, mark{c.W - 1, "block"})
				break
			}
		}
	}
	seen := map[int]bool{}
	for _, b := range s.presentBlocks() {
		if x, ok := place(b, start, r.To, c.W); ok && !seen[x] {
			seen[x] = true
			c.Marks = append(c.Marks, mark{x, "block"})
		}
	}
	return c
}

// presentBlocks are the times at which present blocks of the offenders began.
func (s Service) presentBlocks() (times []time.Time) {
	if s.Snapshot == nil {
		return nil
	}
	offends := map[string]bool{}
	for _, o := range s.Found.Offenders {
		offends[o.Key] = true
	}
	for _, b := range s.Snapshot.Present() {
		if b.Kind == policy.KindBlock && offends[policy.Key(b.Prefix)] {
			times = append(times, b.Since)
		}
	}
	return times
}

// since says what is different from the last run.
func (s Service) since(r Run) (line string, last stamp) {
	all := ledger.Summaries(s.Past)
	if len(all) == 0 || s.Plan == nil {
		return "", stamp{}
	}
	was := all[len(all)-1]
	var parts []string
	for _, d := range []struct {
		what     string
		was, now int64
	}{
		{"rows in the window", was.Rows, s.Found.Health.Rows}, {"offenders", was.Offenders, int64(len(s.Found.Offenders))},
		{"refusals", was.Refusals, int64(len(s.Plan.Refusals))}, {"entries of ours", was.Ours, int64(s.edge().Usage(s.Capacity).Ours)},
	} {
		part := fmt.Sprintf("%s %s", number(d.now), d.what)
		if d.now != d.was {
			part += " (" + signed(d.now-d.was) + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", "), at(was.Time, r.Now, "")
}

// fact is one line of a list of what is known.
type fact struct{ Name, Value, Note string }

// repeatsFact says whether a shield seems to log requests again.
func repeatsFact(r detect.Repeats) fact {
	if r.Minute.IsZero() {
		return fact{"Repeat a request id", "not looked at", "only where lines do not say first_hop"}
	}
	return fact{"Repeat a request id", number(r.Repeated), "of " + number(r.Rows) + " with an id in minute " + r.Minute.UTC().Format("15:04") + "; a shield logs each request again, or clients send the id"}
}

// data is what the data itself looks like.
func (s Service) data(r Run) []fact {
	h := s.Found.Health
	if h.Rows == 0 && h.Newest.IsZero() {
		return nil
	}
	loss := fact{"Lost on the way", "not known", "no heartbeats of ingest in the store"}
	if h.LossKnown {
		loss = fact{"Lost on the way", percent(h.Loss), "of the lines ingest received, by its heartbeats"}
	}
	facts := []fact{
		{"Rows", number(h.Rows), "in the longest window, " + span(s.Window)},
		{"Newest row", ageOf(h.Newest, r.To), "before T = " + at(r.To, r.Now, "").Text},
		{"Trusted rows", number(h.Trusted), percent(float64(h.Trusted)/float64(max(1, h.Rows))) + " of all; only these can block"},
		{"Newest trusted row", ageOf(h.TrustedNewest, r.To), ""},
		loss,
		{"Successful requests", number(h.OKRequests), "from " + plural(int(h.OKAddresses), "address") + ", trusted and not refused"},
		{"Without an address", number(h.NoAddress), ""},
		{"Claim another address", number(h.TrustedClaims), "trusted rows with a Fastly-Client-IP that is not theirs"},
		{"Without first_hop", number(h.NoFirstHop), "not in our log format"},
		repeatsFact(h.Repeats),
		{"From shields", number(h.Shield), "never counted"},
		{"Time only of receipt", number(h.ReceivedTime), "never counted"},
		{"Ahead of the clock", number(h.Ahead), ""},
	}
	if h.BytesScanned > 0 {
		facts = append(facts, fact{"Scanned", bytesText(h.BytesScanned), ""})
	}
	return facts
}

func ageOf(t, to time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return span(max(0, to.Sub(t))) + " old"
}

// identityRow is what one ingest process says of one sink.
type identityRow struct {
	Ingest, Sink                                      string
	Heard                                             stamp
	Received, Recovered, Shipped, Dead, Queued, Drops string
	Open                                              string // "holds", or what is left open
	Kind                                              string
}

// identity holds what every ingest process received against what it did with it.
func (s Service) identity(now time.Time) (rows []identityRow) {
	for _, b := range s.Found.Heartbeats {
		for _, k := range b.Sinks {
			row := identityRow{
				Ingest: short(b.Spool), Sink: short(k.Sink), Heard: at(b.Time, now, ""), Received: number(b.Received), Recovered: number(k.Recovered),
				Shipped: number(k.Shipped), Dead: number(k.DeadLettered), Queued: number(k.Queued), Drops: drops(b, k), Open: "holds", Kind: "ok",
			}
			if open := b.Unexplained(k); open != 0 {
				row.Open, row.Kind = signed(open)+" on their way or unexplained", "bad"
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func drops(b detect.Heartbeat, k detect.SinkCount) string {
	reasons := maps.Clone(b.Dropped)
	if k.LettersDropped > 0 {
		if reasons == nil {
			reasons = map[string]int64{}
		}
		reasons["dead letters"] += k.LettersDropped
	}
	var total int64
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		if n := reasons[reason]; n != 0 {
			total += n
			parts = append(parts, number(n)+" "+short(reason))
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return number(total) + " (" + strings.Join(parts, ", ") + ")"
}

// tallied puts counts in order, the greatest first.
func tallied(counts map[string]int64) (rows []countRow) {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for _, k := range keys {
		rows = append(rows, countRow{k, number(counts[k])})
	}
	return rows
}
