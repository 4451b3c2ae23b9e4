package verify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ysugimoto/falco/config"
	"github.com/ysugimoto/falco/context"
	"github.com/ysugimoto/falco/lexer"
	"github.com/ysugimoto/falco/linter"
	"github.com/ysugimoto/falco/parser"
	"github.com/ysugimoto/falco/resolver"

	"edgewarden/internal/logformat"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func until(t time.Time) string { return fmt.Sprint(t.Unix()) }

// verdict is what the log line says of a request.
type verdict struct {
	RequestID  string `json:"request_id"`
	ClientIP   string `json:"client_ip"`
	Status     int    `json:"status"`
	FirstHop   bool   `json:"first_hop"`
	Blocked    bool   `json:"blocked"`
	WouldBlock bool   `json:"would_block"`
	Claims     bool   `json:"claims_other_ip"`
}

func TestTheEdge(t *testing.T) {
	held, ended := until(time.Now().Add(time.Hour)), until(time.Now().Add(-time.Hour))
	forged := http.Header{"X-Edgewarden-Blocked": {"1"}, "X-Edgewarden-Would-Block": {"1"}, "X-Edgewarden-Request-Id": {"mine"}, "X-Edgewarden-Claims-Other-Ip": {"1"}}
	claim := func(addr string) http.Header { return http.Header{"Fastly-Client-Ip": {addr}} }
	shield := http.Header{"Fastly-Ff": {"abc!AMS!cache-ams1"}, "X-Edgewarden-Request-Id": {"given-at-the-first-hop"}}
	acls := map[string][]netip.Prefix{}
	for name, entries := range map[string]string{
		"edgewarden_1":      "203.0.113.9/32 2001:db8:1:2::/64 198.51.100.0/24 203.0.113.30/32",
		"edgewarden_2":      "203.0.113.10/32 2001:db8:9::1/128",
		"edgewarden_exempt": "198.51.100.7/32 2001:db8:1:2::5/128",
		"edgewarden_shadow": "203.0.113.20/32 2001:db8:7::/64 203.0.113.30/32 198.51.100.7/32",
	} {
		for _, e := range strings.Fields(entries) {
			acls[name] = append(acls[name], netip.MustParsePrefix(e))
		}
	}
	cases := []struct {
		name, addr, until string
		header            http.Header
		status            int
		would, claims     bool
	}{
		{"a listed address is refused", "203.0.113.9", held, nil, 403, false, false},
		{"the second ACL counts too", "203.0.113.10", held, nil, 403, false, false},
		{"an address inside a listed IPv6 /64 is refused", "2001:db8:1:2::77", held, nil, 403, false, false},
		{"a single IPv6 address is refused", "2001:db8:9::1", held, nil, 403, false, false},
		{"its neighbour is not", "2001:db8:9::2", held, nil, 200, false, false},
		{"the next /64 is not", "2001:db8:1:3::77", held, nil, 200, false, false},
		{"an address inside a listed /24 is refused", "198.51.100.8", held, nil, 403, false, false},
		{"an exempt address inside a listed /24 passes, shadow or not", "198.51.100.7", held, nil, 200, false, false},
		{"an exempt address inside a listed /64 passes", "2001:db8:1:2::5", held, nil, 200, false, false},
		{"nobody else is refused", "203.0.113.1", held, nil, 200, false, false},
		{"when the lease has ended nothing is enforced", "203.0.113.9", ended, nil, 200, false, false},
		{"nor without a lease", "203.0.113.9", "", nil, 200, false, false},
		{"nor after the kill switch", "203.0.113.9", "0", nil, 200, false, false},
		{"a shadow entry is only noted", "203.0.113.20", held, nil, 200, true, false},
		{"an IPv6 shadow entry too", "2001:db8:7::1", held, nil, 200, true, false},
		{"with and without a lease", "203.0.113.20", ended, nil, 200, true, false},
		{"a block goes before a shadow entry", "203.0.113.30", held, nil, 403, false, false},
		{"forged headers do not lift a block", "203.0.113.9", held, forged, 403, false, false},
		{"forged headers do not survive", "203.0.113.2", held, forged, 200, false, false},
		{"a client that names another address is noted", "203.0.113.2", held, claim("203.0.113.1"), 200, false, true},
		{"also when it is refused", "203.0.113.9", held, claim("203.0.113.1"), 403, false, true},
		{"and when that is no address", "2001:db8:9::2", held, claim("unknown"), 200, false, true},
		{"one that names its own is not", "203.0.113.2", held, claim("203.0.113.2"), 200, false, false},
		{"nor in IPv6", "2001:db8:9::2", held, claim("2001:db8:9::2"), 200, false, false},
		{"the shield does not filter", "203.0.113.9", held, shield, 200, false, false},
		{"the shield sees no shadow", "203.0.113.20", held, shield, 200, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://shop.example.com/", nil)
			for name, values := range c.header {
				r.Header[name] = values
			}
			w, line := newEdge(shop(t, lists{acls, c.until}, generated())).ask(t, c.addr, r)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d\n%s", w.Code, c.status, w.Body)
			}
			var got verdict
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			want := verdict{RequestID: got.RequestID, ClientIP: c.addr, Status: c.status, FirstHop: true, Blocked: c.status == 403, WouldBlock: c.would, Claims: c.claims}
			if c.header.Get("Fastly-FF") != "" {
				want.FirstHop, want.RequestID = false, "given-at-the-first-hop"
			} else if got.RequestID == "mine" || len(got.RequestID) != 36 {
				t.Errorf("request id %q is none of ours", got.RequestID)
			}
			if got != want {
				t.Errorf("the log line says %+v, want %+v", got, want)
			}
			if want.FirstHop && r.Header.Get("Fastly-Client-IP") != c.addr {
				t.Errorf("Fastly-Client-IP %q, want %s: formats with %%h log it", r.Header.Get("Fastly-Client-IP"), c.addr)
			}
			if c.status == 403 {
				blockPage(t, w, got.RequestID)
			}
		})
	}
}

// A request that starts again is the same request: it keeps its id and its verdict, and it still counts.
func TestARestartedRequestKeepsItsId(t *testing.T) {
	shadow := map[string][]netip.Prefix{"edgewarden_shadow": {netip.MustParsePrefix("203.0.113.20/32")}}
	e := newEdge(shop(t, lists{shadow, until(time.Now().Add(time.Hour))}, generated()))
	w, line := e.ask(t, "203.0.113.20", httptest.NewRequest(http.MethodGet, "http://shop.example.com/again", nil))
	var got verdict
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if first := w.Header().Get("First-Id"); first == "" || got.RequestID != first {
		t.Errorf("request id %q before the restart, %q after it", first, got.RequestID)
	}
	if !got.FirstHop || !got.WouldBlock {
		t.Errorf("after a restart the line says %+v", got)
	}
}

// Segmented caching logs one line more for each segment of a file; only the client's own request may count.
func TestASegmentOfAFileIsNoRequestOfAClient(t *testing.T) {
	for inner, statement := range map[bool]string{true: generated(), false: logformat.Statement(endpoint)} {
		e := newEdge(shop(t, lists{enforceUntil: "0"}, statement), map[string]any{"segmented_caching.is_inner_req": inner})
		_, line := e.ask(t, "203.0.113.1", httptest.NewRequest(http.MethodGet, "http://shop.example.com/film.mp4", nil))
		if want := fmt.Sprintf(`"first_hop":%v,`, !inner); !strings.Contains(line, want) {
			t.Errorf("inner %v: the line lacks %s: %s", inner, want, line)
		}
	}
}

// blockPage checks what a customer who was blocked by mistake needs: an id to name, somebody to write to, and nothing that stays in a cache.
func blockPage(t *testing.T, w *httptest.ResponseRecorder, id string) {
	t.Helper()
	body := w.Body.String()
	if !strings.Contains(body, "name this request: "+id+"\n") || !strings.Contains(body, "@example.com") {
		t.Errorf("the block page lacks the request id %s or a contact:\n%s", id, body)
	}
	if cc, ct := w.Header().Get("Cache-Control"), w.Header().Get("Content-Type"); cc != "no-store" || !strings.HasPrefix(ct, "text/plain") {
		t.Errorf("Cache-Control %q and Content-Type %q, want no-store and text/plain", cc, ct)
	}
}

// Every header in our name that is read anywhere must be one that a client cannot set.
func TestEveryHeaderInOurNameIsTakenFromTheClientFirst(t *testing.T) {
	recv := read(t, "../recv.vcl")
	ours := regexp.MustCompile(`X-Edgewarden-[A-Za-z-]+`).FindAllString(recv+read(t, "../error.vcl")+logformat.Format()+logformat.Statement(endpoint), -1)
	if len(ours) < 6 {
		t.Fatalf("only %d headers found", len(ours))
	}
	for _, name := range ours {
		first := strings.Index(recv, name)
		if unset := strings.Index(recv, "unset req.http."+name+";"); unset < 0 || unset+len("unset req.http.") != first {
			t.Errorf("%s is used before it is unset, or never unset", name)
		}
	}
}

func lint(vcl string) []error {
	root, err := parser.New(lexer.NewFromString(vcl)).ParseVCL()
	if err != nil {
		return []error{err}
	}
	l := linter.New(&config.LinterConfig{})
	l.Lint(root, context.New(context.WithResolver(resolver.NewStaticResolver("main", vcl))))
	var found []error
	for _, err := range l.Errors {
		// Hints, such as that a number becomes text in a log line, are no findings.
		if e := new(linter.LintError); !errors.As(err, &e) || e.Severity != linter.INFO {
			found = append(found, err)
		}
	}
	return found
}

func TestTheLinterHasNothingToSay(t *testing.T) {
	one := []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}
	l := lists{map[string][]netip.Prefix{"edgewarden_1": one, "edgewarden_2": one, "edgewarden_exempt": one, "edgewarden_shadow": one}, "0"}
	for name, statement := range map[string]string{"log format": generated(), "log statement": logformat.Statement(endpoint)} {
		vcl := shop(t, l, statement)
		for _, err := range lint(vcl) {
			t.Errorf("with the %s: %v", name, err)
		}
		if len(lint(strings.Replace(vcl, "~ edgewarden_2", "~ edgewarden_3", 1))) == 0 {
			t.Error("an ACL that does not exist passes the linter: this test cannot fail")
		}
	}
}
