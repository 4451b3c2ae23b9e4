package detecttest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// Rules are rules of every group, with every measure and every operator.
func Rules() *detect.Set {
	return MustCompile(
		detect.Rule{Name: "flood", When: "requests >= 10"},
		detect.Rule{Name: "login-bruteforce", Where: `method == "POST" && path.startsWith("/login") && status in [401, 403]`, When: "requests > 3", Window: 10 * time.Minute},
		detect.Rule{Name: "scanner", When: "distinct_paths >= 8 && errors > 2 && error_share > 0.5"},
		detect.Rule{Name: "burst", When: "peak_per_minute >= 4", Window: 5*time.Minute + 20*time.Second},
		detect.Rule{Name: "outlier", When: "score > 3.0 && requests >= 4"},
		detect.Rule{Name: "share", When: "share >= 0.02 || ok >= 12"},
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "addresses >= 4 && ok_addresses >= 2 && ja4s != 1"},
		detect.Rule{Name: "asn", Group: detect.ByASN, When: "requests >= 5 && !(share < 0.1 || errors == 0)", Window: 20 * time.Minute},
		detect.Rule{Name: "ja4", Group: detect.ByJA4, Where: `ja4 != ""`, When: "!(requests < 2) && !(ok in [1, 2])"},
		detect.Rule{Name: "agents", Where: `user_agent.matches("^(curl|python)/") || user_agent.contains("_sure") || user_agent.endsWith("☃")`, When: "requests >= 2 && score >= -1.5"},
		detect.Rule{Name: "unknown-status", Where: `status == 0 || !first_hop`, When: "requests <= 3"},
		detect.Rule{Name: "large", Where: `response_bytes >= 50000.5 && client_asn != 64500 && host <= "shop.example" && "m" < host`, When: "requests >= ok && share > 0.12", Window: 61 * time.Second},
	)
}

func query(set *detect.Set, edit ...func(*detect.Query)) detect.Query {
	q := detect.Query{Set: set, ServiceID: Service, To: T, Now: T.Add(15 * time.Second)}
	for _, e := range edit {
		e(&q)
	}
	return q
}

// Cases are the questions both engines have to answer alike. They are small
// enough for an emulator.
func Cases() []Case {
	traffic := Traffic(1, 1500)
	traffic = append(traffic, heartbeats()...)
	return []Case{
		{Name: "every rule over every kind of row", Records: traffic, Query: query(Rules()), Floods: true},
		{Name: "a flood of a crowd", Records: Distributed(600), Floods: true, Query: query(MustCompile(
			detect.Rule{Name: "login", Where: `method == "POST" && path.startsWith("/login")`, When: "requests >= 6"},
			detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "requests >= 10", Window: time.Minute},
		))},
		{Name: "untrusted rows are counted with the others when the query lifts it", Records: traffic, Query: query(Rules(), func(q *detect.Query) {
			q.TrustForgeable, q.TrustUnauthenticated = true, true
		})},
		{Name: "measures against a baseline", Records: traffic, Query: query(baselineRules(), func(q *detect.Query) {
			q.Baselines = map[string]detect.Baseline{"surge": {Requests: 90, Median: 0.7, Scale: 0.35}, "spike": {Requests: 3000, Median: 1.1, Scale: 0.01}}
		})},
		{Name: "no comparison with a baseline holds without one", Records: traffic, Query: query(baselineRules())},
		{Name: "addresses no client can have", Records: private(), Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests >= 2"}), func(q *detect.Query) { q.NotClients = NotClients() })},
		{Name: "only forgeable rows are lifted", Records: traffic, Query: query(Rules(), func(q *detect.Query) { q.TrustForgeable = true })},
		{Name: "all services, and a replay that does not look at the future", Records: traffic, Query: query(Rules(), func(q *detect.Query) {
			q.ServiceID, q.Now = "", T.Add(24*time.Hour)
		})},
		{Name: "requests of present keys are counted since their time", Records: traffic, Query: query(Rules(), present)},
		{Name: "what every rule counts of keys that are asked about", Records: traffic, Query: query(Rules(), present, about)},
		{Name: "weights of keys that are asked about", Records: traffic, Query: query(weighing(), about)},
		{Name: "baselines of keys that are asked about", Records: traffic, Query: query(baselineRules(), about, func(q *detect.Query) {
			q.Baselines = map[string]detect.Baseline{"surge": {Requests: 9000, Median: 0.7, Scale: 0.35}, "spike": {Requests: 3000, Median: 1.1, Scale: 0.01}}
		})},
		{Name: "an empty store has an answer", Records: nil, Query: query(Rules(), present)},
		{Name: "rows before, at and after the edges of a window", Records: edges(), Query: query(MustCompile(
			detect.Rule{Name: "short", Window: time.Minute},
			detect.Rule{Name: "odd", Window: 90 * time.Second},
			detect.Rule{Name: "long", Window: time.Hour, When: "peak_per_minute >= 1"},
		))},
		{Name: "texts that mean something to SQL mean nothing in a rule", Records: quotes(), Query: query(quoteRules())},
		{Name: "keys and texts out of hostile lines are counted and shown as they are", Records: lines(), Query: query(MustCompile(
			detect.Rule{Name: "flood"}, detect.Rule{Name: "fingers", Group: detect.ByJA4, Where: `ja4 != ""`}), present)},
		{Name: "the middle of an even and of an odd population", Records: populations(), Query: query(MustCompile(
			detect.Rule{Name: "even", Where: `path == "/even"`, When: "score > -100.0"},
			detect.Rule{Name: "odd", Where: `path == "/odd"`, When: "score > -100.0"},
			detect.Rule{Name: "equal", Where: `path == "/equal"`, When: "score > -100.0"},
			detect.Rule{Name: "one", Where: `path == "/one"`, When: "score > -100.0"},
		))},
		{Name: "a key all of whose rows were refused is in no population", Records: refused(), Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests >= 1"}), func(q *detect.Query) {
			q.Present = []detect.Present{{Key: "203.0.113.1", Rule: "flood", From: T.Add(-5 * time.Minute)}}
		})},
		{Name: "strangers neither hide stale trusted data nor break the address column", Records: junk(), Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests >= 2"}))},
		{Name: "clients that claim another address", Records: traffic, Query: query(MustCompile(
			detect.Rule{Name: "claims", Where: `claims_other_ip`, When: "requests >= 2"}, detect.Rule{Name: "honest", Where: `!claims_other_ip && !blocked`, When: "requests >= 3"}))},
		{Name: "request ids that a shield logs again", Records: shielded(), Repeats: true, Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests >= 2"}))},
		{Name: "an office whose few errors are as many as another's", Records: shared(), Query: query(MustCompile(
			detect.Rule{Name: "errors", Where: `status == 404`, Window: 5 * time.Minute, When: "requests >= 2"},
			detect.Rule{Name: "longer", Where: `status == 404`, When: "requests >= 2"},
			detect.Rule{Name: "prefix", Group: detect.ByPrefix, Where: `status >= 400`, When: "requests >= 2"},
			detect.Rule{Name: "asn", Group: detect.ByASN, Where: `status >= 400`, When: "requests >= 2"},
			detect.Rule{Name: "flood", When: "requests >= 2", Window: 5 * time.Minute}))},
		{Name: "rows of one request id", Records: claimed(), Lookup: claimedID, Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests >= 2"}))},
		{Name: "rows of one request id, untrusted ones lifted", Records: claimed(), Lookup: claimedID, Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests >= 2"}), func(q *detect.Query) {
			q.TrustForgeable, q.TrustUnauthenticated = true, true
		})},
		{Name: "more requests of one key than are looked at in detail", Records: busy(), Query: query(MustCompile(detect.Rule{Name: "flood", When: "requests > 100"}))},
		{Name: "curves of windows of more than an hour have longer steps", Records: append(edges(), Traffic(5, 300)...), Query: query(MustCompile(
			detect.Rule{Name: "short", Window: 10 * time.Minute},
			detect.Rule{Name: "hour", Window: 61 * time.Minute},
			detect.Rule{Name: "odd", Window: 2*time.Hour + 70*time.Second},
			detect.Rule{Name: "day", Window: 24 * time.Hour},
		))},
		{Name: "requests weigh what their class says", Records: traffic, Query: query(weighing(), present), Floods: true},
		{Name: "the first class that a request is in counts, and none weighs one", Records: weights(), Query: query(firstClass())},
		{Name: "without classes weight is requests", Records: traffic, Query: query(MustCompile(detect.Rule{Name: "flood", When: "weight >= 10 && requests >= weight"}, detect.Rule{Name: "plain", When: "requests >= 10"}), present)},
		{Name: "sixty-three rules fill the mask", Records: Traffic(3, 200), Query: query(manyRules())},
	}
}

// Classes are requests that weigh nothing, more, and, by the last of them, what they would weigh anyhow.
func Classes() []detect.Class {
	return []detect.Class{
		{Name: "scans", Where: `path.startsWith("/scan/") && client_asn != 64501`, Weight: 0},
		{Name: "logins", Where: `method == "POST" && status in [401, 403] || path.endsWith("\u2603")`, Weight: 25},
		{Name: "errors", Where: `status >= 400`, Weight: 3},
		{Name: "no-agent", Where: `user_agent == ""`, Weight: 1},
	}
}

// weighing are rules by weight in every way, and some that do not name it.
func weighing() *detect.Set {
	return MustWeigh(Classes(),
		detect.Rule{Name: "flood", When: "weight >= 12"},
		detect.Rule{Name: "requests", When: "requests >= 10"},
		detect.Rule{Name: "login-bruteforce", Where: `method == "POST"`, When: "weight > 150 && requests >= 4", Window: 10 * time.Minute},
		detect.Rule{Name: "scanner", Where: `path.startsWith("/scan/")`, When: "requests >= 8 && weight < 8 && distinct_paths >= 4"},
		detect.Rule{Name: "light", When: "!(weight >= requests) && requests >= 3"},
		detect.Rule{Name: "exact", When: "weight in [4, 6, 0] || weight > 99.5"},
		detect.Rule{Name: "outlier", When: "score > 2.0 && weight >= 8"},
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "addresses >= 4 && weight >= 30", Window: 5*time.Minute + 20*time.Second},
		detect.Rule{Name: "asn", Group: detect.ByASN, When: "weight >= 60 && share < 0.9"},
		detect.Rule{Name: "ja4", Group: detect.ByJA4, Where: `ja4 != ""`, When: "weight >= 50"},
	)
}

// firstClass has classes that overlap: an address each shows which of them counted.
func firstClass() *detect.Set {
	return MustWeigh([]detect.Class{
		{Name: "static", Where: `path.startsWith("/static/") || cache.startsWith("HIT")`, Weight: 0},
		{Name: "login", Where: `path.startsWith("/login")`, Weight: 20},
		{Name: "post", Where: `method == "POST"`, Weight: 5},
		{Name: "heaviest", Where: `path == "/heavy"`, Weight: detect.MaxWeight},
	},
		detect.Rule{Name: "at-least", When: "weight >= 20"},
		detect.Rule{Name: "nothing", When: "weight == 0"},
		detect.Rule{Name: "all", When: "weight >= 0"},
	)
}

// weights are three requests of each address, whose weights are 0, 60, 15, 300 and 3.
func weights() []record.Record {
	var recs []record.Record
	add := func(ip, method, path, cache string) {
		for range 3 {
			recs = append(recs, Request(T.Add(-time.Duration(len(recs)+1)*time.Second), ip, path, 200, func(r *record.Record) {
				r.Method, r.Cache, r.Position = method, cache, position(len(recs))
			}))
		}
	}
	add("203.0.113.1", "POST", "/static/login", "MISS") // the first class, though it is in the third, too
	add("203.0.113.1", "GET", "/login", "HIT")
	add("203.0.113.2", "POST", "/login", "PASS") // the second, not the third
	add("203.0.113.3", "POST", "/", "PASS")
	add("203.0.113.4", "GET", "/heavy", "MISS")
	add("203.0.113.5", "GET", "/", "MISS") // none
	return recs
}

// baselineRules compare with the baseline in every way; a part of some needs none.
func baselineRules() *detect.Set {
	return MustCompile(
		detect.Rule{Name: "surge", When: "baseline_ratio > 1.5 && requests >= 4"},
		detect.Rule{Name: "spike", When: "baseline_score > 3.0"},
		detect.Rule{Name: "calm", When: "!(baseline_score > 3.0) && !(baseline_ratio < 0.001)"},
		detect.Rule{Name: "either", When: "baseline_score > 3.0 || requests >= 10"},
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, When: "baseline_ratio < 1000000.0 || addresses >= 4", Window: 3 * time.Minute},
	)
}

// NotClients are ranges of every form a pattern has to tell, and one that it cannot: nobody in private has an
// address there.
func NotClients() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "151.101.0.0/16", "199.27.72.0/21", "146.75.0.0/17", "192.0.2.8/31", "192.0.2.200/32",
		"224.0.0.0/4", "fc00::/7", "fe80::/10", "2a04:4e40::/32", "2002::/16", "::1/128", "::/96", "64:ff9b::/96"} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// private are requests at both edges of those ranges, and of untrusted senders among them.
func private() []record.Record {
	var recs []record.Record
	for i, ip := range []string{"10.0.0.1", "10.255.0.1", "11.0.0.1", "1.10.0.0", "110.0.0.1", "172.15.9.9", "172.16.0.1", "172.31.255.255", "172.32.0.1", "192.168.7.7", "192.169.0.1",
		"100.63.255.255", "100.64.0.0", "100.127.9.9", "100.128.0.0", "151.101.1.1", "151.10.1.1", "199.27.71.9", "199.27.72.0", "199.27.79.9", "199.27.80.0", "146.75.127.1", "146.75.128.1",
		"192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.10", "192.0.2.20", "192.0.2.200", "192.0.2.20", "223.9.9.9", "239.0.0.1", "240.0.0.1",
		"fbff::1", "fc00::1", "fdff:1::1", "fe7f::1", "fe80::1", "febf::1", "fec0::1", "2a04:4e40:1::1", "2a04:4e41::1", "2a04:4e4:1::1", "2002:c000:204::1", "2003::1", "::1", "::1:0:0:0:1", "2001:db8::1"} {
		for j := range 1 + i%3 {
			recs = append(recs, Request(T.Add(-time.Duration(i+1)*time.Second), ip, "/x", 200, func(r *record.Record) {
				r.Position = fmt.Sprintf("00112233445566aa-%016x", len(recs))
				if j == 2 && i%2 == 0 {
					r.Sender = record.SenderNone
				}
			}))
		}
	}
	return recs
}

func heartbeats() []record.Record {
	return []record.Record{
		Heartbeat("00112233445566aa", 1<<20, T.Add(-21*time.Minute), 5, 0, 0), // before the window
		Heartbeat("00112233445566aa", 1<<20+1, T.Add(-10*time.Minute), 1000, 10, 100),
		Heartbeat("00112233445566aa", 1<<20+2, T.Add(-9*time.Minute), 3000, 60, 300),
		Heartbeat("00112233445566aa", 1<<20+3, T.Add(-8*time.Minute), 500, 5, 0), // restarted
		Heartbeat("ffeeddccbbaa9988", 7, T.Add(-5*time.Minute), 100, 0, 0),
		Heartbeat("ffeeddccbbaa9988", 8, T.Add(-4*time.Minute), 200, 0, 0),
		Heartbeat("ffeeddccbbaa9988", 9, T, 90000, 90000, 0), // at T
	}
}

func present(q *detect.Query) {
	from := T.Add(-8 * time.Minute)
	q.Present = []detect.Present{
		{Key: "198.51.100.66", Rule: "scanner", From: from},
		{Key: "198.51.100.66", Rule: "flood", From: T.Add(-72 * time.Hour)}, // long before the window
		{Key: "198.51.100.1", Rule: "login-bruteforce", From: from},
		{Key: "203.0.1.0/24", Rule: "prefix", From: from},
		{Key: "203.0.2.1", Rule: "flood", From: T.Add(-9 * time.Minute)},
		{Key: "203.0.2.1", Rule: "flood", From: T.Add(-3 * time.Minute)}, // the same key again
		{Key: "192.0.2.99", Rule: "flood", From: from},                   // never seen
		{Key: "203.0.2.1", Rule: "no-such-rule", From: from},
		{Key: `x' OR '1'='1`, Rule: "flood", From: from},
	}
}

// about asks about keys that meet rules, keys that do not, and keys that nobody has.
func about(q *detect.Query) {
	q.About = []detect.Keyed{
		{Group: detect.ByAddress, Key: "198.51.100.66"},
		{Group: detect.ByAddress, Key: "203.0.2.1"},
		{Group: detect.ByAddress, Key: "203.0.1.30"},
		{Group: detect.ByAddress, Key: "192.0.2.99"},
		{Group: detect.ByAddress, Key: `x' OR '1'='1`},
		{Group: detect.ByAddress, Key: "203.0.1.0/24"}, // the key of another group
		{Group: detect.ByPrefix, Key: "203.0.1.0/24"},
		{Group: detect.ByPrefix, Key: "198.51.100.0/24"},
		{Group: detect.ByASN, Key: "64501"},
		{Group: detect.ByJA4, Key: "t13d190900_9dc949149365_97f8aa674fd9"},
	}
}

func edges() []record.Record {
	var recs []record.Record
	for i, d := range []time.Duration{0, time.Microsecond, time.Minute, time.Minute + time.Microsecond, time.Minute - time.Microsecond,
		90 * time.Second, 90*time.Second + time.Microsecond, time.Hour, time.Hour + time.Microsecond, -time.Microsecond, -time.Minute,
		-2*time.Minute - 15*time.Second, -2*time.Minute - 15*time.Second - time.Microsecond, -24 * time.Hour, -48 * time.Hour} {
		recs = append(recs, Request(T.Add(-d), "203.0.113.7", "/edge", 200, func(r *record.Record) { r.Position = position(i) }))
	}
	return recs
}

func position(i int) string {
	const digits = "0123456789abcdef"
	return "00112233445566aa-00000000000000" + string([]byte{digits[i/16%16], digits[i%16]})
}

// hostile are texts that a dialect could read as its own.
var hostile = []string{`it's`, `a\b`, `a\'b`, `100%`, `a_b`, `"q"`, "`t`", "a\nb", "☃é", `@v0`, `$v0`, "aXb", "--", "/*", `{"k":1}`, "É", "é", "\U0001f512", "\u2028", "\x1b[31m",
	"/%6Cogin", "//login", "/LogIn", "/x/../login", "/caf%C3%A9"}

func quotes() []record.Record {
	var recs []record.Record
	for i, h := range hostile {
		recs = append(recs, Request(T.Add(-time.Duration(i+1)*time.Second), "203.0.113.7", "/"+h+"/x", 200, func(r *record.Record) {
			r.UserAgent, r.Position = h, position(i)
		}))
	}
	return recs
}

// lines are requests whose every text is hostile, the key included: whoever may
// send lines chooses their fingerprints.
func lines() []record.Record {
	var recs []record.Record
	for i, h := range append(hostile[:len(hostile):len(hostile)], "a\x00b") {
		recs = append(recs, Request(T.Add(-time.Duration(i+1)*time.Second), "203.0.113.7", "/"+strings.Repeat(h, 300), 200, func(r *record.Record) {
			r.UserAgent, r.JA4, r.Method, r.ClientCountry, r.Position = h, h, h, h, position(i)
		}))
	}
	return recs
}

func quoteRules() *detect.Set {
	text := func(s string) string { return celQuote(s) }
	var rules []detect.Rule
	for _, h := range hostile {
		rules = append(rules, detect.Rule{Where: "user_agent == " + text(h) + " || path.contains(" + text(h) + ") && !user_agent.startsWith(" + text(h) + ")"})
	}
	for _, re := range []string{`a.b`, `^a`, `\d+%$`, `(?i)É`, `[[:^ascii:]]`, `\\`, `\x{2603}`, `^.{2}$`, `a\sb`, `(?s)a.b`, `\bb\b`, `^$`,
		`(?i)//|/[.]{1,2}(/|$)|%(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)`, `(?i)^/log[i]n`} {
		rules = append(rules, detect.Rule{Where: "user_agent.matches(" + text(re) + ")"})
	}
	rules = append(rules, detect.Rule{Where: `path.contains("")`}, detect.Rule{Where: `path.endsWith("/x") && user_agent > "a" && user_agent <= "é"`})
	return MustCompile(rules...)
}

// celQuote writes s as a CEL string.
func celQuote(s string) string {
	out := []rune{'"'}
	for _, r := range s {
		switch r {
		case '"', '\\':
			out = append(out, '\\', r)
		case '\n':
			out = append(out, '\\', 'n')
		default:
			out = append(out, r)
		}
	}
	return string(append(out, '"'))
}

func populations() []record.Record {
	var recs []record.Record
	add := func(path string, counts ...int) {
		for host, n := range counts {
			for range n {
				i := len(recs)
				recs = append(recs, Request(T.Add(-time.Duration(i+1)*time.Millisecond), "203.0.113."+string(rune('1'+host)), path, 200))
			}
		}
	}
	add("/even", 1, 2, 3, 4, 4, 30)
	add("/odd", 1, 2, 2, 5, 60)
	add("/equal", 3, 3, 3, 3)
	add("/one", 9)
	return recs
}

// junk are a few old rows of our own sender, one of them without an address,
// under fresh rows of everybody else, most of them without an address.
func junk() []record.Record {
	var recs []record.Record
	add := func(ago time.Duration, ip string, edit func(*record.Record)) {
		recs = append(recs, Request(T.Add(-ago), ip, "/x", 200, edit))
	}
	for i := range 3 {
		add(13*time.Minute+time.Duration(i)*time.Second, "203.0.113.1", func(*record.Record) {})
	}
	add(12*time.Minute, "", func(r *record.Record) { r.AddressSource = "" })
	add(11*time.Minute, "203.0.113.2", func(r *record.Record) { r.SetBool(record.FirstHop, false) }) // a shield
	for i := range 8 {
		sender := []string{record.SenderNone, record.SenderImport}[i%2]
		add(time.Duration(i)*time.Second, "", func(r *record.Record) { r.Sender, r.AddressSource = sender, "" })
		add(time.Duration(i)*time.Second, "203.0.113.3", func(r *record.Record) { r.Sender = sender })
		add(time.Duration(i)*time.Second, "203.0.113.4", func(r *record.Record) { r.AddressSource = record.AddressHeader })
	}
	return recs
}

func refused() []record.Record {
	var recs []record.Record
	for i := range 6 {
		recs = append(recs, Request(T.Add(-time.Duration(i+1)*time.Minute), "203.0.113.1", "/x", 403, func(r *record.Record) { r.SetBool(record.Blocked, true) }))
	}
	return append(recs, Request(T.Add(-time.Second), "203.0.113.2", "/x", 200), Request(T.Add(-time.Second), "203.0.113.3", "/x", 200, func(r *record.Record) {
		r.SetBool(record.Blocked, true)
		r.Sender = record.SenderNone
	}))
}

// busy are requests of one key over three minutes: the oldest of them lie beyond
// the newest 10,000, which begin within the second.
func busy() []record.Record {
	var recs []record.Record
	for i := range 10_600 {
		ago := time.Duration(i)*16*time.Millisecond + 7*time.Microsecond // 3750 a minute
		recs = append(recs, Request(T.Add(-ago), "203.0.113.1", "/"+strings.Repeat("x", i/1000), 200, func(r *record.Record) {
			r.UserAgent, r.ClientCountry = "agent "+string(rune('a'+i/1000)), "NL"
		}))
	}
	for i := range 200 { // before all of those
		recs = append(recs, Request(T.Add(-10*time.Minute-time.Duration(i)*time.Microsecond), "203.0.113.1", "/old", 404))
	}
	return recs
}

func manyRules() *detect.Set {
	rules := make([]detect.Rule, detect.MaxRules)
	for i := range rules {
		rules[i] = detect.Rule{When: "requests >= 2", Window: time.Duration(60+i) * time.Second}
	}
	return MustCompile(rules...)
}
