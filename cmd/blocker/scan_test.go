package main

import (
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
)

// rulesOfThreeWindows are in an order in which no rule keeps its place when the long ones are left out.
const rulesOfThreeWindows = `rules:
  - {name: slow, when: requests >= 5000, window: 6h, block: 1h, mode: enforce}
  - {name: flood, when: requests >= 100, window: 10m, block: 1h, mode: enforce}
  - {name: scan, when: requests >= 2000, window: 1h, block: 1h, mode: enforce}
`

// growing makes the stand-in's table so full that an hour is 10 GiB, counted from the parameter lo to T.
func (w *world) growing() (*bqtest.Server, string) {
	s, url := w.table()
	s.Scan = func(q bqtest.Query) int64 {
		from, err := time.Parse("TIMESTAMP 2006-01-02 15:04:05-07:00", q.Parameters["lo"])
		if err != nil {
			w.t.Errorf("parameter lo %q: %v", q.Parameters["lo"], err)
		}
		return int64(w.T.Sub(from).Hours() * (10 << 30))
	}
	w.file("rules.yaml", rulesOfThreeWindows)
	return s, url
}

func TestADryRunSaysWhatItWillAndDidCost(t *testing.T) {
	w := newWorld(t)
	table, url := w.growing()
	table.Answers["detect"] = w.answerFor(1) // flood is rule 1 of the three
	o := w.want(w.runBigQuery(url, "run", "--dry-run", "--max-bytes", "107374182400"), exitOK)
	// 6 hours are 60 GiB, twice: the query and its evidence.
	for _, say := range []string{"60.0 GiB estimated before", "120.0 GiB billed"} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q: %s", say, o.stdout)
		}
	}
	if !strings.Contains(o.stderr, "bytes=64424509440") || strings.Contains(o.stdout, "NOT JUDGED") {
		t.Errorf("stderr %s\nstdout %s", o.stderr, o.stdout)
	}
	if q := table.Queries(); len(q) != 3 || !q[0].DryRun || q[1].DryRun || q[2].DryRun {
		t.Errorf("%d queries, the estimate is not the first", len(q))
	}
	d := w.json(w.want(w.runBigQuery(url, "plan", "-o", filepath.Join(w.dir, "plan.json"), "--json", "--max-bytes", "107374182400"), exitOK))
	if d.Data.Estimated == nil || *d.Data.Estimated != 60<<30 || d.Data.Billed == nil || *d.Data.Billed != 120<<30 {
		t.Errorf("data %+v", d.Data)
	}
}

// answerFor is the answer in which the attacker met the rule at that place of the query.
func (w *world) answerFor(rule int64) bqtest.Answer {
	newest := w.T.Add(-10 * time.Second).UnixMicro()
	return bqtest.DetectAnswer(
		detect.Row{Rule: -1, HealthRows: 900, HealthNewestUs: newest, HealthTrusted: 900, HealthTrustedNewestUs: newest, HealthOKRequests: 900, HealthOKAddresses: 201},
		detect.Row{Rule: rule, Key: attacker, Met: 1, Requests: 300, Peak: 120, OK: 300, DistinctPaths: 7, Addresses: 1, OKAddresses: 1, Share: 0.33, FirstUs: newest - 150e6, LastUs: newest, Population: 201})
}

// The look at request ids is a query of its own: estimated, limited and billed like the others, and only where it tells something.
func TestTheLookAtRequestIdsIsCounted(t *testing.T) {
	foreign := func(w *world, noFirstHop int64) bqtest.Answer {
		newest := w.T.Add(-10 * time.Second).UnixMicro()
		return bqtest.DetectAnswer(detect.Row{Rule: -1, HealthRows: 900, HealthNewestUs: newest, HealthTrusted: 900, HealthTrustedNewestUs: newest, HealthNoFirstHop: noFirstHop})
	}
	for name, tc := range map[string]struct {
		noFirstHop  int64
		answer      bqtest.Answer
		minuteBytes int64
		queries     int
		estimated   int64
		say         string
		repeats     *repeats
	}{
		"lines do not say first_hop": {900, bqtest.RepeatsAnswer(400, 200), 3 << 30, 4, 63 << 30, "50 % of the rows of minute 07:28 repeat a request id (200 of 400)", &repeats{Rows: 400, Repeated: 200}},
		"lines say it":               {45, bqtest.RepeatsAnswer(400, 200), 3 << 30, 2, 60 << 30, "900 rows", nil},
		"the minute lies in a day that is too large": {900, bqtest.RepeatsAnswer(400, 200), 101 << 30, 3, 161 << 30, // the stand-in keeps no query that it refuses
			"whether a shield logs requests again is not known, request ids could not be counted: ", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			table, url := w.growing()
			table.Answers["detect"], table.Answers["repeats"] = foreign(w, tc.noFirstHop), tc.answer
			rest := table.Scan
			table.Scan = func(q bqtest.Query) int64 {
				if q.Labels["query"] == "repeats" {
					return tc.minuteBytes
				}
				return rest(q)
			}
			o := w.want(w.runBigQuery(url, "run", "--dry-run", "--json", "--max-bytes", "107374182400"), exitOK)
			d := w.json(o)
			if d.Data.Estimated == nil || *d.Data.Estimated != tc.estimated || len(table.Queries()) != tc.queries {
				t.Errorf("estimated %v, want %d; %d queries, want %d", d.Data.Estimated, tc.estimated, len(table.Queries()), tc.queries)
			}
			if tc.repeats != nil {
				tc.repeats.Minute = w.T.Add(-2 * time.Minute)
				if *d.Data.Billed != tc.estimated || d.Data.BytesScanned != tc.estimated {
					t.Errorf("billed %d and read %d, want %d", *d.Data.Billed, d.Data.BytesScanned, tc.estimated)
				}
			}
			if !reflect.DeepEqual(d.Data.Repeats, tc.repeats) || !strings.Contains(o.stdout, tc.say) {
				t.Errorf("%+v, want %+v; does not say %q: %s", d.Data.Repeats, tc.repeats, tc.say, o.stdout)
			}
		})
	}
}

// A row of a stranger that is newer than all others must not choose the minute: there is nothing in it to see. Nor is a minute
// without ids an answer that is kept.
func TestAStrangersRowDoesNotChooseTheMinuteOfTheLook(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	newest, trusted := w.T.Add(-10*time.Second), w.T.Add(-7*time.Minute)
	table.Answers["detect"] = bqtest.DetectAnswer(detect.Row{Rule: -1, HealthRows: 900, HealthNewestUs: newest.UnixMicro(), HealthTrusted: 899, HealthTrustedNewestUs: trusted.UnixMicro(), HealthNoFirstHop: 900})
	ledgerFile := filepath.Join(w.dir, "ledger.jsonl")
	for i, rows := range []int64{0, 500} {
		table.Answers["repeats"] = bqtest.RepeatsAnswer(rows, 0)
		d := w.json(w.want(w.runBigQuery(url, "run", "--json", "--ledger", ledgerFile), exitOK))
		if r := d.Data.Repeats; r == nil || r.Rows != rows || !r.Minute.Equal(trusted.Truncate(time.Minute).Add(-time.Minute)) {
			t.Errorf("run %d looked at %+v", i, r)
		}
	}
}

// Over BigQuery an answer is good for an hour: the ledger keeps it.
func TestRequestIdsAreLookedAtOnceAnHour(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	ledgerFile := filepath.Join(w.dir, "ledger.jsonl")
	run := func(at time.Duration) document {
		newest := w.T.Add(at - 10*time.Second).UnixMicro()
		table.Answers["detect"] = bqtest.DetectAnswer(detect.Row{Rule: -1, HealthRows: 900, HealthNewestUs: newest, HealthTrusted: 900, HealthTrustedNewestUs: newest, HealthNoFirstHop: 900})
		o := w.raw("run", "--json", "--rules", filepath.Join(w.dir, "rules.yaml"), "--bigquery", table.Table, "--location", "EU", "--bigquery-endpoint", url, "--service-id", "SVC1", "--acl", "edgewarden_1",
			"--fastly-endpoint", w.url, "--now", w.T.Add(at).Format(time.RFC3339), "--ledger", ledgerFile)
		return w.json(w.want(o, exitOK))
	}
	looks := func() (n int) {
		for _, q := range table.Queries() {
			if q.Labels["query"] == "repeats" {
				n++
			}
		}
		return n
	}
	table.Answers["repeats"] = bqtest.RepeatsAnswer(400, 200)
	first := repeats{Minute: w.T.Add(-2 * time.Minute), Rows: 400, Repeated: 200}
	for i, at := range []time.Duration{0, 5 * time.Minute, 55 * time.Minute} {
		if d := run(at); d.Data.Repeats == nil || *d.Data.Repeats != first || looks() != 1 || d.Guard.Verdict != "warn" {
			t.Errorf("run %d: %+v after %d looks, guard %s", i, d.Data.Repeats, looks(), d.Guard.Verdict)
		}
	}
	table.Answers["repeats"] = bqtest.RepeatsAnswer(500, 0)
	if d := run(time.Hour); d.Data.Repeats == nil || d.Data.Repeats.Rows != 500 || looks() != 2 || d.Guard.Verdict != "pass" {
		t.Errorf("an hour later: %+v after %d looks, guard %s", d.Data.Repeats, looks(), d.Guard.Verdict)
	}
}

func TestARunThatWritesAsksForNoEstimate(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	d := w.json(w.want(w.runBigQuery(url, "run", "--json"), exitOK))
	if d.Data.Estimated != nil || d.Data.Billed == nil || *d.Data.Billed != 2*212<<20 {
		t.Errorf("estimated %v, billed %v", d.Data.Estimated, d.Data.Billed)
	}
	if n := table.Calls(bqtest.JobsInsert); n != 2 {
		t.Errorf("%d jobs, want the query and its evidence", n)
	}
}

func TestAQueryOverTheLimitFallsBackToTheShorterWindows(t *testing.T) {
	w := newWorld(t)
	table, url := w.growing() // 60 GiB, 10 GiB and 1.7 GiB for the three windows; the attacker meets the first rule that is left
	w.edge.PutItem("SVC1", "edgewarden_control", "enforce_until", "1935900000")
	w.expired("203.0.113.5")
	until := w.T.Add(20 * time.Minute)
	w.edge.Put("SVC1", "edgewarden_1", acltest.Entry{IP: "203.0.113.6", Comment: mark(until, "slow")})
	ledgerFile := filepath.Join(w.dir, "ledger.jsonl")
	o := w.want(w.runBigQuery(url, "run", "--json", "--max-bytes", "3221225472", "--ledger", ledgerFile), exitPartly)
	d := w.json(o)

	got := w.prefixes("edgewarden_1")
	if !strings.Contains(got[attacker+"/32"], "r=flood") {
		t.Errorf("the rule that was judged blocks nobody: %v", got)
	}
	if got["203.0.113.5/32"] != "" || got["203.0.113.6/32"] != mark(until, "slow") {
		t.Errorf("what is due is not released, or the block of a rule that was not judged has changed: %v", got)
	}
	if w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"] == "1935900000" {
		t.Error("the lease did not move, so that the edge would end to enforce under attack")
	}
	u := d.Summary.Services[0].Unjudged
	if u == nil || !slices.Equal(u.Rules, []string{"slow", "scan"}) || u.Window != "10m" || !strings.Contains(u.Why, "--max-bytes 3072MiB (60.0 GiB needed)") {
		t.Errorf("unjudged %+v", u)
	}
	if !slices.ContainsFunc(d.Summary.Alerts, func(a string) bool { return strings.Contains(a, "NOT JUDGED: rule slow, rule scan: ") }) || !strings.Contains(d.Summary.Text, "2 rules NOT JUDGED") {
		t.Errorf("alerts %v, text %q", d.Summary.Alerts, d.Summary.Text)
	}
	audit := w.want(w.raw("audit", "show", "--json", "--ledger", ledgerFile), exitOK).stdout
	for _, say := range []string{`"unjudged":"slow,scan"`, `"window":"10m0s"`, `"outcome":"success"`} {
		if !strings.Contains(audit, say) {
			t.Errorf("the ledger does not say %s: %s", say, audit)
		}
	}
	if n := table.Jobs(); n != 4 { // two refused, one answered, one for evidence
		t.Errorf("%d jobs", n)
	}
}

// An attacker with a path and an address of its own for each request makes a query need memory, not only bytes.
func TestAQueryThatNeedsTooMuchMemoryFallsBackToTheShorterWindows(t *testing.T) {
	w := newWorld(t)
	table, url := w.growing()
	table.Fail(bqtest.JobRun, bqtest.Failure{Status: 400, Reason: "resourcesExceeded", Message: "Resources exceeded during query execution: The query could not be executed in the allotted memory."})
	table.Answers["detect"] = w.answerFor(0) // flood is the first of those that are left
	o := w.want(w.runBigQuery(url, "run", "--json", "--max-bytes", "107374182400"), exitPartly)
	if u := w.json(o).Summary.Services[0].Unjudged; u == nil || !slices.Equal(u.Rules, []string{"slow"}) || !strings.Contains(u.Why, "needs more memory than BigQuery gives one query") {
		t.Errorf("unjudged %+v", u)
	}
	if !strings.Contains(w.prefixes("edgewarden_1")[attacker+"/32"], "r=flood") {
		t.Errorf("entries %v", w.prefixes("edgewarden_1"))
	}
}

// mark is the comment of a block of ours.
func mark(until time.Time, rule string) string {
	return "ew1 o=edgewarden k=b u=" + strconv.FormatInt(until.Unix(), 10) + " s=1935800000 n=1 r=" + rule + " i=x"
}

func TestADryRunFallsBackByTheEstimate(t *testing.T) {
	w := newWorld(t)
	table, url := w.growing()
	o := w.want(w.runBigQuery(url, "run", "--dry-run", "--max-bytes", "3221225472"), exitPartly)
	for _, say := range []string{"ALERT: NOT JUDGED: rule slow, rule scan: only windows of up to 10m", "1.7 GiB estimated before"} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q: %s", say, o.stdout)
		}
	}
	if n := table.Jobs(); n != 2 {
		t.Errorf("%d jobs; what the estimate forbids must not be tried", n)
	}
}

func TestAPlanKeepsWhichRulesWereNotJudged(t *testing.T) {
	w := newWorld(t)
	_, url := w.growing()
	file := filepath.Join(w.dir, "plan.json")
	w.want(w.runBigQuery(url, "plan", "-o", file, "--max-bytes", "3221225472"), exitPartly)
	o := w.want(w.runBigQuery(url, "apply", file, "--json"), exitPartly)
	if u := w.json(o).Summary.Services[0].Unjudged; u == nil || u.Window != "10m" {
		t.Errorf("unjudged %+v", u)
	}
	if !strings.Contains(w.prefixes("edgewarden_1")[attacker+"/32"], "r=flood") {
		t.Errorf("entries %v", w.prefixes("edgewarden_1"))
	}
}

func TestWhenNoWindowFitsNothingIsJudgedAndReleasesPass(t *testing.T) {
	w := newWorld(t)
	_, url := w.growing()
	w.expired("203.0.113.5")
	w.edge.PutItem("SVC1", "edgewarden_control", "enforce_until", "1935900000")
	o := w.want(w.runBigQuery(url, "run", "--max-bytes", "1073741824"), exitPartly)
	if len(w.prefixes("edgewarden_1")) != 0 || w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"] != "1935900000" {
		t.Errorf("entries %v, control %v", w.prefixes("edgewarden_1"), w.edge.Dictionary("SVC1", "edgewarden_control"))
	}
	if !strings.Contains(o.stderr, "not even the rules with the shortest window fit") {
		t.Error(o.stderr)
	}
}

func TestCheckNamesTheRulesARunWouldLeaveOut(t *testing.T) {
	w := newWorld(t)
	_, url := w.growing()
	o := w.want(w.runBigQuery(url, "check", "--max-bytes", "3221225472"), exitFailed)
	if !strings.Contains(o.stdout, "FAIL store of service SVC1: NOT JUDGED: rule slow, rule scan") {
		t.Error(o.stdout)
	}
}

func TestWhenNoWindowFitsTheShortestOnesNeedIsNamed(t *testing.T) {
	w := newWorld(t)
	_, url := w.growing()
	o := w.want(w.runBigQuery(url, "run", "--dry-run", "--max-bytes", "1GiB"), exitFailed)
	// The shortest of the windows is 10 minutes of 10 GiB an hour; the longest would need 60 GiB.
	if !strings.Contains(o.stderr, "not even the rules with the shortest window fit") || !strings.Contains(o.stderr, "--max-bytes 1024MiB (1.7 GiB needed)") || strings.Contains(o.stderr, "60.0 GiB") {
		t.Error(o.stderr)
	}
}

func TestALakeSaysThatMaxBytesDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.store()
	for _, bytes := range []string{"50GiB", "500MB", "53687091200"} {
		if o := w.want(w.run("run", "--dry-run", "--max-bytes", bytes), exitOK); !strings.Contains(o.stderr, "it does nothing with a lake") {
			t.Errorf("--max-bytes %s: %s", bytes, o.stderr)
		}
	}
	if o := w.want(w.run("run", "--dry-run"), exitOK); strings.Contains(o.stderr, "max-bytes") {
		t.Error(o.stderr)
	}
}
