package acl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"

	"edgewarden/internal/plain"
)

// The items of the control dictionary, as the VCL names them.
const (
	itemLease   = "enforce_until" // unix seconds: the edge enforces only before it
	itemStopped = "stopped"       // "<unix> <actor>" while the kill switch is set, else absent
)

// item reads one item of the control dictionary; "" when it is unset.
func (c *Client) item(ctx context.Context, s *Snapshot, key string) (string, error) {
	var it *fastly.DictionaryItem
	_, err := c.read(ctx, "get dictionary item "+key, func(f *fastly.Client) (err error) {
		it, err = f.GetDictionaryItem(&fastly.GetDictionaryItemInput{ServiceID: s.Target.ServiceID, DictionaryID: s.ControlID, ItemKey: key})
		return err
	})
	switch {
	case isNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case it == nil:
		return "", &APIError{What: "get dictionary item " + key, Status: 200, Message: "the reply is empty"}
	}
	return it.ItemValue, nil
}

// SetLease moves enforce_until. While the kill switch is set it moves nothing and says ErrStopped, also when somebody set
// it while this run was on its way. The write is the same however often it is made, so it is tried again until it is read
// back.
func (c *Client) SetLease(ctx context.Context, s *Snapshot, until time.Time) error {
	if err := c.notStopped(ctx, s); err != nil {
		return err
	}
	if err := c.putItems(ctx, s, map[string]string{itemLease: leaseText(until)}); err != nil {
		return fmt.Errorf("setting the lease: %w", err)
	}
	if err := c.notStopped(ctx, s); err != nil {
		return errors.Join(err, c.putItems(ctx, s, map[string]string{itemLease: "0"}))
	}
	return nil
}

func leaseText(until time.Time) string {
	if until.IsZero() {
		return "0"
	}
	return strconv.FormatInt(max(0, until.Unix()), 10)
}

func (c *Client) notStopped(ctx context.Context, s *Snapshot) error {
	by, err := c.stopped(ctx, s)
	if err != nil {
		return fmt.Errorf("setting the lease: %w", err)
	}
	if by != "" {
		return fmt.Errorf("%w: %s", ErrStopped, c.scrub(by))
	}
	return nil
}

func (c *Client) stopped(ctx context.Context, s *Snapshot) (string, error) {
	if err := hasControl(s); err != nil {
		return "", err
	}
	return c.item(ctx, s, itemStopped)
}

func hasControl(s *Snapshot) error {
	if s.ControlID == "" || s.ControlID == assumedID {
		return fmt.Errorf("the active version %d of service %s has no dictionary %s", s.Version, s.Target.ServiceID, s.Target.Control)
	}
	return nil
}

// Stop is the kill switch: enforce_until 0 and stopped "<unix> <actor>", in one request. Start clears it.
func (c *Client) Stop(ctx context.Context, s *Snapshot, now time.Time, actor string) error {
	if err := hasControl(s); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	by := strconv.FormatInt(now.Unix(), 10) + " " + plain.Text(actor, 200)
	if err := c.putItems(ctx, s, map[string]string{itemLease: "0", itemStopped: by}); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// Start clears the kill switch; the next run moves the lease.
func (c *Client) Start(ctx context.Context, s *Snapshot) error {
	if err := hasControl(s); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	for try := 1; ; try++ {
		err := c.write(ctx, "delete dictionary item "+itemStopped, func(f *fastly.Client) error {
			return f.DeleteDictionaryItem(&fastly.DeleteDictionaryItemInput{ServiceID: s.Target.ServiceID, DictionaryID: s.ControlID, ItemKey: itemStopped})
		})
		if isNotFound(err) {
			return nil
		}
		if err == nil {
			var left string
			if left, err = c.item(ctx, s, itemStopped); err == nil && left == "" {
				return nil
			}
			if err == nil {
				err = &APIError{What: "delete dictionary item " + itemStopped, Status: 200, Message: "it is still there"}
			}
		}
		if try == maxTries || !c.again(ctx, err, try) {
			return fmt.Errorf("starting: %w", err)
		}
	}
}

// putItems sets items and reads them back. Setting twice is the same as setting once.
func (c *Client) putItems(ctx context.Context, s *Snapshot, items map[string]string) error {
	var ops []*fastly.BatchDictionaryItem
	for _, k := range []string{itemLease, itemStopped} {
		if v, ok := items[k]; ok {
			ops = append(ops, &fastly.BatchDictionaryItem{Operation: fastly.UpsertBatchOperation, ItemKey: k, ItemValue: v})
		}
	}
	for try := 1; ; try++ {
		err := c.write(ctx, "set dictionary items", func(f *fastly.Client) error {
			return f.BatchModifyDictionaryItems(&fastly.BatchModifyDictionaryItemsInput{ServiceID: s.Target.ServiceID, DictionaryID: s.ControlID, Items: ops})
		})
		if err == nil || isUnknown(err) {
			if bad := c.readBack(ctx, s, ops); bad == nil {
				return nil
			} else if err == nil {
				err = bad
			}
		}
		if try == maxTries || !c.again(ctx, err, try) {
			return err
		}
	}
}

func (c *Client) readBack(ctx context.Context, s *Snapshot, ops []*fastly.BatchDictionaryItem) error {
	for _, op := range ops {
		got, err := c.item(ctx, s, op.ItemKey)
		if err != nil {
			return err
		}
		if got != op.ItemValue {
			return &APIError{What: "set dictionary item " + op.ItemKey, Status: 200, Message: "reading it back gives another value"}
		}
	}
	return nil
}

// write makes one call that counts against the budget and may use the reserve.
func (c *Client) write(ctx context.Context, what string, f func(*fastly.Client) error) error {
	if err := c.spend(true); err != nil {
		return err
	}
	_, err := c.call(ctx, what, f)
	return err
}

// isUnknown reports whether a failed write may have been applied.
func isUnknown(err error) bool {
	var e *APIError
	return errors.As(err, &e) && !errors.Is(err, ErrReadOnly) && (e.Status == 0 || e.Status >= 500 || e.Status < 300)
}

// Self is what the token says of itself.
type Self struct {
	Services []string // empty means all
	Scope    string
	User     string
	Expires  time.Time // zero when it does not
}

// Self asks what the token may do.
func (c *Client) Self(ctx context.Context) (Self, error) {
	var t *fastly.Token
	_, err := c.read(ctx, "ask about the token", func(f *fastly.Client) (err error) {
		t, err = f.GetTokenSelf()
		return err
	})
	if err != nil {
		return Self{}, err
	}
	if t == nil {
		return Self{}, &APIError{What: "ask about the token", Status: 200, Message: "the reply is empty"}
	}
	out := Self{Services: t.Services, Scope: string(t.Scope), User: t.UserID}
	if t.ExpiresAt != nil {
		out.Expires = t.ExpiresAt.UTC()
	}
	return out, nil
}
