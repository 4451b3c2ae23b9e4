package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// device is a browser, a robot or a script.
type device struct{ agent, ja4 string }

// fingerprints is how many TLS stacks there are in the world of the game. A fingerprint tells a browser's kind and version, not a
// device: a few are common and most are rare, so an office of forty people has a dozen.
const fingerprints = 60

func newDevice(rng *rand.Rand) device {
	u := rng.Float64()
	n := int(fingerprints * u * u)
	return device{
		agent: fmt.Sprintf("Mozilla/5.0 (%s) demo/%d.%d", pick(rng, "Windows NT 10.0", "Macintosh", "X11; Linux x86_64", "iPhone"), 90+rng.IntN(40), rng.IntN(9)),
		ja4:   fmt.Sprintf("t13d%04dh2_%012x_%012x", 1500+n, 0x8daaf6152771+n*7919, 0xb186095e22b6+n*104729),
	}
}

func devices(rng *rand.Rand, n int) []device {
	ds := make([]device, n)
	for i := range ds {
		ds[i] = newDevice(rng)
	}
	return ds
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// between is a number from least to most.
func between(rng *rand.Rand, least, most int) int { return least + rng.IntN(most-least+1) }

// request is one request as it is about to reach the edge.
type request struct {
	addr    netip.Addr
	label   label
	country string
	asn     int
	device  device
	at      time.Time
	method  string
	path    string
	status  int
	id      string
	claims  netip.Addr // the address in its header Fastly-Client-IP; none when invalid
}

// pop is where the request reaches the edge: always the same for an address.
func (r request) pop() string {
	b := r.addr.As16()
	return []string{"AMS", "FRA", "LHR", "CDG"}[(b[13]^b[14]^b[15]^b[7])%4]
}

// within gives a moment of the minute that begins at start.
func within(rng *rand.Rand, start time.Time) time.Time {
	return start.Add(time.Duration(rng.Int64N(int64(time.Minute)))).Truncate(time.Microsecond)
}

// newID is a request id.
func newID(rng *rand.Rand) string { return fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()) }

// browse is what a person asks for and is answered: people forget passwords, and some links are broken.
func browse(rng *rand.Rand) (method, path string, status int) {
	switch n := rng.IntN(100); {
	case n < 2:
		return "POST", "/login", pick(rng, 200, 200, 401)
	case n < 5:
		return "GET", fmt.Sprintf("/missing/%d", rng.IntN(50)), 404
	}
	return "GET", fmt.Sprintf("/%s/%d", pick(rng, "shop", "article", "static/img", "cart"), rng.IntN(400)), 200
}

// searchFlood and guess are what the simplest attackers ask for.
func searchFlood(rng *rand.Rand) (method, path string, status int) {
	return "GET", pick(rng, "/search", "/search", "/api/price"), pick(rng, 200, 200, 200, 503)
}

func guess(*rand.Rand) (method, path string, status int) { return "POST", "/login", 401 }

// message is a request in our log format; the order is that of deploy/fastly/log.format.
type message struct {
	Timestamp     string `json:"timestamp"`
	ServiceID     string `json:"service_id"`
	RequestID     string `json:"request_id"`
	POP           string `json:"pop"`
	ClientIP      string `json:"client_ip"`
	ClientASN     int    `json:"client_asn"`
	ClientCountry string `json:"client_country"`
	Host          string `json:"host"`
	Method        string `json:"method"`
	Path          string `json:"path"`
	Query         string `json:"query"`
	Protocol      string `json:"protocol"`
	Status        int    `json:"status"`
	ResponseBytes int    `json:"response_bytes"`
	RequestBytes  int    `json:"request_bytes"`
	ElapsedUsec   int    `json:"elapsed_usec"`
	TTFBUsec      int    `json:"ttfb_usec"`
	Cache         string `json:"cache"`
	UserAgent     string `json:"user_agent"`
	Referer       string `json:"referer"`
	TLSVersion    string `json:"tls_version"`
	TLSCipher     string `json:"tls_cipher"`
	JA3           string `json:"ja3"`
	JA4           string `json:"ja4"`
	FirstHop      bool   `json:"first_hop"`
	BotName       string `json:"bot_name"`
	Blocked       bool   `json:"blocked"`
	WouldBlock    bool   `json:"would_block"`
	ClaimsOtherIP bool   `json:"claims_other_ip"`
}

// line is the request as Fastly's classic syslog format sends it, in our log format; refused says that the edge answered 403
// by our ACL.
func line(r request, token string, refused bool) ([]byte, error) {
	m := message{
		Timestamp: r.at.UTC().Format("2006-01-02T15:04:05.000000Z"), ServiceID: service, RequestID: r.id, POP: r.pop(),
		ClientIP: r.addr.String(), ClientASN: r.asn, ClientCountry: r.country, Host: "shop.example.com",
		Method: r.method, Path: r.path, Protocol: "HTTP/2", Status: r.status, ResponseBytes: 5120, RequestBytes: 420,
		ElapsedUsec: 1200, TTFBUsec: 900, Cache: "MISS", UserAgent: r.device.agent, TLSVersion: "TLSv1.3",
		TLSCipher: "TLS_AES_128_GCM_SHA256", JA4: r.device.ja4, FirstHop: true, Blocked: refused,
		ClaimsOtherIP: r.claims.IsValid() && r.claims != r.addr,
	}
	if refused {
		m.Status, m.Cache, m.ResponseBytes = 403, "ERROR", 210
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(append(head(r, token, "edgewarden"), body...), '\n'), nil
}

// defaultLine is the same request as a second endpoint with Fastly's default format logs it: %h, which is what the client
// wrote into Fastly-Client-IP. https://www.fastly.com/documentation/reference/http/http-headers/Fastly-Client-IP/
func defaultLine(r request, token string) []byte {
	return fmt.Appendf(head(r, token, "weblog"), "%s - - [%s] \"%s %s HTTP/1.1\" %d 5120\n", r.claims, r.at.UTC().Format("02/Jan/2006:15:04:05 -0700"), r.method, r.path, r.status)
}

func head(r request, token, endpoint string) []byte {
	b := make([]byte, 0, 800)
	return fmt.Appendf(b, "%s<134>%s cache-ams21000 %s[246810]: ", token, r.at.UTC().Format(time.RFC3339), endpoint)
}

// sortByTime puts requests in the order in which they reach the edge.
func sortByTime(rs []request) {
	slices.SortStableFunc(rs, func(a, b request) int { return a.at.Compare(b.at) })
}
