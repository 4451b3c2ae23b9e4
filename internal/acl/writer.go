package acl

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fastly/go-fastly/v8/fastly"
)

// maxPoison is how many single changes Fastly may refuse before the rest of an ACL is left alone: by then it is the ACL,
// or we, and halving batches would only burn the budget.
const maxPoison = 3

// writer carries out the changes of one plan.
type writer struct {
	c         *Client
	s         *Snapshot
	confirmed map[int]bool // by place in the plan: Fastly confirmed it, or a listing did
	of        int          // changes of the plan
	poison    map[string]int
}

// numbered is a change with its place in the plan.
type numbered struct {
	i int
	Change
}

// all writes every batch. It goes on after a batch of which a part failed, and stops when going on is useless.
func (w *writer) all(ctx context.Context, changes []Change) error {
	w.poison = map[string]int{}
	var errs []error
	for _, b := range w.batches(changes) {
		err := w.batch(ctx, b)
		if err != nil {
			errs = append(errs, err)
		}
		if hopeless(err) || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// hopeless is true for what the next batch would meet too.
func hopeless(err error) bool {
	var e *APIError
	return errors.Is(err, ErrBudget) || errors.As(err, &e) && (e.denied() || e.Status == http.StatusTooManyRequests)
}

// batches cuts the plan: one operation and one ACL each, in the order of the plan.
func (w *writer) batches(changes []Change) [][]numbered {
	var out [][]numbered
	open := map[string]int{} // by operation and ACL: the batch that still has room
	for i, ch := range changes {
		key := string(ch.Op) + " " + ch.ACL
		at, ok := open[key]
		if !ok || len(out[at]) >= w.c.o.BatchSize {
			at = len(out)
			open[key] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], numbered{i, ch})
	}
	return out
}

// batch writes changes of one operation and one ACL until none is missing. After each failure the ACL is listed, and
// only what is missing is written again. A batch that Fastly refuses for good is halved until the bad change is alone.
func (w *writer) batch(ctx context.Context, todo []numbered) error {
	acl := todo[0].ACL
	for try := 1; ; try++ {
		if w.poison[acl] >= maxPoison {
			return fmt.Errorf("%s %s of %s: left alone after %d refusals", todo[0].Op, number(len(todo), "entry"), acl, maxPoison)
		}
		err := w.c.patch(ctx, w.s.Target.ServiceID, w.idOf(acl), todo)
		if err == nil {
			w.confirm(todo)
			return nil
		}
		var e *APIError
		if errors.Is(err, ErrBudget) || !errors.As(err, &e) || e.denied() || ctx.Err() != nil {
			return err
		}
		n := len(todo)
		var listErr error
		if todo, listErr = w.missing(ctx, todo); listErr != nil {
			return errors.Join(err, listErr)
		}
		switch {
		case len(todo) == 0:
			return nil
		case e.Temporary():
			if try == maxTries || !w.c.again(ctx, err, try) {
				return err
			}
		case len(todo) < n:
			try = 0 // it got on: what made it fail may be gone
		case len(todo) == 1:
			w.poison[acl]++
			return fmt.Errorf("%s: %w", todo[0].Prefix, err)
		default:
			half := len(todo) / 2
			first := w.batch(ctx, todo[:half])
			if hopeless(first) {
				return first
			}
			return errors.Join(first, w.batch(ctx, todo[half:]))
		}
		w.c.o.Logger.Info("writing again what is missing", "acl", acl, "op", string(todo[0].Op), "changes", len(todo), "err", err)
	}
}

func (w *writer) confirm(done []numbered) {
	for _, ch := range done {
		w.confirmed[ch.i] = true
	}
	if w.c.o.Progress != nil {
		w.c.o.Progress(len(w.confirmed), w.of)
	}
}

func (w *writer) idOf(acl string) string {
	for _, l := range w.s.lists() {
		if l.Name == acl {
			return l.ID
		}
	}
	return ""
}

// missing lists the ACL again and gives the changes that are not in effect and still can be.
func (w *writer) missing(ctx context.Context, todo []numbered) ([]numbered, error) {
	name, id := todo[0].ACL, w.idOf(todo[0].ACL)
	rows, err := w.c.listEntries(ctx, w.s.Target.ServiceID, name, id)
	if err != nil {
		return nil, err
	}
	es := make([]Entry, 0, len(rows))
	for _, r := range rows {
		es = append(es, entryOf(r, name, id, w.s.Target.Owner, roleOf(todo[0].Mark.Kind)))
	}
	st := stateOfEntries(es)
	var left []numbered
	for _, ch := range todo {
		switch st.effect(ch.Change) {
		case missing:
			left = append(left, ch)
		case inEffect:
			w.confirmed[ch.i] = true
		case lost:
		}
	}
	return left, nil
}

// patch sends one batch. It is done only when the reply says so: go-fastly takes any 200 for success, and fails on a good
// one that it cannot decode.
func (c *Client) patch(ctx context.Context, serviceID, aclID string, todo []numbered) error {
	if err := c.spend(false); err != nil {
		return err
	}
	ops := make([]*fastly.BatchACLEntry, 0, len(todo))
	for _, ch := range todo {
		ops = append(ops, operation(ch.Change))
	}
	what := fmt.Sprintf("%s %s of %s", todo[0].Op, number(len(todo), "entry"), todo[0].ACL)
	ex, err := c.call(ctx, what, func(f *fastly.Client) error {
		return f.BatchModifyACLEntries(&fastly.BatchModifyACLEntriesInput{ServiceID: serviceID, ACLID: aclID, Entries: ops})
	})
	if ex.status < 200 || ex.status > 299 {
		return err
	}
	if !saysOK(ex.body) {
		return &APIError{What: what, Status: ex.status, Message: "the reply does not say ok: " + c.scrub(string(ex.body))}
	}
	return nil
}

// operation is a change in go-fastly's terms. A host goes without subnet, as Fastly's own page writes it.
func operation(ch Change) *fastly.BatchACLEntry {
	op := &fastly.BatchACLEntry{Operation: fastly.BatchOperation(ch.Op)}
	if ch.Op != Create {
		op.ID = fastly.String(ch.EntryID)
	}
	if ch.Op != Delete {
		op.Comment = fastly.String(ch.Mark.String())
	}
	if ch.Op == Create {
		op.IP = fastly.String(ch.Prefix.Addr().String())
		op.Negated = fastly.CBool(false)
		if !ch.Prefix.IsSingleIP() {
			op.Subnet = fastly.Int(ch.Prefix.Bits())
		}
	}
	return op
}
