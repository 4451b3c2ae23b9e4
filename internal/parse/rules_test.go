package parse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

func TestTimestamps(t *testing.T) {
	const want = "2031-05-06T07:08:08Z"
	for _, tc := range []struct{ in, want string }{
		{`"2031-05-06T07:08:08+0000"`, want},
		{`"2031-05-06T07:08:08+00:00"`, want},
		{`"2031-05-06T09:38:08+02:30"`, want},
		{`"2031-05-06T05:08:08-0200"`, want},
		{`"2031-05-06T05:08:08-02"`, want},
		{`"2031-05-06T07:08:08Z"`, want},
		{`"2031-05-06t07:08:08z"`, want},
		{`"2031-05-06T07:08:08UTC"`, want},
		{`"2031-05-06T07:08:08GMT"`, want},
		{`"2031-05-06 07:08:08 UTC"`, want},
		{`"2031-05-06 07:08:08"`, want},
		{`"2031-05-06T07:08:08"`, want},
		{`"2031-05-06 07:08:08.123"`, "2031-05-06T07:08:08.123Z"},
		{`"2031-05-06T07:08:08.123456Z"`, "2031-05-06T07:08:08.123456Z"},
		{`"2031-05-06T07:08:08.123456789Z"`, "2031-05-06T07:08:08.123456Z"},
		{`"2031-05-06T07:08:60Z"`, "2031-05-06T07:09:00Z"},
		{`"2028-02-29T00:00:00Z"`, "2028-02-29T00:00:00Z"},
		{`"Tue, 06 May 2031 07:08:08 GMT"`, want},
		{`"Tue, 06 May 2031 09:08:08 +0200"`, want},
		{`"[06/May/2031:07:08:08 +0000]"`, want},
		{`"06/May/2031:09:08:08 +0200"`, want},
		{`1935990488`, "2031-05-08T07:08:08Z"},
		{`1935990488.5`, "2031-05-08T07:08:08.5Z"},
		{`"1935990488.123"`, "2031-05-08T07:08:08.123Z"},
		{`1935990488123`, "2031-05-08T07:08:08.123Z"},
		{`"1935990488123456"`, "2031-05-08T07:08:08.123456Z"},
		{`1935990488123456789`, "2031-05-08T07:08:08.123456Z"},
		{`1.935990488e9`, "2031-05-08T07:08:08Z"},
		{`"2031-02-29T00:00:00Z"`, ""}, {`"2031-13-01T00:00:00Z"`, ""}, {`"2031-05-06T24:00:00Z"`, ""},
		{`"2031-05-06T07:08:08+2400"`, ""}, {`"2031-05-06T07:08:08 CEST"`, ""}, {`"2031-05-06T07:08:08."`, ""},
		{`"2031-05-06"`, ""}, {`"06/Foo/2031:09:08:08 +0200"`, ""}, {`12345`, ""}, {`-1935990488`, ""}, {`1e30`, ""}, {`"yesterday"`, ""}, {`true`, ""},
	} {
		r := parseLine(`{"client_ip":"198.51.100.7","timestamp":` + tc.in + `}`)
		got := r.Timestamp.Format(time.RFC3339Nano)
		if tc.want == "" {
			if r.TimeSource != record.TimeReceived || r.Problem != parse.ProblemTime || r.Extra != `{"timestamp":`+tc.in+`}` {
				t.Errorf("%s: read as %s from %s, problem %q, extra %s", tc.in, got, r.TimeSource, r.Problem, r.Extra)
			}
		} else if got != tc.want || r.TimeSource != record.TimeMessage || r.Problem != "" {
			t.Errorf("%s: %s from %s (%s), want %s", tc.in, got, r.TimeSource, r.Problem, tc.want)
		}
	}
}

// Every day of a century and its turns has the number that the standard library gives it.
func TestCalendar(t *testing.T) {
	p := parse.New()
	for d := time.Date(1999, 1, 1, 12, 0, 0, 0, time.UTC); d.Year() < 2102; d = d.AddDate(0, 0, 1) {
		var r record.Record
		p.Parse([]byte(`{"client_ip":"198.51.100.7","timestamp":"`+d.Format(time.RFC3339)+`"}`), parse.Meta{Received: received}, &r)
		if !r.Timestamp.Equal(d) {
			t.Fatalf("%s read as %s", d, r.Timestamp)
		}
		if d.Day() != 28 {
			continue
		}
		for _, layout := range []string{"[02/Jan/2006:15:04:05 -0700]", time.RFC1123, time.RFC1123Z} {
			p.Parse([]byte(`{"client_ip":"198.51.100.7","timestamp":"`+d.Format(layout)+`"}`), parse.Meta{Received: received}, &r)
			if !r.Timestamp.Equal(d) {
				t.Fatalf("%s read as %s", d.Format(layout), r.Timestamp)
			}
		}
	}
}

func TestTimeComesFromMessageThenPrefixThenClock(t *testing.T) {
	const head = `<134>2031-05-06T07:08:09Z cache-a b[1]: `
	for _, tc := range []struct{ line, source, want string }{
		{head + `{"client_ip":"198.51.100.7","timestamp":"2031-05-06T07:08:08Z"}`, record.TimeMessage, "2031-05-06T07:08:08Z"},
		{head + `{"client_ip":"198.51.100.7"}`, record.TimePrefix, "2031-05-06T07:08:09Z"},
		{head + `{"client_ip":"198.51.100.7","timestamp":"-"}`, record.TimePrefix, "2031-05-06T07:08:09Z"},
		{head + `garbage`, record.TimePrefix, "2031-05-06T07:08:09Z"},
		{`<134>1 - host app - - {"client_ip":"198.51.100.7"}`, record.TimeReceived, "2031-05-06T07:08:10.123456Z"},
		{`{"client_ip":"198.51.100.7"}`, record.TimeReceived, "2031-05-06T07:08:10.123456Z"},
		{`<134>2031-99-99T07:08:09Z cache-a b[1]: x`, record.TimeReceived, "2031-05-06T07:08:10.123456Z"},
	} {
		r := parseLine(tc.line)
		if got := r.Timestamp.Format(time.RFC3339Nano); got != tc.want || r.TimeSource != tc.source {
			t.Errorf("%s: %s from %s, want %s from %s", tc.line, got, r.TimeSource, tc.want, tc.source)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tc := range []struct{ in, ip, key, prefix string }{
		{"198.51.100.7", "198.51.100.7", "198.51.100.7", "198.51.100.0/24"},
		{"198.51.100.7:443", "198.51.100.7", "198.51.100.7", "198.51.100.0/24"},
		{"::ffff:198.51.100.7", "198.51.100.7", "198.51.100.7", "198.51.100.0/24"},
		{"[::ffff:c633:6407]:443", "198.51.100.7", "198.51.100.7", "198.51.100.0/24"},
		{"0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0/24"},
		{"2001:db8:1:2fff:4:5:6:7", "2001:db8:1:2fff:4:5:6:7", "2001:db8:1:2fff::/64", "2001:db8:1:2f00::/56"},
		{"2001:0DB8:0::0001", "2001:db8::1", "2001:db8::/64", "2001:db8::/56"},
		{"[2001:db8::1]:443", "2001:db8::1", "2001:db8::/64", "2001:db8::/56"},
		{"[2001:db8::1]", "2001:db8::1", "2001:db8::/64", "2001:db8::/56"},
		{"::1", "::1", "::/64", "::/56"},
	} {
		r := parseLine(`{"client_ip":"` + tc.in + `"}`)
		if r.ClientIP != tc.ip || r.ClientKey != tc.key || r.ClientPrefix != tc.prefix || r.Problem != "" {
			t.Errorf("%s: %q, %q, %q (%s)", tc.in, r.ClientIP, r.ClientKey, r.ClientPrefix, r.Problem)
		}
	}
	for _, in := range []string{"198.51.100", "198.51.100.07", "198.51.100.7/24", "198.51.100.7:x", "198.51.100.7:99999", "198.51.100.7, 192.0.2.1", "fe80::1%eth0",
		"[198.51.100.7]", "[2001:db8::1", "2001:db8::1]:443", "example.com", "unknown", " 198.51.100.7", "3325256711"} {
		r := parseLine(`{"client_ip":"` + in + `","status":200,"method":"GET"}`)
		if r.Kind != record.KindText || r.Problem != parse.ProblemAddress || r.ClientIP != "" || r.Text == "" {
			t.Errorf("%s: kind %s, address %q, problem %q", in, r.Kind, r.ClientIP, r.Problem)
		}
	}
	if r := parseLine(`{"client_ip":3325256711,"status":200}`); r.Problem != parse.ProblemAddress {
		t.Errorf("a number as address: %q", r.Problem)
	}
	if r := parseLine(`example.com - - [06/May/2031:07:08:08 +0000] "GET / HTTP/1.1" 200 1`); r.Problem != parse.ProblemAddress {
		t.Errorf("a name as address in an access line: %q", r.Problem)
	}
}

// A block may be written only for an address of source edge, so nothing but a
// line of our own format may have it.
func TestAddressSourceIsEdgeOnlyInOurFormat(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"our format", `{"client_ip":"198.51.100.7","first_hop":true}`, record.AddressEdge},
		{"our format with a key of the operator's", `{"client_ip":"198.51.100.7","first_hop":true,"shop":"nl"}`, record.AddressEdge},
		{"first_hop as text, as VCL may write it", `{"client_ip":"198.51.100.7","first_hop":"1"}`, record.AddressEdge},
		{"first_hop false: a shield", `{"client_ip":"198.51.100.7","first_hop":false}`, record.AddressHeader},
		{"no first_hop", `{"client_ip":"198.51.100.7"}`, record.AddressHeader},
		{"first_hop of no meaning", `{"client_ip":"198.51.100.7","first_hop":"maybe"}`, record.AddressHeader},
		{"first_hop null", `{"client_ip":"198.51.100.7","first_hop":null}`, record.AddressHeader},
		{"another key that means the same", `{"client_ip":"198.51.100.7","fastly_is_edge":true}`, record.AddressHeader},
		{"an address under an alias", `{"ip":"198.51.100.7","first_hop":true}`, record.AddressHeader},
		{"two addresses, one injected into another format", `{"ip":"198.51.100.7","ua":"x","client_ip":"203.0.113.9","first_hop":true}`, record.AddressHeader},
		{"first_hop injected into another format", `{"client_ip":"198.51.100.7","request_method":"GET","first_hop":true}`, record.AddressHeader},
		{"first_hop within an event", `{"event":{"client_ip":"198.51.100.7","first_hop":true}}`, record.AddressHeader},
		{"address_source in the line", `{"client_ip":"198.51.100.7","address_source":"edge"}`, record.AddressHeader},
		{"%h", `198.51.100.7 - - [06/May/2031:07:08:08 +0000] "GET / HTTP/1.1" 200 1`, record.AddressHeader},
		{"no address", `{"first_hop":true,"status":200,"method":"GET"}`, ""},
	} {
		if r := parseLine(tc.line); r.AddressSource != tc.want || r.Kind != record.KindRequest {
			t.Errorf("%s: kind %s, source %q, want %q (%s)", tc.name, r.Kind, r.AddressSource, tc.want, r.Problem)
		}
	}
}

func TestDuplicateKeysAreNeverCounted(t *testing.T) {
	for _, line := range []string{
		`{"client_ip":"198.51.100.7","status":200,"client_ip":"203.0.113.9"}`,
		`{"client_ip":"198.51.100.7","status":200,"client_ip":"198.51.100.7"}`,
		`{"client_ip":"198.51.100.7","status":200,"clien\u0074_ip":"203.0.113.9"}`,
		`{"client_ip":"198.51.100.7","x":1,"x":2}`,
		`{"client_ip":"198.51.100.7","x":1,"\u0078":2}`,
		`{"client_ip":"198.51.100.7","":1,"":2}`,
		`{"network":{"client":{"ip":"198.51.100.7","ip":"203.0.113.9"}},"status":200}`,
		`{"event":{"client_ip":"198.51.100.7","client_ip":"203.0.113.9"},"status":200}`,
	} {
		r := parseLine(line)
		if r.Kind != record.KindText || r.Problem != parse.ProblemDuplicateKey || r.Text != line || r.ClientIP != "" {
			t.Errorf("%s: kind %s, problem %q, address %q", line, r.Kind, r.Problem, r.ClientIP)
		}
	}
}

func TestLinesThatAreNotUnderstoodSayWhy(t *testing.T) {
	many := "{"
	for i := range 1100 {
		many += fmt.Sprintf(`"k%d":1,`, i)
	}
	for _, tc := range []struct{ line, problem string }{
		{"", parse.ProblemEmpty},
		{"   ", parse.ProblemEmpty},
		{"{", parse.ProblemTruncated},
		{`{"a":"b`, parse.ProblemTruncated},
		{`{"a":"b\`, parse.ProblemTruncated},
		{`{"a":"b\u00`, parse.ProblemTruncated},
		{`{"a":12`, parse.ProblemTruncated},
		{`{"a":tr`, parse.ProblemTruncated},
		{`{"a"`, parse.ProblemTruncated},
		{`{"a":[1,`, parse.ProblemTruncated},
		{`{"a":"b",`, parse.ProblemTruncated},
		{`{"bytes":,"a":1}`, parse.ProblemBroken},
		{`{"bytes":(null),"a":1}`, parse.ProblemBroken},
		{`{"a":01}`, parse.ProblemBroken},
		{`{"a":"\x22"}`, parse.ProblemBroken},
		{"{\"a\":\"b\tc\"}", parse.ProblemBroken},
		{`{"a":1,}`, parse.ProblemBroken},
		{`{"a":1}}`, parse.ProblemBroken},
		{`{"a":1} x`, parse.ProblemBroken},
		{`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, parse.ProblemTooDeep},
		{many + `"client_ip":"198.51.100.7"}`, parse.ProblemTooManyKeys},
		{`{"level":"info","status":200}`, parse.ProblemNotRequest},
		{`{}`, parse.ProblemNotRequest},
		{`hello`, parse.ProblemNotUnderstood},
		{`a b [c] "d" 200`, parse.ProblemNotUnderstood},
		{`198.51.100.7 - - [yesterday] "GET / HTTP/1.1" 200 1`, parse.ProblemNotUnderstood},
		{`198.51.100.7 - - [06/May/2031:07:08:08 +0000] "GET / HTTP/1.1`, parse.ProblemNotUnderstood},
	} {
		r := parseLine(tc.line)
		if r.Kind != record.KindText || r.Problem != tc.problem || r.Text != tc.line {
			t.Errorf("%.80q: kind %s, problem %q, want %q", tc.line, r.Kind, r.Problem, tc.problem)
		}
	}
}

func TestAbsentValues(t *testing.T) {
	for _, v := range []string{`""`, `"-"`, `"(null)"`, `null`} {
		r := parseLine(`{"client_ip":"198.51.100.7","status":` + v + `,"path":` + v + `,"first_hop":` + v + `,"timestamp":` + v + `,"url":` + v + `,"response_body_size":` + v + `}`)
		if r.Has(record.Status) || r.Has(record.Path) || r.Has(record.FirstHop) || r.Has(record.ResponseBytes) || r.TimeSource != record.TimeReceived || r.Problem != "" || r.Extra != "" {
			t.Errorf("%s: %s", v, describe(&r))
		}
	}
}

func TestNumbersMayBeStrings(t *testing.T) {
	for in, want := range map[string]int64{`200`: 200, `"200"`: 200, `0`: 0, `"0200"`: 200, `-1`: -1, `12.0`: 12, `1e3`: 1000, `9223372036854775807`: 9223372036854775807} {
		if r := parseLine(`{"client_ip":"198.51.100.7","status":` + in + `}`); !r.Has(record.Status) || r.Status != want || r.Problem != "" {
			t.Errorf("%s: %d, %v (%s)", in, r.Status, r.Has(record.Status), r.Problem)
		}
	}
	for _, in := range []string{`"abc"`, `1.5`, `9223372036854775808`, `1e400`, `"0x10"`, `"inf"`, `true`, `[200]`, `{"a":1}`} {
		r := parseLine(`{"client_ip":"198.51.100.7","status":` + in + `}`)
		if r.Has(record.Status) || r.Problem != parse.ProblemValue || r.Extra != `{"status":`+in+`}` {
			t.Errorf("%s: %d (%s), extra %s", in, r.Status, r.Problem, r.Extra)
		}
	}
}

func TestDurationsBecomeMicroseconds(t *testing.T) {
	for in, want := range map[string]int64{
		`"elapsed_usec":1834`: 1834, `"time_elapsed":"1834"`: 1834, `"time_elapsed_msec":12`: 12000, `"request_time":0.123`: 123000,
		`"request_time":"1.5"`: 1500000, `"http":{"request_time_ms":7}`: 7000, `"elapsed_usec":5,"request_time":0.123`: 5,
	} {
		if r := parseLine(`{"client_ip":"198.51.100.7",` + in + `}`); r.ElapsedUsec != want {
			t.Errorf("%s: %d, want %d", in, r.ElapsedUsec, want)
		}
	}
	if r := parseLine(`{"client_ip":"198.51.100.7","time_to_first_byte":0.911}`); r.TTFBUsec != 911000 {
		t.Errorf("time_to_first_byte: %d", r.TTFBUsec)
	}
}

func TestURLsAreSplit(t *testing.T) {
	for in, want := range map[string]string{
		`"url":"/a?b=c?d"`: " /a b=c?d", `"url":"/a"`: " /a ", `"url":"/a?"`: " /a ", `"url":"https://h/a?b"`: "h /a b", `"url":"http://h"`: "h / ",
		`"path":"/a?b"`: " /a b", `"path":"/a","query":"?b"`: " /a b", `"path":"/a","url":"/c?d"`: " /a ", `"host":"x","url":"https://h/a"`: "x /a ",
		`"url":"/a?u=https://h/b"`: " /a u=https://h/b", `"request":"GET /a?b HTTP/1.1"`: " /a b", `"url":"*"`: " * ",
	} {
		r := parseLine(`{"client_ip":"198.51.100.7",` + in + `}`)
		if got := r.Host + " " + r.Path + " " + r.Query; got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// What the table of fields does not have is kept as it is, and what ingest
// itself fills cannot be set by a line.
func TestUnknownKeysGoToExtra(t *testing.T) {
	in := `"z": {"a" : [1, 2.50, "\u00e9"]},"kind":"heartbeat","text":"x","received":"2031-05-06T07:08:08Z","client_key":"1.2.3.4","sender":"mtls","extra":{}`
	r := parseLine(`{"client_ip":"198.51.100.7",` + in + `}`)
	want := `{` + strings.Replace(in, `"z": `, `"z":`, 1) + `}`
	if r.Extra != want || r.Kind != record.KindRequest || r.Text != "" || r.ClientKey != "198.51.100.7" || r.Sender != record.SenderToken {
		t.Errorf("extra %s\nwant  %s", r.Extra, want)
	}
}

func TestMetaIsStamped(t *testing.T) {
	var r record.Record
	p := parse.New()
	m := parse.Meta{Received: received, Sender: record.SenderMTLS, ServiceID: "PORT", Position: "pos", Cut: true, Length: 99, Unterminated: true}
	p.Parse([]byte(`{"client_ip":"198.51.100.7","a":"b`), m, &r)
	if r.ServiceID != "PORT" || r.Position != "pos" || r.Sender != record.SenderMTLS || r.Extra != `{"line_length":99}` ||
		r.Problem != parse.ProblemTruncated+"; "+parse.ProblemCut+"; "+parse.ProblemUnterminated {
		t.Errorf("%s", describe(&r))
	}
	p.Parse([]byte(`{"client_ip":"198.51.100.7","service_id":"LINE"}`), m, &r)
	if r.ServiceID != "LINE" || r.Kind != record.KindRequest {
		t.Errorf("a service in the line was overwritten: %s", describe(&r))
	}
	p.Parse([]byte(`x`), parse.Meta{Received: received.In(time.FixedZone("x", 3600))}, &r)
	if r.Received.Location() != time.UTC || r.ServiceID != "" || r.Extra != "" || r.Position != "" {
		t.Errorf("left over from the line before: %s", describe(&r))
	}
}

func TestClientsCannotForgeTheAddressOfAnAccessLine(t *testing.T) {
	r := parseLine(`198.51.100.7 - - [06/May/2031:07:08:08 +0000] "GET /" 200 5 "x" 203.0.113.9 - - [06/May/2031:07:08:08 +0000] "GET / HTTP/1.1" 404 1`)
	if r.ClientIP != "198.51.100.7" {
		t.Errorf("address %q", r.ClientIP)
	}
}

func TestCombinedLineWithAnEscapedRequest(t *testing.T) {
	r := parseLine(`198.51.100.7 - - [06/May/2031:07:08:08 +0000] "GET /a\"b HTTP/1.1" 200 1 "-" "x \\ \"y\""`)
	if r.Path != `/a"b` || r.UserAgent != `x \ "y"` || r.Referer != "" || r.Extra != "" {
		t.Errorf("%s", describe(&r))
	}
}

func TestParseAllocatesNextToNothing(t *testing.T) {
	p := parse.New()
	line := []byte(canonical)
	m := parse.Meta{Received: received}
	var r record.Record
	if n := testing.AllocsPerRun(1000, func() { p.Parse(line, m, &r) }); n > 1 {
		t.Errorf("%v allocations a line", n)
	}
}

func TestHeaders(t *testing.T) {
	const message = `{"client_ip":"198.51.100.7"}`
	for _, tc := range []struct{ head, node, endpoint string }{
		{"<134>2031-05-06T07:08:09Z cache-a b[1]: ", "cache-a", "b"},
		{"<134>2031-05-06T07:08:09Z cache-a b[1]:", "cache-a", "b"},
		{"<134>2031-05-06T07:08:09Z cache-a b[1]:  ", "cache-a", "b"},
		{"<134>2031-05-06T07:08:09Z cache-a name with [brackets] in it[1]: ", "cache-a", "name with [brackets] in it"},
		{"<134>2031-05-06T07:08:09Z cache-a b: ", "cache-a", "b"},
		{"<134>2031-05-06T07:08:09Z cache-a ", "cache-a", ""},
		{"<6>2031-05-06T07:08:09.123+00:00 - b[1]: ", "", "b"},
		{"2031-05-06T07:08:09Z cache-a b[1]: ", "cache-a", "b"},
		{"2031-05-06T07:08:09Z cache-a ", "cache-a", ""},
		{"<134>May  6 07:08:09 cache-a b[1]: ", "cache-a", "b"},
		{"<134>1 2031-05-06T07:08:09Z host app 1 - - ", "host", "app"},
		{"<134>1 2031-05-06T07:08:09Z host app 1 - - \xef\xbb\xbf", "host", "app"},
		{"<134>1 2031-05-06T07:08:09Z host app 1 msg [a@1 b=\"]\\\"\"][c] ", "host", "app"},
		{"<134>1 2031-05-06T07:08:09Z host app 1 - ", "host", "app"},
		{"<134>1 - - - - - - ", "", ""},
		{"<134>", "", ""},
		{"", "", ""},
		{"\xef\xbb\xbf", "", ""},
	} {
		r := parseLine(tc.head + message)
		if r.Kind != record.KindRequest || r.Node != tc.node || r.Endpoint != tc.endpoint || r.ClientIP != "198.51.100.7" {
			t.Errorf("%q: node %q, endpoint %q, address %q (%s)", tc.head, r.Node, r.Endpoint, r.ClientIP, r.Problem)
		}
	}
}
