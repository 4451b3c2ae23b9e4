package edgewarden_test

import (
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// TestGeneratedDocsOfCost fails when docs/cost.md no longer says what the code computes: rows from the field table, columns
// from the starter rules as the compiler reads them, prices from below.
func TestGeneratedDocsOfCost(t *testing.T) {
	const path = "docs/cost.md"
	want := costPage(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run `go test . -run GeneratedDocs -update`", path)
	}
}

// lengths are how many bytes a text of a typical request has. A field that is missing here is seldom set and counted as absent.
// measured ones are the means of an access log of 10,000 real requests.
var lengths = map[record.Field]float64{
	record.ServiceID: 22, record.RequestID: 36, record.POP: 3, record.ClientCountry: 2, record.Host: 16, record.Cache: 4,
	record.TLSVersion: 7, record.TLSCipher: 22, record.JA3: 32, record.JA4: 36, record.BotName: 0,
	record.Kind: 7, record.Position: 33, record.Node: 15, record.Endpoint: 8, record.Sender: 5, record.AddressSource: 4, record.TimeSource: 7,
	record.Received: 27, // a text in jsonPayload

	record.Method: 3.01, record.Path: 29.35, record.Query: 2.82, record.Protocol: 8.00, record.UserAgent: 89.62, record.Referer: 36.41,
	record.ClientIP: 12.99, record.ClientKey: 12.99, record.ClientPrefix: 14.50,
}

var measured = []record.Field{record.Method, record.Path, record.Query, record.Protocol, record.UserAgent, record.Referer, record.ClientIP, record.ClientKey, record.ClientPrefix}

// TestTypicalLengthsAreThoseOfRealRequests holds the measured lengths against the log that EDGEWARDEN_SAMPLE_LOG names.
func TestTypicalLengthsAreThoseOfRealRequests(t *testing.T) {
	file := os.Getenv("EDGEWARDEN_SAMPLE_LOG")
	if file == "" {
		t.Skip("EDGEWARDEN_SAMPLE_LOG is not set")
	}
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum, rows := map[record.Field]int{}, 0
	p := parse.New()
	for line := range strings.Lines(string(in)) {
		var r record.Record
		p.Parse([]byte(strings.TrimSuffix(line, "\n")), parse.Meta{Received: time.Unix(2e9, 0)}, &r)
		if r.Kind != record.KindRequest {
			continue
		}
		rows++
		for _, f := range measured {
			sum[f] += len(*r.Str(f))
		}
	}
	for _, f := range measured {
		if got := float64(sum[f]) / float64(rows); math.Abs(got-lengths[f]) > 0.01 {
			t.Errorf("%s has %.2f bytes, not %.2f", record.Fields[f].Name, got, lengths[f])
		}
	}
}

// size is how many logical bytes BigQuery counts for a value: 8 for numbers and times, 1 for a BOOL, 2 more than its UTF-8 for
// a text, 0 for NULL. https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes
func size(f record.Field, sink bool) float64 {
	n, text := lengths[f]
	switch typ := record.Fields[f].Type; {
	case typ == record.Time && !(sink && f == record.Received), typ == record.Int:
		return 8
	case typ == record.Bool:
		return 1
	case !text:
		return 0
	}
	return n + 2
}

// hidden are the columns a table that Fastly writes does not have, since nothing redacts them.
var hidden = []record.Field{record.Query, record.Referer, record.UserAgent}

// rowBytes is a row of each kind of table.
func rowBytes(kind string) (total float64) {
	for f := record.Field(0); f < record.NumFields; f++ {
		if kind == "sink" || record.Fields[f].Origin == record.FromLine && !slices.Contains(hidden, f) {
			total += size(f, kind == "sink")
		}
	}
	if kind == "sink" {
		total += envelope()
	}
	return total
}

// envelope is what the Log Router adds to the payload: the entry's own columns, and httpRequest, which says some of the payload
// again.
func envelope() float64 {
	const (
		logName  = 2 + 35 // projects/my-project-123/logs/fastly
		resource = 2 + 12 + 2 + 14 + 2 + 12 + 2 + 12
		severity = 2 + 7
		received = 8 // receiveTimestamp
	)
	url := 2 + float64(len("https://")) + lengths[record.Host] + lengths[record.Path] + lengths[record.Query]
	http := url + 5*8 // request and response size, status, latency and the cache flags
	for _, f := range []record.Field{record.Method, record.UserAgent, record.ClientIP, record.Referer, record.Protocol} {
		http += lengths[f] + 2
	}
	return logName + resource + severity + received + http
}

// entryBytes is an entry in a log bucket: its text as JSON.
func entryBytes() float64 {
	total := envelope() + lengths[record.Position]
	for f := record.Field(0); f < record.NumFields; f++ {
		if n := size(f, true); n > 0 {
			total += n + float64(len(record.Fields[f].Name)) + 4 // quotes, colon, comma
		}
	}
	return total
}

// reads is how much of a row a run reads, in bytes.
type reads struct {
	query    float64 // of the starter rules
	evidence float64
	wholes   float64 // all that an offender by a rule with a where asked for
	repeats  float64 // of a row that does not say first_hop, when request ids are looked at
	window   time.Duration
}

func queryBytes(t *testing.T, kind string) (r reads) {
	t.Helper()
	rules, _, err := config.LoadRules("deploy/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, _, err := config.Compile(rules, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	q := detect.Query{Set: set, ServiceID: "SVC1", To: time.Unix(2e9, 0), Now: time.Unix(2e9, 0)}
	offender := detect.Offender{Key: netip.MustParseAddr("203.0.113.9").String(), Group: detect.ByAddress, Rule: set.Rules()[0].Name}
	read := func(write func(detect.Source) (detect.Statement, error)) float64 {
		fields := map[record.Field]bool{record.Timestamp: true, record.ServiceID: true}
		if _, err := write(detect.Source{From: "t", Time: "timestamp", Column: func(f record.Field) string { fields[f] = true; return record.Fields[f].Name }}); err != nil {
			t.Fatal(err)
		}
		if kind == "sink" {
			fields[record.Position] = true // rows that came twice count once
		}
		total := 0.0
		for f := range fields {
			total += readSize(kind, f)
		}
		return total
	}
	r.query = read(func(src detect.Source) (detect.Statement, error) { return set.DetectSQL(detect.BigQuery, src, q) })
	r.evidence = read(func(src detect.Source) (detect.Statement, error) {
		return set.EvidenceSQL(detect.BigQuery, src, q, []detect.Offender{offender})
	})
	r.wholes = read(func(src detect.Source) (detect.Statement, error) {
		scan, _, _, asks := q.Wholes([]detect.Offender{{Key: offender.Key, Rule: "scanner"}}, func(detect.Offender) bool { return true })
		if !asks {
			t.Fatal("nobody asks what a scanner asked for besides")
		}
		return scan.Compile(detect.BigQuery, src)
	})
	r.repeats = read(func(src detect.Source) (detect.Statement, error) {
		return q.Repeats(q.To, new(detect.Repeats)).Compile(detect.BigQuery, src)
	}) - size(record.FirstHop, kind == "sink") // which is NULL
	r.window = set.MaxWindow()
	return r
}

// readSize is the column a field is read from; in a table that ingest did not write, key and prefix are made from the address,
// which the query names anyway, and what ingest says is a constant.
func readSize(kind string, f record.Field) float64 {
	switch {
	case kind == "sink":
		return size(f, true)
	case f == record.ClientKey:
		return size(record.ClientIP, false)
	case f == record.ClientPrefix || f == record.ClientIP || record.Fields[f].Origin != record.FromLine || slices.Contains(hidden, f):
		return 0
	}
	return size(f, false)
}
