package bigquery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/bigquery/bqtest"
	"edgewarden/internal/record"
)

// rows are what the stand-in answers unless a test says otherwise.
func answers() map[string]bqtest.Answer {
	seen := now.Add(-3 * time.Minute).UnixMicro()
	return map[string]bqtest.Answer{
		"detect": bqtest.DetectAnswer(
			detect.Row{Rule: -1, HealthRows: 5000, HealthNewestUs: seen, HealthTrusted: 4990, HealthTrustedNewestUs: seen - 1, HealthTrustedNoAddress: 1, HealthNoAddress: 1, HealthNoFirstHop: 2,
				HealthShield: 3, HealthReceived: 4, HealthAhead: 5, HealthOKRequests: 3000, HealthOKAddresses: 700},
			detect.Row{Rule: 0, Key: "203.0.113.9", Met: 1, Requests: 1500, Peak: 400, OK: 1400, Errors: 100, DistinctPaths: 3, Share: 0.3,
				Score: 9.25, Addresses: 1, OKAddresses: 1, JA4s: 2, FirstUs: seen - 6e8, LastUs: seen, Population: 700,
				After: 90, AfterRefused: 80, AfterLastUs: seen},
			detect.Row{Rule: 1, Trust: 1, Key: "2001:db8:1::/56", Met: 1, Requests: 80, Population: 12},
			detect.Row{Rule: 1, Population: 30},
		),
		"evidence": bqtest.EvidenceAnswer(
			detect.EvidenceRow{Rule: 0, Key: "203.0.113.9", About: 0, Value: "/", N: 1200, Place: 1},
			detect.EvidenceRow{Rule: 0, Key: "203.0.113.9", About: 3, Value: "NL", N: 1500, Place: 1},
			detect.EvidenceRow{Rule: 0, Key: "203.0.113.9", About: 4, Value: "64500", N: 1500, Place: 1},
			detect.EvidenceRow{Rule: 0, Key: "203.0.113.9", About: 6, Value: "0", N: 1100, Place: 1},
			detect.EvidenceRow{Rule: 0, Key: "203.0.113.9", About: 6, Value: "2", N: 400, Place: 2},
		),
	}
}

// open starts a stand-in and an engine that talks to it.
func open(t *testing.T, change func(*bqtest.Server, *bigquery.Options)) (*bqtest.Server, *bigquery.Engine) {
	t.Helper()
	s := &bqtest.Server{Table: "logs-project.edge_logs.fastly", Answers: answers()}
	opt := bigquery.Options{Table: s.Table, Location: "EU", Deadline: 20 * time.Second,
		ClientOptions: []option.ClientOption{option.WithoutAuthentication()}}
	if change != nil {
		change(s, &opt)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	if opt.Endpoint == "" {
		opt.Endpoint = h.URL
	}
	e, err := bigquery.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return s, e
}

func TestTheAnswerIsReadInFull(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) { s.Bytes, s.Page = 123456, 2 })
	q := question(t)
	res, err := e.Detect(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	seen := now.Add(-3 * time.Minute)
	want := detect.Result{
		Offenders: []detect.Offender{
			{Key: "203.0.113.9", Group: detect.ByAddress, Rule: "flood", Measures: detect.Measures{Requests: 1500, PeakPerMinute: 400, OK: 1400,
				Errors: 100, DistinctPaths: 3, Share: 0.3, Score: 9.25, Addresses: 1, OKAddresses: 1, JA4s: 2,
				FirstSeen: seen.Add(-10 * time.Minute), LastSeen: seen}},
			{Key: "2001:db8:1::/56", Group: detect.ByPrefix, Rule: "login", Trust: detect.Trust{Forgeable: true}, Measures: detect.Measures{Requests: 80}},
		},
		After: []detect.After{{Present: q.Present[0], Requests: 90, Refused: 80, Passed: 10, LastSeen: seen}},
		Health: detect.Health{Rows: 5000, Newest: seen, BytesScanned: 123456, Trusted: 4990, TrustedNewest: seen.Add(-time.Microsecond), TrustedNoAddress: 1, NoAddress: 1, NoFirstHop: 2, Shield: 3,
			ReceivedTime: 4, Ahead: 5, OKRequests: 3000, OKAddresses: 700},
		Population: map[string]int64{"flood": 700, "login": 42},
		SQL:        s.Queries()[0].Text,
	}
	if d := cmp.Diff(want, res); d != "" {
		t.Error(d)
	}
}

func TestEvidenceIsAttachedAndAskedOnlyForOffenders(t *testing.T) {
	s, e := open(t, nil)
	off := offenders()
	if err := e.Evidence(t.Context(), question(t), off); err != nil {
		t.Fatal(err)
	}
	want := &detect.Evidence{Country: "NL", ASN: 64500, Paths: []detect.Count{{Value: "/", N: 1200}},
		Rate: detect.Rate{Step: time.Minute, Counts: []int64{0, 0, 0, 0, 0, 0, 0, 400, 0, 1100}}}
	if d := cmp.Diff(want, off[0].Evidence); d != "" {
		t.Error(d)
	}
	if off[1].Evidence == nil {
		t.Error("an offender without rows has no evidence at all")
	}
	if err := e.Evidence(t.Context(), question(t), nil); err != nil {
		t.Error(err)
	}
	if n := len(s.Queries()); n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
}

func TestAFloodIsTakenApartAndAskedOnlyWhenThereIsOne(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) {
		s.Bytes = 4321
		s.Answers["flood"] = bqtest.FloodAnswer(
			detect.FloodRow{About: 0, N: 4000, Addresses: 900, Most: 9, TopN: 700, Place: 1},
			detect.FloodRow{About: 2, Value: "64500", N: 3000, Addresses: 600, Most: 8, TopN: 500, Place: 1},
			detect.FloodRow{About: 3, Value: "t13d", N: 2000, Addresses: 60, Most: 9, TopN: 2000, Place: 1},
			detect.FloodRow{Rule: 1, Trust: 2, About: 0, N: 7, Addresses: 3, Most: 5, TopN: 7, Place: 1})
	})
	q := question(t)
	if n, err := e.Flood(t.Context(), q, nil); err != nil || n != 0 || len(s.Queries()) != 0 {
		t.Errorf("no floods read %d bytes, %v, in %d queries", n, err, len(s.Queries()))
	}
	// The second rule of the question is the first of the floods.
	floods := []detect.Flood{{Rule: "login", Requests: 4000}, {Rule: "flood", Trust: detect.Trust{Unauthenticated: true}}, {Rule: "login", Trust: detect.Trust{Forgeable: true}}}
	n, err := e.Flood(t.Context(), q, floods)
	if err != nil || n != 4321 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	want := []detect.Flood{
		{Rule: "login", Requests: 4000, Addresses: 900, MostOfOne: 9, TopAddresses: 100, TopRequests: 700, Clusters: []detect.Cluster{
			{By: "asn", Value: "64500", Requests: 3000, Addresses: 600, MostOfOne: 8, TopRequests: 500},
			{By: "ja4", Value: "t13d", Requests: 2000, Addresses: 60, MostOfOne: 9, TopRequests: 2000}}},
		{Rule: "flood", Trust: detect.Trust{Unauthenticated: true}, Addresses: 3, MostOfOne: 5, TopAddresses: 3, TopRequests: 7},
		{Rule: "login", Trust: detect.Trust{Forgeable: true}},
	}
	if d := cmp.Diff(want, floods); d != "" {
		t.Error(d)
	}
	if got := s.Queries()[0]; got.Labels["query"] != "flood" || got.MaxBytes == 0 {
		t.Errorf("labels %v, limit %d", got.Labels, got.MaxBytes)
	}
	if _, err := e.Flood(t.Context(), q, []detect.Flood{{Rule: "gone"}}); err == nil {
		t.Error("a flood of an unknown rule is no error")
	}
}

// Request ids are a wide column: it is read of one minute, in a statement of its own, and where there is none it
// costs nothing to find that out.
func TestRepeatedRequestIdsAreCountedInOneMinute(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) {
		s.Bytes, s.Schema = 4321, sinkSchema()
		s.Answers["repeats"] = bqtest.RepeatsAnswer(900, 450)
	})
	q, newest := question(t), now.Add(-3*time.Minute+30*time.Second)
	var got detect.Repeats
	scan := q.Repeats(newest, &got)
	scan.Dry = true
	if n, err := e.Scan(t.Context(), scan); err != nil || n != 4321 || got != (detect.Repeats{}) || e.Billed() != 0 {
		t.Fatalf("a dry run reads %d bytes, %v, %+v", n, err, got)
	}
	scan.Dry = false
	if n, err := e.Scan(t.Context(), scan); err != nil || n != 4321 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	minute := newest.Truncate(time.Minute).Add(-time.Minute)
	if want := (detect.Repeats{Minute: minute, Rows: 900, Repeated: 450}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	asked := s.Queries()
	last := asked[len(asked)-1]
	if last.Labels["query"] != "repeats" || last.MaxBytes == 0 {
		t.Errorf("labels %v, limit %d", last.Labels, last.MaxBytes)
	}
	var read []string
	for _, m := range regexp.MustCompile(`jsonPayload\.(\w+)`).FindAllStringSubmatch(last.Text, -1) {
		read = append(read, m[1])
	}
	slices.Sort(read)
	if d := cmp.Diff([]string{"first_hop", "kind", "request_id", "service_id", "time_source"}, slices.Compact(read)); d != "" {
		t.Errorf("columns read: %s", d)
	}
	s.Schema[2].Fields = slices.DeleteFunc(s.Schema[2].Fields, func(c bqtest.Column) bool { return c.Name == "request_id" })
	if _, err := e.Scan(t.Context(), scan); !errors.Is(err, detect.ErrNoRequestID) || len(s.Queries()) != len(asked) {
		t.Errorf("without the column: %v, %d queries", err, len(s.Queries())-len(asked))
	}
}

func TestEveryQueryIsMarkedAndBounded(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		o.BillingProject, s.Billing = "ops-project", "ops-project"
		o.Labels = map[string]string{"component": "blocker", "run": "2026-01-02T12:00:00Z/A"}
		o.MaxBytes = 1 << 30
	})
	q := question(t)
	if _, err := e.Detect(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if err := e.Evidence(t.Context(), q, offenders()); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"detect", "evidence"} {
		got := s.Queries()[i]
		want := map[string]string{"app": "edgewarden", "query": name, "component": "blocker", "run": "2026-01-02t12-00-00z-a"}
		if d := cmp.Diff(want, got.Labels); d != "" {
			t.Error(d)
		}
		if got.Location != "EU" || got.MaxBytes != 1<<30 || got.TimeoutMS != 20_000 {
			t.Errorf("location %q, limit %d, time limit %d ms", got.Location, got.MaxBytes, got.TimeoutMS)
		}
		if !strings.HasPrefix(got.JobID, "edgewarden-"+name+"-") {
			t.Errorf("job id %q", got.JobID)
		}
	}
}

func TestParametersHaveTheirTypes(t *testing.T) {
	s, e := open(t, nil)
	if _, err := e.Detect(t.Context(), question(t)); err != nil {
		t.Fatal(err)
	}
	p := s.Queries()[0].Parameters
	for name, want := range map[string]string{
		"lo":      "TIMESTAMP 2026-01-02 11:43:00+00:00",
		"service": "STRING SVC1",
		"to_us":   "INT64 1767355080000000",
	} {
		if !strings.HasPrefix(p[name], want) {
			t.Errorf("%s is %q, want %q", name, p[name], want)
		}
	}
	if !slices.Contains(values(p), "STRING /login") {
		t.Errorf("the rule's text is no parameter: %v", p)
	}
	if !strings.HasPrefix(p["present"], "ARRAY<") || !strings.Contains(p["present"], "203.0.113.9") {
		t.Errorf("present is %q", p["present"])
	}
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestWithoutALocationTheTableIsAsked(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		s.Location, o.Location, s.Schema = "europe-west4", "", sinkSchema()
	})
	if _, err := e.Detect(t.Context(), question(t)); err != nil {
		t.Fatal(err)
	}
	if got := s.Queries()[0].Location; got != "europe-west4" {
		t.Errorf("location %q", got)
	}
}

func TestAnEstimateRunsNothing(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) { s.Bytes = 7 << 30 })
	n, err := e.EstimateBytes(t.Context(), question(t))
	if err != nil || n != 7<<30 {
		t.Fatal(n, err)
	}
	if got := s.Queries(); len(got) != 1 || !got[0].DryRun || s.Calls(bqtest.Results) != 0 {
		t.Errorf("queries %+v, %d results read", got, s.Calls(bqtest.Results))
	}
	if e.Billed() != 0 {
		t.Errorf("an estimate was billed: %d", e.Billed())
	}
}

func TestAnEstimateOverTheLimitHasItsNumber(t *testing.T) {
	_, e := open(t, func(s *bqtest.Server, o *bigquery.Options) { s.Bytes, o.MaxBytes = 7<<30, 5<<30 })
	n, err := e.EstimateBytes(t.Context(), question(t))
	if n != 7<<30 || !errors.Is(err, bigquery.ErrTooManyBytes) || !strings.Contains(err.Error(), "would read more than --max-bytes 5120MiB (7.0 GiB needed)") {
		t.Error(n, err)
	}
}

func TestWhatIsBilledIsAddedUp(t *testing.T) {
	_, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) {
		s.Scan = func(q bqtest.Query) int64 {
			if q.Labels["query"] == "evidence" {
				return 5 // the least that is billed is 10 MB
			}
			return 20<<20 + 1 // and megabytes are whole
		}
	})
	if _, err := e.Detect(t.Context(), question(t)); err != nil {
		t.Fatal(err)
	}
	if err := e.Evidence(t.Context(), question(t), offenders()); err != nil {
		t.Fatal(err)
	}
	if got := e.Billed(); got != 31<<20 {
		t.Errorf("billed %d, want %d", got, 31<<20)
	}
}

func TestNULLReadsAsZero(t *testing.T) {
	_, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) {
		a := bqtest.DetectAnswer(detect.Row{Rule: 0, Key: "203.0.113.9", Met: 1, Requests: 5, Score: 2, FirstUs: 7})
		for _, c := range []string{"score", "first_us", "peak"} {
			a.Rows[0][slices.Index((*detect.Set)(nil).Columns(), c)] = nil
		}
		s.Answers["detect"] = a
	})
	res, err := e.Detect(t.Context(), question(t))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(detect.Measures{Requests: 5}, res.Offenders[0].Measures); d != "" {
		t.Error(d)
	}
}

func TestAnAnswerOfAnotherShapeIsAnError(t *testing.T) {
	for name, spoil := range map[string]func(*bqtest.Answer){
		"a column too few":        func(a *bqtest.Answer) { a.Columns, a.Rows[0] = a.Columns[1:], a.Rows[0][1:] },
		"columns in other order":  func(a *bqtest.Answer) { a.Columns[0].Name, a.Columns[1].Name = "trust", "rule" },
		"a rule there is not":     func(a *bqtest.Answer) { a.Rows[0][0] = 2 },
		"a text where a count is": func(a *bqtest.Answer) { a.Columns[4].Type, a.Rows[0][4] = "STRING", "many" },
	} {
		t.Run(name, func(t *testing.T) {
			_, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) {
				a := bqtest.DetectAnswer(detect.Row{Rule: -1})
				spoil(&a)
				s.Answers["detect"] = a
			})
			if _, err := e.Detect(t.Context(), question(t)); err == nil || !strings.Contains(err.Error(), "read answer of logs-project.edge_logs.fastly: row 0") {
				t.Error(err)
			}
		})
	}
}

func TestAnEmptyTableGivesAnEmptyAnswer(t *testing.T) {
	_, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) { s.Answers["detect"] = bqtest.DetectAnswer() })
	res, err := e.Detect(t.Context(), question(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Offenders) != 0 || res.Health.Rows != 0 || !res.Health.Newest.IsZero() || res.Population["flood"] != 0 {
		t.Errorf("%+v", res)
	}
}

// sinkSchema is a sink table in which no entry had a JA4 yet.
func sinkSchema() []bqtest.Column {
	payload := bqtest.Column{Name: "jsonPayload", Type: "RECORD"}
	for f := record.Field(0); f < record.NumFields; f++ {
		if f != record.JA4 && f != record.Timestamp {
			payload.Fields = append(payload.Fields, bqtest.Column{Name: record.Fields[f].Name, Type: "STRING"})
		}
	}
	return []bqtest.Column{{Name: "timestamp", Type: "TIMESTAMP"}, {Name: "insertId", Type: "STRING"}, payload}
}

func TestASinkColumnThatIsNotThereYetIsEmptyAndMentionedOnce(t *testing.T) {
	var log bytes.Buffer
	s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		s.Schema = sinkSchema()
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	q := question(t)
	q.Set = compile(t, detect.Rule{Name: "tool", Where: `ja4 == "t13d"`, When: "requests > 1", Window: time.Minute})
	q.Present = nil
	s.Answers["detect"] = bqtest.DetectAnswer()
	for range 2 {
		if _, err := e.Detect(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	text := s.Queries()[0].Text
	if !strings.Contains(text, "f_ja4") || strings.Contains(text, "jsonPayload.ja4") {
		t.Errorf("the missing column is read:\n%s", text)
	}
	if n := strings.Count(log.String(), "field=ja4"); n != 1 {
		t.Errorf("mentioned %d times:\n%s", n, log.String())
	}
	s.Schema[2].Fields = append(s.Schema[2].Fields, bqtest.Column{Name: "ja4", Type: "STRING"})
	if _, err := e.Detect(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if text := s.Queries()[2].Text; !strings.Contains(text, "jsonPayload.ja4") {
		t.Error("a column that came later is not read")
	}
}

// A table that was made before the log format had a key has no column for it, and who may not look at its columns must still get
// an answer. Only a rule that names the field needs it.
func TestATableOfBeforeAFieldIsCountedWithoutIt(t *testing.T) {
	const column = "jsonPayload.claims_other_ip"
	grown, before := sinkSchema(), sinkSchema()
	before[2].Fields = slices.DeleteFunc(before[2].Fields, func(c bqtest.Column) bool { return c.Name == "claims_other_ip" })
	for name, tc := range map[string]struct {
		schema []bqtest.Column
		where  string
		read   bool
	}{
		"the columns are not known":               {nil, "", false},
		"nor are they, but a rule needs it":       {nil, "claims_other_ip", true},
		"the table does not have it":              {before, "", false},
		"no line had it yet, and a rule names it": {before, "claims_other_ip", false},
		"the table has it":                        {grown, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) { s.Schema = tc.schema })
			s.Answers["detect"] = bqtest.DetectAnswer()
			q := question(t)
			q.Set, q.Present = compile(t, detect.Rule{Name: "flood", Where: tc.where, When: "requests > 10", Window: time.Minute}), nil
			if _, err := e.Detect(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			if text := s.Queries()[0].Text; strings.Contains(text, column) != tc.read {
				t.Errorf("reads the column: %v, want %v:\n%s", !tc.read, tc.read, text)
			}
		})
	}
}

func TestARowWithAMovedTimestampCountsAsReceived(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) { s.Schema = sinkSchema() })
	ask := func() string {
		if _, err := e.Detect(t.Context(), question(t)); err != nil {
			t.Fatal(err)
		}
		q := s.Queries()
		return q[len(q)-1].Text
	}
	const moved = "CASE WHEN jsonPayload.original_timestamp IS NULL THEN jsonPayload.time_source ELSE 'received' END"
	if strings.Contains(ask(), "original_timestamp") {
		t.Error("a column is read that no entry has had")
	}
	s.Schema[2].Fields = append(s.Schema[2].Fields, bqtest.Column{Name: "original_timestamp", Type: "STRING"})
	if text := ask(); !strings.Contains(text, moved) {
		t.Errorf("rows that were moved count at the time they were moved to:\n%s", text)
	}
}

func TestNoTokenTravelsInTheClear(t *testing.T) {
	var sent []string
	s := &bqtest.Server{Table: "p.d.t", Answers: answers()}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, fmt.Sprint(r.URL, r.Header))
		s.ServeHTTP(w, r)
	}))
	defer h.Close()
	e, err := bigquery.Open(t.Context(), bigquery.Options{Table: "p.d.t", Location: "EU", Endpoint: h.URL,
		ClientOptions: []option.ClientOption{option.WithAPIKey("hunter2")}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Detect(t.Context(), question(t)); err != nil {
		t.Fatal(err)
	}
	for _, a := range sent {
		if strings.Contains(a, "hunter2") || strings.Contains(a, "Authorization") {
			t.Error(a)
		}
	}
}

func TestWeightsAreReadBesideTheRest(t *testing.T) {
	set, err := detect.Compile([]detect.Rule{{Name: "heavy", When: "weight >= 1000", Window: 10 * time.Minute}, {Name: "many", When: "requests >= 100", Window: 10 * time.Minute}},
		detect.Class{Name: "login", Where: `method == "POST"`, Weight: 20})
	if err != nil {
		t.Fatal(err)
	}
	s, e := open(t, nil)
	s.Answers["detect"] = bqtest.DetectAnswerOf(set,
		detect.Row{Rule: 0, Key: "203.0.113.9", Met: 1, Requests: 300, Weight: 6000, After: 9, AfterWeight: 180, Population: 1},
		detect.Row{Rule: 1, Key: "203.0.113.9", Met: 1, Requests: 300, Weight: 6000, Population: 1})
	q := detect.Query{Set: set, To: now, Now: now, Present: []detect.Present{{Key: "203.0.113.9", Rule: "heavy"}}}
	res, err := e.Detect(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Offenders) != 2 || len(res.After) != 1 || res.After[0].Weight != 180 {
		t.Fatalf("the answer is %+v", res)
	}
	if m := res.Offenders[0].Measures; !m.Weighed || m.Weight != 6000 {
		t.Errorf("the rule by weight has %+v", m)
	}
	if m := res.Offenders[1].Measures; m.Weighed || m.Weight != 0 {
		t.Errorf("the other rule has %+v", m)
	}
}

func TestAClassThatNamesAMissingFieldIsRefusedWhereRulesWeigh(t *testing.T) {
	for when, refused := range map[string]bool{"weight > 1": true, "requests > 1": false} {
		s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
			o.Kind, o.Columns = bigquery.Custom, with(custom(), "service_id", "=SVC1", "path", "url.path")
			s.Partition = "ts"
		})
		s.Answers["detect"] = bqtest.DetectAnswer()
		set, err := detect.Compile([]detect.Rule{{Name: "probe", When: when, Window: time.Minute}}, detect.Class{Name: "fine", Where: "status == 200"})
		if err != nil {
			t.Fatal(err)
		}
		q := question(t)
		q.Set, q.Present = set, nil
		_, err = e.Detect(t.Context(), q)
		if !refused && err != nil || refused && (err == nil || !strings.Contains(err.Error(), "class fine: where: field status is not in table") || len(s.Queries()) > 0) {
			t.Errorf("%s: %v, %d queries", when, err, len(s.Queries()))
		}
	}
}

func TestARuleThatNamesAMissingFieldIsRefused(t *testing.T) {
	fastly := func(s *bqtest.Server, o *bigquery.Options) { o.Kind = bigquery.Fastly }
	mapped := func(s *bqtest.Server, o *bigquery.Options) {
		o.Kind, o.Columns = bigquery.Custom, with(custom(), "service_id", "=SVC1", "path", "url.path")
		s.Partition = "ts"
	}
	for _, c := range []struct {
		name   string
		open   func(*bqtest.Server, *bigquery.Options)
		rule   detect.Rule
		faults []string
	}{
		{"user_agent in a fastly table", fastly, detect.Rule{Where: `user_agent.contains("bot")`},
			[]string{`rule`, "field user_agent is not in table logs-project.edge_logs.fastly of kind fastly", "use a table of kind sink"}},
		{"a field's name in a text is no field", fastly, detect.Rule{Where: `path == "/a\"b user_agent" || path == r'referer'`}, nil},
		{"status in a custom table without it", mapped, detect.Rule{Where: "status == 401"}, []string{"field status is not in table", "map it under columns"}},
		{"a group whose key is missing", mapped, detect.Rule{Group: detect.ByJA4}, []string{"field ja4 is not in table", "of kind custom"}},
		{"a prefix is computed", mapped, detect.Rule{Group: detect.ByPrefix}, nil},
		{"a column the fastly table does not have", func(s *bqtest.Server, o *bigquery.Options) {
			fastly(s, o)
			s.Schema = []bqtest.Column{{Name: "timestamp", Type: "TIMESTAMP"}, {Name: "client_ip", Type: "STRING"}, {Name: "service_id", Type: "STRING"}}
		}, detect.Rule{Where: `bot_name == "x"`}, []string{"the table has no column bot_name; add it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, e := open(t, c.open)
			s.Answers["detect"] = bqtest.DetectAnswer()
			c.rule.Name, c.rule.When, c.rule.Window = "probe", "requests > 1", time.Minute
			q := question(t)
			q.Set, q.Present = compile(t, c.rule), nil
			_, err := e.Detect(t.Context(), q)
			if c.faults == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, f := range append(c.faults, "probe") {
				if err == nil || !strings.Contains(err.Error(), f) {
					t.Fatalf("error %v does not say %q", err, f)
				}
			}
			if n := len(s.Queries()); n != 0 {
				t.Errorf("%d queries were sent", n)
			}
		})
	}
}

func TestRowsOfACustomTableThatCameTwiceCountOnce(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		s.Partition = "ts"
		s.Schema = []bqtest.Column{{Name: "ts", Type: "TIMESTAMP"}, {Name: "ip", Type: "STRING"}, {Name: "p", Type: "STRING"}, {Name: "m", Type: "STRING"}, {Name: "st", Type: "INTEGER"}, {Name: "svc", Type: "STRING"}}
		o.Kind, o.Columns = bigquery.Custom, with(custom(), "path", "p", "method", "m", "status", "st", "service_id", "svc", "position", "row_id")
	})
	_, err := e.Detect(t.Context(), question(t))
	if err == nil || !strings.Contains(err.Error(), "no column row_id, to which position is mapped") {
		t.Errorf("a promised id that is missing: %v", err)
	}
	s.Schema = append(s.Schema, bqtest.Column{Name: "row_id", Type: "STRING"})
	if _, err := e.Detect(t.Context(), question(t)); err != nil {
		t.Fatal(err)
	}
	scan := scanOf(t, s.Queries()[0].Text)
	if !strings.Contains(scan, "SELECT DISTINCT") || !strings.Contains(scan, "SAFE_CAST(`row_id` AS STRING) AS position") {
		t.Error(scan)
	}
}

func TestACustomTableWithoutServiceCannotTellServicesApart(t *testing.T) {
	_, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		o.Kind, o.Columns = bigquery.Custom, with(custom(), "path", "p", "method", "m", "status", "st")
		s.Partition = "ts"
	})
	if _, err := e.Detect(t.Context(), question(t)); err == nil || !strings.Contains(err.Error(), "field service_id is not in table") {
		t.Error(err)
	}
}

func TestATableOfAnotherKindIsSeenBeforeTheQuery(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		s.Schema = []bqtest.Column{{Name: "timestamp", Type: "TIMESTAMP"}, {Name: "client_ip", Type: "STRING"}}
	})
	_, err := e.Detect(t.Context(), question(t))
	if err == nil || !strings.Contains(err.Error(), "has no column jsonPayload.client_key, so it is not of kind sink") || len(s.Queries()) != 0 {
		t.Error(err)
	}
}

// kinds are the table kinds of the golden texts.
var kinds = map[string]func(*bqtest.Server, *bigquery.Options){
	"sink":   func(s *bqtest.Server, o *bigquery.Options) {},
	"fastly": func(s *bqtest.Server, o *bigquery.Options) { o.Kind = bigquery.Fastly },
	"custom": func(s *bqtest.Server, o *bigquery.Options) {
		o.Kind, s.Partition = bigquery.Custom, "event-time"
		o.Columns = map[string]string{"timestamp": "event-time", "client_ip": "http.client_ip", "service_id": "=SVC1", "method": "http.method",
			"path": "http.path", "status": "http.status", "first_hop": "first_hop"}
	},
}

func TestTheTextOfEachKind(t *testing.T) {
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			s, e := open(t, change)
			q := question(t)
			if _, err := e.Detect(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			if err := e.Evidence(t.Context(), q, offenders()); err != nil {
				t.Fatal(err)
			}
			// The stand-in has checked the rest: the table once, the partition column
			// bare, parameters given and mentioned.
			golden(t, kind+"-detect", scanOf(t, s.Queries()[0].Text))
			golden(t, kind+"-evidence", scanOf(t, s.Queries()[1].Text))
		})
	}
}

func TestOnlyTheColumnsThatAreNeededAreRead(t *testing.T) {
	s, e := open(t, nil)
	q := question(t)
	q.Set = compile(t, detect.Rule{Name: "flood", When: "requests > 10", Window: time.Minute})
	q.Present, q.ServiceID = nil, ""
	s.Answers["detect"] = bqtest.DetectAnswer()
	if _, err := e.Detect(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, m := range regexp.MustCompile(`jsonPayload\.(\w+)`).FindAllStringSubmatch(s.Queries()[0].Text, -1) {
		read = append(read, m[1])
	}
	slices.Sort(read)
	want := []string{"address_source", "blocked", "client_key", "first_hop", "ja4", "kind", "path", "sender", "status", "time_source"}
	if d := cmp.Diff(want, slices.Compact(read)); d != "" {
		t.Error(d)
	}
}

func TestACancelledRunIsNotExplainedAway(t *testing.T) {
	_, e := open(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err := e.Detect(ctx, question(t))
	if err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Error(err)
	}
}
