package ledger

import (
	"fmt"
	"maps"
	"slices"
)

// Verify checks chains; it returns one problem per fault, naming run and seq. It
// wants whole runs: the events of Since with the zero time, not of a part.
func Verify(events []Event) []string {
	var problems []string
	last := map[string]Event{} // by run
	for i, e := range events {
		report := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("record %d (run %s seq %d): ", i+1, e.Run, e.Seq)+fmt.Sprintf(format, args...))
		}
		before, seen := last[e.Run]
		switch {
		case e.Version != Version:
			report("version %d is not known", e.Version)
		case e.Hash != e.Sum():
			report("was changed: its content does not have the hash it carries")
		}
		switch {
		case !seen && e.Seq != 1:
			report("records 1 to %d of its run are missing", e.Seq-1)
		case !seen && e.Prev != "":
			report("is the first of its run, yet names one before it")
		case seen && e.Seq <= before.Seq:
			report("comes after seq %d: moved or inserted", before.Seq)
		case seen && e.Seq > before.Seq+1:
			report("follows seq %d: %d missing in between", before.Seq, e.Seq-before.Seq-1)
		case seen && e.Prev != before.Hash:
			report("does not follow the record before it: one of them was replaced")
		}
		last[e.Run] = e
	}
	return problems
}

// Heads gives the hash of the last record of every run, to be kept elsewhere.
func Heads(events []Event) map[string]string {
	heads := map[string]string{}
	for _, e := range events {
		heads[e.Run] = e.Hash
	}
	return heads
}

// VerifyHeads compares with heads kept elsewhere, and so finds what Verify cannot:
// that the end of a run, or a whole run, was cut away.
func VerifyHeads(events []Event, kept map[string]string) []string {
	have := Heads(events)
	var problems []string
	for _, run := range slices.Sorted(maps.Keys(kept)) {
		switch head, ok := have[run]; {
		case !ok:
			problems = append(problems, fmt.Sprintf("run %s: all its records are missing", run))
		case head != kept[run]:
			problems = append(problems, fmt.Sprintf("run %s: does not end with the record it ended with", run))
		}
	}
	return problems
}

// Unlogged names the runs that kept has no head of, of those that stand between the first and the last run it has, in the
// order of the ledger. Whoever can write to a ledger can add a run that never was, whole in itself; or the run was logged
// elsewhere.
func Unlogged(events []Event, kept map[string]string) []string {
	known := func(e Event) bool { return kept[e.Run] != "" }
	from := slices.IndexFunc(events, known)
	if from < 0 {
		return nil
	}
	to := len(events)
	for !known(events[to-1]) {
		to--
	}
	var runs []string
	for _, e := range events[from:to] {
		if !known(e) && !slices.Contains(runs, e.Run) {
			runs = append(runs, e.Run)
		}
	}
	return runs
}
