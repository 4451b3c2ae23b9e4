package edgewarden_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
	"edgewarden/internal/spool"
)

// What docs/scale.md counts with. Each has its source; what depends on our own code is measured when the page is made.
const (
	tlsLinesPerSecond = 189_200 // docs/benchmarks.md, TLS on both sides, two cores shared with the sender and the stand-in
	podLinesPerSecond = 100_000 // what a pod of two cores is planned for: about half of that
	podMemoryMB       = 98      // docs/benchmarks.md, most memory of ingest at full rate

	// https://cloud.google.com/logging/quotas: bytes of entries.write a minute, project and region.
	quotaLargeRegion = 4_800_000_000
	quotaOtherRegion = 300_000_000

	// https://www.fastly.com/documentation/reference/api/: entries an ACL unless support raises it; writes an hour and user.
	aclEntries    = 1000
	writesPerHour = 1000
	newBlocks     = 100 // guard: too_many_blocks
	batchSize     = 500 // entries a write; TestFiveThousandChangesStayWithinTheBudgetAndAreIdempotent
	runsPerHour   = 12  // --period 5m

	// docs/benchmarks.md: one query of 20 rules over a million rows of the lake on two threads.
	lakeSecondsPerMillion = 0.64
	windowMinutes         = 15
)

// scaleLine is a line of our own format of about the length of those in docs/benchmarks.md.
var scaleLine = `{"timestamp":"2031-05-06T07:08:09.123456Z","service_id":"SU1Z0isxPaozGVKXdv0eY","request_id":"6f2c1b0e-5d1d-4a51-9a55-0c1f5a0b7c11","pop":"AMS","client_ip":"203.0.113.77","client_asn":64500,"client_country":"NL",` +
	`"host":"www.example.org","method":"GET","path":"/category/shoes/running/model-2031-blue","query":"page=3&sort=price&colour=blue","protocol":"HTTP/2","status":200,"response_bytes":48213,"request_bytes":912,"elapsed_usec":18233,"ttfb_usec":17011,` +
	`"cache":"MISS-CLUSTER","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36","referer":"https://www.example.org/category/shoes/","tls_version":"TLSv1.3","tls_cipher":"TLS_AES_128_GCM_SHA256",` +
	`"ja3":"579ccef312d18482fc42e2b822ca2430","ja4":"t13d1516h2_8daaf6152771_02713d6af862","first_hop":true,"bot_name":"","blocked":false,"would_block":false}`

// lineCost is what one line costs in bytes, by our own code.
type lineCost struct{ line, spool, entry float64 }

// measureLine puts lines through the spool and through the sink of Cloud Logging.
func measureLine(t *testing.T) lineCost {
	t.Helper()
	const n = 1000
	at := time.Date(2031, 5, 6, 7, 8, 10, 0, time.UTC)
	line := "<134>2031-05-06T07:08:09Z cache-ams21001 edgewarden[246810]: " + scaleLine
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), Cursors: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	empty := s.Stats().Bytes
	var payloads [][]byte
	for range n {
		payloads = append(payloads, (&ship.Envelope{Received: at, Sender: record.SenderToken, Conn: 7, Line: []byte(line)}).Append(nil))
	}
	if err := s.Append(payloads); err != nil {
		t.Fatal(err)
	}
	m := lineCost{line: float64(len(line)), spool: fifties(float64(s.Stats().Bytes-empty) / n)}

	srv := shiptest.Start(t)
	sink, err := ship.NewCloudLogging(t.Context(), ship.CloudLoggingOptions{Project: "p", LogID: "fastly", Endpoint: srv.Addr(), Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	parser := parse.New()
	records := func(yield func(int, *record.Record) bool) {
		var r record.Record
		parser.Parse([]byte(line), parse.Meta{Received: at, Sender: record.SenderToken, Position: "00c0ffee00c0ffee-0000000000000000"}, &r)
		yield(0, &r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	refused, err := sink.Write(ctx, &ship.Batch{SpoolID: "00c0ffee00c0ffee", To: 1, Len: 1, Records: iter.Seq2[int, *record.Record](records)})
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	entries := srv.Log("fastly")
	if len(entries) != 1 || entries[0].HttpRequest == nil {
		t.Fatalf("%d entries arrived", len(entries))
	}
	m.entry = fifties(float64(proto.Size(entries[0])))
	return m
}

// fifties rounds up: the page need not change with every byte.
func fifties(v float64) float64 { return math.Ceil(v/50) * 50 }

// scalePage is docs/scale.md.
func scalePage(t *testing.T) string {
	t.Helper()
	m := measureLine(t)
	var b strings.Builder
	fmt.Fprintf(&b, `# Scale

%sWhat is needed from 1,000 to 1,000,000 requests a second, and what breaks first. Three figures were measured when this page was made, with one line of our format of %.0f bytes:
it takes %.0f bytes in the spool and %.0f bytes as an entry of Cloud Logging (both rounded up to 50). The others are from docs/benchmarks.md or from the vendors' pages; scale_test.go names each.
Everything here is computed from them: plan with it, then measure your own.

## Lines

A pod of two cores is planned for %s lines/s, about half of the %s measured with TLS, and %d MB of memory. Spool: what an outage of Cloud Logging needs, all pods together.
Quota: share of the bytes a minute that Google takes from one project in one region, in large regions (4.8 GB) and in the others (300 MB).

| requests/s | pods | in | out | spool, 1 h | spool, 24 h | quota, large region | quota, other region |
|---|---|---|---|---|---|---|---|
`, generated, m.line, m.spool, m.entry, thousands(podLinesPerSecond), thousands(tlsLinesPerSecond), podMemoryMB)
	rates := []float64{1_000, 10_000, 100_000, 1_000_000}
	for _, r := range rates {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %s | %s | %s | %s |\n", thousands(r), pods(r), bits(r*m.line), bits(r*m.entry), bytesOf(r*m.spool*3600), bytesOf(r*m.spool*86400),
			share(r*m.entry*60/quotaLargeRegion), share(r*m.entry*60/quotaOtherRegion))
	}
	fmt.Fprintf(&b, `
One pod more than the lines need, so that one can be replaced. **The quota of Cloud Logging breaks first**: at %s requests/s in a large region, at %s in the others. Nothing is lost at once: Google answers
RESOURCE_EXHAUSTED, ingest writes with fewer calls and keeps the rest in the spool, and `+"`edgewarden_ingest_oldest_queued_age_seconds`"+` grows until the spool is full and the newest lines are dropped and counted.
Levers, in this order: ask Google for more (it can be raised); a large region; several projects or regions, each with pods of its own; Fastly's own BigQuery endpoint instead
of Cloud Logging (docs/google.md). The spool's disk comes second: give each pod the share of the outage you want to outlive (`+"`--spool-max-bytes`"+`), and a disk that takes the rate in and out at once.
Gigabits are third: above 100,000 requests/s the load balancer and the pods' network want a look before the processors do.

## The question of every five minutes

| requests/s | rows in %d minutes | the lake answers 20 rules in | breaks first | lever |
|---|---|---|---|---|
`, thousands(round2(quotaLargeRegion/60/m.entry)), thousands(round2(quotaOtherRegion/60/m.entry)), windowMinutes)
	for _, r := range rates {
		rows := r * windowMinutes * 60
		seconds := rows / 1e6 * lakeSecondsPerMillion
		first, lever := "nothing", "–"
		switch {
		case seconds > 300:
			first, lever = "the lake: a run takes longer than its period", "BigQuery; shorter windows; fewer columns in the rules"
		case seconds > 60:
			first, lever = "the lake: it competes with ingest for the machine", "BigQuery, or a machine for the lake alone"
		case r > 1000:
			first, lever = "memory, when most rows have an address of their own", "shorter windows, rules that read fewer columns; docs/benchmarks.md has the worst case measured"
		}
		fmt.Fprintf(&b, "| %s | %s million | %.0f s | %s | %s |\n", thousands(r), trim(rows/1e6), math.Ceil(seconds), first, lever)
	}
	fmt.Fprintf(&b, `
Over a lake DuckDB gets 60 %% of the memory that the process may use: the lesser of the limit of its container or unit and the machine's. A query that needs more, such as a backtest of a busy day, writes up to four
times as much into a folder of its own under `+"`TMPDIR`"+` (`+"`/tmp`"+` when it is not set) and removes it at the end. Let `+"`TMPDIR`"+` name a folder on a disk: in a `+"`tmpfs`"+` it counts as memory again. Where nothing can be written, a run leaves the longest windows out and says so, and a backtest fails.

The lake's seconds are the measured ones times the rows; nothing above 20,000 lines/s into a lake was run for long (`+"`make soak`"+`). On BigQuery the number of rows is no limit; its bytes and their price are (docs/cost.md). `+"`blocker --dry-run`"+` says what a run reads, and a run leaves the longest windows out when `+"`--max-bytes`"+` is met.
Policy and guard over 100,000 offenders and 10,000 present entries take 0.19 s and allocate 164 MB (docs/benchmarks.md), so they break after everything else.

## The edge

An ACL holds %s entries unless Fastly raises it, a user has %s writes an hour, and one write carries up to %d entries. A run blocks at most %d new addresses (`+"`guard: too_many_blocks`"+`).
How long until a ring of attackers is blocked, all of it seen at once, with a run every five minutes; `+"`TestARingIsBlockedInAsManyRunsAsTheLimitSays`"+` does it with the real planner against the stand-in for Fastly:

| ring | ACLs it needs | at %d a run | at 1,000 a run | writes an hour at 1,000 a run |
|---|---|---|---|---|
`, thousands(aclEntries), thousands(writesPerHour), batchSize, newBlocks, newBlocks)
	for _, n := range []float64{100, 1_000, 5_000, 50_000} {
		perHour := math.Min(math.Ceil(n/1000), runsPerHour) * math.Ceil(1000.0/batchSize)
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %.0f of %s |\n", thousands(n), math.Ceil(n/aclEntries), ringTime(n, newBlocks), ringTime(n, 1000), perHour+runsPerHour, thousands(writesPerHour))
	}
	fmt.Fprintf(&b, `
**Room breaks first, writes last.** With two ACLs the largest ring that fits is %s addresses; beyond it the least harmful are left out, and every run says how many. Levers: more ACLs in
`+"`acls`"+` and in the VCL (no official number of ACLs a service was found; ask), more entries an ACL from Fastly, roll-up to prefixes when the ring sits in few networks, a rule grouped by prefix.
Second is `+"`too_many_blocks`"+`: it is there because a wrong rule looks like a ring. Raise it for one plan (`+"`blocker apply plan.json --override too-many-blocks --reason R`"+`) rather than for good. Third is collateral: a ring whose
members are answered with success counts as customers, of whom a run hits at most one in a hundred, ten at least; found by a rule that looks at errors, only where a tenth of all they ask for goes well. Blocks of those who keep coming are extended, which takes one write for up to %d entries.
Against tens of thousands of addresses an ACL is the wrong tool: use Fastly's rate limiting or DDoS protection at the edge, and keep edgewarden for the addresses that stay.
`, thousands(2*aclEntries), batchSize)
	return b.String()
}

// TestTheArithmeticOfTheScalePage checks the functions the page is made with; what they assume of Fastly is in
// internal/acl's test of a ring.
func TestTheArithmeticOfTheScalePage(t *testing.T) {
	for got, want := range map[string]string{
		ringTime(1, 100): "5 min", ringTime(5000, 100): "4 h 10 min", ringTime(1200, 100): "1 h",
		thousands(1234567): "1,234,567", thousands(999): "999", bytesOf(2.5e12): "2.5 TB", bytesOf(999): "999 B", share(0.021): "3 %", thousands(round2(51_999)): "51,000", bits(125e6): "1.0 Gbit/s", trim(9): "9", trim(0.9): "0.9",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if pods(1000) != 2 || pods(100_000) != 2 || pods(1_000_000) != 11 {
		t.Errorf("pods %v %v %v", pods(1000), pods(100_000), pods(1_000_000))
	}
}

// pods is one more than the lines need, so that one can be replaced.
func pods(rate float64) float64 { return 1 + math.Ceil(rate/podLinesPerSecond) }

// ringTime is how long runs of limit new blocks take for n addresses; the first comes within a period.
func ringTime(n, limit float64) string {
	minutes := math.Ceil(n/limit) * 60 / runsPerHour
	if minutes < 60 {
		return fmt.Sprintf("%.0f min", minutes)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.0f h %.0f min", math.Floor(minutes/60), math.Mod(minutes, 60)), " 0 min")
}

// round2 keeps two digits: more would pretend.
func round2(v float64) float64 {
	e := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Floor(v/e) * e
}

func trim(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

func bits(bytesPerSecond float64) string {
	mbit := bytesPerSecond * 8 / 1e6
	if mbit >= 1000 {
		return fmt.Sprintf("%.1f Gbit/s", mbit/1000)
	}
	return fmt.Sprintf("%.0f Mbit/s", mbit)
}

func bytesOf(v float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if v < 1000 {
			return fmt.Sprintf("%.0f %s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f TB", v)
}

func share(v float64) string { return fmt.Sprintf("%.0f %%", math.Ceil(v*100)) }
