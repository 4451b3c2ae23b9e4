package logformat_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/logformat"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// edge renders a format as Fastly would: given has the value of every VCL
// variable; a variable that is missing is unset.
type edge map[string]string

var directive = regexp.MustCompile(`%\{(.*?)\}([Vt])`)

func (e edge) render(t *testing.T, format string) string {
	t.Helper()
	return directive.ReplaceAllStringFunc(format, func(d string) string {
		m := directive.FindStringSubmatch(d)
		if m[2] == "t" {
			if m[1] != "begin:%Y-%m-%dT%H:%M:%S" {
				t.Fatalf("time directive %s is unknown to this test", d)
			}
			return e["time.start"]
		}
		return e.eval(t, strings.ReplaceAll(m[1], "%22", `"`))
	})
}

var (
	escapeCall = regexp.MustCompile(`^json\.escape\((.*)\)$`)
	substrCall = regexp.MustCompile(`^substr\(([^,]+), 0, (\d+)\)$`)
	ifCall     = regexp.MustCompile(`^if\(([^,]+), "true", "false"\)$`)
	validCall  = regexp.MustCompile(`^if\(utf8\.is_valid\((substr\([^,]+, 0, \d+\))\), json\.escape\((substr\(.*?\))\), json\.escape\(regsuball\((substr\(.*?\)), "\[\^ -~\]", "_"\)\)\)$`)
	usecCall   = regexp.MustCompile(`^std\.atoi\(regsub\("" (\S+), "\[\.\]", ""\) "000"\)$`)
	variable   = regexp.MustCompile(`^[a-z][A-Za-z0-9_.-]*$`)
)

// eval knows the few shapes of expression that the table uses and fails the
// test on any other.
func (e edge) eval(t *testing.T, expr string) string {
	t.Helper()
	if m := validCall.FindStringSubmatch(expr); m != nil {
		if m[1] != m[2] || m[1] != m[3] {
			t.Fatalf("%s tests one string and writes another", expr)
		}
		if s := e.eval(t, m[1]); utf8.ValidString(s) {
			return escape(s)
		} else {
			return escape(notASCII.ReplaceAllString(s, "_"))
		}
	}
	if m := escapeCall.FindStringSubmatch(expr); m != nil {
		return escape(e.eval(t, m[1]))
	}
	if m := substrCall.FindStringSubmatch(expr); m != nil {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		s := e.eval(t, m[1])
		return s[:min(n, len(s))]
	}
	if m := ifCall.FindStringSubmatch(expr); m != nil {
		if m[1] == "fastly.ff.visits_this_service == 0 && !segmented_caching.is_inner_req" {
			m[1] = "first"
		}
		if e[m[1]] != "" {
			return "true"
		}
		return "false"
	}
	if m := usecCall.FindStringSubmatch(expr); m != nil {
		n := strings.TrimLeft(strings.Replace(e[m[1]], ".", "", 1)+"000", "0")
		if n == "" {
			n = "0"
		}
		return n
	}
	if !variable.MatchString(expr) {
		t.Fatalf("expression %q is unknown to this test", expr)
	}
	return e[expr]
}

var notASCII = regexp.MustCompile(`[^ -~]`)

// escape does what Fastly's json.escape is documented to do: nothing at all for invalid UTF-8, two \uHHHH above the BMP.
func escape(s string) string {
	if !utf8.ValidString(s) {
		return ""
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// A client fills everything it can choose with what escapes to the most.
func TestNoRequestCanMakeItsLineTooLong(t *testing.T) {
	for _, filler := range []string{"\U0001F600", `"`, "\\", "\xff", "é", "a"} {
		e := edge{}
		for k, v := range full {
			e[k] = v
		}
		for _, name := range []string{"req.http.Host", "req.method", "req.url.path", "req.url.qs", "req.http.User-Agent", "req.http.Referer", "req.http.X-Edgewarden-Request-Id"} {
			e[name] = strings.Repeat(filler, 9000)
		}
		line := e.render(t, logformat.Format())
		if len(line) > 16_000 {
			t.Errorf("%q: %d bytes, Fastly cuts at 16 KB", filler, len(line))
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("%q: the line is no JSON: %.200s", filler, line)
		}
	}
}

func TestAStrayByteDoesNotHideAPath(t *testing.T) {
	e := edge{}
	for k, v := range full {
		e[k] = v
	}
	e["req.url.path"], e["req.url.qs"] = "/login\xff/x", ""
	var got record.Record
	parse.New().Parse([]byte(e.render(t, logformat.Format())), parse.Meta{}, &got)
	if got.Path != "/login_/x" || got.Query != "" {
		t.Errorf("path %q and query %q, want /login_/x and none: a rule on its beginning must still see it", got.Path, got.Query)
	}
}

var full = edge{
	"time.start": "2031-05-06T07:08:09", "time.start.usec_frac": "012345",
	"req.service_id": "SVC1", "req.http.X-Edgewarden-Request-Id": "0f8fad5b-d9cb-469f-a165-70867728950e",
	"server.datacenter": "AMS", "client.ip": "203.0.113.9", "client.as.number": "64500", "client.geo.country_code": "NL",
	"req.http.Host": "shop.example", "req.method": "POST", "req.url.path": `/login"quoted"`, "req.url.qs": "a=1&b=é",
	"req.proto": "HTTP/2", "resp.status": "403", "resp.bytes_written": "1234", "req.bytes_read": "567",
	"time.elapsed.usec": "8910", "time.to_first_byte": "0.123", "fastly_info.state": "MISS-CLUSTER",
	"req.http.User-Agent": `Mozilla/5.0 \ "x"`, "req.http.Referer": "https://shop.example/",
	"tls.client.protocol": "TLSv1.3", "tls.client.cipher": "TLS_AES_128_GCM_SHA256",
	"tls.client.ja3_md5": "e7d705a3286e19ea42f587b344ee6865", "tls.client.ja4": "t13d1516h2_8daaf6152771_b186095e22b6",
	"first": "1", "client.bot.name": "none", "req.http.X-Edgewarden-Blocked": "1", "req.http.X-Edgewarden-Claims-Other-IP": "1",
}

// unset is what Fastly knows of the poorest request: no header, no TLS.
var unset = edge{
	"time.start": "2031-05-06T07:08:09", "time.start.usec_frac": "000000", "req.service_id": "SVC1", "server.datacenter": "AMS",
	"client.ip": "2001:db8::1", "client.as.number": "0", "req.method": "GET", "req.url.path": "/", "req.proto": "HTTP/1.0",
	"resp.status": "200", "resp.bytes_written": "0", "req.bytes_read": "18", "time.elapsed.usec": "1",
}

func TestTheFormatIsOneShortLine(t *testing.T) {
	f := logformat.Format()
	if n := len(f); n > logformat.MaxLength {
		t.Errorf("%d characters, Fastly takes %d", n, logformat.MaxLength)
	}
	if strings.ContainsAny(f, "\n\r\t") {
		t.Error("the format has more than one line")
	}
}

func TestEveryFieldOfTheLineStandsInTheFormatOnceAndInOrder(t *testing.T) {
	var want, got []string
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Origin == record.FromLine {
			want = append(want, record.Fields[f].Name)
		}
	}
	d := json.NewDecoder(strings.NewReader(full.render(t, logformat.Format())))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, key.(string))
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestEveryValueHasTheTypeOfItsField(t *testing.T) {
	for name, e := range map[string]edge{"a full request": full, "a request with everything unset": unset} {
		t.Run(name, func(t *testing.T) {
			line := e.render(t, logformat.Format())
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			for key, v := range m {
				f, ok := record.ByName(key)
				if !ok {
					t.Errorf("key %s is no field", key)
					continue
				}
				switch record.Fields[f].Type {
				case record.String, record.Time:
					_, ok = v.(string)
				case record.Int:
					_, ok = v.(float64)
				case record.Bool:
					_, ok = v.(bool)
				}
				if !ok {
					t.Errorf("%s is %T, want %s", key, v, record.Fields[f].Type)
				}
			}
		})
	}
}

func TestALineOfTheFormatParsesIntoTheSameRecord(t *testing.T) {
	var got record.Record
	parse.New().Parse([]byte(full.render(t, logformat.Format())), parse.Meta{Received: time.Unix(1935990490, 0), Sender: record.SenderToken, Position: "p"}, &got)
	if got.Kind != record.KindRequest || got.Problem != "" || got.Extra != "" {
		t.Fatalf("kind %q, problem %q, extra %q; want a request without either", got.Kind, got.Problem, got.Extra)
	}
	want := map[record.Field]any{
		record.Timestamp: time.Date(2031, 5, 6, 7, 8, 9, 12345000, time.UTC), record.ServiceID: "SVC1",
		record.RequestID: "0f8fad5b-d9cb-469f-a165-70867728950e", record.POP: "AMS", record.ClientIP: "203.0.113.9",
		record.ClientASN: int64(64500), record.ClientCountry: "NL", record.Host: "shop.example", record.Method: "POST",
		record.Path: `/login"quoted"`, record.Query: "a=1&b=é", record.Protocol: "HTTP/2", record.Status: int64(403),
		record.ResponseBytes: int64(1234), record.RequestBytes: int64(567), record.ElapsedUsec: int64(8910), record.TTFBUsec: int64(123000),
		record.Cache: "MISS-CLUSTER", record.UserAgent: `Mozilla/5.0 \ "x"`, record.Referer: "https://shop.example/",
		record.TLSVersion: "TLSv1.3", record.TLSCipher: "TLS_AES_128_GCM_SHA256", record.JA3: "e7d705a3286e19ea42f587b344ee6865",
		record.JA4: "t13d1516h2_8daaf6152771_b186095e22b6", record.FirstHop: true, record.BotName: "none", record.Blocked: true, record.WouldBlock: false, record.ClaimsOtherIP: true,
	}
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		if info.Origin != record.FromLine {
			continue
		}
		if !got.Has(f) {
			t.Errorf("%s is absent", info.Name)
		}
		if diff := cmp.Diff(want[f], get(&got, f)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", info.Name, diff)
		}
	}
	if got.AddressSource != record.AddressEdge || got.TimeSource != record.TimeMessage {
		t.Errorf("address source %q and time source %q, want edge and message", got.AddressSource, got.TimeSource)
	}
}

func get(r *record.Record, f record.Field) any {
	switch record.Fields[f].Type {
	case record.Int:
		return *r.Int(f)
	case record.Bool:
		return *r.Bool(f)
	case record.Time:
		return r.Time(f).UTC()
	}
	return *r.Str(f)
}

// The client address is an IP variable: json.escape of it stops vcl_log with an
// error at run time, and no lint says so.
func TestTheClientAddressIsNotEscaped(t *testing.T) {
	if f := logformat.Format(); !strings.Contains(f, `"client_ip":"%{client.ip}V"`) {
		t.Errorf("client_ip is not plain client.ip in %s", f)
	}
}

func TestEveryStringOfTheClientsChoosingIsCut(t *testing.T) {
	f := logformat.Format()
	if n := len(regexp.MustCompile(`json\.escape\(substr\(req\.`).FindAllString(f, -1)); n < 7 {
		t.Fatalf("only %d strings are cut: this test looks at the wrong thing", n)
	}
	if m := regexp.MustCompile(`json\.escape\(req\.(http|url|method|proto)[^)]*\)`).FindString(f); m != "" {
		t.Errorf("%s is not cut", m)
	}
}

// stringsOf cuts a VCL log statement into its string literals and what stands between them.
var vclString = regexp.MustCompile(`\{"(.*?)"\}`)

func TestTheStatementHasTheSameTextAsTheFormat(t *testing.T) {
	s := logformat.Statement("edge logs")
	const open = `log {"syslog "} req.service_id {" edge logs :: {"}`
	if !strings.HasPrefix(s, open) || !strings.HasSuffix(s, ";\n") {
		t.Fatalf("statement %q", s)
	}
	var fromStatement []string
	for _, m := range vclString.FindAllStringSubmatch(strings.TrimPrefix(s, open), -1) {
		if key := regexp.MustCompile(`"([a-z0-9_]+)":`).FindStringSubmatch(m[1]); key != nil {
			fromStatement = append(fromStatement, key[1])
		}
	}
	var fromFormat []string
	for _, m := range regexp.MustCompile(`"([a-z0-9_]+)":`).FindAllStringSubmatch(logformat.Format(), -1) {
		fromFormat = append(fromFormat, m[1])
	}
	if diff := cmp.Diff(fromFormat, fromStatement); diff != "" {
		t.Errorf("keys of format and statement differ (-format +statement):\n%s", diff)
	}
}
