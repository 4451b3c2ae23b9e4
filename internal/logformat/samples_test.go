package logformat_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/logformat"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

var update = flag.Bool("update", false, "write docs/lint-format.md anew")

// sample is a format in circulation, by the name of its file in testdata/formats.
type sample struct{ name, format string }

// origins says where such a format is met. The files are our own wording of their field sets.
var origins = []struct{ name, origin string }{
	{"api-default", "the default of Fastly's API, `%h %l %u %t \"%r\" %>s %b`"},
	{"combined", "the same with referer and user agent"},
	{"provider-default", "the default of Fastly's Terraform provider"},
	{"nixos", "a variation of it, with ASN and time (NixOS)"},
	{"datadog", "Datadog's nested fields (PyPI)"},
	{"datadog-2", "the second Datadog template of PyPI, with the node's role"},
	{"logzio", "logz.io: every value a string"},
	{"govuk-s3", "GOV.UK, to S3 and Athena"},
	{"splunk-hec", "Splunk HEC, an access log inside `event` (GOV.UK)"},
	{"gist", "a widely copied gist"},
	{"coralogix", "Coralogix, with a nested object of its own"},
	{"pypi-pipe", "fields between bars (PyPI's downloads)"},
	{"pypi-clf", "an access log with the time in a place of its own (PyPI)"},
	{"loggly-by-hand", "Fastly's guide: a syslog head written by the format itself, for endpoints of type blank"},
}

func samples(t *testing.T) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/formats/*.format")
	if err != nil || len(files) != len(origins) {
		t.Fatalf("%d sample formats (%v), %d origins", len(files), err, len(origins))
	}
	var all []sample
	for _, o := range origins {
		b, err := os.ReadFile("testdata/formats/" + o.name + ".format")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{o.name, strings.TrimRight(string(b), "\n")})
	}
	return all
}

var anyDirective = regexp.MustCompile(`%\{.*?\}[VtioC]|%>?[a-zA-Z]`)

// harmless are values of directives, by what the directive contains; the first that fits is taken.
var harmless = []struct{ part, value string }{
	{"begin:msec", "1935990489123"}, {"end:msec", "1935990490123"}, {"begin:%z", "+0000"}, {"%H:%M:%S%z", "2031-05-06T07:08:09+0000"},
	{"%H:%M:%S%Z", "2031-05-06T07:08:09UTC"}, {"%Y-%m-%d %H:%M:%S.", "2031-05-06 07:08:09."}, {"begin:%Y", "2031-05-06T07:08:09"},
	{"%t", "[06/May/2031:07:08:09 +0000]"}, {"{now}", "Tue, 06 May 2031 07:08:08 GMT"}, {"time.start.sec", "1935990489"}, {"time.start.msec_frac", "123"}, {"time.start.msec", "1935990489123"},
	{"elapsed.msec_frac", "012"}, {"elapsed.sec", "1"}, {"time.", "1234"}, {"%D", "1234"},
	{"resp.response", `"OK"`}, {"Fastly-FF", "edge"}, {"visits_this_service", "true"}, {"HIT", "true"}, {"is_ssl", "1"}, {"is_", "true"},
	{"client.ip", "198.51.100.7"}, {"Client-IP", "198.51.100.7"}, {"%h", "198.51.100.7"}, {"server.ip", "192.0.2.200"}, {"as.number", "64500"}, {"country_code", "NZ"}, {"client.geo", "new zealand"},
	{"%r", "GET /a?b=c HTTP/1.1"}, {"req.method", "GET"}, {"req.request", "GET"}, {"%m", "GET"}, {"req.url.path", "/a"}, {"req.url", "/a?b=c"}, {"%q", "?b=c"},
	{"Host", "shop.example"}, {"%v", "shop.example"}, {"status", "200"}, {"%>s", "200"}, {"%s", "200"}, {"%H", "HTTP/1.1"}, {"req.proto", "HTTP/1.1"},
	{"bytes", "1234"}, {"%B", "1234"}, {"%b", "1234"}, {"Length", "1234"}, {"Age", "12"}, {"age", "12"}, {"restarts", "0"}, {"version", "7"}, {"tcpi", "900"}, {"%l", "-"}, {"%u", "-"},
	{"fastly_info.state", "MISS"}, {"server.", "AMS"}, {"req.backend", "origin"}, {"service_id", "SVC1"}, {"Agent", "demo/1.0"}, {"agent", "demo/1.0"}, {"eferer", "https://example.org/"}, {"", "text"},
}

// render makes the line Fastly would send, with one directive's value replaced. Line breaks of the template are left out,
// as Fastly evidently does, unless broken.
func render(format string, at int, value string, broken bool) string {
	var b strings.Builder
	from := 0
	text := func(s string) {
		if !broken {
			s = strings.ReplaceAll(s, "\n", "")
		}
		b.WriteString(s)
	}
	for _, m := range anyDirective.FindAllStringIndex(format, -1) {
		text(format[from:m[0]])
		from = m[1]
		if m[0] == at {
			b.WriteString(value)
			continue
		}
		for _, h := range harmless {
			if strings.Contains(format[m[0]:m[1]], h.part) {
				b.WriteString(h.value)
				break
			}
		}
	}
	text(format[from:])
	return b.String()
}

func read(line string) record.Record {
	var r record.Record
	parse.New().Parse([]byte(line), parse.Meta{Received: time.Unix(1935990500, 0), Sender: record.SenderToken}, &r)
	return r
}

func has(r *record.Record, s string) bool {
	b, err := json.Marshal(r)
	return err == nil && strings.Contains(string(b), s)
}

// filled counts the fields that a record has.
func filled(r *record.Record) (n int) {
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Origin == record.FromLine && r.Has(f) {
			n++
		}
	}
	return n + strings.Count(r.Extra, `":`) - strings.Count(r.Extra, `":""`) - strings.Count(r.Extra, `":null`)
}

// confirm feeds a line of the format to the parser, in which what the finding warns of has happened, and reports what came of it.
func confirm(s sample, f logformat.Finding) (effect string, ok bool) {
	with := func(value string) record.Record { return read(render(s.format, f.Offset, value, false)) }
	good := read(render(s.format, -1, "", false))
	text := func(r record.Record) (string, bool) {
		return "text: " + r.Problem, r.Kind == record.KindText && good.Kind == record.KindRequest
	}
	lacks := func(field record.Field) (string, bool) {
		return record.Fields[field].Name + " is empty", !good.Has(field)
	}
	switch f.Code {
	case logformat.Unescaped:
		return injected(s, f, good)
	case logformat.CEscape:
		return text(with(`a\xffb`))
	case logformat.EscapedTwice:
		return `/a"b is stored as /a\x22b`, with(`/a\\x22b`).Path == `/a\x22b`
	case logformat.NotUTF8:
		r := with(strings.Trim(map[bool]string{true: `""`}[strings.Contains(f.Text, "null")], " "))
		return "the value is empty", filled(&r) < filled(&good) || good.Kind == record.KindText && len(r.Text) < len(good.Text)
	case logformat.Unbounded:
		long := strings.Repeat("a", 20_000)
		if strings.Contains(f.Text, "null") {
			long = `"` + long + `"`
		}
		line := render(s.format, f.Offset, long, false)
		r := read(line[:16384])
		return "text: " + r.Problem, r.Kind == record.KindText && r.Problem == parse.ProblemTruncated
	case logformat.UnsetNumber:
		return text(with(""))
	case logformat.BoolAsNumber:
		return "the stored value is 1, not true", has(ptr(with("1")), `:1`) && !has(ptr(with("1")), string(must(json.Marshal(with("true").Extra))))
	case logformat.ForgeableAddress:
		r := with("192.0.2.66")
		return "the address is one the client chose", has(&r, "192.0.2.66") && r.AddressSource != record.AddressEdge
	case logformat.NoShieldGuard:
		return "nothing says which hop it was", !good.Has(record.FirstHop)
	case logformat.UntrustedAddress:
		return "address_source is header", good.ClientIP == "198.51.100.7" && good.AddressSource == record.AddressHeader
	case logformat.Cookie, logformat.Secret:
		return "it is in the record", has(ptr(with("s3cr3t-value")), "s3cr3t-value")
	case logformat.MultiLine:
		lines := strings.Split(render(s.format, -1, "", true), "\n")
		ok := len(lines) > 1
		for _, l := range lines {
			ok = ok && read(l).Kind == record.KindText
		}
		return fmt.Sprintf("%d lines, all text", len(lines)), ok
	case logformat.NotUnderstood:
		return "text: " + good.Problem, good.Kind == record.KindText && good.Problem == parse.ProblemNotUnderstood
	case logformat.NoTimestamp:
		return "time_source is " + good.TimeSource, good.TimeSource != record.TimeMessage
	case logformat.NoService:
		return lacks(record.ServiceID)
	case logformat.NoAddress:
		return lacks(record.ClientIP)
	case logformat.NoStatus:
		return lacks(record.Status)
	case logformat.NoMethod:
		return lacks(record.Method)
	case logformat.NoPath:
		return lacks(record.Path)
	case logformat.NoHost:
		return lacks(record.Host)
	}
	return "", false
}

// injected sends a value that ends its string, as a client could.
func injected(s sample, f logformat.Finding, good record.Record) (effect string, ok bool) {
	if s.format[0] == '{' || s.format[0] == '<' {
		values := []string{`x","client_ip":"192.0.2.66","status":299,"z":"`, `x"},"client_ip":"192.0.2.66","z":{"z":"`} // here, or out of a nested object
		if strings.Contains(f.Text, "null") {
			values = []string{`"x","client_ip":"192.0.2.66","z":""`}
		}
		for _, v := range values {
			r := read(render(s.format, f.Offset, v, false))
			switch {
			case r.ClientIP == "192.0.2.66":
				return "the client wrote another address into the record", true
			case r.Status == 299:
				return "the client wrote the record's status", true
			case r.Kind == record.KindText && good.Kind == record.KindRequest:
				return "text: " + r.Problem, true
			}
		}
		return "", false
	}
	value := map[string]string{
		"%h": `192.0.2.66 - - [06/May/2031:07:08:09 +0000] "GET / HTTP/1.1" 299 5`, "%r": `GET / HTTP/1.1" 299 5 "`,
		"%{Referer}i": `x" "Googlebot`, "%{User-Agent}i": `x" "Googlebot`,
	}[f.Text]
	r := read(render(s.format, f.Offset, value, false))
	switch {
	case r.Status == 299:
		return "the client wrote the record's status", true
	case r.UserAgent == "Googlebot" || r.UserAgent == "x":
		return "the client wrote the end of its user agent, or all of it", r.UserAgent != good.UserAgent
	}
	return "", false
}

func ptr[T any](v T) *T { return &v }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestEveryFindingOnAFormatInCirculationIsTrue(t *testing.T) {
	seen := map[logformat.Code]bool{}
	for _, s := range samples(t) {
		findings := logformat.Lint(s.format)
		if len(findings) == 0 {
			t.Errorf("%s has no findings", s.name)
		}
		for _, f := range findings {
			seen[f.Code] = true
			if effect, ok := confirm(s, f); !ok {
				t.Errorf("%s %d:%d %s %s is not confirmed (%s)", s.name, f.Line, f.Column, f.Code, f.Text, effect)
			}
		}
	}
	for _, code := range []logformat.Code{"unescaped", "c-escape", "escaped-twice", "not-utf8", "unbounded", "unset-number", "bool-as-number", "forgeable-address", "no-shield-guard", "untrusted-address", "cookie", "secret", "multi-line", "not-understood", "no-timestamp", "no-service"} {
		if !seen[code] {
			t.Errorf("no sample shows %s", code)
		}
	}
}

func TestTheDocumentedFindingsAreCurrent(t *testing.T) {
	const file = "../../docs/lint-format.md"
	var b strings.Builder
	b.WriteString(`# lint-format: what is wrong with a log format

<!-- Made from the code by ` + "`go test ./internal/logformat -run Documented -update`" + `; a test fails when it is stale. -->

` + "`ingest lint-format FILE`" + ` (or ` + "`-`" + ` for standard input) reads a Fastly log format, as it stands in the format field of a logging
endpoint, and prints each fault with its place, what goes wrong, and what to write instead. Exit code 1 when there are findings, 0 when there are none;
` + "`--json`" + ` prints them as one object. The format that ` + "`ingest logformat`" + ` prints has none.

## Findings

| code | what goes wrong | fix |
|---|---|---|
`)
	for _, code := range logformat.Codes() {
		why, fix := logformat.Advice(code)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code, cell(why), cell(fix))
	}
	b.WriteString(`
## Formats in circulation

Our own wording of field sets that are in use. Each finding was confirmed: a line of that format, in which what the finding warns of has happened, was read by
ingest, and the last column says what became of it. "text" means that the line is kept and no rule counts it.

`)
	for i, s := range samples(t) {
		fmt.Fprintf(&b, "### %s\n\n%s.\n\n| line:column | finding | part of the format | what ingest makes of such a line |\n|---|---|---|---|\n", s.name, upper(origins[i].origin))
		for _, f := range logformat.Lint(s.format) {
			effect, _ := confirm(s, f)
			part := ""
			if f.Text != "" {
				part = "`" + strings.ReplaceAll(f.Text, "|", `\|`) + "`"
			}
			fmt.Fprintf(&b, "| %d:%d | %s | %s | %s |\n", f.Line, f.Column, f.Code, part, cell(effect))
		}
		b.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != b.String() {
		t.Errorf("%s is stale (%v): go test ./internal/logformat -run Documented -update", file, err)
	}
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ") }

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func TestEveryCodeHasAdviceAndNoneIsListedTwice(t *testing.T) {
	codes := logformat.Codes()
	for i, c := range codes {
		if why, fix := logformat.Advice(c); why == "" || fix == "" || slices.Contains(codes[:i], c) {
			t.Errorf("%s: why %q, fix %q", c, why, fix)
		}
	}
	if len(codes) < 20 {
		t.Errorf("only %d codes", len(codes))
	}
}
