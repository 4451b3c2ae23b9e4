package detect

import (
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// replayScan writes the statements of a replay. Times are slots, counted from
// the replay's From; a step is a number, and its window is whole slots.
type replayScan struct {
	*scan
	r    Replay
	slot time.Duration
}

func newReplayScan(d Dialect, src Source, r Replay, slot time.Duration, more ...record.Field) *replayScan {
	return &replayScan{scan: newScan(d, src, r.query(), more...), r: r, slot: slot}
}

// newWeighingScan is a scan whose src says what a row weighs, when the rules ask for it.
func newWeighingScan(d Dialect, src Source, r Replay, slot time.Duration, more ...record.Field) *replayScan {
	s := newReplayScan(d, src, r, slot, append(r.Set.weightFields(), more...)...)
	s.weighed = r.Set.Weighs()
	return s
}

// steps are req, of rows a rule may count, and src: the slot, the trust class and
// a bit for each rule whose where holds. Windows are the steps' business.
func (s *replayScan) steps(only string, carry ...record.Field) []cte {
	columns := []string{"us", s.div("us - "+s.named("from_us", s.r.From().UnixMicro()), fmt.Sprint(s.slot.Microseconds())) + " AS slot", s.trust() + " AS trust"}
	for _, field := range s.carried(carry...) {
		columns = append(columns, f(field))
	}
	columns = append(columns, s.classColumn()...)
	if only != "" {
		only = "\n  AND " + only
	}
	return []cte{
		s.reqBetween(s.r.From(), s.r.Last()),
		{name: "src", body: "SELECT " + strings.Join(columns, ", ") + ",\n  " + s.whereMask() + " AS mask\nFROM req\nWHERE " + base + only},
	}
}

// always are the bits of the rules whose where every request meets.
func (s *replayScan) always() int64 {
	var bits int64
	for i, c := range s.q.Set.rules {
		if c.where == constant(true) {
			bits |= 1 << i
		}
	}
	return bits
}

// whereMask has a bit for each rule whose where holds.
func (s *replayScan) whereMask() string {
	some := s.bits(func(c compiled) string {
		if c.where == constant(true) {
			return ""
		}
		return s.sql(c.where, whereColumn)
	})
	return strings.Join(append([]string{s.bigint(fmt.Sprint(s.always()))}, some...), "\n    + ")
}

// ends is the slot after the last of the first step's windows, stride how many
// slots lie between two steps.
func (s *replayScan) ends() int64   { return s.r.slots(s.r.First, s.slot) }
func (s *replayScan) stride() int64 { return int64(s.r.Step / s.slot) }

// stepsOf are the first and the last step whose window of width slots holds a
// slot; there is none when the first is greater.
func (s *replayScan) stepsOf(slot, width string) (first, last string) {
	first = fmt.Sprintf("CASE WHEN %s < %d THEN 0 ELSE %s END", slot, s.ends(), s.div(fmt.Sprintf("%s - %d", slot, s.ends()-s.stride()), fmt.Sprint(s.stride())))
	after := fmt.Sprintf("%s + %s", slot, width)
	last = fmt.Sprintf("CASE WHEN %s < %d THEN -1 WHEN %s > %d THEN %d ELSE %s END", after, s.ends(), after, s.ends()+int64(s.r.Steps-1)*s.stride(), s.r.Steps-1,
		s.div(fmt.Sprintf("%s - %d", after, s.ends()), fmt.Sprint(s.stride())))
	return first, last
}

// populated reports whether a rule's when compares a key with everybody.
func (c compiled) populated() bool { return c.uses(mShare) || c.uses(mScore) }

// uses reports whether a rule's when names the measure.
func (c compiled) uses(m measure) bool {
	used := map[int]bool{}
	names(c.when, used)
	return used[int(m)]
}

// replayRules is the constant table of rules: id, group and width of the window in slots.
func (s *replayScan) replayRules(row func(id, grp, width int64) string) string {
	var rows []string
	for i, c := range s.q.Set.rules {
		rows = append(rows, row(int64(i), int64(groupIndex(c.Group)), int64(c.Window/s.slot)))
	}
	return strings.Join(rows, ",\n    ")
}
