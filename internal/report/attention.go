package report

import (
	"fmt"

	"edgewarden/internal/acl"
)

// item is something that needs attention.
type item struct {
	Kind    string // bad, warn, note: a class of the style
	Word    string
	Service string // when there are several
	Text    string
}

// attention is what a person should look at first, the gravest first, and what only is worth knowing.
func (r Run) attention() (items []item, notes []string) {
	var bad, warn []item
	for _, s := range r.Services {
		name := ""
		if len(r.Services) > 1 {
			name = short(s.ID)
		}
		put := func(to *[]item, kind, word string, texts ...string) {
			for _, t := range texts {
				if t != "" {
					*to = append(*to, item{kind, word, name, long(t)})
				}
			}
		}
		put(&bad, "bad", "Failed", s.Error)
		put(&bad, "bad", "Refused", s.Refused)
		if snapshot := s.edge(); snapshot != nil && s.Refused == "" && snapshot.Stopped != "" {
			put(&bad, "bad", "Stopped", "the edge enforces nothing until blocker start --reason …")
		}
		put(&bad, "bad", "Ledger not written", s.LedgerError)
		put(&bad, "bad", "Not as reviewed", s.Unreviewed...)
		if s.Applied != nil && len(s.Applied.Failed) > 0 {
			put(&bad, "bad", "Not in effect", plural(len(s.Applied.Failed), "change")+" after reading back; see the changes")
		}
		limits, verdict := s.limits()
		for _, l := range limits {
			text := fmt.Sprintf("%s: %s, %s", l.Name, l.Value, l.Limit)
			if l.Meaning != "" {
				text = fmt.Sprintf("%s (%s): %s, %s", l.Name, l.Meaning, l.Value, l.Limit)
			}
			if l.Note != "" {
				text += "; " + l.Note
			}
			switch {
			case l.Kind == "bad" && verdict == acl.VerdictRefused:
				put(&bad, "bad", "Limit failed", text)
			case l.Kind == "bad":
				put(&warn, "warn", "Limit failed", text)
			case l.Kind == "lifted":
				put(&warn, "warn", "Limit lifted", text)
			}
		}
		put(&warn, "warn", "Alert", s.Alerts...)
		if s.Plan != nil {
			put(&warn, "warn", "Problem", s.Plan.Problems...)
			if n := len(s.Plan.NoRoom); n > 0 {
				put(&warn, "warn", "No room", plural(n, "block")+" found no place in the ACLs; see the refusals")
			}
		}
		if s.Plan == nil { // a status: what a run would alert about
			put(&warn, "warn", "Problem", edgeProblems(s)...)
		}
		notes = append(notes, longs(s.Notes)...)
	}
	return append(bad, warn...), notes
}

// edgeProblems are what shows at the edge alone.
func edgeProblems(s Service) (out []string) {
	snapshot := s.edge()
	if snapshot == nil {
		return nil
	}
	for _, l := range snapshot.Blocks {
		if l.ID != "" && !l.Referenced {
			out = append(out, "ACL "+l.Name+" is not referenced by the active version: it blocks nothing")
		}
	}
	for _, l := range append([]acl.List{snapshot.Exempt, snapshot.Shadow}, snapshot.Blocks...) {
		for _, e := range l.Entries {
			if e.Ours && e.MarkErr != nil {
				out = append(out, fmt.Sprintf("%s in %s: unreadable mark: %v", e.Prefix, l.Name, e.MarkErr))
			}
		}
	}
	vital, _ := snapshot.Missing()
	for _, m := range vital {
		out = append(out, "the active version has no "+m)
	}
	return out
}

// state is the worst that is known, as one word and a class of the style.
func (r Run) state(items []item) (word, kind string) {
	failed, refused, stopped := false, false, false
	for _, s := range r.Services {
		failed = failed || s.Error != ""
		refused = refused || s.Refused != "" || s.Plan != nil && s.Plan.Verdict.Verdict == acl.VerdictRefused
		if e := s.edge(); e != nil {
			stopped = stopped || e.Stopped != ""
		}
	}
	switch {
	case failed:
		return "Failed", "bad"
	case stopped:
		return "Stopped", "bad"
	case refused:
		return "Refused", "bad"
	case len(items) > 0:
		return "Attention", "warn"
	}
	return "In order", "ok"
}
