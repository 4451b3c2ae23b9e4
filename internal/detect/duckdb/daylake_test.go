package duckdb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// lakeEnv names the folder of the lake of a day. It is built there once and
// reused: see docs/benchmarks.md.
const lakeEnv = "EDGEWARDEN_BENCH_LAKE"

// The lake of a day: dayRows requests, 1,157 a second on average. The hours are
// closed, one file each, but the last, which is as ingest leaves it at dayOpen:
// a medium file for what was merged, and one file each 5 s since.
const (
	dayRows   = 100_000_000
	dayMicros = int64(24 * time.Hour / time.Microsecond) // times dayRows it fits an int64
)

var (
	dayBegin  = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	dayOpen   = dayBegin.Add(23*time.Hour + 54*time.Minute + 50*time.Second)
	dayClosed = dayBegin.Add(12*time.Hour + 7*time.Minute + 30*time.Second) // the middle of a day
)

// dayTraffic makes the requests of a day one after the other: 200,000 clients of
// which a fifth has IPv6, busy as a Zipf tail is; 60 attackers at any time, others
// every two hours, make 1.5 % of the requests.
type dayTraffic struct {
	rng     *rand.Rand
	zipf    *rand.Zipf
	clients []record.Record // address, keys, agent and country of each
	paths   []string
	probes  []string
	recs    []record.Record // reused
	next    int
}

func newDayTraffic() *dayTraffic {
	d := &dayTraffic{rng: rand.New(rand.NewPCG(21, 11))}
	d.zipf = rand.NewZipf(d.rng, 1.3, 3000, 199_999)
	agents := make([]string, 400)
	for i := range agents {
		agents[i] = fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.%d (KHTML, like Gecko) Chrome/%d.0.0.0", i%40, 80+i%50)
	}
	for i := range 200_000 {
		ip := fmt.Sprintf("%d.%d.%d.%d", 20+d.rng.IntN(4), d.rng.IntN(256), d.rng.IntN(128), 1+d.rng.IntN(254))
		if i%5 == 0 {
			ip = fmt.Sprintf("2001:db8:%x:%x::%x", d.rng.IntN(256), d.rng.IntN(65536), d.rng.IntN(65536))
		}
		r := record.Record{UserAgent: agents[d.rng.IntN(len(agents))], ClientCountry: []string{"NL", "DE", "FR", "US", "GB"}[i%5],
			JA4: fmt.Sprintf("t13d1516h2_8daaf6152771_%012x", d.rng.IntN(300))}
		r.SetInt(record.ClientASN, int64(64500+d.rng.IntN(400)))
		detecttest.SetAddress(&r, ip)
		d.clients = append(d.clients, r)
	}
	for i := range 23_000 {
		d.paths = append(d.paths, fmt.Sprintf("/shop/category-%d/item-%d", i%97, i))
	}
	for i := range 20_000 {
		d.probes = append(d.probes, fmt.Sprintf("/old/%x/index.php", i*7919))
	}
	return d
}

var statuses = []int64{200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 204, 301, 304, 304, 304, 304, 404, 404, 403, 500}

// fill makes the next requests, one each record.
func (d *dayTraffic) fill(recs []record.Record) {
	for i := range recs {
		n := d.next
		d.next++
		at := dayBegin.Add(time.Duration(int64(n)*dayMicros/dayRows) * time.Microsecond)
		r := &recs[i]
		*r = d.clients[d.zipf.Uint64()]
		r.ServiceID, r.Host, r.Method, r.Protocol, r.Kind = detecttest.Service, "shop.example", "GET", "HTTP/2", record.KindRequest
		r.Sender, r.AddressSource, r.TimeSource = record.SenderToken, record.AddressEdge, record.TimeMessage
		r.Path, r.POP, r.TLSVersion, r.TLSCipher = d.paths[d.rng.IntN(len(d.paths))], "AMS", "TLSv1.3", "TLS_AES_128_GCM_SHA256"
		r.Cache = []string{"HIT", "HIT", "HIT", "MISS", "PASS"}[d.rng.IntN(5)]
		status := statuses[d.rng.IntN(len(statuses))]
		if n%67 == 0 { // the attackers
			status = d.attack(r, n/67%60, n)
		}
		r.RequestID = fmt.Sprintf("%016x", d.rng.Uint64())
		r.SetTime(record.Timestamp, at)
		r.SetTime(record.Received, at.Add(time.Second))
		r.SetInt(record.Status, status)
		r.SetInt(record.ResponseBytes, d.rng.Int64N(80_000))
		r.SetInt(record.RequestBytes, 300+d.rng.Int64N(900))
		r.SetInt(record.ElapsedUsec, 200+d.rng.Int64N(90_000))
		r.SetInt(record.TTFBUsec, 100+d.rng.Int64N(40_000))
		r.SetBool(record.FirstHop, true)
		r.SetBool(record.Blocked, false)
		r.Position = fmt.Sprintf("%s-%016x", spoolID, n)
	}
}

// attack makes r a request of the attacker of that number: a third guesses
// passwords, a third scans, a third floods.
func (d *dayTraffic) attack(r *record.Record, number, n int) int64 {
	shift := n / (dayRows / 12)
	detecttest.SetAddress(r, fmt.Sprintf("198.18.%d.%d", shift, 1+number))
	r.UserAgent, r.JA4 = "python-requests/2.31", "t13d190900_9dc949149365_97f8aa674fd9"
	switch number % 3 {
	case 0:
		r.Method, r.Path = "POST", "/login"
		return 401
	case 1:
		r.Path = d.probes[d.rng.IntN(len(d.probes))]
		return 404
	}
	return 200
}

// TestLakeOfADayIsBuilt builds the lake that the benchmarks of 100 million rows
// read, unless it is there. It takes ten minutes, 7 GB of disk and 5 GB of memory.
func TestLakeOfADayIsBuilt(t *testing.T) {
	dir := os.Getenv(lakeEnv)
	if dir == "" {
		t.Skip("set " + lakeEnv + " to a folder with 8 GB of room")
	}
	done := filepath.Join(dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return
	}
	w, err := lake.OpenWriter(lake.Options{Dir: dir, Grace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	d := newDayTraffic()
	perHour := dayRows / 24
	for hour := range 23 { // whole, as a merge leaves them
		writeDay(t, w, d, (hour+1)*perHour)
		t.Logf("hour %d: %d rows", hour, d.next)
	}
	for at := dayBegin.Add(23*time.Hour + 5*time.Second); !at.After(dayOpen); at = at.Add(5 * time.Second) {
		writeDay(t, w, d, int(at.Sub(dayBegin).Microseconds()*dayRows/dayMicros))
		if at.Second() == 0 && at.Minute()%5 == 0 {
			if err := w.Maintain(t.Context(), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(done, []byte(fmt.Sprintln(d.next)), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// writeDay writes the requests up to number to, as one file.
func writeDay(t *testing.T, w *lake.Writer, d *dayTraffic, to int) {
	t.Helper()
	from := d.next
	if cap(d.recs) < to-from {
		d.recs = make([]record.Record, to-from)
	}
	recs := d.recs[:to-from]
	d.fill(recs)
	if err := w.Write(spoolID, uint64(from), uint64(to), recs); err != nil {
		t.Fatal(err)
	}
}
