package logformat_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/logformat"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

func TestOurOwnFormatHasNoFindings(t *testing.T) {
	for _, f := range logformat.Lint(logformat.Format() + "\n") {
		t.Error(f)
	}
}

// found lists findings as "line:column code".
func found(format string) []string {
	out := []string{}
	for _, f := range logformat.Lint(format) {
		out = append(out, fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Code))
	}
	return out
}

// base is a format without findings; X stands where one more member goes.
const base = `{"timestamp":"%{begin:%Y-%m-%dT%H:%M:%S}tZ","service_id":"%{req.service_id}V","client_ip":"%{client.ip}V","first_hop":%{if(fastly.ff.visits_this_service == 0, "true", "false")}V,` +
	`"status":%>s,"method":"%{if(utf8.is_valid(req.method), json.escape(req.method), "?")}V","host":"%{server.identity}V","path":"%{digest.hash_sha256(req.url)}V"X}`

func TestLint(t *testing.T) {
	at := strings.Index(base, "X") + 1
	for _, c := range []struct {
		name, member string // the member stands from column at on, after a comma
		want         []string
	}{
		{"nothing wrong", ``, nil},
		{"a quote spelled %22", `,"a":%{if(req.is_ssl, %22true%22, %22false%22)}V`, nil},
		{"a long string", `,"a":"%{strftime({"%Y"}, time.start)}V"`, nil},
		{"a long string with a mark", `,"a":"%{strftime({x"%Y "} "x}, time.start)}V"`, nil},
		{"text that brings its own quotes", `,"a":%{if(tls.client.ja4, "%22" + tls.client.ja4 + "%22", "null")}V`, nil},
		{"the same, from the origin", `,"a":%{if(resp.response, "%22" + resp.response + "%22", "null")}V`, []string{"unescaped", "unbounded"}},
		{"numbers of every kind", `,"a":[%D,%B,%{client.as.number}V,%{time.elapsed.sec}V.%{time.elapsed.msec_frac}V,%{std.atoi(req.http.X)}V,%{time.to_first_byte}V,%{if(req.is_ipv6, 6, 4)}V]`, nil},
		{"a hash of a cookie", `,"a":"%{digest.hash_sha256(req.http.Cookie:sid)}V"`, nil},
		{"whether there is a cookie", `,"a":%{if(req.http.Cookie, "true", "false")}V`, nil},
		{"a percent sign", `,"a":"100%%"`, nil},
		{"a raw header", `,"a":"%{X-A}i"`, []string{"unescaped"}},
		{"a raw header as an expression", `,"a":"%{req.http.X-A}V"`, []string{"unescaped", "unbounded"}},
		{"part of a raw header", `,"a":"%{substr(req.http.X-A, 0, 10)}V"`, []string{"unescaped"}},
		{"a raw header in a branch", `,"a":"%{if(req.is_ssl, req.http.X-A, "")}V"`, []string{"unescaped", "unbounded"}},
		{"a raw header among others", `,"a":"%{server.pop + req.http.X-A}V"`, []string{"unescaped", "unbounded"}},
		{"a header that went through another function", `,"a":"%{std.tolower(req.http.X-A)}V"`, []string{"unescaped", "unbounded"}},
		{"the name in the TLS hello", `,"a":"%{tls.client.servername}V"`, []string{"unescaped", "unbounded"}},
		{"an answer's header", `,"a":"%{resp.http.X-A}V"`, []string{"unescaped", "unbounded"}},
		{"an escape without a check", `,"a":"%{json.escape(substr(req.http.X-A, 0, 100))}V"`, []string{"not-utf8"}},
		{"an escape without a limit", `,"a":"%{if(utf8.is_valid(req.http.X-A), json.escape(req.http.X-A), "bad")}V"`, []string{"unbounded"}},
		{"a check of another string", `,"a":"%{if(utf8.is_valid(req.url), json.escape(substr(req.http.X-A, 0, 9)), "bad")}V"`, []string{"not-utf8"}},
		{"a cut after the check", `,"a":"%{if(utf8.is_valid(req.http.X-A), json.escape(substr(req.http.X-A, 0, 9)), "bad")}V"`, []string{"not-utf8"}},
		{"a check the wrong way round", `,"a":"%{if(utf8.is_valid(req.method), "good", json.escape(req.method))}V"`, []string{"not-utf8"}},
		{"bad bytes replaced", `,"a":"%{if(utf8.is_valid(req.method), json.escape(req.method), json.escape(regsuball(req.method, "[^ -~]", "?")))}V"`, nil},
		{"the C escape", `,"a":"%{cstr_escape(substr(req.url, 0, 100))}V"`, []string{"c-escape"}},
		{"both escapes", `,"a":"%{json.escape(cstr_escape(substr(req.url, 0, 100)))}V"`, []string{"escaped-twice"}},
		{"an escape on the wrong side of a replacement", `,"a":"%{regsuball(json.escape(substr(req.url.path, 0, 9)), "a", "b")}V"`, []string{"not-utf8"}},
		{"a size that is a dash when it is zero", `,"a":%b`, []string{"unset-number"}},
		{"an answer's header as a number", `,"a":%{Content-Length}o`, []string{"unset-number"}},
		{"a header as a number", `,"a":%{req.http.X-N}V`, []string{"unset-number"}},
		{"text without quotes", `,"a":%{server.pop}V`, []string{"unset-number"}},
		{"a branch without a number", `,"a":%{if(resp.http.Age, resp.http.Age, "0")}V`, []string{"unset-number"}},
		{"a BOOL", `,"a":%{req.is_ssl}V`, []string{"bool-as-number"}},
		{"a BOOL in quotes", `,"a":"%{fastly_info.is_h2}V"`, []string{"bool-as-number"}},
		{"a comparison", `,"a":%{req.restarts > 0}V`, []string{"bool-as-number"}},
		{"the default address", `,"a":"%h"`, []string{"forgeable-address", "unescaped"}},
		{"the address Fastly keeps from the client", `,"a":"%{req.http.fastly-client-ip}V"`, []string{"forgeable-address", "unescaped"}},
		{"the forwarded address", `,"a":"%{json.escape(req.http.X-Forwarded-For)}V"`, []string{"forgeable-address"}},
		{"an address in a fallback", `,"a":"%{if(req.http.True-Client-IP, req.http.True-Client-IP, client.ip)}V"`, []string{"forgeable-address", "unescaped"}},
		{"cookies", `,"a":"%{json.escape(substr(req.http.Cookie, 0, 10))}V"`, []string{"cookie"}},
		{"one cookie", `,"a":"%{sid}C"`, []string{"cookie", "unescaped"}},
		{"set cookies", `,"a":"%{json.escape(resp.http.Set-Cookie)}V"`, []string{"cookie"}},
		{"credentials", `,"a":"%{json.escape(req.http.Authorization)}V"`, []string{"secret"}},
		{"a key of an API", `,"a":"%{X-Api-Key}i"`, []string{"secret", "unescaped"}},
		{"the same key twice", `,"status":1`, []string{"duplicate-key"}},
		{"the same key inside another object", `,"a":{"status":1}`, nil},
		{"a doubled percent sign", `,"a":"%%{req.service_id}V"`, []string{"doubled-percent"}},
		{"an unknown directive", `,"a":"%y"`, []string{"syntax"}},
		{"an unknown letter after a brace", `,"a":"%{req.url}Q"`, []string{"syntax"}},
		{"a brace that is not closed", `,"a":"%{req.url`, []string{"syntax", "invalid-json"}},
		{"a string that is not closed", `,"a":"%{json.escape("x)}V"`, []string{"syntax", "invalid-json"}},
		{"an expression that ends too early", `,"a":"%{json.escape(}V"`, []string{"syntax"}},
		{"an expression with too much", `,"a":"%{json.escape(server.pop))}V"`, []string{"syntax"}},
		{"a comma at the end", `,`, []string{"invalid-json"}},
		{"a key without quotes", `,a:1`, []string{"invalid-json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			format := strings.Replace(base, "X}", c.member+"}", 1)
			var codes []string
			for _, f := range logformat.Lint(format) {
				codes = append(codes, string(f.Code))
				if f.Line != 1 || f.Column < at && f.Column != 1 || f.Column > len(format)+1 {
					t.Errorf("%s is said of %d:%d, the fault is from column %d on", f.Code, f.Line, f.Column, at)
				}
				if f.Why == "" || f.Fix == "" || strings.Contains(f.Why+f.Fix, "%!") || strings.Contains(f.Why+f.Fix, "[1]") {
					t.Errorf("%s: why %q, fix %q", f.Code, f.Why, f.Fix)
				}
				if f.Text != "" && !strings.HasPrefix(format[f.Column-1:], f.Text) {
					t.Errorf("%s: %q does not stand at %d", f.Code, f.Text, f.Column)
				}
			}
			if diff := cmp.Diff(c.want, codes); diff != "" {
				t.Errorf("%s (-want +got):\n%s", format, diff)
			}
		})
	}
}

func TestLintOfTheWholeFormat(t *testing.T) {
	for _, c := range []struct {
		name, format string
		want         []string
	}{
		{"nothing", "", []string{"1:1 not-understood"}},
		{"an empty object lacks everything", "{}", []string{"1:1 no-shield-guard", "1:1 no-timestamp", "1:1 no-service", "1:1 no-address", "1:1 no-status", "1:1 no-method", "1:1 no-path", "1:1 no-host"}},
		{"a line break at the end is the file's", logformat.Format() + "\r\n", nil},
		{"a line break inside", strings.Replace(logformat.Format(), ",", ",\n", 1), []string{"1:70 multi-line"}},
		{"too long", strings.TrimSuffix(logformat.Format(), "}") + `,"a":"` + strings.Repeat("a", 8000) + `"}`, []string{"1:8001 too-long"}},
		{"a guard under another name", strings.Replace(logformat.Format(), "first_hop", "edge", 1), []string{"1:" + column(`%{client.ip}V`, logformat.Format()) + " untrusted-address"}},
		{"no guard", regexp.MustCompile(`,"first_hop":%\{[^}]*\}V`).ReplaceAllString(logformat.Format(), ""), []string{"1:1 no-shield-guard"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil {
				c.want = []string{}
			}
			if diff := cmp.Diff(c.want, found(c.format)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func column(text, in string) string { return fmt.Sprint(strings.Index(in, text) + 1) }

func TestAHostileFormatIsOnlyAFormat(t *testing.T) {
	for _, format := range []string{"%", "%{", "%{}", "%{}V", "{%", `{"%{if(if(if(`, strings.Repeat("%{(", 5000), "{" + strings.Repeat(`"`, 999), "\xff\xfe", `{"a":"%{` + strings.Repeat("(", 5000) + strings.Repeat(")", 5000) + `}V"}`} {
		if len(logformat.Lint(format)) == 0 {
			t.Errorf("%.30q has no findings", format)
		}
	}
}

func BenchmarkLint(b *testing.B) {
	deep := strings.Repeat(`{"a":`, 4000) + `"%h"`
	for _, c := range []struct{ name, format string }{
		{"ours", logformat.Format()}, {"64 KiB of faults", "{" + strings.Repeat(`"a":%b,`, 9000)}, {"64 KiB of quotes", strings.Repeat(`%{"`, 21000)}, {"deep", deep}, {"64 KiB of expressions", "{" + strings.Repeat(`"%{a(b,"c")}V"`, 4500)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.format)))
			for b.Loop() {
				logformat.Lint(c.format)
			}
		})
	}
}

// Every key that lint takes for a field must be one that ingest reads into it.
func TestTheKeysThatLintWantsAreReadByIngest(t *testing.T) {
	for _, field := range []struct {
		field  record.Field
		code   logformat.Code
		sample string
		keys   string
	}{
		{record.ServiceID, logformat.NoService, `"SVC1"`, "service_id fastly_service_id req_service_id"},
		{record.ClientIP, logformat.NoAddress, `"192.0.2.1"`, "client_ip client_addr clientip client ip remote_addr remote_ip fastly_client_ip network.client.ip"},
		{record.Status, logformat.NoStatus, `200`, "status response_status resp_status status_code http.status_code"},
		{record.Method, logformat.NoMethod, `"GET"`, "method request_method req_method http.method verb request"},
		{record.Path, logformat.NoPath, `"/a"`, "path url request_url req_url request_uri uri http.url url_path"},
		{record.Host, logformat.NoHost, `"shop"`, "host request_host http_host req_host http.host"},
	} {
		for _, key := range strings.Fields(field.keys) {
			parts := strings.Split(key, ".")
			member := `"` + strings.Join(parts, `":{"`) + `":` + field.sample + strings.Repeat("}", len(parts)-1)
			var got record.Record
			parse.New().Parse([]byte(`{"client_ip":"192.0.2.9","method":"PUT","status":404,"x":1,`+member+`}`), parse.Meta{}, &got)
			if key == "client_ip" || key == "method" || key == "status" {
				parse.New().Parse([]byte(`{"host":"h","path":"/",`+member+`,"protocol":"x"}`), parse.Meta{}, &got)
			}
			switch field.field {
			case record.ClientIP, record.Method, record.Status: // there already under the first key
				parse.New().Parse([]byte(`{"host":"h","path":"/",`+member+`}`), parse.Meta{}, &got)
			}
			if !got.Has(field.field) {
				t.Errorf("ingest does not read %s from key %s", record.Fields[field.field].Name, key)
			}
			format := `{` + strings.Replace(member, field.sample, `"%{server.pop}V"`, 1) + `}`
			if slices.ContainsFunc(logformat.Lint(format), func(f logformat.Finding) bool { return f.Code == field.code }) {
				t.Errorf("lint does not know key %s", key)
			}
		}
	}
}

func FuzzLint(f *testing.F) {
	f.Add(logformat.Format())
	f.Add(base)
	for _, o := range origins {
		if b, err := os.ReadFile("testdata/formats/" + o.name + ".format"); err == nil {
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, format string) {
		before := 0
		for _, x := range logformat.Lint(format) {
			if x.Offset < before || x.Offset+len(x.Text) > len(format) || x.Text != "" && format[x.Offset:x.Offset+len(x.Text)] != x.Text {
				t.Errorf("%s at %d after %d: %q", x.Code, x.Offset, before, x.Text)
			}
			lines := strings.Split(format[:x.Offset], "\n")
			if x.Line != len(lines) || x.Column != len(lines[len(lines)-1])+1 {
				t.Errorf("%s at byte %d is said to be %d:%d", x.Code, x.Offset, x.Line, x.Column)
			}
			if before = x.Offset; x.Why == "" || x.Fix == "" {
				t.Errorf("%s without reason or fix", x.Code)
			}
		}
	})
}
