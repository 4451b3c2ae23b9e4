package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fastly/go-fastly/v8/fastly"
)

const (
	perPage = 1000 // works, says cs-fastly-bouncer; the default is 100 or 20
	maxPage = 600  // 12,000 entries at the smallest page
	maxWalk = 5    // how often a list is read that changes meanwhile
)

// walked is one reading of a list.
type walked struct {
	rows   []*fastly.ACLEntry
	ids    map[string]bool
	pages  int  // that held rows
	steady bool // no row came twice and no page ended early
}

// listEntries reads all entries of one ACL, or fails. A list of several pages is read until two readings in a row agree:
// when somebody removes an entry meanwhile, those behind it move up and one is missed without a sign.
func (c *Client) listEntries(ctx context.Context, serviceID, name, aclID string) ([]*fastly.ACLEntry, error) {
	var last *walked
	for range maxWalk {
		w, err := c.walk(ctx, serviceID, name, aclID)
		if err != nil {
			return nil, err
		}
		if w.steady && (w.pages <= 1 || last != nil && maps.Equal(last.ids, w.ids)) {
			return w.rows, nil
		}
		last = w
		if !w.steady {
			last = nil
		}
	}
	return nil, fmt.Errorf("list entries of %s: %w: it changed during each of %d readings", name, ErrIncomplete, maxWalk)
}

// walk reads page by page. It does not use go-fastly's paginator, which skips a page after an error and may never end.
func (c *Client) walk(ctx context.Context, serviceID, name, aclID string) (*walked, error) {
	w := &walked{ids: map[string]bool{}, steady: true}
	expected := false // a page that must be there, because a link said so
	for page := 1; page <= maxPage; page++ {
		rows, ex, err := c.page(ctx, serviceID, name, aclID, page)
		if page > 1 && !expected && isNotFound(err) {
			return w, nil
		}
		if err != nil {
			return nil, err
		}
		fresh, err := w.add(rows, aclID, name)
		if err != nil {
			return nil, err
		}
		if fresh < len(rows) || expected && len(rows) == 0 {
			w.steady = false
		}
		if fresh == 0 {
			return w, nil
		}
		w.pages++
		if expected = hasNext(ex.header); !expected && !mayGoOn(ex.header, len(rows)) {
			return w, nil
		}
	}
	return nil, fmt.Errorf("list entries of %s: %w: more than %d pages", name, ErrIncomplete, maxPage)
}

func (c *Client) page(ctx context.Context, serviceID, name, aclID string, page int) ([]*fastly.ACLEntry, *exchange, error) {
	var rows []*fastly.ACLEntry
	ex, err := c.readArray(ctx, fmt.Sprintf("list entries of %s, page %d", name, page), func(f *fastly.Client) (err error) {
		rows, err = f.ListACLEntries(&fastly.ListACLEntriesInput{ServiceID: serviceID, ACLID: aclID, Page: page, PerPage: perPage, Sort: "created", Direction: "ascend"})
		return err
	})
	return rows, ex, err
}

// add takes the rows not seen yet and says how many they were.
func (w *walked) add(rows []*fastly.ACLEntry, aclID, name string) (fresh int, err error) {
	for _, r := range rows {
		switch {
		case r == nil || r.ID == "":
			return 0, fmt.Errorf("list entries of %s: %w: a row has no id", name, ErrIncomplete)
		case r.ACLID != "" && r.ACLID != aclID:
			return 0, fmt.Errorf("list entries of %s: %w: it holds a row of another ACL", name, ErrIncomplete)
		case w.ids[r.ID]:
			continue
		}
		w.ids[r.ID] = true
		w.rows = append(w.rows, r)
		fresh++
	}
	return fresh, nil
}

// hasNext reads the Link header, which Fastly sends only when there are more pages.
func hasNext(h http.Header) bool {
	return strings.Contains(strings.Join(h.Values("Link"), ","), `rel="next"`)
}

// mayGoOn is true when a page without a next link may not be the last: it is as long as was asked, or of a round length
// while no Link header says anything, as a server makes it that gives fewer rows a page than it was asked for.
func mayGoOn(h http.Header, rows int) bool {
	return rows >= perPage || len(h.Values("Link")) == 0 && rows%10 == 0
}

// entryOf reads one row. Host bits are masked, a null subnet is the whole address.
func entryOf(r *fastly.ACLEntry, name, aclID, owner string, right role) Entry {
	e := Entry{ID: r.ID, ACL: name, ACLID: aclID, Negated: r.Negated, Comment: r.Comment, Prefix: prefixOf(r.IP, r.Subnet)}
	if r.CreatedAt != nil {
		e.CreatedAt = r.CreatedAt.UTC()
	}
	e.Mark, e.Ours, e.MarkErr = ParseMark(r.Comment, owner)
	switch {
	case !e.Ours || e.MarkErr != nil:
	case !e.Prefix.IsValid():
		e.MarkErr = fmt.Errorf("its address %q is none", r.IP)
	case e.Negated:
		e.MarkErr = errors.New("it is negated, which edgewarden never writes")
	case roleOf(e.Mark.Kind) != right:
		e.MarkErr = fmt.Errorf("it says it is for %s, which does not belong into this ACL", e.Mark.Kind)
	}
	return e
}

func prefixOf(ip string, subnet *int) netip.Prefix {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{}
	}
	bits := a.BitLen()
	if subnet != nil {
		bits = *subnet
	}
	return canonical(netip.PrefixFrom(a, bits))
}
