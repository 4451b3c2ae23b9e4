package verify_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ysugimoto/falco/ast"
	"github.com/ysugimoto/falco/config"
	"github.com/ysugimoto/falco/context"
	"github.com/ysugimoto/falco/interpreter"
	icontext "github.com/ysugimoto/falco/interpreter/context"
	"github.com/ysugimoto/falco/lexer"
	"github.com/ysugimoto/falco/linter"
	"github.com/ysugimoto/falco/parser"
	"github.com/ysugimoto/falco/resolver"
)

// service is a whole VCL with our snippets where Fastly's macros would put them, and the given entries. Masks are always
// written: the interpreter takes an IPv6 entry without one for a /32.
func service(t *testing.T, enforceUntil time.Time, entries map[string][]string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"edgewarden_1", "edgewarden_2", "edgewarden_exempt", "edgewarden_shadow"} {
		fmt.Fprintf(&b, "acl %s {\n", name)
		for _, e := range entries[name] {
			addr, bits, _ := strings.Cut(e, "/")
			fmt.Fprintf(&b, "  \"%s\"/%s;\n", addr, bits)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "table edgewarden_control STRING {\n  \"enforce_until\": \"%d\",\n}\n", enforceUntil.Unix())
	fmt.Fprintf(&b, `
backend origin { .host = "127.0.0.1"; .port = "1"; }
sub vcl_recv {
  #FASTLY recv
%s
  set req.backend = origin;
  if (req.http.Fastly-FF) { error 601 "shield"; }
  error 600 "origin";
}
sub vcl_error {
  #FASTLY error
%s
  set obj.status = 200;
  set obj.http.Blocked = req.http.X-Edgewarden-Blocked;
  set obj.http.Would-Block = req.http.X-Edgewarden-Would-Block;
  set obj.http.Request-Id = req.http.X-Edgewarden-Request-Id;
  set obj.http.Client = req.http.Fastly-Client-IP;
  return(deliver);
}
`, read(t, "../recv.vcl"), read(t, "../error.vcl"))
	return b.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type quiet struct{}

func (quiet) Run(ast.Node) interpreter.DebugState { return interpreter.DebugPass }
func (quiet) Message(string)                      {}

// ask sends one request from an address through the interpreter.
func ask(vcl, addr string, header http.Header) *httptest.ResponseRecorder {
	// The interpreter takes every request for the first visit; a request with a Fastly-FF header comes from another Fastly node.
	vcl = strings.ReplaceAll(vcl, "fastly.ff.visits_this_service", "std.strlen(req.http.Fastly-FF)")
	edge := interpreter.New(icontext.WithResolver(resolver.NewStaticResolver("main", vcl)), icontext.WithActualResponse(true))
	edge.Debugger = quiet{}
	r := httptest.NewRequest(http.MethodGet, "http://shop.example.com/", nil)
	r.RemoteAddr = addr + ":1" // cut at the last colon, so IPv6 stands without brackets
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	edge.ServeHTTP(w, r)
	return w
}

func TestTheEdge(t *testing.T) {
	held, ended := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	forged := http.Header{"X-Edgewarden-Blocked": {"1"}, "X-Edgewarden-Would-Block": {"1"}, "X-Edgewarden-Request-Id": {"mine"}, "Fastly-Client-Ip": {"203.0.113.1"}}
	shield := http.Header{"Fastly-Ff": {"abc!AMS!cache-ams1"}}
	entries := map[string][]string{
		"edgewarden_1":      {"203.0.113.9/32", "2001:db8:1:2::/64", "198.51.100.0/24"},
		"edgewarden_2":      {"203.0.113.10/32"},
		"edgewarden_exempt": {"198.51.100.7/32"},
		"edgewarden_shadow": {"203.0.113.20/32"},
	}
	cases := []struct {
		name, addr string
		until      time.Time
		header     http.Header
		status     int
		would      string
	}{
		{"a listed address is refused", "203.0.113.9", held, nil, 403, ""},
		{"the second ACL counts too", "203.0.113.10", held, nil, 403, ""},
		{"an address inside a listed IPv6 /64 is refused", "2001:db8:1:2::77", held, nil, 403, ""},
		{"the next /64 is not", "2001:db8:1:3::77", held, nil, 200, ""},
		{"an address inside a listed /24 is refused", "198.51.100.8", held, nil, 403, ""},
		{"an exempt address inside a listed /24 passes", "198.51.100.7", held, nil, 200, ""},
		{"nobody else is refused", "203.0.113.1", held, nil, 200, ""},
		{"when the lease has ended nothing is enforced", "203.0.113.9", ended, nil, 200, ""},
		{"a shadow entry is only noted", "203.0.113.20", held, nil, 200, "1"},
		{"forged headers do not lift a block", "203.0.113.9", held, forged, 403, ""},
		{"forged headers do not survive", "203.0.113.2", held, forged, 200, ""},
		{"the shield does not filter", "203.0.113.9", held, shield, 200, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := ask(service(t, c.until, entries), c.addr, c.header.Clone())
			if w.Code != c.status {
				t.Fatalf("status %d, want %d\n%s", w.Code, c.status, w.Body)
			}
			if c.status == 403 {
				if !strings.Contains(w.Body.String(), "name this request: ") || strings.Contains(w.Body.String(), "mine") {
					t.Errorf("the block page names no request id of ours: %q", w.Body)
				}
				return
			}
			if got := w.Header().Get("Would-Block"); got != c.would {
				t.Errorf("would-block %q, want %q", got, c.would)
			}
			if w.Header().Get("Blocked") != "" {
				t.Error("a request that passed is marked as blocked")
			}
			if c.header.Get("Fastly-FF") == "" && (w.Header().Get("Client") != c.addr || w.Header().Get("Request-Id") == "mine" || w.Header().Get("Request-Id") == "") {
				t.Errorf("client %q, request id %q: a header of the client survived", w.Header().Get("Client"), w.Header().Get("Request-Id"))
			}
		})
	}
}

func TestTheLinterHasNothingToSay(t *testing.T) {
	lint := func(vcl string) []error {
		root, err := parser.New(lexer.NewFromString(vcl)).ParseVCL()
		if err != nil {
			return []error{err}
		}
		l := linter.New(&config.LinterConfig{})
		l.Lint(root, context.New(context.WithResolver(resolver.NewStaticResolver("main", vcl))))
		return l.Errors
	}
	vcl := service(t, time.Now(), map[string][]string{"edgewarden_1": {"203.0.113.9/32"}, "edgewarden_2": {"203.0.113.9/32"}, "edgewarden_exempt": {"203.0.113.9/32"}, "edgewarden_shadow": {"203.0.113.9/32"}})
	for _, err := range lint(vcl) {
		t.Error(err)
	}
	if len(lint(strings.Replace(vcl, "~ edgewarden_2", "~ edgewarden_3", 1))) == 0 {
		t.Error("an ACL that does not exist passes the linter: this test cannot fail")
	}
}
