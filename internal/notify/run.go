package notify

import (
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// Kind is what a message, or a part of it, is about.
type Kind string

// The kinds; a configuration names those that are wanted.
const (
	Change      Kind = "change"       // blocks were written or released
	Refusal     Kind = "refusal"      // the guard refused, or the kill switch is pulled
	Failure     Kind = "failure"      // the run failed, or could not be recorded
	Recovery    Kind = "recovery"     // the first good run after failures
	NotEnforced Kind = "not_enforced" // what is blocked is not refused at the edge
	Test        Kind = "test"
)

// Kinds are those that can be chosen, in the order in which a message says them.
var Kinds = []Kind{Failure, NotEnforced, Refusal, Recovery, Change}

// Run is what one run did, as far as a message needs it.
type Run struct {
	ID       string
	Now      time.Time
	Services []Service
}

// Service is the part of one service.
type Service struct {
	ID, Name    string
	Flags       string      // with which a command about this service is called, such as --config edgewarden.yaml
	Plan        *acl.Plan   // nil when the run did not get so far
	Applied     *acl.Result // nil when nothing was written
	Error       string      // why it failed, or why nothing could be written; empty when all went well
	Lease       string      // that the edge no longer enforces, said beside an error; empty when it does
	LedgerError string      // why the ledger was not written
	Stopped     string      // who pulled the kill switch; empty when nobody did
	NotEnforced []string    // what shows that blocks do not act
	// Past is what the ledger remembers of the service before this run, oldest first. Without a ledger every failing run is the
	// first, and there is no recovery.
	Past []ledger.Summary
}

// Keys under which a run's summary in the ledger says what a later run must know to tell a repeat; see [Service.Marks].
const (
	refusedMark     = "refused"
	notEnforcedMark = "not_enforced"
	errorMark       = "error" // which the summary of a failed run has anyway
)

// Marks is what the run's summary must keep in Extra, so that the same refusal is not told again in every run.
func (s Service) Marks() map[string]string {
	marks := map[string]string{}
	if key := s.refusal(); key != "" {
		marks[refusedMark] = key
	}
	if len(s.NotEnforced) > 0 {
		marks[notEnforcedMark] = "yes"
	}
	return marks
}

// refusal names what was refused: the limits that failed, or the kill switch; empty when nothing was.
func (s Service) refusal() string {
	if s.Stopped != "" {
		return "stopped"
	}
	var names []string
	for _, c := range s.refusing() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ",")
}

// refusing is the limits for which changes were refused. Too many blocks refuse no whole class, but blocks all the same.
func (s Service) refusing() []acl.Check {
	if s.Plan == nil {
		return nil
	}
	v := s.Plan.Verdict
	return slices.DeleteFunc(slices.Clone(v.Limits), func(c acl.Check) bool {
		return c.Passed || acl.WarnsOnly(c.Name) || v.Verdict != acl.VerdictRefused && c.Name != acl.LimitNewBlocks
	})
}

// changed is the changes of one kind in the block ACLs that are in effect, in the plan's order: most harmful first.
func (s Service) changed(op acl.Op) []acl.Change {
	if s.Plan == nil || s.Applied == nil {
		return nil
	}
	failed := map[string]bool{}
	key := func(c acl.Change) string { return string(c.Op) + " " + c.ACL + " " + c.Prefix.String() }
	for _, c := range s.Applied.Failed {
		failed[key(c)] = true
	}
	var done []acl.Change
	for _, c := range s.Plan.Changes {
		if c.Op == op && c.Mark.Kind == policy.KindBlock && !failed[key(c)] {
			done = append(done, c)
		}
	}
	return done
}

// command is a call of the program about this service.
func (s Service) command(words string) string {
	return strings.TrimSpace("blocker " + words + " " + s.Flags)
}
