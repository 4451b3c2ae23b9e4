package acl_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/policy"
)

func TestOptionsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*acl.ClientOptions)
		want   string
	}{
		"no token":                       {func(o *acl.ClientOptions) { o.Token = "" }, "FASTLY_API_TOKEN"},
		"a token with a line end":        {func(o *acl.ClientOptions) { o.Token = "hush-hush\n" }, "more than the token"},
		"an endpoint that is no URL":     {func(o *acl.ClientOptions) { o.Endpoint = "api.fastly.com" }, "URL like"},
		"an endpoint with a password":    {func(o *acl.ClientOptions) { o.Endpoint = "https://u:hush-hush@x" }, "user or password"},
		"plain http to another machine":  {func(o *acl.ClientOptions) { o.Endpoint = "http://192.0.2.1" }, "in clear"},
		"a batch larger than Fastly's":   {func(o *acl.ClientOptions) { o.BatchSize = 1001 }, "1 to 1000"},
		"a batch of less than nothing":   {func(o *acl.ClientOptions) { o.BatchSize = -1 }, "1 to 1000"},
		"a time that goes backwards":     {func(o *acl.ClientOptions) { o.Timeout = -1 }, "negative"},
		"plain http to this machine":     {func(o *acl.ClientOptions) { o.Endpoint = "http://127.0.0.1:1" }, ""},
		"Fastly's own endpoint":          {func(o *acl.ClientOptions) { o.Endpoint = "" }, ""},
		"a path after the endpoint":      {func(o *acl.ClientOptions) { o.Endpoint = "https://proxy.example/fastly/" }, ""},
		"the largest batch Fastly takes": {func(o *acl.ClientOptions) { o.BatchSize = 1000 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := acl.ClientOptions{Token: "hush-hush"}
			tc.change(&o)
			_, err := acl.NewClient(o)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestFastlysDebugModeIsRefused(t *testing.T) {
	t.Setenv("FASTLY_DEBUG_MODE", "true")
	if _, err := acl.NewClient(acl.ClientOptions{Token: "x"}); err == nil || !strings.Contains(err.Error(), "FASTLY_DEBUG_MODE") {
		t.Errorf("got %v", err)
	}
	t.Setenv("FASTLY_DEBUG_MODE", "false")
	if _, err := acl.NewClient(acl.ClientOptions{Token: "x"}); err != nil {
		t.Error(err)
	}
}

func TestReadGivesTheWholeState(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	put(s, "a", row{acl: b1, prefix: "203.0.113.77/24", comment: ours})
	put(s, "b", row{acl: b2, prefix: "203.0.113.1", comment: "Ann"})
	s.PutItem("SVC1", acltest.Control, "enforce_until", "1778054889")
	s.PutItem("SVC1", acltest.Control, "stopped", "1778051289 ann")
	got := read(t, client(t, url, func(o *acl.ClientOptions) { o.UserAgent = "edgewarden/9" }))
	if got.Version != 1 || !got.EnforceUntil.Equal(later) || got.Stopped != "1778051289 ann" || got.ControlID == "" {
		t.Errorf("%+v", got)
	}
	e := got.Blocks[0].Entries[0]
	if e.Prefix.String() != "203.0.113.0/24" || !e.Ours || e.Mark.Rule != "flood" || e.ACL != b1 || e.ACLID == "" {
		t.Errorf("%+v", e)
	}
	if f := got.Blocks[1].Entries[0]; f.Ours || f.Prefix.String() != "203.0.113.1/32" || f.Comment != "Ann" {
		t.Errorf("%+v", f)
	}
	if got.Skew.Abs() > 2*time.Second || got.NoDate {
		t.Errorf("skew %s", got.Skew)
	}
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet || r.UserAgent != "edgewarden/9" {
			t.Errorf("%s %s by %q", r.Method, r.Path, r.UserAgent)
		}
	}
}

func TestTheClockIsComparedWithFastlys(t *testing.T) {
	s, url := edge(t, acltest.Options{Skew: -10 * time.Minute})
	if got := read(t, client(t, url)).Skew; (got - 10*time.Minute).Abs() > 2*time.Second {
		t.Errorf("Fastly's clock is ten minutes behind, skew is %s", got)
	}
	s.SetSkew(5 * time.Minute)
	if got := read(t, client(t, url)).Skew; (got + 5*time.Minute).Abs() > 2*time.Second {
		t.Errorf("Fastly's clock is five minutes ahead, skew is %s", got)
	}
}

func fill(s *acltest.Server, n int) {
	for i := range n {
		put(s, fmt.Sprintf("id%05d", i), row{acl: b1, prefix: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), comment: ours})
	}
}

func TestEveryEntryIsListedHoweverThePagesAreCut(t *testing.T) {
	for name, o := range map[string]acltest.Options{
		"as large as asked":                      {},
		"cut to 100 in silence":                  {MaxPerPage: 100},
		"cut to 20 in silence":                   {MaxPerPage: 20},
		"as large as asked, and no links":        {NoLink: true},
		"cut to 100 in silence, and no links":    {MaxPerPage: 100, NoLink: true},
		"cut to 30 in silence, and no links too": {MaxPerPage: 30, NoLink: true},
	} {
		for _, n := range []int{0, 1, 20, 99, 100, 101, 1000, 1203} {
			if n > 101 && o.MaxPerPage == 20 {
				continue // many requests, nothing new
			}
			t.Run(fmt.Sprintf("%s, %d entries", name, n), func(t *testing.T) {
				s, url := edge(t, o)
				fill(s, n)
				if got := len(read(t, client(t, url)).Blocks[0].Entries); got != n {
					t.Errorf("%d entries listed", got)
				}
			})
		}
	}
}

func TestAListThatShrinksWhileItIsReadMissesNothing(t *testing.T) {
	s, url := edge(t, acltest.Options{MaxPerPage: 100})
	fill(s, 250)
	s.Fault(acltest.Fault{Path: "/entries", Skip: 1, Before: func() { s.Remove("SVC1", b1, "id00000") }})
	only := target
	only.ACLs, only.Shadow, only.Exempt = []string{b1}, "none-shadow", "none-exempt"
	got, err := client(t, url).Read(t.Context(), only)
	if err != nil || len(got.Blocks[0].Entries) != 249 {
		t.Fatalf("%v, %d entries", err, len(got.Blocks[0].Entries))
	}
	for _, e := range got.Blocks[0].Entries {
		if e.ID == "id00100" {
			return
		}
	}
	t.Error("the entry that moved to the page before is missing")
}

func TestAListThatNeverHoldsStillIsAnError(t *testing.T) {
	s, url := edge(t, acltest.Options{MaxPerPage: 100})
	fill(s, 250)
	n := 0
	s.Fault(acltest.Fault{Path: "/entries", Times: -1, Before: func() {
		s.Remove("SVC1", b1, fmt.Sprintf("id%05d", n))
		n++
	}})
	only := target
	only.ACLs, only.Shadow, only.Exempt = []string{b1}, "none-shadow", "none-exempt"
	if _, err := client(t, url).Read(t.Context(), only); !errors.Is(err, acl.ErrIncomplete) {
		t.Errorf("got %v", err)
	}
}

func TestAnIncompleteListIsAnError(t *testing.T) {
	for name, f := range map[string]acltest.Fault{
		"a page that fails every time":      {Path: "/entries", Times: -1, Status: 503, Body: "<html>down</html>"},
		"a page of null":                    {Path: "/entries", Times: -1, Status: 200, Body: "[null,null]"},
		"a page of one null":                {Path: "/entries", Times: -1, Status: 200, Body: "[null]"},
		"a row without an id":               {Path: "/entries", Times: -1, Status: 200, Body: `[{"ip":"203.0.113.1"}]`},
		"a row of another ACL":              {Path: "/entries", Times: -1, Status: 200, Body: `[{"id":"x","acl_id":"y","ip":"203.0.113.1"}]`},
		"a page that is an object":          {Path: "/entries", Times: -1, Status: 200, Body: `{"id":"x"}`},
		"a page that is an empty object":    {Path: "/entries", Times: -1, Status: 200, Body: `{}`},
		"a page that is null altogether":    {Path: "/entries", Times: -1, Status: 200, Body: `null`},
		"ACLs that are null":                {Path: "/version/1/acl", Times: -1, Status: 200, Body: `null`},
		"dictionaries that are null":        {Path: "/version/1/dictionary", Times: -1, Status: 200, Body: `null`},
		"a dictionary that nobody may read": {Path: "/version/1/dictionary", Times: -1, Status: 200, Body: `[{"id":"d","name":"edgewarden_control","write_only":true}]`},
		"a page that is HTML":               {Path: "/entries", Times: -1, Status: 200, Body: `<html>`},
		"an empty page of no JSON":          {Path: "/entries", Times: -1, Empty: true},
		"the same page for ever":            {Path: "/entries", Times: -1, Status: 200, Body: `[{"id":"x","ip":"203.0.113.1"}]`, Header: http.Header{"Link": {`<http://x/?page=9>; rel="next"`}}},
		"a next page that is not there": {Path: "/entries", Times: -1, Status: 200, Body: `[]`,
			Header: http.Header{"Link": {`<http://x/?page=9>; rel="next"`}}},
		"versions that cannot be listed":    {Path: "/version", Times: -1, Status: 500},
		"ACLs that cannot be listed":        {Path: "/version/1/acl", Times: -1, Status: 500},
		"dictionaries that cannot":          {Path: "/version/1/dictionary", Times: -1, Status: 500},
		"an item that cannot be read":       {Path: "/item/", Times: -1, Status: 500},
		"a redirect to somewhere else":      {Path: "/entries", Times: -1, Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}},
		"a token that is not good any more": {Path: "/entries", Times: -1, Status: 401, Body: `{"msg":"Provided credentials are missing or invalid"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := edge(t, acltest.Options{})
			s.Fault(f)
			got, err := client(t, url).Read(t.Context(), target)
			if err == nil && name == "a next page that is not there" {
				return // an empty first page with a link to a next: nothing is missed
			}
			if err == nil || got != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if text := err.Error(); strings.Contains(text, "s3cret") || strings.Contains(text, "\n") {
				t.Errorf("the error is %q", text)
			}
		})
	}
}

func TestReadsAreTriedAgain(t *testing.T) {
	for name, f := range map[string]acltest.Fault{
		"after a 503":             {Path: "/entries", Times: 2, Status: 503},
		"after a 429":             {Path: "/entries", Times: 2, Status: 429, Body: `{"msg":"slow down"}`},
		"after a reset":           {Path: "/entries", Times: 2, Drop: true},
		"after an answer cut off": {Path: "/entries", Times: 2, Status: 200, Body: `[{"id":`},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := edge(t, acltest.Options{})
			fill(s, 3)
			s.Fault(f)
			if got := read(t, client(t, url)); len(got.Blocks[0].Entries) != 3 {
				t.Errorf("%d entries", len(got.Blocks[0].Entries))
			}
		})
	}
}

func TestA401IsNotTriedAgain(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	_, err := client(t, url, func(o *acl.ClientOptions) { o.Token = "bad" }).Read(t.Context(), target)
	var e *acl.APIError
	if !errors.As(err, &e) || e.Status != 401 || e.Temporary() || !strings.Contains(err.Error(), "is the token right") {
		t.Errorf("got %v", err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests with a token that is refused", n)
	}
}

func TestAnErrorNeverHoldsTheToken(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	s.Fault(acltest.Fault{Times: -1, Status: 400, Body: `{"msg":"Bad request","detail":"key s3cret-token \u001b[31m is\nodd"}`})
	c := client(t, url)
	_, err := c.Read(t.Context(), target)
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "[token]") || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(text, "s3cret") {
		t.Errorf("the client prints its token: %s", text)
	}
}

func TestAContextEndsACall(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	ctx, cancel := context.WithCancel(t.Context())
	s.Fault(acltest.Fault{Path: "/entries", Times: -1, Before: cancel, Wait: hold})
	if _, err := client(t, url).Read(ctx, target); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestASlowAnswerTimesOut(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	s.Fault(acltest.Fault{Path: "/entries", Times: -1, Wait: hold})
	_, err := client(t, url, func(o *acl.ClientOptions) { o.Timeout = 20 * time.Millisecond }).Read(t.Context(), target)
	var e *acl.APIError
	if !errors.As(err, &e) || e.Status != 0 || !e.Temporary() {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsAreKeptEvenOverErrors(t *testing.T) {
	s := acltest.New()
	conns := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns[r.RemoteAddr] = true
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	c := client(t, srv.URL)
	s.Fault(acltest.Fault{Times: 30, Status: 503, Body: "<html>"})
	for range 10 {
		_, _ = c.Self(t.Context()) // the first ones fail, which is the point
	}
	if len(conns) != 1 {
		t.Errorf("%d connections for 33 calls one after the other", len(conns))
	}
}

func TestWithoutAnActiveVersionNothingIsRead(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	s.Deactivate("SVC1")
	if _, err := client(t, url).Read(t.Context(), target); err == nil || !strings.Contains(err.Error(), "active") {
		t.Errorf("got %v", err)
	}
}

func TestATargetIsChecked(t *testing.T) {
	_, url := edge(t, acltest.Options{})
	for name, tc := range map[string]acl.Target{
		"no service":                    {ACLs: []string{b1}},
		"no ACL":                        {ServiceID: "SVC1"},
		"an owner with capitals":        {ServiceID: "SVC1", ACLs: []string{b1}, Owner: "Me"},
		"the same ACL twice":            {ServiceID: "SVC1", ACLs: []string{b1, b1}},
		"the exempt ACL as a block ACL": {ServiceID: "SVC1", ACLs: []string{"edgewarden_exempt"}},
	} {
		if _, err := client(t, url).Read(t.Context(), tc); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestAnACLThatTheVCLDoesNotAskIsNoticed(t *testing.T) {
	for name, tc := range map[string]struct {
		vcl      string
		snippets []acltest.Snippet
		fault    *acltest.Fault
		want     bool
	}{
		"asked in the VCL":                   {vcl: "if (client.ip ~ edgewarden_1) { error 403; }", want: true},
		"asked by negation":                  {vcl: "if (client.ip !~ edgewarden_1) { }", want: true},
		"declared only":                      {vcl: "sub vcl_recv { }", want: false},
		"asked in a comment":                 {vcl: "# client.ip ~ edgewarden_1\n/* x ~ edgewarden_1 */ // y ~ edgewarden_1\n", want: false},
		"another ACL with a longer name":     {vcl: "if (client.ip ~ edgewarden_10) { }", want: false},
		"asked in a dynamic snippet":         {vcl: "sub vcl_recv { }", snippets: []acltest.Snippet{{Name: "s", Content: "if (client.ip ~ edgewarden_1) { error 403; }", Dynamic: true}}, want: true},
		"VCL that cannot be read":            {vcl: "sub vcl_recv { }", fault: &acltest.Fault{Path: "generated_vcl", Times: -1, Status: 403}, want: true},
		"a snippet that cannot be read":      {vcl: "sub vcl_recv { }", fault: &acltest.Fault{Path: "/snippet", Times: -1, Status: 403}, want: true},
		"a snippet that asks something else": {vcl: "sub vcl_recv { }", snippets: []acltest.Snippet{{Name: "s", Content: "if (client.ip ~ office) { }", Dynamic: true}}, want: false},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := edge(t, acltest.Options{})
			s.SetVCL("SVC1", tc.vcl, tc.snippets...)
			if tc.fault != nil {
				s.Fault(*tc.fault)
			}
			if got := read(t, client(t, url)).Blocks[0].Referenced; got != tc.want {
				t.Errorf("referenced: %v", got)
			}
		})
	}
}

func TestTheTokenSaysWhatItMayDo(t *testing.T) {
	_, url := edge(t, acltest.Options{Tokens: map[string]acltest.Token{"narrow": {Services: []string{"SVC1"}, ReadOnly: true, User: "u1", Expires: time.Now().Add(time.Hour)}}})
	got, err := client(t, url, func(o *acl.ClientOptions) { o.Token = "narrow" }).Self(t.Context())
	if err != nil || len(got.Services) != 1 || got.Scope != "global:read" || got.User != "u1" || got.Expires.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestADryRunCanOnlyRead(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	fill(s, 3)
	s.PutItem("SVC1", acltest.Control, "stopped", "1 ann")
	c := client(t, url, func(o *acl.ClientOptions) { o.ReadOnly = true })
	present := read(t, c)
	_, applyErr := apply(t, c, present, []policy.Decision{block("203.0.113.1", 9), release("10.0.0.1", policy.KindBlock, "unblocked")}, acl.DiffOptions{Now: t0})
	for name, err := range map[string]error{
		"apply": applyErr,
		"stop":  c.Stop(t.Context(), present, t0, "ann"),
		"start": c.Start(t.Context(), present),
	} {
		if !errors.Is(err, acl.ErrReadOnly) || !strings.Contains(err.Error(), "dry run") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.PutItem("SVC1", acltest.Control, "x", "y")
	if err := c.SetLease(t.Context(), present, later); err == nil {
		t.Error("the lease was set")
	}
	if s.Writes() != 0 {
		t.Errorf("%d writes reached Fastly", s.Writes())
	}
}

func TestFastlysOwnCountOfLogLines(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	s.AddLogged("SVC1", t0, 7)
	s.AddLogged("SVC1", t0.Add(time.Minute), 5)
	s.AddLogged("SVC1", t0.Add(time.Hour), 100)
	c := client(t, url)
	if n, err := c.LogLines(t.Context(), "SVC1", t0, t0.Add(10*time.Minute)); err != nil || n != 12 {
		t.Errorf("%d, %v", n, err)
	}
	s.Fault(acltest.Fault{Path: "/stats", Status: 200, Body: `{"status":"error","msg":"no"}`})
	if n, err := c.LogLines(t.Context(), "SVC1", t0, t0.Add(time.Minute)); err == nil {
		t.Errorf("%d lines from a reply that says error", n)
	}
}
