package verify_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/logformat"
	"edgewarden/internal/record"
)

// asked is what a client asked the edge, in the fields of the record.
type asked struct {
	ip, host, method, path, query, agent, referer string
}

// nasty are pieces of strings that break something somewhere.
var nasty = []string{
	`"`, `\`, `\"`, `","client_ip":"198.51.100.66","x":"`, "\\u0022", `\x22`, "%22", "'", "}", "{", "%{client.ip}V", "%", "+", "&", "=", "|",
	"\x01", "\x08", "\t", "\x1b[31m", "\x1f", "\x7f", "\u2028", "\u202e", "é", "日本", "\U0001F600", "\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80", "(null)", "-", "null", "<134>", "a", "login", "..", "//",
}

func hostile(rng *rand.Rand, forbidden string) string {
	var b strings.Builder
	for range 1 + rng.IntN(12) {
		b.WriteString(nasty[rng.IntN(len(nasty))])
	}
	if rng.IntN(5) == 0 { // the longest Fastly takes, or near it
		b.WriteString(strings.Repeat(nasty[rng.IntN(len(nasty))], 8192)[:7000])
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(forbidden, r) {
			return 'z'
		}
		return r
	}, b.String())
}

func hostileRequest(rng *rand.Rand, n int) asked {
	ips := []string{"203.0.113.9", "2001:db8:1:2::77", "198.51.100.7"}
	methods := []string{"GET", "POST", "HEAD", "OPTIONS", "DELETE"}
	a := asked{ip: ips[n%len(ips)], host: "shop.example.com", method: methods[n%len(methods)]}
	// strings.Map turns each byte that is no UTF-8 into U+FFFD, so the raw ones are put in afterwards.
	a.path = "/" + hostile(rng, "?#") + raw(rng)
	a.query = hostile(rng, "#") + raw(rng)
	a.agent = "agent" + hostile(rng, "\r\n") + raw(rng)
	a.referer = "https://" + hostile(rng, "\r\n") + raw(rng)
	if len(a.path)+len(a.query) > 7500 {
		a.query = "q=" + a.query[:min(len(a.query), 200)]
	}
	return a
}

func raw(rng *rand.Rand) string {
	return []string{"", "", "\xff", "\xc3(", "\xf0\x9f\x98", "end\xe2\x82"}[rng.IntN(6)]
}

// request makes an *http.Request that no HTTP client would send.
func (a asked) request() *http.Request {
	return &http.Request{
		Method: a.method, Host: a.host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
		URL:    &url.URL{Path: "/-", RawPath: a.path, RawQuery: a.query},
		Header: http.Header{"User-Agent": {a.agent}, "Referer": {a.referer}},
	}
}

// logged is what the log format promises to keep of a string: so many bytes, and if these are no UTF-8, ASCII only.
func logged(s string, most int) string {
	s = s[:min(len(s), most)]
	if !utf8.ValidString(s) {
		s = regexp.MustCompile(`[^ -~]`).ReplaceAllString(s, "_")
	}
	if s == "-" || s == "(null)" { // how other formats write an unset variable
		return ""
	}
	return s
}

// limits reads from the format how many bytes it keeps of a variable.
func limits(t *testing.T, variable string) int {
	t.Helper()
	m := regexp.MustCompile(`substr\(` + regexp.QuoteMeta(variable) + `, 0, (\d+)\)`).FindStringSubmatch(logformat.Format())
	if m == nil {
		t.Fatalf("the format does not cut %s", variable)
	}
	n := 0
	for _, c := range m[1] {
		n = n*10 + int(c-'0')
	}
	return n
}

func TestTheRecordIsWhatTheEdgeWasAsked(t *testing.T) {
	for name, statement := range map[string]string{"as a log format": generated(), "as a log statement": logformat.Statement(endpoint)} {
		t.Run(name, func(t *testing.T) {
			in := startIngest(t)
			e := newEdge(shop(t, lists{enforceUntil: "0"}, statement))
			rng := rand.New(rand.NewPCG(5, 5))
			const requests = 100
			want := make([]record.Record, requests)
			begin := time.Now().Truncate(time.Microsecond)
			for i := range want {
				a := hostileRequest(rng, i)
				w, message := e.ask(t, a.ip, a.request())
				if len(message) > 16_000 {
					t.Errorf("request %d: a line of %d bytes; Fastly cuts at 16 KB", i, len(message))
				}
				in.send(t, message)
				want[i] = record.Record{
					Kind: record.KindRequest, ServiceID: "SVC1", RequestID: w.Header().Get("Request-Id"), ClientIP: a.ip, Host: a.host, Method: a.method,
					Path: logged(a.path, limits(t, "req.url.path")), Query: strings.TrimPrefix(logged(a.query, limits(t, "req.url.qs")), "?"), Protocol: "HTTP/1.1", ClientASN: 64500, ClientCountry: "NL", POP: "AMS", ResponseBytes: 1234, Cache: "NONE", Status: int64(w.Code),
					UserAgent: logged(a.agent, limits(t, "req.http.User-Agent")), Referer: logged(a.referer, limits(t, "req.http.Referer")),
					FirstHop: true, Sender: record.SenderToken, AddressSource: record.AddressEdge, TimeSource: record.TimeMessage, Endpoint: endpoint, Node: "cache-ams21001",
				}
				if want[i].RequestID == "" {
					t.Fatalf("request %d has no id", i)
				}
			}
			got := in.stored(t)
			end := time.Now()
			in.stop(t)
			if len(got) != requests {
				t.Fatalf("%d records, want %d", len(got), requests)
			}
			for i := range want {
				g := &got[i]
				if g.Timestamp.Before(begin) || g.Timestamp.After(end) {
					t.Errorf("record %d happened at %s, not between %s and %s", i, g.Timestamp, begin, end)
				}
				if g.TTFBUsec < 0 || g.TTFBUsec > end.Sub(begin).Microseconds() || g.ElapsedUsec < 0 || g.ElapsedUsec > end.Sub(begin).Microseconds() {
					t.Errorf("record %d took %d µs, %d to the first byte", i, g.ElapsedUsec, g.TTFBUsec)
				}
				if diff := cmp.Diff(comparable(&want[i]), comparable(g)); diff != "" {
					t.Errorf("record %d (-asked +stored):\n%s", i, diff)
				}
			}
		})
	}
}

// comparable are the fields that a client, or the edge's answer, determines, and those that say what the line is worth.
// Left out: times (looked at above), and what the interpreter makes up (see docs/unverified.md).
func comparable(r *record.Record) map[string]any {
	return map[string]any{
		"kind": r.Kind, "text": r.Text, "problem": r.Problem, "extra": r.Extra, "service_id": r.ServiceID, "request_id": r.RequestID, "client_ip": r.ClientIP, "host": r.Host,
		"method": r.Method, "path": r.Path, "query": r.Query, "protocol": r.Protocol, "status": r.Status, "user_agent": r.UserAgent, "referer": r.Referer,
		"first_hop": r.FirstHop, "blocked": r.Blocked, "would_block": r.WouldBlock, "claims_other_ip": r.ClaimsOtherIP, "sender": r.Sender, "address_source": r.AddressSource, "time_source": r.TimeSource,
		"client_asn": r.ClientASN, "client_country": r.ClientCountry, "pop": r.POP, "response_bytes": r.ResponseBytes, "cache": r.Cache, "endpoint": r.Endpoint, "node": r.Node,
	}
}
