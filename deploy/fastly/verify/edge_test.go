package verify_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ysugimoto/falco/ast"
	"github.com/ysugimoto/falco/interpreter"
	icontext "github.com/ysugimoto/falco/interpreter/context"
	"github.com/ysugimoto/falco/interpreter/function/builtin"
	"github.com/ysugimoto/falco/resolver"

	"edgewarden/internal/logformat"
)

// What the interpreter (v1.10.0) gets wrong of Fastly's documentation is put right here, so that a test speaks of our VCL:
// its json.escape leaves quotes, backslashes and 0x1F as they are.
// https://www.fastly.com/documentation/reference/vcl/functions/strings/json-escape/
func TestMain(m *testing.M) {
	builtin.Json_escape_CharacterMap['"'] = []rune(`\"`)
	builtin.Json_escape_CharacterMap['\\'] = []rune(`\\`)
	builtin.Json_escape_CharacterMap[0x1f] = []rune(`\u001f`)
	os.Setenv("FASYLY_SERVICE_ID", "SVC1") // the interpreter's spelling
	code := m.Run()
	if programs != "" {
		_ = os.RemoveAll(programs)
	}
	os.Exit(code)
}

// lists are the ACLs and the dictionary of a service, as the interpreter is given them.
type lists struct {
	acls         map[string][]netip.Prefix
	enforceUntil string
}

// declarations writes the lists as VCL. Masks are always written: the interpreter takes an IPv6 entry without one for a /32.
func (l lists) declarations() string {
	var b strings.Builder
	for _, name := range []string{"edgewarden_1", "edgewarden_2", "edgewarden_exempt", "edgewarden_shadow"} {
		fmt.Fprintf(&b, "acl %s {\n", name)
		for _, p := range l.acls[name] {
			fmt.Fprintf(&b, "  \"%s\"/%d;\n", p.Addr(), p.Bits())
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "table edgewarden_control STRING {\n  \"enforce_until\": \"%s\",\n}\n", l.enforceUntil)
	return b.String()
}

const endpoint = "edgewarden"

// shop is a service with our snippets where Fastly's macros put them, and our log line where Fastly puts the format of a
// logging endpoint. The shop itself lives in VCL: /login answers 401, everything else 200.
func shop(t *testing.T, l lists, logStatement string) string {
	t.Helper()
	return l.declarations() + fmt.Sprintf(`
backend origin { .host = "127.0.0.1"; .port = "1"; }
sub vcl_recv {
  #FASTLY recv
%s
  set req.backend = origin;
  if (req.url.path == "/again" && req.restarts == 0) {
    set req.http.First-Id = req.http.X-Edgewarden-Request-Id;
    restart;
  }
  if (req.url.path == "/login") { error 661 "login"; }
  error 660 "page";
}
sub vcl_error {
  #FASTLY error
%s
  if (obj.status == 661) { set obj.status = 401; } else { set obj.status = 200; }
  set obj.http.Content-Type = "text/html";
  set obj.http.Request-Id = req.http.X-Edgewarden-Request-Id;
  set obj.http.First-Id = req.http.First-Id;
  synthetic "shop";
  return(deliver);
}
sub vcl_log {
  #FASTLY log
  %s
}
`, read(t, "../recv.vcl"), read(t, "../error.vcl"), logStatement)
}

// generated is the log statement that Fastly makes of our format: text as it stands, %{…}V as the expression with %22 for
// a quote, %{begin:…}t as the time the request began.
func generated() string {
	var b strings.Builder
	fmt.Fprintf(&b, "log {\"syslog \"} req.service_id {\" %s :: \"}", endpoint)
	format, from := logformat.Format(), 0
	for _, m := range directive.FindAllStringSubmatchIndex(format, -1) {
		fmt.Fprintf(&b, " {\"%s\"}", format[from:m[0]])
		expr := format[m[2]:m[3]]
		if format[m[4]:m[5]] == "t" {
			expr = fmt.Sprintf(`strftime({"%s"}, time.start)`, strings.TrimPrefix(expr, "begin:"))
		}
		b.WriteString(" " + strings.ReplaceAll(expr, "%22", `"`))
		from = m[1]
	}
	fmt.Fprintf(&b, " {\"%s\"};", format[from:])
	return b.String()
}

var directive = regexp.MustCompile(`%\{(.*?)\}([Vt])`)

// repaired puts variables right that the interpreter makes up.
var repaired = strings.NewReplacer(
	// It takes every request for the first visit; here a request with a Fastly-FF header comes from another Fastly node.
	"fastly.ff.visits_this_service", "std.strlen(req.http.Fastly-FF)",
	// It leaves out leading zeros.
	"time.start.usec_frac", `std.strpad(time.start.usec_frac, 6, "0")`,
	// It counts from the year 1 when there was no backend.
	"time.to_first_byte", "time.elapsed",
)

// known are variables that the interpreter cannot know, such as where an address is.
var known = map[string]any{"client.as.number": 64500, "client.geo.country_code": "NL", "server.datacenter": "AMS", "resp.bytes_written": 1234}

// edge is a Fastly service in the interpreter.
type edge struct {
	interpreter *interpreter.Interpreter
	said        []string
}

// newEdge makes one; more are variables that the interpreter is to have other values for.
func newEdge(vcl string, more ...map[string]any) *edge {
	e := &edge{}
	vars := maps.Clone(known)
	for _, m := range more {
		maps.Copy(vars, m)
	}
	e.interpreter = interpreter.New(icontext.WithResolver(resolver.NewStaticResolver("main", repaired.Replace(vcl))), icontext.WithActualResponse(true),
		icontext.WithOverrideVariales(vars))
	e.interpreter.Debugger = e
	return e
}

func (*edge) Run(ast.Node) interpreter.DebugState { return interpreter.DebugPass }
func (e *edge) Message(s string)                  { e.said = append(e.said, s) }

// ask sends a request from an address and returns the answer and the message of its log line, without the head that Fastly
// takes off.
func (e *edge) ask(t *testing.T, addr string, r *http.Request) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r.RemoteAddr = addr + ":1" // cut at the last colon, so IPv6 stands without brackets
	e.said = nil
	w := httptest.NewRecorder()
	e.interpreter.ServeHTTP(w, r)
	head := "syslog SVC1 " + endpoint + " :: "
	var lines []string
	for _, s := range e.said {
		if strings.HasPrefix(s, head) {
			lines = append(lines, strings.TrimPrefix(s, head))
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%d log lines, want 1; the interpreter said:\n%s", len(lines), strings.Join(e.said, "\n"))
	}
	return w, lines[0]
}

// classic is a line of a syslog endpoint of message type classic, with a token.
// https://docs.fastly.com/en/guides/changing-log-line-formats
func classic(token, message string) string {
	return fmt.Sprintf("%s<134>%s cache-ams21001 %s[246810]: %s\n", token, time.Now().UTC().Format(time.RFC3339), endpoint, message)
}
