package lines

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

func pick(rng *rand.Rand, of ...string) string { return of[rng.IntN(len(of))] }

func letters(rng *rand.Rand, n int, of string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = of[rng.IntN(len(of))]
	}
	return string(b)
}

const (
	hexDigits = "0123456789abcdef"
	words     = "abcdefghijklmnopqrstuvwxyz"
)

var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15",
}

// newTemplate renders a line with zeros where the time and the number go.
func newTemplate(rng *rand.Rand, run string, conn int, token string) template {
	const stamp = "2031-05-06T07:08:09"
	elapsed := 300 + rng.IntN(400_000)
	first := fmt.Sprintf("%s<134>%sZ cache-%s%d edgewarden[%d]: ", token, stamp,
		pick(rng, "ams2100", "fra1900", "lhr7300", "iad2200"), rng.IntN(10), 100_000+rng.IntN(800_000))
	id := ID{run, conn, 0}.String()
	text := []byte(first + `{"timestamp":"` + stamp + `.000000Z","service_id":"` + "SU1Z0isxPaozGVKXdv0eY" +
		`","request_id":"` + id + letters(rng, 8, words) +
		`","pop":"` + pick(rng, "AMS", "FRA", "LHR", "IAD", "NRT") +
		`","client_ip":"` + address(rng) +
		fmt.Sprintf(`","client_asn":%d`, 1000+rng.IntN(60000)) +
		`,"client_country":"` + pick(rng, "DE", "NL", "GB", "US", "FR", "JP") +
		`","host":"` + pick(rng, "www", "shop", "api", "m") + `.shop.example","method":"` + pick(rng, "GET", "GET", "GET", "HEAD", "POST") +
		`","path":"/` + pick(rng, "catalog", "product", "basket", "search", "static/js") + `/` + letters(rng, 4+rng.IntN(10), words) +
		`","query":"page=` + fmt.Sprint(rng.IntN(90)) + `\u0026sort=` + pick(rng, "price", "name", "new") +
		`","protocol":"` + pick(rng, "HTTP/2", "HTTP/1.1", "HTTP/3") +
		fmt.Sprintf(`","status":%s,"response_bytes":%d,"request_bytes":%d,"elapsed_usec":%d,"ttfb_usec":%d`,
			pick(rng, "200", "200", "200", "304", "404", "301"), 200+rng.IntN(90_000), 300+rng.IntN(900), elapsed, elapsed/2) +
		`,"cache":"` + pick(rng, "HIT", "MISS", "PASS", "HIT-CLUSTER") +
		`","user_agent":"` + agents[rng.IntN(len(agents))] +
		`","referer":"https://shop.example/` + letters(rng, 4+rng.IntN(10), words) +
		`","tls_version":"TLSv1.3","tls_cipher":"` + pick(rng, "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384") +
		`","ja3":"` + letters(rng, 32, hexDigits) +
		`","ja4":"t13d1516h2_` + letters(rng, 12, hexDigits) + `_` + letters(rng, 12, hexDigits) +
		`","first_hop":true,"bot_name":"` + pick(rng, "", "", "", "Googlebot") +
		`","blocked":false,"would_block":` + pick(rng, "false", "false", "true") + "}\n")
	return template{
		text:   text,
		prefix: len(token) + len("<134>"),
		stamp:  len(first) + len(`{"timestamp":"`),
		seq:    bytes.Index(text, []byte(id)) + len(id) - seqDigits - 1,
	}
}

func address(rng *rand.Rand) string {
	if rng.IntN(5) == 0 {
		return fmt.Sprintf("2001:db8:%x:%x::%x", 1+rng.IntN(0xfffe), 1+rng.IntN(0xfffe), 1+rng.IntN(0xfffe))
	}
	return fmt.Sprintf("198.51.%d.%d", rng.IntN(256), 1+rng.IntN(254))
}
