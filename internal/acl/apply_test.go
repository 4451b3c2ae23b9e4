package acl_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/policy"
)

// world is a state with one of every kind of change to make.
func world(t testing.TB, o acltest.Options) (*acltest.Server, string, []policy.Decision) {
	s, url := edge(t, o)
	put(s, "old", row{acl: b1, prefix: "203.0.113.10", comment: gone})
	put(s, "ext", row{acl: b1, prefix: "203.0.113.11", comment: ours})
	put(s, "ann", row{acl: b1, prefix: "203.0.113.12", comment: "Ann"})
	return s, url, []policy.Decision{block("203.0.113.1", 9), block("203.0.113.0/24", 8), block("2001:db8:1:2::/64", 7), extension("203.0.113.11"),
		{Verb: policy.VerbAllow, Kind: policy.KindAllow, Key: "198.51.100.0/24", Prefix: prefix("198.51.100.0/24"), Since: t0}}
}

// settled is what world must look like in the end.
func settled(t testing.TB, s *acltest.Server, c *acl.Client, ds []policy.Decision) {
	t.Helper()
	now := read(t, c)
	if p := acl.Diff(now, ds, acl.DiffOptions{Now: t0, Run: "check"}); len(p.Changes) > 0 {
		t.Errorf("still to do:\n%s", lines(p))
	}
	got := map[string]int{}
	for _, name := range []string{b1, b2, ex, sh} {
		for _, l := range comments(s, name) {
			got[name+" "+strings.Fields(l)[0]]++
		}
	}
	want := map[string]int{b1 + " 203.0.113.1/32": 1, b1 + " 203.0.113.0/24": 1, b1 + " 2001:db8:1:2::/64": 1, b1 + " 203.0.113.11/32": 1, b1 + " 203.0.113.12/32": 1, ex + " 198.51.100.0/24": 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("entries (-want +got):\n%s", d)
	}
}

func TestApplyWritesAndReadsBack(t *testing.T) {
	s, url, ds := world(t, acltest.Options{})
	c := client(t, url)
	res, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0, Run: "run1"})
	if err != nil || res.Created != 4 || res.Updated != 1 || res.Deleted != 1 || len(res.Failed) != 0 || res.After == nil {
		t.Fatalf("%+v, %v", res, err)
	}
	settled(t, s, c, ds)
	for _, l := range comments(s, b1) {
		if strings.HasPrefix(l, "203.0.113.1/32 ") && l != "203.0.113.1/32 ew1 o=edgewarden k=b u=1778054889 s=1778051289 n=1 r=flood i=run1" {
			t.Errorf("the entry says %s", l)
		}
	}
	var ops []string
	for _, r := range s.Requests() {
		if r.Method == http.MethodPatch {
			ops = append(ops, strings.SplitN(r.Body[strings.Index(r.Body, `"op":"`)+6:], `"`, 2)[0])
		}
	}
	if d := cmp.Diff([]string{"delete", "create", "create", "update"}, ops); d != "" {
		t.Errorf("order of writes (-want +got):\n%s", d)
	}
}

func TestAHostHasNoSubnetAndAPrefixHas(t *testing.T) {
	s, url, ds := world(t, acltest.Options{})
	c := client(t, url)
	if _, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0}); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Entries("SVC1", b1) {
		if host := e.Prefix().IsSingleIP(); host != (e.Subnet == nil) || e.Negated {
			t.Errorf("%s: subnet %v, negated %v", e.IP, e.Subnet, e.Negated)
		}
	}
}

func TestAnEmptyPlanWritesNothing(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	n := len(s.Requests())
	res, err := apply(t, c, present, nil, acl.DiffOptions{Now: t0})
	if err != nil || res.After != present || len(s.Requests()) != n {
		t.Errorf("%+v, %v, %d requests", res, err, len(s.Requests())-n)
	}
}

func TestAWriteWhoseOutcomeIsUnknownIsNeverRepeatedBlindly(t *testing.T) {
	for name, f := range map[string]acltest.Fault{
		"the connection is reset after it was applied":   {Method: "PATCH", Times: 3, Reset: true},
		"the connection is reset before":                 {Method: "PATCH", Times: 3, Drop: true},
		"the answer is an empty 200":                     {Method: "PATCH", Times: 3, Empty: true},
		"the answer is an empty 200 and nothing is done": {Method: "PATCH", Times: 3, Status: 200},
		"the answer is a 200 that says error":            {Method: "PATCH", Times: 3, Status: 200, Body: `{"status":"error"}`},
		"the answer is a 200 of HTML":                    {Method: "PATCH", Times: 3, Status: 200, Body: `<html>`},
		"the answer is a 503":                            {Method: "PATCH", Times: 3, Status: 503, Body: "<html>"},
		"the answer is a 500 after it was applied":       {Method: "PATCH", Times: 1, Status: 500},
		"a listing in between fails too":                 {Path: "/entries", Skip: 5, Times: 2, Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, url, ds := world(t, acltest.Options{})
			c := client(t, url)
			present := read(t, c)
			s.Fault(f)
			res, err := apply(t, c, present, ds, acl.DiffOptions{Now: t0})
			if err != nil || len(res.Failed) > 0 || res.Created != 4 {
				t.Errorf("%+v, %v", res, err)
			}
			s.ClearFaults()
			settled(t, s, c, ds)
		})
	}
}

func TestA200WithMoreInItIsStillOK(t *testing.T) {
	s, url, ds := world(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	s.Fault(acltest.Fault{Method: "PATCH", Times: -1, Status: 200, Body: `{"status":"ok","warnings":[{"n":1}]}`}) // which go-fastly cannot decode
	res, _ := apply(t, c, present, ds, acl.DiffOptions{Now: t0})
	if s.Writes() != 4 {
		t.Errorf("%d writes, want one a batch", s.Writes())
	}
	if len(res.Failed) != 6 { // the stand-in applied nothing, and reading back shows it
		t.Errorf("%d changes failed after reading back, want 6", len(res.Failed))
	}
}

func TestWhatAnotherHandDidMeanwhileIsRespected(t *testing.T) {
	for name, tc := range map[string]struct {
		hand   func(s *acltest.Server)
		failed string
		check  func(t *testing.T, s *acltest.Server)
	}{
		"an entry to be deleted is gone already": {func(s *acltest.Server) { s.Remove("SVC1", b1, "old") }, "", nil},
		"an entry to be extended was removed: it stays away": {func(s *acltest.Server) { s.Remove("SVC1", b1, "ext") }, "update 203.0.113.11/32", func(t *testing.T, s *acltest.Server) {
			for _, l := range comments(s, b1) {
				if strings.HasPrefix(l, "203.0.113.11/32") {
					t.Error("it is back")
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, url, ds := world(t, acltest.Options{})
			c := client(t, url)
			present := read(t, c)
			tc.hand(s)
			res, _ := apply(t, c, present, ds, acl.DiffOptions{Now: t0})
			var failed []string
			for _, ch := range res.Failed {
				failed = append(failed, fmt.Sprint(ch.Op, " ", ch.Prefix))
			}
			if d := cmp.Diff(tc.failed, strings.Join(failed, "\n")); d != "" {
				t.Errorf("failed (-want +got):\n%s", d)
			}
			if res.Created != 4 {
				t.Errorf("%d created", res.Created)
			}
			if tc.check != nil {
				tc.check(t, s)
			}
		})
	}
}

func TestABadChangeIsFoundByHalvingAndTheRestIsWritten(t *testing.T) {
	for _, atomic := range []bool{false, true} {
		t.Run(fmt.Sprintf("atomic %v", atomic), func(t *testing.T) {
			s, url := edge(t, acltest.Options{Atomic: atomic, RefuseDuplicates: true})
			var ds []policy.Decision
			for i := range 40 {
				ds = append(ds, block(fmt.Sprintf("203.0.113.%d", i), 9))
			}
			c := client(t, url)
			present := read(t, c)
			put(s, "ann", row{acl: b1, prefix: "203.0.113.17", comment: "Ann"}) // which makes ours a duplicate
			res, err := apply(t, c, present, ds, acl.DiffOptions{Now: t0})
			if res.Created != 39 || len(res.Failed) != 1 || res.Failed[0].Prefix != prefix("203.0.113.17") {
				t.Errorf("%d created, failed %v", res.Created, res.Failed)
			}
			if err == nil || !strings.Contains(err.Error(), "203.0.113.17/32") || !strings.Contains(err.Error(), "Duplicate record") {
				t.Errorf("the error does not name it: %v", err)
			}
			if s.Writes() > 14 {
				t.Errorf("%d writes for 40 changes", s.Writes())
			}
		})
	}
}

func TestEntriesThatAreGoneCostOneRepetition(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	var ds []policy.Decision
	for i := range 40 {
		put(s, fmt.Sprintf("id%02d", i), row{acl: b1, prefix: fmt.Sprintf("203.0.113.%d", i), comment: ours})
		ds = append(ds, extension(fmt.Sprintf("203.0.113.%d", i)))
	}
	c := client(t, url)
	present := read(t, c)
	for _, id := range []string{"id03", "id17", "id39"} {
		s.Remove("SVC1", b1, id)
	}
	res, err := apply(t, c, present, ds, acl.DiffOptions{Now: t0})
	if err != nil || res.Updated != 37 || len(res.Failed) != 3 || s.Writes() != 2 {
		t.Errorf("%v, %d updated, %d failed, %d writes", err, res.Updated, len(res.Failed), s.Writes())
	}
}

func TestAnACLThatIsFullerThanWeThoughtDoesNotBurnTheBudget(t *testing.T) {
	s, url := edge(t, acltest.Options{Capacity: 10})
	var ds []policy.Decision
	for i := range 200 {
		ds = append(ds, block(fmt.Sprintf("203.0.113.%d", i), int64(i)))
	}
	c := client(t, url)
	res, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0, Capacity: 1000})
	if err == nil || res.Created != 10 || len(res.Failed) != 190 || !strings.Contains(err.Error(), "max ACL entries") {
		t.Errorf("%d created, %d failed, %v", res.Created, len(res.Failed), err)
	}
	if s.Writes() > 40 {
		t.Errorf("%d writes to learn that an ACL is full", s.Writes())
	}
}

func TestA403StopsAtOnce(t *testing.T) {
	s, url, ds := world(t, acltest.Options{Tokens: map[string]acltest.Token{"reader": {ReadOnly: true}}})
	c := client(t, url, func(o *acl.ClientOptions) { o.Token = "reader" })
	res, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0})
	if err == nil || !strings.Contains(err.Error(), "Engineer") || s.Writes() != 1 || len(res.Failed) != 6 {
		t.Errorf("%v, %d writes, %d failed", err, s.Writes(), len(res.Failed))
	}
}

func TestA429(t *testing.T) {
	reset := func(d time.Duration) http.Header {
		return http.Header{"Fastly-Ratelimit-Remaining": {"0"}, "Fastly-Ratelimit-Reset": {strconv.FormatInt(time.Now().Add(d).Unix(), 10)}}
	}
	for name, tc := range map[string]struct {
		fault acltest.Fault
		ok    bool
	}{
		"that says nothing of when is tried again":      {acltest.Fault{Method: "PATCH", Times: 2, Status: 429, Body: `{"msg":"You have exceeded your hourly rate limit"}`}, true},
		"that is over by now is tried again":            {acltest.Fault{Method: "PATCH", Times: 2, Status: 429, Header: reset(-time.Second)}, true},
		"that lasts for half an hour is not waited for": {acltest.Fault{Method: "PATCH", Times: 1, Status: 429, Header: reset(30 * time.Minute)}, false},
		"that does not end ends the run":                {acltest.Fault{Method: "PATCH", Times: -1, Status: 429}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, url, ds := world(t, acltest.Options{})
			c := client(t, url)
			present := read(t, c)
			s.Fault(tc.fault)
			res, err := apply(t, c, present, ds, acl.DiffOptions{Now: t0})
			if (err == nil) != tc.ok || tc.ok != (len(res.Failed) == 0) {
				t.Errorf("%v, %d failed", err, len(res.Failed))
			}
			if err != nil && s.Writes() > 4 {
				t.Errorf("%d writes against a limit", s.Writes())
			}
		})
	}
}

func TestTheHourlyBudgetIsKept(t *testing.T) {
	var ds []policy.Decision
	for i := range 60 {
		ds = append(ds, block(fmt.Sprintf("203.0.113.%d", i), int64(i)))
	}
	for name, tc := range map[string]struct {
		server acltest.Options
		client func(*acl.ClientOptions)
		writes int
	}{
		"our own":                  {acltest.Options{}, func(o *acl.ClientOptions) { o.BatchSize, o.WriteBudget = 2, 30 }, 20},
		"what Fastly says remains": {acltest.Options{WritesPerHour: 25}, func(o *acl.ClientOptions) { o.BatchSize = 2 }, 15},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := edge(t, tc.server)
			c := client(t, url, tc.client)
			res, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0})
			if !errors.Is(err, acl.ErrBudget) || s.Writes() != tc.writes || res.Created != 2*tc.writes {
				t.Errorf("%v, %d writes, %d created", err, s.Writes(), res.Created)
			}
			if err := c.SetLease(t.Context(), res.After, later); err != nil {
				t.Errorf("the lease has no write left: %v", err)
			}
		})
	}
}

func TestBatchesAreAsLargeAsToldAndNoLarger(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	var ds []policy.Decision
	for i := range 1200 {
		ds = append(ds, block(fmt.Sprintf("203.%d.113.%d", i>>8, i&255), int64(i)))
	}
	c := client(t, url)
	if _, err := apply(t, c, read(t, c), ds, acl.DiffOptions{Now: t0}); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, r := range s.Requests() {
		if r.Method == http.MethodPatch {
			sizes = append(sizes, r.Operations)
		}
	}
	if d := cmp.Diff([]int{500, 500, 200}, sizes); d != "" {
		t.Errorf("batches (-want +got):\n%s", d)
	}
}

func TestAPlanThatTouchesWhatIsNotOursIsRefusedWhole(t *testing.T) {
	s, url, ds := world(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	for name, change := range map[string]func(*acl.Change){
		"an entry of somebody else": func(ch *acl.Change) { ch.EntryID = "ann" },
		"an entry there is not":     func(ch *acl.Change) { ch.EntryID = "nope" },
		"another prefix":            func(ch *acl.Change) { ch.Prefix = prefix("203.0.113.12") },
		"an ACL there is not":       func(ch *acl.Change) { ch.ACL = "office" },
		"an unknown operation":      func(ch *acl.Change) { ch.Op = "upsert" },
	} {
		p := acl.Diff(present, ds, acl.DiffOptions{Now: t0})
		change(&p.Changes[0])
		if res, err := c.Apply(t.Context(), present, p); err == nil || len(res.Failed) != 6 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Apply(t.Context(), acl.EmptySnapshot(target), acl.Diff(acl.EmptySnapshot(target), ds, acl.DiffOptions{Now: t0})); err == nil {
		t.Error("a snapshot that was never read can be applied")
	}
	if s.Writes() != 0 {
		t.Errorf("%d writes", s.Writes())
	}
}
