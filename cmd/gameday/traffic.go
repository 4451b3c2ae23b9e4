package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// label says what a client is; the programs never see it.
type label string

const (
	human  label = "human"  // one person, a few requests a minute
	office label = "office" // forty devices behind one address
	flood  label = "flood"  // one address, many requests, few paths
	brute  label = "brute"  // one address, one login form
)

// abusive reports whether blocking the label is right.
func (l label) abusive() bool { return l == flood || l == brute }

// client is one address with the traffic it makes.
type client struct {
	addr    netip.Addr
	label   label
	country string
	asn     int
	devices []device
	perMin  int // requests a minute
	from    int // first minute it is active
}

// device is a browser behind an address.
type device struct{ agent, ja4 string }

// Traffic shapes. The office makes more requests than any single person and fewer than an attacker; people forget
// passwords. A rule that blocks the office or a person is wrong; one that spares the flood or the brute force is wrong too.
const (
	humans        = 240
	officeDevices = 40
	attackFrom    = 4 // minute of the rehearsal in which the attacks begin
	minutes       = 12
)

// clients makes the cast. Addresses are from the documentation ranges (RFC 5737, RFC 3849).
func clients(rng *rand.Rand) []client {
	var cast []client
	for i := range humans {
		c := client{label: human, country: pick(rng, "DE", "FR", "NL", "GB"), asn: 64496 + rng.IntN(8), perMin: 2 + rng.IntN(5), devices: devices(rng, 1)}
		if i%4 == 0 {
			c.addr = netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::%x", 1+i, rng.IntN(1<<16), 1+rng.IntN(1<<16)))
		} else {
			c.addr = netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)})
		}
		cast = append(cast, c)
	}
	return append(cast,
		client{addr: netip.MustParseAddr("192.0.2.10"), label: office, country: "DE", asn: 64500, perMin: 260, devices: devices(rng, officeDevices)},
		client{addr: netip.MustParseAddr("203.0.113.66"), label: flood, country: "ZZ", asn: 64510, perMin: 1500, devices: devices(rng, 1), from: attackFrom},
		client{addr: netip.MustParseAddr("203.0.113.99"), label: brute, country: "ZZ", asn: 64511, perMin: 45, devices: devices(rng, 1), from: attackFrom},
	)
}

func devices(rng *rand.Rand, n int) []device {
	ds := make([]device, n)
	for i := range ds {
		ds[i] = device{
			agent: fmt.Sprintf("Mozilla/5.0 (%s) demo/%d.%d", pick(rng, "Windows NT 10.0", "Macintosh", "X11; Linux x86_64", "iPhone"), 90+rng.IntN(40), rng.IntN(9)),
			ja4:   fmt.Sprintf("t13d%04dh2_%012x_%012x", 1000+rng.IntN(9000), rng.Uint64()>>16, rng.Uint64()>>16),
		}
	}
	return ds
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// request is one request as it is about to reach the edge.
type request struct {
	client *client
	at     time.Time
	device device
	method string
	path   string
	status int
	id     string
}

// minute makes the requests of one minute, in time order.
func minute(rng *rand.Rand, cast []client, n int, start time.Time) []request {
	var out []request
	for i := range cast {
		c := &cast[i]
		if n < c.from {
			continue
		}
		for range c.perMin {
			r := request{client: c, at: start.Add(time.Duration(rng.Int64N(int64(time.Minute)))).Truncate(time.Microsecond),
				device: pick(rng, c.devices...), id: fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())}
			r.method, r.path, r.status = behave(rng, c.label)
			out = append(out, r)
		}
	}
	sortByTime(out)
	return out
}

// behave is what a client of a label asks for and what it would be answered.
func behave(rng *rand.Rand, l label) (method, path string, status int) {
	switch l {
	case flood:
		return "GET", pick(rng, "/search", "/search", "/api/price"), pick(rng, 200, 200, 200, 503)
	case brute:
		return "POST", "/login", 401
	}
	switch n := rng.IntN(100); {
	case n < 2:
		return "POST", "/login", pick(rng, 200, 200, 401)
	case n < 5:
		return "GET", "/missing/" + fmt.Sprint(rng.IntN(50)), 404
	}
	return "GET", fmt.Sprintf("/%s/%d", pick(rng, "shop", "article", "static/img", "cart"), rng.IntN(400)), 200
}

// line is the request as Fastly's classic syslog format sends it, in our log format; refused says that the edge answered 403
// by our ACL.
func line(r request, token string, refused bool) ([]byte, error) {
	cache, bytes := "MISS", 5120
	if refused {
		r.status, cache, bytes = 403, "ERROR", 210
	}
	message, err := json.Marshal(map[string]any{
		"timestamp": r.at.UTC().Format("2006-01-02T15:04:05.000000Z"), "service_id": service, "request_id": r.id, "pop": "AMS",
		"client_ip": r.client.addr.String(), "client_asn": r.client.asn, "client_country": r.client.country, "host": "shop.example.com",
		"method": r.method, "path": r.path, "query": "", "protocol": "HTTP/2", "status": r.status, "response_bytes": bytes, "request_bytes": 420,
		"elapsed_usec": 1200, "ttfb_usec": 900, "cache": cache, "user_agent": r.device.agent, "referer": "", "tls_version": "TLSv1.3",
		"tls_cipher": "TLS_AES_128_GCM_SHA256", "ja3": "", "ja4": r.device.ja4, "first_hop": true, "bot_name": "", "blocked": refused, "would_block": false,
	})
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("%s<134>%s cache-ams21000 edgewarden[246810]: ", token, r.at.UTC().Format(time.RFC3339))
	return append(append([]byte(head), message...), '\n'), nil
}

// sortByTime puts a minute's requests in the order in which they reach the edge.
func sortByTime(rs []request) {
	slices.SortStableFunc(rs, func(a, b request) int { return a.at.Compare(b.at) })
}
