package acl_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

var target = acl.Target{ServiceID: "SVC1", ACLs: []string{acltest.Block1, acltest.Block2}, Exempt: acltest.Exempt, Shadow: acltest.Shadow, Control: acltest.Control, Owner: "edgewarden"}

// edge is a stand-in on a real socket.
func edge(t testing.TB, o acltest.Options) (*acltest.Server, string) {
	t.Helper()
	s := acltest.NewWith(o)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func client(t testing.TB, url string, change ...func(*acl.ClientOptions)) *acl.Client {
	t.Helper()
	o := acl.ClientOptions{Endpoint: url, Token: "s3cret-token", Backoff: time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	c, err := acl.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t testing.TB, c *acl.Client) *acl.Snapshot {
	t.Helper()
	s, err := c.Read(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func prefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}

// block decides a new block of an offender with so many requests.
func block(p string, requests int64) policy.Decision {
	pre := prefix(p)
	return policy.Decision{Verb: policy.VerbBlock, Kind: policy.KindBlock, Key: policy.Key(pre), Prefix: pre, Rule: "flood", Rules: []string{"flood"},
		Since: t0, Until: t0.Add(time.Hour), Strikes: 1, Reason: "too many requests", Harm: requests,
		Offender: &detect.Offender{Key: policy.Key(pre), Rule: "flood", Group: detect.ByAddress, Measures: detect.Measures{Requests: requests, OK: requests, OKAddresses: 1, Addresses: 1}}}
}

func with(d policy.Decision, f func(*policy.Decision)) policy.Decision {
	f(&d)
	return d
}

func release(p string, kind policy.Kind, code string) policy.Decision {
	pre := prefix(p)
	return policy.Decision{Verb: policy.VerbRelease, Kind: kind, Key: policy.Key(pre), Prefix: pre, Rule: "flood", Code: code, Reason: "its time is over"}
}

// mark is the comment of an entry of ours.
func mark(kind policy.Kind, until time.Time) acl.Mark {
	return acl.Mark{Owner: "edgewarden", Kind: kind, Until: until, Since: t0.Add(-time.Hour), Strikes: 1, Rule: "flood", Run: "before"}
}

// snapshot makes one by hand; entries are "ACL prefix comment".
type row struct {
	acl, prefix, comment string
	created              time.Time
	negated              bool
}

// snap reads rows through the stand-in and the real client, so that every snapshot is one that can be.
func snap(t testing.TB, rows ...row) *acl.Snapshot {
	t.Helper()
	s, url := edge(t, acltest.Options{})
	for i, r := range rows {
		put(s, fmt.Sprintf("id%03d", i), r)
	}
	return read(t, client(t, url))
}

func put(s *acltest.Server, id string, r row) {
	e := acltest.Entry{ID: id, IP: r.prefix, Comment: r.comment, Created: r.created, Negated: r.negated}
	if p, err := netip.ParsePrefix(r.prefix); err == nil {
		bits := p.Bits()
		e.IP, e.Subnet = p.Addr().String(), &bits
	}
	if e.Created.IsZero() {
		e.Created = t0.Add(-time.Hour)
	}
	s.Put("SVC1", r.acl, e)
}

// lines shows a plan's changes shortly.
func lines(p *acl.Plan) string {
	var out []string
	for _, c := range p.Changes {
		l := fmt.Sprintf("%s %s %s", c.Op, c.ACL, c.Prefix)
		if c.EntryID != "" {
			l += " " + c.EntryID
		}
		if c.Code != "" {
			l += " " + c.Code
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

func codes(ds []policy.Decision) string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Key+" "+d.Code)
	}
	return strings.Join(out, "\n")
}

// comments gives the rows of an ACL as "prefix comment".
func comments(s *acltest.Server, name string) []string {
	var out []string
	for _, e := range s.Entries("SVC1", name) {
		out = append(out, e.Prefix().String()+" "+e.Comment)
	}
	return out
}

func apply(t testing.TB, c *acl.Client, s *acl.Snapshot, ds []policy.Decision, o acl.DiffOptions) (acl.Result, error) {
	t.Helper()
	return c.Apply(context.Background(), s, acl.Diff(s, ds, o))
}
