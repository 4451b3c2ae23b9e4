package acl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Result is what Apply did.
type Result struct {
	Created, Updated, Deleted int       // changes of the plan that are in effect
	Failed                    []Change  // not in effect after read-back
	After                     *Snapshot // read back; nil when that failed
}

// afterwards is how long a run that was told to stop may still take to learn what it has done.
const afterwards = 10 * time.Second

// Apply writes the plan in batches, deletes first, then creates, then updates, and reads back. A failed write has an
// unknown outcome: list, diff, continue. The result is right whether or not there is an error: an error with a change in
// effect means partly applied. A context that ends on the way leaves what was written so far, which the next run reads.
//
// A plan that touches an entry that is not ours is refused whole.
func (c *Client) Apply(ctx context.Context, s *Snapshot, p *Plan) (Result, error) {
	if len(p.Changes) == 0 {
		return Result{After: s}, nil
	}
	if err := applicable(s, p); err != nil {
		return Result{Failed: p.Changes}, fmt.Errorf("applying plan: %w", err)
	}
	w := &writer{c: c, s: s, confirmed: map[int]bool{}, of: len(p.Changes)}
	err := w.all(ctx, p.Changes)
	res, backErr := w.readBack(ctx, p.Changes)
	if err = errors.Join(err, backErr); err != nil {
		err = fmt.Errorf("applying plan: %w", err)
	}
	return res, err
}

// applicable refuses what no diff makes: a plan of another snapshot, or an edited one.
func applicable(s *Snapshot, p *Plan) error {
	if s.Version == 0 {
		return errors.New("nothing was read from Fastly")
	}
	have := map[string]*List{}
	ours := map[string]Entry{}
	for _, l := range s.lists() {
		have[l.Name] = l
		for _, e := range l.Entries {
			if e.Ours {
				ours[e.ID] = e
			}
		}
	}
	for _, ch := range p.Changes {
		l := have[ch.ACL]
		if l == nil || l.ID == "" {
			return fmt.Errorf("%s %s: the active version has no ACL %q", ch.Op, ch.Prefix, ch.ACL)
		}
		e, known := ours[ch.EntryID]
		switch {
		case ch.Op == Create && (!ch.Prefix.IsValid() || ch.Mark.Owner != s.Target.Owner):
			return fmt.Errorf("create %s: it has no prefix or not our owner", ch.Prefix)
		case ch.Op == Create:
		case ch.Op != Update && ch.Op != Delete:
			return fmt.Errorf("%s: unknown operation %q", ch.Prefix, ch.Op)
		case !known || e.Prefix != ch.Prefix || e.ACL != ch.ACL:
			return fmt.Errorf("%s %s: entry %q is not ours", ch.Op, ch.Prefix, ch.EntryID)
		case ch.Op == Update && ch.Mark.Owner != s.Target.Owner:
			return fmt.Errorf("update %s: not our owner", ch.Prefix)
		}
	}
	return nil
}

// readBack tells which changes are in effect. When the list cannot be read, those whose batch Fastly confirmed are.
func (w *writer) readBack(ctx context.Context, all []Change) (Result, error) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer cancel()
	}
	after, err := w.c.Read(ctx, w.s.Target)
	var res Result
	var done func(i int, ch Change) bool
	if err != nil {
		err = fmt.Errorf("reading back: %w", err)
		done = func(i int, _ Change) bool { return w.confirmed[i] }
	} else {
		res.After = after
		st := stateOf(after)
		done = func(_ int, ch Change) bool { return st.effect(ch) == inEffect }
	}
	for i, ch := range all {
		switch {
		case !done(i, ch):
			res.Failed = append(res.Failed, ch)
		case ch.Op == Create:
			res.Created++
		case ch.Op == Update:
			res.Updated++
		default:
			res.Deleted++
		}
	}
	return res, err
}

// effect is what a fresh listing says of a change.
type effect int

const (
	missing  effect = iota // still to be written
	inEffect               // there is nothing left to do
	lost                   // it can no longer be done: another hand took the entry away or made it theirs
)

// state is a listing, indexed to ask it about changes.
type state struct {
	byID map[string]Entry
	ours map[string]map[string]bool // by ACL and prefix: the comments of entries there
}

func stateOf(s *Snapshot) state {
	var es []Entry
	for _, l := range s.lists() {
		es = append(es, l.Entries...)
	}
	return stateOfEntries(es)
}

func stateOfEntries(es []Entry) state {
	st := state{byID: map[string]Entry{}, ours: map[string]map[string]bool{}}
	for _, e := range es {
		st.byID[e.ID] = e
		if e.Negated {
			continue
		}
		key := e.ACL + " " + e.Prefix.String()
		if st.ours[key] == nil {
			st.ours[key] = map[string]bool{}
		}
		st.ours[key][e.Comment] = true
	}
	return st
}

func (st state) effect(ch Change) effect {
	e, there := st.byID[ch.EntryID]
	switch {
	case ch.Op == Create:
		if st.ours[ch.ACL+" "+ch.Prefix.String()][ch.Mark.String()] {
			return inEffect
		}
		return missing
	case ch.Op == Delete && !there:
		return inEffect
	case ch.Op == Delete && !e.Ours: // somebody wrote another comment meanwhile: it is theirs now
		return lost
	case ch.Op == Update && (!there || !e.Ours):
		return lost
	case ch.Op == Update && e.Comment == ch.Mark.String():
		return inEffect
	}
	return missing
}
