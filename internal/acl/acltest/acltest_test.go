package acltest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"

	"edgewarden/internal/acl/acltest"
)

// serve puts s on a real socket and gives a real client for it.
func serve(t *testing.T, s *acltest.Server, token string) (*fastly.Client, string) {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := fastly.NewClientForEndpoint(token, srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c, srv.URL
}

// aclID asks for the id of an ACL as a client does.
func aclID(t *testing.T, c *fastly.Client, name string) string {
	t.Helper()
	a, err := c.GetACL(&fastly.GetACLInput{ServiceID: acltest.Service, ServiceVersion: 1, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

func do(t *testing.T, method, url, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Fastly-Key", "good")
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func status(err error) int {
	var he *fastly.HTTPError
	if errors.As(err, &he) {
		return he.StatusCode
	}
	return 0
}

func TestAnEntryHasFastlysWireShapes(t *testing.T) {
	s := acltest.New()
	c, url := serve(t, s, "good")
	id := aclID(t, c, acltest.Block1)
	base := url + "/service/SVC1/acl/" + id

	_, created := do(t, "POST", base+"/entry", "application/x-www-form-urlencoded", "ip=10.0.0.3&subnet=8&negated=0&comment=test+entry")
	_, plain := do(t, "POST", base+"/entry", "application/json", `{"ip":"203.0.113.7","negated":"1","subnet":null}`)
	_, list := do(t, "GET", base+"/entries", "", "")
	for _, tc := range []struct{ name, in, want string }{
		{"a reply to a write has negated as a number", created, `"negated":0`},
		{"host bits are kept", created, `"ip":"10.0.0.3"`},
		{"subnet is a number", created, `"subnet":8`},
		{"a form comment is decoded", created, `"comment":"test entry"`},
		{"a null subnet stays null", plain, `"subnet":null`},
		{"a JSON body works as a form does", plain, `"negated":1`},
		{"a list has negated as a string", list, `"negated":"0"`},
		{"a list has a set negated as a string", list, `"negated":"1"`},
	} {
		if !strings.Contains(tc.in, tc.want) {
			t.Errorf("%s: want %s in %s", tc.name, tc.want, tc.in)
		}
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(list), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("list: %v, %d rows", err, len(rows))
	}
	if _, there := rows[0]["deleted_at"]; there {
		t.Error("deleted_at is in an entry; Fastly leaves it out")
	}
}

func TestBadEntriesAreRefusedWithFastlysErrorBody(t *testing.T) {
	s := acltest.New()
	c, url := serve(t, s, "good")
	base := url + "/service/SVC1/acl/" + aclID(t, c, acltest.Block1)
	for name, tc := range map[string]struct {
		method, path, body string
		code               int
		msg                string
	}{
		"an address that is none":       {"POST", "/entry", `{"ip":"example.com"}`, 400, "Bad request"},
		"no address":                    {"POST", "/entry", `{"comment":"x"}`, 400, "Bad request"},
		"a mask too long for IPv4":      {"POST", "/entry", `{"ip":"203.0.113.7","subnet":33}`, 400, "Bad request"},
		"a mask that is no number":      {"POST", "/entry", `{"ip":"203.0.113.7","subnet":"x"}`, 400, "Bad request"},
		"negated neither 0 nor 1":       {"POST", "/entry", `{"ip":"203.0.113.7","negated":"yes"}`, 400, "Bad request"},
		"a comment too long":            {"POST", "/entry", `{"ip":"203.0.113.7","comment":"` + strings.Repeat("x", 1025) + `"}`, 400, "Bad request"},
		"an unknown entry":              {"DELETE", "/entry/nope", "", 404, "Record not found"},
		"an unknown operation":          {"PATCH", "/entries", `{"entries":[{"op":"upsert","ip":"203.0.113.7"}]}`, 400, "Bad request"},
		"a batch without a list":        {"PATCH", "/entries", `{}`, 400, "Bad request"},
		"a batch naming an unknown id":  {"PATCH", "/entries", `{"entries":[{"op":"delete","id":"nope"}]}`, 404, "Record not found"},
		"a path that is not in the API": {"GET", "/nope", "", 404, "Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := do(t, tc.method, base+tc.path, "application/json", tc.body)
			if resp.StatusCode != tc.code || !strings.Contains(body, `"msg":"`+tc.msg+`"`) {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, body, tc.code, tc.msg)
			}
		})
	}
	if n := len(s.Entries(acltest.Service, acltest.Block1)); n != 0 {
		t.Errorf("%d entries were made of bad requests", n)
	}
}

func TestATokenIsNeeded(t *testing.T) {
	s := acltest.NewWith(acltest.Options{Services: []string{"SVC1", "SVC2"}, Tokens: map[string]acltest.Token{
		"narrow": {Services: []string{"SVC1"}}, "reader": {ReadOnly: true}, "old": {Expires: time.Unix(1, 0)},
	}})
	for name, tc := range map[string]struct {
		token, service string
		write          bool
		code           int
	}{
		"no token":                         {"", "SVC1", false, 401},
		"the token bad":                    {"bad", "SVC1", false, 401},
		"an expired token":                 {"old", "SVC1", false, 401},
		"any other token":                  {"good", "SVC2", true, 0},
		"a token of one service":           {"narrow", "SVC1", true, 0},
		"the same at another service":      {"narrow", "SVC2", false, 403},
		"a token that may only read":       {"reader", "SVC1", false, 0},
		"a token that may only read, POST": {"reader", "SVC1", true, 403},
		"a service there is not":           {"good", "SVC9", false, 404},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, s, tc.token)
			_, err := c.ListACLs(&fastly.ListACLsInput{ServiceID: tc.service, ServiceVersion: 1})
			if tc.write {
				_, err = c.CloneVersion(&fastly.CloneVersionInput{ServiceID: tc.service, ServiceVersion: 1})
			}
			if status(err) != tc.code {
				t.Errorf("got %v, want status %d", err, tc.code)
			}
		})
	}
	c, _ := serve(t, s, "narrow")
	self, err := c.GetTokenSelf()
	if err != nil || len(self.Services) != 1 || self.Scope != "global" {
		t.Errorf("tokens/self says %+v, %v", self, err)
	}
}

func TestABatchIsAppliedUpToItsFirstBadOperation(t *testing.T) {
	for name, tc := range map[string]struct {
		o    acltest.Options
		want int
	}{"by default": {acltest.Options{}, 1}, "or not at all when atomic": {acltest.Options{Atomic: true}, 0}} {
		t.Run(name, func(t *testing.T) {
			s := acltest.NewWith(tc.o)
			c, _ := serve(t, s, "good")
			err := c.BatchModifyACLEntries(&fastly.BatchModifyACLEntriesInput{ServiceID: "SVC1", ACLID: aclID(t, c, acltest.Block1), Entries: []*fastly.BatchACLEntry{
				{Operation: fastly.CreateBatchOperation, IP: fastly.String("203.0.113.1")},
				{Operation: fastly.DeleteBatchOperation, ID: fastly.String("nope")},
				{Operation: fastly.CreateBatchOperation, IP: fastly.String("203.0.113.2")},
			}})
			if status(err) != 404 || len(s.Entries("SVC1", acltest.Block1)) != tc.want {
				t.Errorf("%v, %d entries, want 404 and %d", err, len(s.Entries("SVC1", acltest.Block1)), tc.want)
			}
		})
	}
}

func TestABatchAnswersOkAndNamesNoIDs(t *testing.T) {
	s := acltest.New()
	c, url := serve(t, s, "good")
	base := url + "/service/SVC1/acl/" + aclID(t, c, acltest.Block1) + "/entries"
	_, body := do(t, "PATCH", base, "application/json", `{"entries":[{"op":"create","ip":"203.0.113.0","subnet":24,"negated":"0","comment":"c"}]}`)
	if body != `{"status":"ok"}` {
		t.Errorf("reply %s", body)
	}
	id := s.Entries("SVC1", acltest.Block1)[0].ID
	do(t, "PATCH", base, "application/json", `{"entries":[{"op":"update","id":"`+id+`","comment":"d"}]}`)
	if e := s.Entries("SVC1", acltest.Block1)[0]; e.Comment != "d" || e.Prefix() != netip.MustParsePrefix("203.0.113.0/24") {
		t.Errorf("after update: %+v", e)
	}
}

func TestLimitsAreFastlys(t *testing.T) {
	s := acltest.NewWith(acltest.Options{Capacity: 3, MaxOperations: 4, WritesPerHour: 3})
	c, url := serve(t, s, "good")
	base := url + "/service/SVC1/acl/" + aclID(t, c, acltest.Block1)
	ops := func(n int) string {
		var b []string
		for i := range n {
			b = append(b, fmt.Sprintf(`{"op":"create","ip":"203.0.113.%d"}`, i))
		}
		return `{"entries":[` + strings.Join(b, ",") + `]}`
	}
	resp, _ := do(t, "PATCH", base+"/entries", "application/json", ops(5))
	if resp.StatusCode != 400 || len(s.Entries("SVC1", acltest.Block1)) != 0 {
		t.Errorf("five operations where four are allowed: %d", resp.StatusCode)
	}
	if got := resp.Header.Get("Fastly-RateLimit-Remaining"); got != "2" {
		t.Errorf("a refused write says %q remain, want 2", got)
	}
	resp, _ = do(t, "PATCH", base+"/entries", "application/json", ops(4))
	if resp.StatusCode != 400 || len(s.Entries("SVC1", acltest.Block1)) != 3 {
		t.Errorf("a fourth entry where three fit: %d, %d entries", resp.StatusCode, len(s.Entries("SVC1", acltest.Block1)))
	}
	if resp, _ = do(t, "GET", base+"/entries", "", ""); resp.Header.Get("Fastly-RateLimit-Remaining") != "" {
		t.Error("a GET carries a rate header")
	}
	do(t, "DELETE", base+"/entry/nope", "", "")
	if resp, body := do(t, "DELETE", base+"/entry/nope", "", ""); resp.StatusCode != 429 || !strings.Contains(body, "hourly rate limit") {
		t.Errorf("the fourth write of the hour: %d %s", resp.StatusCode, body)
	}
	if resp, _ = do(t, "GET", base+"/entries", "", ""); resp.StatusCode != 200 {
		t.Error("reads are limited too")
	}
	if s.Writes() != 4 {
		t.Errorf("%d writes counted, want 4", s.Writes())
	}
}

func TestTheWriteLimitEndsAtTheTopOfTheHour(t *testing.T) {
	now := time.Date(2026, 1, 1, 10, 59, 59, 0, time.UTC)
	s := acltest.NewWith(acltest.Options{WritesPerHour: 1, Now: func() time.Time { return now }})
	c, url := serve(t, s, "good")
	item := url + "/service/SVC1/acl/" + aclID(t, c, acltest.Block1) + "/entry/nope"
	resp, _ := do(t, "DELETE", item, "", "")
	if got := resp.Header.Get("Fastly-RateLimit-Reset"); got != "1767265200" {
		t.Errorf("reset %s, want the top of the hour", got)
	}
	if resp, _ = do(t, "DELETE", item, "", ""); resp.StatusCode != 429 {
		t.Errorf("second write: %d", resp.StatusCode)
	}
	now = now.Add(time.Second)
	if resp, _ = do(t, "DELETE", item, "", ""); resp.StatusCode != 404 {
		t.Errorf("first write of the next hour: %d", resp.StatusCode)
	}
}

func TestListsComeInPagesWithLinks(t *testing.T) {
	s := acltest.New()
	c, url := serve(t, s, "good")
	for i := range 250 {
		s.Put("SVC1", acltest.Block1, acltest.Entry{IP: fmt.Sprintf("203.0.113.%d", i)})
	}
	id := aclID(t, c, acltest.Block1)
	resp, body := do(t, "GET", url+"/service/SVC1/acl/"+id+"/entries", "", "")
	if n := strings.Count(body, `"ip"`); n != 100 {
		t.Errorf("a list that asks for no size has %d rows, want 100", n)
	}
	if l := resp.Header.Get("Link"); !strings.Contains(l, `rel="next"`) || !strings.Contains(l, "page=3") {
		t.Errorf("Link: %s", l)
	}
	p := c.NewListACLEntriesPaginator(&fastly.ListACLEntriesInput{ServiceID: "SVC1", ACLID: id, PerPage: 100})
	n := 0
	for p.HasNext() {
		es, err := p.GetNext()
		if err != nil {
			t.Fatal(err)
		}
		n += len(es)
	}
	if n != 250 {
		t.Errorf("go-fastly's paginator finds %d rows, want 250", n)
	}
	if resp, body = do(t, "GET", url+"/service/SVC1/acl/"+id+"/entries?per_page=1000&page=2", "", ""); body != "[]" || resp.Header.Get("Link") != "" {
		t.Errorf("beyond the end: %s", body)
	}
}

func TestDictionaryItemsAreVersionless(t *testing.T) {
	s := acltest.New()
	c, _ := serve(t, s, "good")
	d, err := c.GetDictionary(&fastly.GetDictionaryInput{ServiceID: "SVC1", ServiceVersion: 1, Name: acltest.Control})
	if err != nil {
		t.Fatal(err)
	}
	get := func(key string) (string, int) {
		it, err := c.GetDictionaryItem(&fastly.GetDictionaryItemInput{ServiceID: "SVC1", DictionaryID: d.ID, ItemKey: key})
		if err != nil {
			return "", status(err)
		}
		return it.ItemValue, 200
	}
	if _, code := get("k"); code != 404 {
		t.Errorf("an item there is not: %d", code)
	}
	put := func(v string) error {
		_, err := c.UpdateDictionaryItem(&fastly.UpdateDictionaryItemInput{ServiceID: "SVC1", DictionaryID: d.ID, ItemKey: "k", ItemValue: v})
		return err
	}
	if err := errors.Join(put("1"), put("2")); err != nil {
		t.Fatal(err)
	}
	if v, _ := get("k"); v != "2" {
		t.Errorf("PUT twice gives %q", v)
	}
	if _, err := c.CreateDictionaryItem(&fastly.CreateDictionaryItemInput{ServiceID: "SVC1", DictionaryID: d.ID, ItemKey: "k", ItemValue: "3"}); status(err) != 409 {
		t.Errorf("POST of a key that is there: %v", err)
	}
	err = c.BatchModifyDictionaryItems(&fastly.BatchModifyDictionaryItemsInput{ServiceID: "SVC1", DictionaryID: d.ID, Items: []*fastly.BatchDictionaryItem{
		{Operation: fastly.UpsertBatchOperation, ItemKey: "k", ItemValue: "4"}, {Operation: fastly.UpsertBatchOperation, ItemKey: "l", ItemValue: "5"}}})
	if got := s.Dictionary("SVC1", acltest.Control); err != nil || got["k"] != "4" || got["l"] != "5" {
		t.Errorf("batch upsert: %v, %v", err, got)
	}
	if err := c.DeleteDictionaryItem(&fastly.DeleteDictionaryItemInput{ServiceID: "SVC1", DictionaryID: d.ID, ItemKey: "k"}); err != nil {
		t.Error(err)
	}
	items, err := c.ListDictionaryItems(&fastly.ListDictionaryItemsInput{ServiceID: "SVC1", DictionaryID: d.ID})
	if err != nil || len(items) != 1 || items[0].ItemKey != "l" {
		t.Errorf("list: %v %v", items, err)
	}
}

func TestContainersBelongToVersions(t *testing.T) {
	s := acltest.New()
	c, _ := serve(t, s, "good")
	if _, err := c.CreateACL(&fastly.CreateACLInput{ServiceID: "SVC1", ServiceVersion: 1, Name: fastly.String("extra")}); status(err) != 422 {
		t.Errorf("an ACL made in the locked active version: %v", err)
	}
	v, err := c.CloneVersion(&fastly.CloneVersionInput{ServiceID: "SVC1", ServiceVersion: 1})
	if err != nil || v.Number != 2 || v.Active {
		t.Fatalf("clone: %+v %v", v, err)
	}
	if _, err = c.CreateACL(&fastly.CreateACLInput{ServiceID: "SVC1", ServiceVersion: 2, Name: fastly.String("9lives")}); status(err) != 400 {
		t.Errorf("a name that begins with a digit: %v", err)
	}
	if _, err = c.CreateACL(&fastly.CreateACLInput{ServiceID: "SVC1", ServiceVersion: 2, Name: fastly.String("extra")}); err != nil {
		t.Fatal(err)
	}
	before := aclID(t, c, acltest.Block1)
	if _, err = c.ActivateVersion(&fastly.ActivateVersionInput{ServiceID: "SVC1", ServiceVersion: 2}); err != nil {
		t.Fatal(err)
	}
	acls, err := c.ListACLs(&fastly.ListACLsInput{ServiceID: "SVC1", ServiceVersion: 2})
	if err != nil || len(acls) != 5 {
		t.Errorf("%d ACLs in version 2, %v", len(acls), err)
	}
	if a, _ := c.GetACL(&fastly.GetACLInput{ServiceID: "SVC1", ServiceVersion: 2, Name: acltest.Block1}); a.ID != before {
		t.Error("an ACL has another id in a cloned version")
	}
	g, err := c.GetGeneratedVCL(&fastly.GetGeneratedVCLInput{ServiceID: "SVC1", ServiceVersion: 2})
	if err != nil || !strings.Contains(g.Content, "client.ip ~ extra") {
		t.Errorf("generated VCL: %v %v", g, err)
	}
}
