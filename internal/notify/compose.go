package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/policy"
)

// Settings is what is told and how.
type Settings struct {
	On            []Kind // empty: all
	MaxEntries    int    // blocks and releases listed a message, the rest is counted; 0: 10
	MaskAddresses bool   // 203.0.113.x in place of an address, and a /48 in place of an IPv6 one
}

// DefaultEntries is how many blocks and releases a message lists.
const DefaultEntries = 10

// maxDetails is how many lines of errors or limits an event has.
const maxDetails = 5

// Compose makes the message of a run; false when there is nothing to say. It is made plain already.
func Compose(r Run, s Settings) (Message, bool) {
	room := cmp.Or(s.MaxEntries, DefaultEntries)
	var events []Event
	for _, svc := range r.Services {
		for _, e := range r.events(svc) {
			if len(s.On) > 0 && !slices.Contains(s.On, e.Kind) {
				continue
			}
			e.ServiceID, e.Name = svc.ID, svc.Name
			if s.MaskAddresses {
				svc.hideUndo(&e)
			}
			room -= e.cut(room)
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return Message{}, false
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(slices.Index(Kinds, a.Kind), slices.Index(Kinds, b.Kind)) })
	m := Message{Version: 1, Program: program, Run: r.ID, Time: r.Now.UTC(), Severity: severity(events), Events: events}
	var parts []string
	for _, e := range events {
		parts = append(parts, strings.TrimSpace(e.ServiceID+" "+e.Text))
	}
	m.Text = strings.Join(parts, "; ")
	return m.plain(s.MaskAddresses), true
}

// events is what is to be said of one service.
func (r Run) events(s Service) []Event {
	var events []Event
	add := func(kind Kind, look, text string, details ...string) {
		details = slices.Clone(details) // they are made plain in place
		if more := len(details) - maxDetails; more > 0 {
			details = append(details[:maxDetails], fmt.Sprintf("and %d more", more))
		}
		events = append(events, Event{Kind: kind, Text: text, Details: details, Look: look})
	}
	if s.Error != "" && due(s.Past, errorMark, s.Error, r.Now) {
		text := "run failed"
		if n := len(failures(s.Past)); n > 0 {
			text = fmt.Sprintf("runs fail, %d in a row now", n+1)
		}
		details := []string{s.Error}
		if s.Lease != "" {
			details = append(details, s.Lease)
		}
		add(Failure, s.command("check"), text, details...)
	}
	if s.LedgerError != "" {
		add(Failure, s.command("audit verify"), "the run was not recorded in the ledger", s.LedgerError)
	}
	if len(s.NotEnforced) > 0 && due(s.Past, notEnforcedMark, "yes", r.Now) {
		add(NotEnforced, s.command("check"), "blocks are not enforced", s.NotEnforced...)
	}
	if key := s.refusal(); key != "" && due(s.Past, refusedMark, key, r.Now) {
		events = append(events, s.refused())
	}
	if s.Error == "" {
		if streak, told := recovered(s.Past); told {
			add(Recovery, s.command("status"), fmt.Sprintf("runs succeed again after %d that failed since %s", len(streak), stamp(streak[0].Time)))
		}
	}
	if e, any := s.changes(); any {
		events = append(events, e)
	}
	return events
}

// refused says what the guard, or the kill switch, held back.
func (s Service) refused() Event {
	if s.Stopped != "" {
		return Event{Kind: Refusal, Text: "stopped: nothing is blocked, releases pass", Details: []string{"by " + s.Stopped}, Undo: s.command("start --reason 'undo stop'")}
	}
	e := Event{Kind: Refusal, Text: "the guard refused changes", Look: s.command("plan -o plan.json")}
	limits := s.refusing()
	for _, c := range limits[:min(len(limits), maxDetails)] {
		value, limit := c.Figures()
		line := fmt.Sprintf("%s: %s, limit %s", c.Name, value, limit)
		if c.Note != "" {
			line += ", " + c.Note
		}
		e.Details = append(e.Details, line)
	}
	return e
}

// changes says who was blocked and released, with the command that undoes each.
func (s Service) changes() (Event, bool) {
	blocked, released := s.changed(acl.Create), s.changed(acl.Delete)
	if len(blocked)+len(released) == 0 {
		return Event{}, false
	}
	e := Event{Kind: Change, Text: fmt.Sprintf("%d blocked, %d released", len(blocked), len(released)), Look: s.command("status")}
	for _, c := range blocked {
		e.Blocked = append(e.Blocked, Entry{Prefix: policy.Key(c.Prefix), Rule: c.Mark.Rule, Until: stamp(c.Mark.Until), Why: evidence(c), Undo: s.command("unblock " + policy.Key(c.Prefix) + " --reason 'undo block'")})
	}
	for _, c := range released {
		e.Released = append(e.Released, Entry{Prefix: policy.Key(c.Prefix), Rule: c.Mark.Rule, Why: c.Reason, Undo: s.command("block " + policy.Key(c.Prefix) + " --for 1h --reason 'undo release'")})
	}
	return e, true
}

// cut shortens the lists to so many entries, counts the rest, and returns how many stand.
func (e *Event) cut(room int) int {
	room = max(room, 0)
	all := len(e.Blocked) + len(e.Released)
	e.Blocked = e.Blocked[:min(len(e.Blocked), room)]
	e.Released = e.Released[:min(len(e.Released), room-len(e.Blocked))]
	stand := len(e.Blocked) + len(e.Released)
	e.More = all - stand
	return stand
}

// hideUndo takes the addresses out of the commands, and points to the ledger, which names them.
func (s Service) hideUndo(e *Event) {
	for _, list := range [][]Entry{e.Blocked, e.Released} {
		for i := range list {
			list[i].Undo = strings.ReplaceAll(list[i].Undo, " "+list[i].Prefix+" ", " ADDRESS ")
			e.Look = s.command("audit show --since 1h")
		}
	}
}

// evidence is why somebody was blocked, in one line: what was measured, and where most of it went.
func evidence(c acl.Change) string {
	if c.Decision == nil || c.Decision.Offender == nil {
		return c.Reason
	}
	o := c.Decision.Offender
	m := o.Measures
	parts := []string{m.Sent(), fmt.Sprintf("%d a minute at most", m.PeakPerMinute), fmt.Sprintf("%d went well", m.OK)}
	if m.Whole.Requests > m.Requests {
		parts[2] = fmt.Sprintf("%d of its %d in all went well", m.Whole.OK, m.Whole.Requests)
	}
	if c.Mark.Strikes > 1 {
		parts = append(parts, fmt.Sprintf("strike %d", c.Mark.Strikes))
	}
	if e := o.Evidence; e != nil {
		if e.Country != "" || e.ASN != 0 {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("AS%d %s", e.ASN, e.Country)))
		}
		if len(e.Paths) > 0 {
			parts = append(parts, "path "+e.Paths[0].Value)
		}
		if len(e.Agents) > 0 {
			parts = append(parts, "agent "+e.Agents[0].Value)
		}
	}
	return strings.Join(parts, ", ")
}

// stamp is a time for people and programs; empty for no time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
