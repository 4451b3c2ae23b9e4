package ship

// Internal, because the reference the encoder is checked against is no part of
// the room: it is the slow way that the encoder replaces.

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/spool"
)

var (
	testNow   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	fastOne   = encoder{heartbeatLog: "projects/p/logs/l_heartbeat", retention: 30 * 24 * time.Hour}
	slowOne   = slowBuilder{heartbeatLog: "projects/p/logs/l_heartbeat", retention: 30 * 24 * time.Hour}
	emptyHead = []byte("what stands before")
)

// sample is a record with every field of a request that our format writes.
func sample(tb testing.TB) record.Record {
	tb.Helper()
	var r record.Record
	now := time.Now().UTC()
	parse.New().Parse(sampleLine(tb, now), parse.Meta{Received: now, Sender: record.SenderToken, Position: "00c0ffee00c0ffee-0000000000000001"}, &r)
	if r.Kind != record.KindRequest {
		tb.Fatalf("the sample is not understood: %s", r.Problem)
	}
	r.UTF8 = false // what tests put into it nobody has looked at
	return r
}

// sampleLine is the line of our format that figures are quoted for.
func sampleLine(tb testing.TB, now time.Time) []byte {
	tb.Helper()
	line, err := json.Marshal(map[string]any{
		"timestamp": now.Format("2006-01-02T15:04:05.000000Z"), "service_id": "SU1Z0isxPaozGVKXdv0eY", "request_id": "0f3a9c1e-5d27-4b8e-9a60-7c1d2e3f4a5b",
		"pop": "AMS", "client_ip": "203.0.113.9", "client_asn": 64500, "client_country": "NL", "host": "www.shop.example", "method": "GET",
		"path": "/products/shoes/running/item-12345", "query": "color=blue&size=42&sort=price", "protocol": "HTTP/2", "status": 200,
		"response_bytes": 48213, "request_bytes": 812, "elapsed_usec": 15342, "ttfb_usec": 14012, "cache": "HIT-CLUSTER",
		"user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"referer":    "https://www.shop.example/products/shoes", "tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256",
		"ja3": "cd08e31494f9531f560d64c695473da9", "ja4": "t13d1516h2_8daaf6152771_02713d6af862", "first_hop": true, "bot_name": "", "blocked": false, "would_block": false,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return line
}

// checkEntry fails the test unless the encoder makes the bytes of the entry
// that the official types make. buf is reused as a worker does.
func checkEntry(tb testing.TB, buf []byte, r *record.Record, now time.Time) []byte {
	tb.Helper()
	before := *r
	want, wantSize := slowOne.entry(r, now)
	buf = fastOne.append(append(buf[:0], emptyHead...), r, now)
	if string(buf[:len(emptyHead)]) != string(emptyHead) {
		tb.Fatal("what stood before was overwritten")
	}
	b := buf[len(emptyHead):]
	num, typ, n := protowire.ConsumeTag(b)
	if num != requestEntries || typ != protowire.BytesType {
		tb.Fatalf("field %d of type %d, want the entries", num, typ)
	}
	entry, m := protowire.ConsumeBytes(b[n:])
	if m != len(b)-n {
		tb.Fatalf("the length says %d of %d bytes", m, len(b)-n)
	}
	if len(entry) != wantSize {
		tb.Errorf("%d bytes, want %d: the encoding is not the canonical one", len(entry), wantSize)
	}
	var got loggingpb.LogEntry
	if err := proto.Unmarshal(entry, &got); err != nil {
		tb.Fatalf("it cannot be decoded: %v", err)
	}
	if !proto.Equal(&got, want) {
		tb.Fatalf("entry (-want +got):\n%s", cmp.Diff(want, &got, protocmp.Transform()))
	}
	if len(got.ProtoReflect().GetUnknown()) > 0 {
		tb.Fatal("it has fields that the API does not know")
	}
	if before != *r {
		tb.Fatal("the record was changed")
	}
	sure := repaired(r)
	if with := fastOne.append(nil, &sure, now); !bytes.Equal(with, b) {
		tb.Fatal("of a record whose strings are known to be valid it is another entry")
	}
	return buf
}

func TestAnEntryIsTheOneTheOfficialTypesMake(t *testing.T) {
	full := sample(t)
	for name, change := range map[string]func(*record.Record){
		"a request of our format":        func(*record.Record) {},
		"another address is claimed":     func(r *record.Record) { r.SetBool(record.ClaimsOtherIP, true) },
		"nothing at all":                 func(r *record.Record) { *r = record.Record{} },
		"a heartbeat":                    func(r *record.Record) { r.Kind, r.Extra = record.KindHeartbeat, `{"received":1}` },
		"a text":                         func(r *record.Record) { r.Kind, r.Text, r.Problem = record.KindText, "what", "not_understood" },
		"an empty text":                  func(r *record.Record) { *r = record.Record{Kind: record.KindText} },
		"letters of other languages":     func(r *record.Record) { r.Path, r.UserAgent = "/žluťoučký", strings.Repeat("日本", 80) },
		"bytes that are no letters":      func(r *record.Record) { r.Path, r.Host = "/\xff\xfe\xc3", "\xc3\x28" },
		"a letter cut between two parts": func(r *record.Record) { r.Host, r.Path = "a\xc3", "\xa9b" },
		"a problem":                      func(r *record.Record) { r.Problem, r.Extra = "cut", `{"line_length":99999}` },
		"the clock at a whole second":    func(r *record.Record) { r.Received = testNow.Add(-time.Hour) },
		"nanoseconds":                    func(r *record.Record) { r.Received = testNow.Add(-time.Hour + 1) },
		"another zone": func(r *record.Record) {
			r.Received = testNow.Add(-time.Hour + 100*time.Millisecond).In(time.FixedZone("", 5400))
		},
		"a time before the year 0": func(r *record.Record) { r.Received = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC) },
		"over a day ahead":         func(r *record.Record) { r.Timestamp = testNow.Add(48 * time.Hour) },
		"negative numbers":         func(r *record.Record) { r.SetInt(record.Status, -1); r.SetInt(record.ElapsedUsec, -5) },
	} {
		t.Run(name, func(t *testing.T) {
			r := full
			r.Timestamp, r.Received = testNow.Add(-time.Minute), testNow.Add(-time.Second)
			change(&r)
			checkEntry(t, nil, &r, testNow)
		})
	}
}

// Every length around those where a varint grows, in every field.
func TestEveryLengthIsWrittenRight(t *testing.T) {
	var buf []byte
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Type != record.String || f == record.Kind {
			continue
		}
		for _, kind := range []string{record.KindRequest, record.KindText} {
			for _, n := range []int{1, 2, 7, 8, 9, 63, 64, 65, 94, 95, 96, 97, 98, 100, 110, 120, 125, 126, 127, 128, 129, 200, 16200, 16383, 16384, 16385} {
				r := record.Record{Kind: kind}
				*r.Str(f) = strings.Repeat("x", n)
				buf = checkEntry(t, buf, &r, testNow)
			}
		}
	}
}

// randomRecord is any record: hostile strings, odd times, huge fields.
func randomRecord(rnd *rand.Rand) record.Record {
	var r record.Record
	for f := record.Field(0); f < record.NumFields; f++ {
		if rnd.IntN(3) == 0 {
			continue
		}
		switch record.Fields[f].Type {
		case record.String:
			*r.Str(f) = randomString(rnd)
		case record.Int:
			r.SetInt(f, rnd.Int64()>>rnd.IntN(64)-rnd.Int64N(2))
		case record.Bool:
			r.SetBool(f, rnd.IntN(2) == 0)
		case record.Time:
			r.SetTime(f, randomTime(rnd))
		}
	}
	r.Position = r.Position[:min(len(r.Position), 64)] // ours, so never long
	r.Kind = [...]string{record.KindRequest, record.KindRequest, record.KindText, record.KindHeartbeat, r.Kind}[rnd.IntN(5)]
	if rnd.IntN(2) == 0 {
		r.Cache = [...]string{"HIT", "MISS-CLUSTER", "PASS", "HI"}[rnd.IntN(4)]
	}
	return r
}

func randomString(rnd *rand.Rand) string {
	n := rnd.IntN(40)
	switch rnd.IntN(60) {
	case 0:
		n = rnd.IntN(300 << 10)
	case 1:
		n = 16000 + rnd.IntN(1000)
	case 2, 3, 4, 5, 6:
		n = rnd.IntN(300)
	}
	b := make([]byte, n)
	hostile := rnd.IntN(8) == 0
	for i := range b {
		if b[i] = byte(32 + rnd.IntN(95)); hostile {
			b[i] = byte(rnd.Uint32())
		}
	}
	if rnd.IntN(8) == 0 {
		return string(b) + "žé日\U0001F600" + string(b[:n/2])
	}
	return string(b)
}

func randomTime(rnd *rand.Rand) time.Time {
	switch rnd.IntN(6) {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(rnd.Int64()>>rnd.IntN(40), rnd.Int64N(1e9))
	case 2:
		return testNow.Add(time.Duration(rnd.Int64N(int64(100*24*time.Hour))) - 50*24*time.Hour)
	}
	return testNow.Add(-time.Duration(rnd.Int64N(1e9)) * time.Microsecond)
}

func TestAnyRecordBecomesTheEntryTheOfficialTypesMake(t *testing.T) {
	var buf []byte
	for seed := range uint64(1000) {
		r := randomRecord(rand.New(rand.NewPCG(seed, 0)))
		if buf = checkEntry(t, buf, &r, testNow); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzEncode has the fuzzer choose the strings and the shape of a record.
func FuzzEncode(f *testing.F) {
	f.Add(uint64(1), "/a", "b=c", "curl/8", "shop.example", int64(200), int64(1e9))
	f.Add(uint64(7), "\xff", "\xc3", strings.Repeat("u", 200), "é", int64(-1), int64(-1))
	f.Add(uint64(9), "", "", "", "", int64(1)<<62, int64(1)<<62)
	f.Fuzz(func(t *testing.T, seed uint64, path, query, agent, host string, number, second int64) {
		r := randomRecord(rand.New(rand.NewPCG(seed, 1)))
		r.Path, r.Query, r.UserAgent, r.Host = path, query, agent, host
		r.SetInt(record.Status, number)
		r.SetInt(record.ElapsedUsec, number)
		r.SetTime(record.Received, time.Unix(second, number&0x3fffffff))
		checkEntry(t, nil, &r, testNow)
		r.Kind, r.Text = record.KindText, path+query
		checkEntry(t, nil, &r, testNow)
	})
}

// FuzzLine has the fuzzer write the line: what the parser makes of it must
// become the entry that the official types make of that.
func FuzzLine(f *testing.F) {
	f.Add(sampleLine(f, testNow), true)
	f.Add([]byte(`<134>2026-11-22T11:59:59Z cache-ams1 log[1]: {"first_hop":true,"client_ip":"2001:db8::1","status":"503","path":"/\u0000\ud83d\ude00","x":1e400}`), false)
	f.Add([]byte("203.0.113.9 - - [22/Nov/2026:11:59:59 +0000] \"GET /\xff HTTP/1.1\" 200 5"), true)
	f.Add([]byte("\x00\xff no format at all"), false)
	parser := parse.New()
	f.Fuzz(func(t *testing.T, line []byte, cut bool) {
		e := Envelope{Received: testNow.Add(-time.Second), Sender: record.SenderToken, ServiceID: "SVC", Cut: cut, Line: line}
		var r record.Record
		toRecord(parser, &e, "00c0ffee00c0ffee-0000000000000001", &r)
		checkEntry(t, nil, &r, testNow)
	})
}

func TestEncodingAllocatesNothing(t *testing.T) {
	request := sample(t)
	text := request
	text.Kind, text.Text, text.Problem = record.KindText, "what", "not_understood"
	now := time.Now()
	for name, r := range map[string]record.Record{"a request": request, "a text": text} {
		e, buf := fastOne, make([]byte, 0, 1<<20)
		if n := testing.AllocsPerRun(100, func() { buf = e.append(buf[:0], &r, now) }); n != 0 {
			t.Errorf("%s: %v allocations a record, want none", name, n)
		}
	}
}

// BenchmarkLineToEntry is the way of a line through a worker: envelope decoded,
// line parsed, entry encoded.
func BenchmarkLineToEntry(b *testing.B) {
	const n = 2400 // a batch
	now := time.Now().UTC()
	var items []spool.Item
	for i := range n {
		e := Envelope{Received: now, Sender: record.SenderToken, Conn: 7, Remote: netip.MustParseAddrPort("192.0.2.1:4000"), ServiceID: "SU1Z0isxPaozGVKXdv0eY",
			Line: sampleLine(b, now.Add(time.Duration(i)*time.Millisecond))}
		items = append(items, spool.Item{Position: uint64(i), Payload: e.Append(nil)})
	}
	w := newWorker(&Shipper{o: Options{SpoolID: "00c0ffee00c0ffee"}})
	p := packer{encoder: fastOne, usual: new(atomic.Int64)}
	b.SetBytes(int64(len(items[0].Payload)))
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += n {
		w.decode(&spool.Batch{Items: items[:min(n, b.N-done)]})
		for i, r := range w.b.out.Records {
			p.add(i, r, now)
		}
		p.sent(true)
	}
}

// BenchmarkEntry makes the entry of the sample line, the fast and the slow way.
func BenchmarkEntry(b *testing.B) {
	r := sample(b)
	r.UTF8 = true // as parse says of every record
	now := time.Now()
	b.Run("encode", func(b *testing.B) {
		buf := make([]byte, 0, 64<<10)
		b.SetBytes(int64(len(fastOne.append(buf, &r, now))))
		b.ReportAllocs()
		for b.Loop() {
			buf = fastOne.append(buf[:0], &r, now)
		}
	})
	b.Run("official types", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			e, _ := slowOne.entry(&r, now)
			var err error
			if buf, err = (proto.MarshalOptions{}).MarshalAppend(buf[:0], e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What an entry takes without its long strings, for each of which there is room of its own, is less than fixedRoom: here every
// field has as much as a short one can.
func TestFixedRoomHoldsWhatIsNoLongString(t *testing.T) {
	for _, kind := range []string{record.KindRequest, record.KindHeartbeat, record.KindText} {
		var r record.Record
		for f, info := range record.Fields {
			switch f := record.Field(f); info.Type {
			case record.String:
				*r.Str(f) = strings.Repeat("x", maxShort)
			case record.Int:
				r.SetInt(f, 1<<62)
			case record.Bool:
				r.SetBool(f, true)
			case record.Time:
				r.SetTime(f, testNow.Add(-123456789))
			}
		}
		r.Kind = kind
		if n := len(fastOne.append(nil, &r, testNow)); n > fixedRoom-slack {
			t.Errorf("a %s takes %d bytes, %d may be written without asking for room", kind, n, fixedRoom-slack)
		}
	}
}
