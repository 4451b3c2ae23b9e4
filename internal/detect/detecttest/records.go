package detecttest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"edgewarden/internal/record"
)

// T is the end of the window in every case.
var T = time.Date(2026, 11, 22, 14, 7, 30, 0, time.UTC)

// Service is the service whose rows are asked for.
const Service = "SVC1"

// Request returns a trusted request of our own format, which edit changes.
func Request(at time.Time, ip, path string, status int64, edit ...func(*record.Record)) record.Record {
	r := record.Record{
		ServiceID: Service, Method: "GET", Host: "shop.example", Path: path, Kind: record.KindRequest,
		Sender: record.SenderToken, AddressSource: record.AddressEdge, TimeSource: record.TimeMessage,
	}
	r.SetTime(record.Timestamp, at)
	r.SetTime(record.Received, at.Add(time.Second))
	r.SetInt(record.Status, status)
	r.SetBool(record.FirstHop, true)
	SetAddress(&r, ip)
	for _, e := range edit {
		e(&r)
	}
	return r
}

// SetAddress sets the client address and the keys computed from it.
func SetAddress(r *record.Record, ip string) {
	r.ClientIP = ip
	a, err := netip.ParseAddr(ip)
	if err != nil {
		r.ClientKey, r.ClientPrefix = "", ""
		return
	}
	if a.Is4() {
		r.ClientKey = a.String()
		r.ClientPrefix = netip.PrefixFrom(a, 24).Masked().String()
		return
	}
	r.ClientKey = netip.PrefixFrom(a, 64).Masked().String()
	r.ClientPrefix = netip.PrefixFrom(a, 56).Masked().String()
}

// Heartbeat returns a heartbeat row of a spool.
func Heartbeat(spool string, seq int, at time.Time, received, dropped, auth int64) record.Record {
	r := record.Record{Kind: record.KindHeartbeat, Position: fmt.Sprintf("%s-%016x", spool, seq), Sender: record.SenderNone, TimeSource: record.TimeMessage,
		Extra: fmt.Sprintf(`{"received":%d,"shipped":{"lake":%d},"dead_lettered":0,"queued":0,"dropped":{"full":%d,"auth":%d}}`, received, received-dropped-auth, dropped, auth)}
	r.SetTime(record.Timestamp, at)
	r.SetTime(record.Received, at)
	return r
}

// Traffic makes n rows of every kind there is, the same for the same seed:
// people, attackers, shields, refused rows, forged and unauthenticated ones,
// absent fields, rows outside the window on both sides, other services, text.
func Traffic(seed uint64, n int) []record.Record {
	rng := rand.New(rand.NewPCG(seed, 7))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	agents := []string{"Mozilla/5.0", "curl/8.5.0", `q"uo\te'd`, "ünïcode ☃", "", "100%_sure"}
	recs := make([]record.Record, 0, n)
	for i := range n {
		// From half an hour before T to 3 min after it, on the µs.
		at := T.Add(-time.Duration(rng.Int64N(int64(30 * time.Minute)))).Add(time.Duration(rng.Int64N(int64(3 * time.Minute)))).Truncate(time.Microsecond)
		ip := fmt.Sprintf("203.0.%d.%d", rng.IntN(4), 1+int(rng.ExpFloat64()*6)%60)
		if rng.IntN(5) == 0 {
			ip = fmt.Sprintf("2001:db8:1:%x::%x", rng.IntN(600), 1+rng.IntN(3))
		}
		path := fmt.Sprintf("/p/%d", rng.IntN(40))
		status := []int64{200, 200, 200, 204, 301, 304, 404, 500}[rng.IntN(8)]
		r := Request(at, ip, path, status)
		r.UserAgent, r.JA4 = agents[rng.IntN(len(agents))], pick("", "t13d1516h2_8daaf6152771_b186095e22b6", "t13d190900_9dc949149365_97f8aa674fd9")
		r.ClientCountry = pick("NL", "DE", "US", "")
		r.SetInt(record.ClientASN, int64(64500+rng.IntN(6)))
		r.SetInt(record.ResponseBytes, rng.Int64N(100000))
		switch rng.IntN(12) {
		case 0: // login attempts of few
			SetAddress(&r, fmt.Sprintf("198.51.100.%d", 1+rng.IntN(3)))
			r.Method, r.Path = "POST", pick("/login", "/login/", "/logout")
			r.SetInt(record.Status, []int64{401, 403, 200}[rng.IntN(3)])
		case 1, 2: // a scanner
			SetAddress(&r, "198.51.100.66")
			r.Path = fmt.Sprintf("/scan/%d.php", rng.IntN(200))
			r.SetInt(record.Status, 404)
		}
		if i%5 == 0 { // the others are lines of before
			r.SetBool(record.ClaimsOtherIP, i%10 == 0)
		}
		strange(&r, rng)
		r.Position = fmt.Sprintf("00112233445566aa-%016x", i)
		recs = append(recs, r)
	}
	return recs
}

// strange turns some rows into what must not be counted, or not with others.
func strange(r *record.Record, rng *rand.Rand) {
	absent := func(f record.Field) { r.Present &^= 1 << f }
	switch rng.IntN(40) {
	case 0:
		r.SetBool(record.FirstHop, false) // a shield
	case 1:
		absent(record.FirstHop)
		r.AddressSource = record.AddressHeader
	case 2, 3:
		r.AddressSource = record.AddressHeader
	case 4:
		r.Sender = record.SenderNone
	case 5:
		r.Sender, r.AddressSource = record.SenderImport, record.AddressHeader
	case 6:
		r.TimeSource = record.TimeReceived
	case 7, 8, 9:
		r.SetBool(record.Blocked, true)
		r.SetInt(record.Status, 403)
	case 10:
		SetAddress(r, "")
		r.AddressSource = "" // as parse leaves it
		absent(record.ClientASN)
	case 11:
		absent(record.Status)
		r.Path = ""
	case 12:
		r.ServiceID = "SVC2"
	case 13:
		r.Kind, r.Text = record.KindText, "not understood"
	case 14:
		r.Sender = record.SenderMTLS
	case 15:
		r.SetBool(record.Blocked, false)
		r.SetBool(record.WouldBlock, true)
	case 16:
		r.SetTime(record.Timestamp, T.Add(20*time.Minute)) // a clock that runs ahead
	}
}
