package acl

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"
	"golang.org/x/sync/errgroup"
)

// readers is how many requests of one Read are on their way at once.
const readers = 4

// Read lists ACLs, dictionary and all entries of the active version, completely, or fails. An ACL or dictionary that the
// active version does not have is no failure: its ID is empty.
func (c *Client) Read(ctx context.Context, t Target) (*Snapshot, error) {
	t = t.filled()
	if err := t.validate(); err != nil {
		return nil, fmt.Errorf("reading service: %w", err)
	}
	s := &Snapshot{Target: t}
	for _, n := range t.ACLs {
		s.Blocks = append(s.Blocks, List{Name: n})
	}
	s.Exempt, s.Shadow = List{Name: t.Exempt}, List{Name: t.Shadow}
	err := c.readAll(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("reading service %s: %w", t.ServiceID, err)
	}
	skew, seen := c.clock()
	s.Skew, s.NoDate, s.ReadAt = skew, !seen, time.Now().UTC()
	return s, nil
}

func (c *Client) readAll(ctx context.Context, s *Snapshot) error {
	if err := c.readVersion(ctx, s); err != nil {
		return err
	}
	if err := c.readContainers(ctx, s); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, r := range []role{roleBlock, roleExempt, roleShadow} {
		for _, l := range s.of(r) {
			if l.ID != "" {
				g.Go(func() error { return c.readList(ctx, s.Target, l, r) })
			}
		}
	}
	g.Go(func() error { return c.readControl(ctx, s) })
	g.Go(func() error { return c.readReferences(ctx, s) })
	return g.Wait()
}

func (c *Client) readVersion(ctx context.Context, s *Snapshot) error {
	var vs []*fastly.Version
	_, err := c.readArray(ctx, "list versions", func(f *fastly.Client) (err error) {
		vs, err = f.ListVersions(&fastly.ListVersionsInput{ServiceID: s.Target.ServiceID})
		return err
	})
	var e *APIError
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		e.hint = "is the service id right, and may the token see it?"
	}
	if err != nil {
		return err
	}
	for _, v := range vs {
		if v != nil && v.Active {
			s.Version = v.Number
		}
	}
	if s.Version == 0 {
		return errors.New("no version of it is active: activate one, then run again")
	}
	return nil
}

// readContainers finds the ids of the ACLs and of the dictionary in the active version.
func (c *Client) readContainers(ctx context.Context, s *Snapshot) error {
	var acls []*fastly.ACL
	_, err := c.readArray(ctx, "list ACLs", func(f *fastly.Client) (err error) {
		acls, err = f.ListACLs(&fastly.ListACLsInput{ServiceID: s.Target.ServiceID, ServiceVersion: s.Version})
		return err
	})
	if err != nil {
		return err
	}
	ids := map[string]string{}
	for _, a := range acls {
		if a != nil {
			ids[a.Name] = a.ID
		}
	}
	for _, l := range s.lists() {
		l.ID = ids[l.Name]
	}
	var dicts []*fastly.Dictionary
	_, err = c.readArray(ctx, "list dictionaries", func(f *fastly.Client) (err error) {
		dicts, err = f.ListDictionaries(&fastly.ListDictionariesInput{ServiceID: s.Target.ServiceID, ServiceVersion: s.Version})
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range dicts {
		if d == nil || d.Name != s.Target.Control {
			continue
		}
		if d.WriteOnly {
			return fmt.Errorf("dictionary %s is private (write-only), so its lease cannot be read: make an ordinary one", d.Name)
		}
		s.ControlID = d.ID
	}
	return nil
}

func (c *Client) readList(ctx context.Context, t Target, l *List, r role) error {
	rows, err := c.listEntries(ctx, t.ServiceID, l.Name, l.ID)
	if err != nil {
		return err
	}
	l.Entries = make([]Entry, 0, len(rows))
	for _, row := range rows {
		l.Entries = append(l.Entries, entryOf(row, l.Name, l.ID, t.Owner, r))
	}
	return nil
}

// readControl reads the two items of the control dictionary, each by its key, so that no page can hide one.
func (c *Client) readControl(ctx context.Context, s *Snapshot) error {
	if s.ControlID == "" {
		return nil
	}
	lease, err := c.item(ctx, s, itemLease)
	if err != nil {
		return err
	}
	if u, err := strconv.ParseInt(lease, 10, 64); err == nil && u > 0 {
		s.EnforceUntil = time.Unix(u, 0).UTC()
	}
	s.Stopped, err = c.item(ctx, s, itemStopped)
	return err
}
