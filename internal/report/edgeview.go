package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// entryRow is one entry of ours at the edge, or one change of the run.
type entryRow struct {
	Key     string
	Prefix  string // with length, for the filter
	Kind    string // block, shadow, exempt, allow
	State   string // what the run does with it
	ACL     string
	Rule    string
	Since   stamp
	Until   stamp
	Strikes int
	Run     string
	Why     string
	Effect  string   // what it refused since it took hold
	Leaks   bool     // requests passed although it is blocked
	Undo    []string // the command, in parts that stay on one line
}

// acls is how full one ACL is.
type aclRow struct {
	Name, Role    string
	Found         bool
	Unreferenced  bool
	Ours, Foreign int
	Capacity      int
	Width         int // of 100, for the bar
	Full          string
}

// entries are the blocks, and apart from them what exempts or only looks on.
func (s Service) entries(r Run) (blocks, others []entryRow) {
	snapshot := s.edge()
	if snapshot == nil {
		return nil, nil
	}
	states, reasons := s.states(), reasonsOf(s)
	after := map[string]detect.After{}
	for _, a := range s.Found.After {
		after[a.Key+" "+a.Rule] = a
	}
	for _, l := range slices.Concat(snapshot.Blocks, []acl.List{snapshot.Exempt, snapshot.Shadow}) {
		for _, e := range l.Entries {
			if !e.Ours || e.MarkErr != nil {
				continue
			}
			row := entryRow{
				Key: keyOf(e.Prefix), Prefix: e.Prefix.String(), Kind: string(e.Mark.Kind), ACL: short(l.Name), Rule: short(e.Mark.Rule),
				Since: at(e.Mark.Since, r.Now, "unknown"), Until: at(e.Mark.Until, r.Now, "no expiry"), Strikes: e.Mark.Strikes, Run: short(e.Mark.Run),
				State: states[stateKey{e.Mark.Kind, e.Prefix}], Why: long(reasons[e.Prefix]), Undo: s.undo(r, e.Mark.Kind, e.Prefix, false),
			}
			if row.State == "" && !e.Mark.Until.IsZero() && !e.Mark.Until.After(r.Now) {
				row.State = "expired"
			}
			if a, asked := after[keyOf(e.Prefix)+" "+e.Mark.Rule]; asked {
				row.Effect, row.Leaks = effect(a, e.Mark.Kind)
			}
			if e.Mark.Kind == policy.KindBlock {
				blocks = append(blocks, row)
			} else {
				others = append(others, row)
			}
		}
	}
	newest := func(a, b entryRow) int {
		return cmp.Or(cmp.Compare(b.Since.Unix, a.Since.Unix), cmp.Compare(a.Prefix, b.Prefix))
	}
	slices.SortStableFunc(blocks, newest)
	slices.SortStableFunc(others, newest)
	return blocks, others
}

func effect(a detect.After, kind policy.Kind) (text string, leaks bool) {
	if kind == policy.KindShadow {
		return number(a.Passed) + " would be refused", false
	}
	text = number(a.Refused) + " refused"
	if a.Passed > 0 {
		text += ", " + number(a.Passed) + " passed"
	}
	return text, a.Passed > 0
}

type stateKey struct {
	kind   policy.Kind
	prefix netip.Prefix
}

// states says what the plan does with entries.
func (s Service) states() map[stateKey]string {
	states := map[stateKey]string{}
	if s.Plan == nil {
		return states
	}
	words := map[acl.Op]string{acl.Create: "new", acl.Update: "extended", acl.Delete: "released"}
	if s.Applied == nil {
		words = map[acl.Op]string{acl.Create: "to be written", acl.Update: "to be extended", acl.Delete: "to be released"}
	}
	for _, c := range s.Plan.Changes {
		states[stateKey{c.Mark.Kind, c.Prefix}] = words[c.Op]
	}
	return states
}

// reasonsOf is why each prefix was blocked: this run's reason, else the newest of the ledger.
func reasonsOf(s Service) map[netip.Prefix]string {
	reasons := map[netip.Prefix]string{}
	for _, e := range s.Past {
		if (e.Event == "block" || e.Event == "extend" || strings.HasSuffix(e.Event, "-create")) && e.Outcome == ledger.Success && e.Detail["reason"] != "" {
			if p, err := netip.ParsePrefix(e.Detail["prefix"]); err == nil {
				reasons[p] = e.Detail["reason"]
			}
		}
	}
	if s.Plan != nil {
		for _, c := range s.Plan.Changes {
			if c.Reason != "" {
				reasons[c.Prefix] = c.Reason
			}
		}
	}
	return reasons
}

// undo is the command that takes an entry back, or a release. An entry in the shadow ACL or of the allowlist needs none.
func (s Service) undo(r Run, kind policy.Kind, prefix netip.Prefix, released bool) []string {
	if !prefix.IsValid() || s.ID == "" {
		return nil
	}
	block, unblock := "block "+keyOf(prefix)+" --for 1h", "unblock "+keyOf(prefix)
	command := ""
	switch {
	case kind == policy.KindBlock && released, kind == policy.KindExempt && !released:
		command = block
	case kind == policy.KindBlock, kind == policy.KindExempt:
		command = unblock
	default:
		return nil
	}
	parts := []string{"blocker " + command, "--reason '…'"}
	for _, flag := range r.Flags {
		parts = append(parts, long(flag))
	}
	if len(r.Services) > 1 {
		parts = append(parts, "--service-id "+short(s.ID))
	}
	return parts
}

// changes are what this run does or did.
func (s Service) changes(r Run) []entryRow {
	if s.Plan == nil {
		return nil
	}
	failed := map[string]bool{}
	if s.Applied != nil {
		for _, c := range s.Applied.Failed {
			failed[string(c.Op)+c.ACL+c.Prefix.String()] = true
		}
	}
	var rows []entryRow
	for _, c := range s.Plan.Changes {
		row := entryRow{
			Key: keyOf(c.Prefix), Prefix: c.Prefix.String(), Kind: string(c.Mark.Kind), ACL: short(c.ACL), Rule: short(c.Mark.Rule),
			State: verb(c), Until: at(c.Mark.Until, r.Now, "no expiry"), Since: at(c.Mark.Since, r.Now, "unknown"), Strikes: c.Mark.Strikes, Why: long(cmp.Or(c.Reason, c.Code)),
		}
		if s.Applied != nil {
			row.Undo = s.undo(r, c.Mark.Kind, c.Prefix, c.Op == acl.Delete)
		}
		if failed[string(c.Op)+c.ACL+c.Prefix.String()] {
			row.State += ", FAILED"
		}
		rows = append(rows, row)
	}
	return rows
}

// verb is what a change is called; the same words as in the terminal.
func verb(c acl.Change) string {
	switch {
	case c.Op == acl.Delete:
		return "release"
	case c.Op == acl.Update:
		return "extend"
	}
	return string(c.Mark.Kind)
}

// capacity is how full the ACLs are.
func (s Service) capacity() (rows []aclRow, share float64, known bool) {
	snapshot := s.edge()
	if snapshot == nil || s.ID == "" {
		return nil, 0, false
	}
	most := cmp.Or(s.Capacity, acl.DefaultCapacity)
	add := func(l acl.List, role string) {
		row := aclRow{Name: short(l.Name), Role: role, Found: l.ID != "", Unreferenced: role == "block" && l.ID != "" && !l.Referenced, Capacity: most}
		for _, e := range l.Entries {
			if e.Ours {
				row.Ours++
			} else {
				row.Foreign++
			}
		}
		full := float64(row.Ours+row.Foreign) / float64(most)
		row.Width, row.Full = min(100, int(full*100+0.5)), percent(full)
		rows = append(rows, row)
	}
	for _, l := range snapshot.Blocks {
		add(l, "block")
	}
	add(snapshot.Exempt, "exempt")
	add(snapshot.Shadow, "shadow")
	u := snapshot.Usage(most)
	if u.Capacity == 0 {
		return rows, 0, false
	}
	return rows, float64(u.Ours+u.Foreign) / float64(u.Capacity), true
}

// enforcement says whether the edge acts on what it holds.
func (s Service) enforcement(now time.Time) (text string, acts bool) {
	snapshot := s.edge()
	if snapshot == nil || s.ID == "" {
		return "", true
	}
	until := snapshot.EnforceUntil
	if !s.LeaseUntil.IsZero() {
		until = s.LeaseUntil
	}
	switch {
	case snapshot.Stopped != "":
		return "stopped: the edge enforces nothing until blocker start", false
	case until.IsZero():
		return "not yet: no run has succeeded", false
	case !until.After(now):
		return "not since " + at(until, now, "").Text, false
	}
	t := at(until, now, "")
	return fmt.Sprintf("until %s (%s)", t.Text, t.Age), true
}
