package parse_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

var received = time.Date(2031, 5, 6, 7, 8, 10, 123456789, time.UTC)

// canonical is one line of our own format, 28 keys behind a classic header: as it was before claims_other_ip.
const canonical = `<134>2031-05-06T07:08:09Z cache-abc12345 edgewarden[246810]: {"timestamp":"2031-05-06T07:08:08.123456Z","service_id":"SSSSSSSSSSSSSSSSSSSSS1","request_id":"0f8fad5b-d9cb-469f-a165-70867728950e","pop":"AMS","client_ip":"198.51.100.7","client_asn":64500,"client_country":"NL","host":"www.example.com","method":"GET","path":"/catalogue/shoes/running/item-123456.html","query":"colour=blue\u0026size=42&ref=newsletter","protocol":"HTTP/2","status":200,"response_bytes":18234,"request_bytes":612,"elapsed_usec":1834,"ttfb_usec":911,"cache":"HIT-CLUSTER","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36","referer":"https://www.example.com/catalogue/shoes","tls_version":"TLSv1.3","tls_cipher":"TLS_AES_128_GCM_SHA256","ja3":"e7d705a3286e19ea42f587b344ee6865","ja4":"t13d1516h2_8daaf6152771_b186095e22b6","first_hop":true,"bot_name":"","blocked":false,"would_block":false}`

func parseLine(line string) record.Record {
	var r record.Record
	parse.New().Parse([]byte(line), parse.Meta{Received: received, Sender: record.SenderToken, Position: "p1"}, &r)
	return r
}

func TestCanonicalLine(t *testing.T) {
	r := parseLine(canonical)
	if r.Kind != record.KindRequest || r.Problem != "" || r.Extra != "" {
		t.Fatalf("kind %q, problem %q, extra %q", r.Kind, r.Problem, r.Extra)
	}
	for name, got := range map[string]string{
		"2031-05-06T07:08:08.123456Z": r.Timestamp.Format(time.RFC3339Nano),
		"AMS":                         r.POP, "198.51.100.7": r.ClientIP, "198.51.100.0/24": r.ClientPrefix,
		"colour=blue&size=42&ref=newsletter": r.Query, "edge": r.AddressSource, "message": r.TimeSource,
		"cache-abc12345": r.Node, "edgewarden": r.Endpoint, "token": r.Sender, "p1": r.Position,
		"2031-05-06T07:08:10.123456Z": r.Received.Format(time.RFC3339Nano),
	} {
		if got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	if r.ClientKey != r.ClientIP || r.Status != 200 || r.ClientASN != 64500 || !r.FirstHop || r.BotName != "" {
		t.Errorf("wrong: %+v", r)
	}
	for f := range record.NumFields {
		if i := record.Fields[f]; i.Origin == record.FromLine && f != record.BotName && f != record.ClaimsOtherIP && !r.Has(f) {
			t.Errorf("%s is missing", i.Name)
		}
	}
}

// traffic returns lines of our own format that differ as those of many clients
// do: no branch and no length repeats itself.
func traffic(n int) [][]byte {
	rng := rand.New(rand.NewPCG(7, 8))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	lines := make([][]byte, n)
	for i := range lines {
		ip := fmt.Sprintf("%d.%d.%d.%d", 1+rng.IntN(222), rng.IntN(256), rng.IntN(256), rng.IntN(256))
		if rng.IntN(3) == 0 {
			ip = fmt.Sprintf("2001:db8:%x:%x::%x", rng.IntN(8), rng.IntN(16), 1+rng.IntN(4))
		}
		lines[i] = fmt.Appendf(nil, `<134>2031-05-06T07:08:%02dZ cache-%s12345 edgewarden[246810]: {"timestamp":"2031-05-06T07:%02d:%02d.%06dZ","service_id":"SSSSSSSSSSSSSSSSSSSSS1","request_id":"%08x-d9cb-469f-a165-%012x","pop":"%s","client_ip":"%s","client_asn":%d,"client_country":"%s","host":"%s","method":"%s","path":"/%s/item-%d.html","query":"%s","protocol":"%s","status":%d,"response_bytes":%d,"request_bytes":%d,"elapsed_usec":%d,"ttfb_usec":%d,"cache":"%s","user_agent":"%s","referer":"%s","tls_version":"TLSv1.3","tls_cipher":"%s","ja3":"e7d705a3286e19ea42f5%012x","ja4":"t13d1516h2_8daaf6152771_%012x","first_hop":true,"bot_name":"","blocked":%v,"would_block":%v}`,
			rng.IntN(60), pick("abc", "ams", "fra"), rng.IntN(60), rng.IntN(60), rng.IntN(1e6), rng.Uint32(), rng.IntN(1<<48), pick("AMS", "FRA", "LHR"), ip, 1+rng.IntN(400000), pick("NL", "DE", "US"),
			pick("www.example.com", "api.example.com", "m.example.org"), pick("GET", "GET", "GET", "POST", "HEAD"), pick("catalogue/shoes/running", "img", "checkout/basket", "api/v2/products/search"), rng.IntN(1e7),
			pick("", `colour=blue\u0026size=42&ref=newsletter`, "q=shoes+red", `utm_source=mail\u0026utm_medium=x\u0026id=%D0%BA`), pick("HTTP/2", "HTTP/1.1"), pick2(rng, 200, 200, 200, 304, 404),
			rng.IntN(1<<rng.IntN(24)), rng.IntN(3000), rng.IntN(1<<rng.IntN(22)), rng.IntN(1<<rng.IntN(18)), pick("HIT-CLUSTER", "MISS", "PASS", "HIT"),
			pick("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0", "curl/8.5.0"),
			pick("", "https://www.example.com/catalogue/shoes", "https://www.example.com/"), pick("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"), rng.IntN(1<<48), rng.IntN(1<<48), rng.IntN(50) == 0, rng.IntN(50) == 0)
	}
	return lines
}

func pick2(rng *rand.Rand, n ...int) int { return n[rng.IntN(len(n))] }

// BenchmarkTraffic parses lines as a connection brings them, where BenchmarkParse reads
// one line again and again.
func BenchmarkTraffic(b *testing.B) {
	lines := traffic(1 << 10)
	size := 0
	for _, l := range lines {
		size += len(l)
	}
	for name, stable := range map[string]bool{"copied": false, "stable": true} {
		b.Run(name, func(b *testing.B) {
			p := parse.New()
			m := parse.Meta{Received: received, Sender: record.SenderToken, Position: "p1", Stable: stable}
			var r record.Record
			b.ReportAllocs()
			b.SetBytes(int64(size / len(lines)))
			i := 0
			for b.Loop() {
				p.Parse(lines[i%len(lines)], m, &r)
				i++
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	lines := map[string]string{
		"canonical": canonical,
		"provider":  `{"timestamp":"2031-05-06T07:08:09+0000","client_ip":"198.51.100.7","geo_country":"new zealand","geo_city":"wellington","host":"www.example.com","url":"/a?b=%22c%22","request_method":"GET","request_protocol":"HTTP/1.1","request_referer":"","request_user_agent":"demo \"quoted\" é","response_state":"MISS-CLUSTER","response_status":200,"response_reason":"OK","response_body_size":1234,"fastly_server":"cache-abc12345-ABC","fastly_is_edge":true}`,
		"combined":  `<134>2031-05-06T07:08:09Z cache-abc12345 web[1]: 198.51.100.7 - - [06/May/2031:07:08:08 +0000] "GET /a?b=c HTTP/1.1" 200 1234 "https://www.example.com/" "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"`,
		"garbage":   strings.Repeat("garbage ", 100),
	}
	lines["canonical, stable"] = canonical
	for name, line := range lines {
		b.Run(name, func(b *testing.B) {
			p := parse.New()
			in := []byte(line)
			m := parse.Meta{Received: received, Sender: record.SenderToken, Position: "p1", Stable: strings.HasSuffix(name, "stable")}
			var r record.Record
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				p.Parse(in, m, &r)
			}
		})
	}
}
