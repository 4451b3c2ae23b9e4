package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
	"edgewarden/internal/ledger"
	"edgewarden/internal/record"
)

const loginRule = `rules:
  - {name: login, where: 'method == "POST" && path == "/login"', when: requests >= 60, window: 10m, block: 1h, mode: enforce}
`

// crowded is a lake with everyday customers and 1,500 login attempts of 300 addresses, five each: under the rule by far.
func crowded(t *testing.T) *world {
	w := newWorld(t)
	w.file("rules.yaml", loginRule)
	w.everyday()
	for i := range 300 {
		w.requests(fmt.Sprintf("203.0.%d.%d", i/100, i%100+1), 5, func(r *record.Record) {
			r.Method, r.Path, r.JA4 = "POST", "/login", "t13d190900_9dc949149365_97f8aa674fd9"
			r.ClientPrefix = fmt.Sprintf("203.0.%d.0/24", i/100)
			r.SetInt(record.Status, 401)
			r.SetInt(record.ClientASN, int64(64500+i%3))
		})
	}
	w.store()
	return w
}

// earlierDays writes what the login rule counted at this hour on the last five days, and returns the ledger's path.
func (w *world) earlierDays(requests int64) string {
	return w.usually(requests, detect.Rule{Name: "login", Where: `method == "POST" && path == "/login"`, When: "requests >= 1", Window: 10 * time.Minute})
}

// usually is earlierDays for any rules.
func (w *world) usually(requests int64, rules ...detect.Rule) string {
	w.t.Helper()
	set, err := detect.Compile(rules)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, "ledger.jsonl")
	store, err := ledger.OpenFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	for day := 5; day > 0; day-- {
		at := w.T.Add(-time.Duration(day) * 24 * time.Hour)
		counts := map[string]ledger.RuleCount{}
		for _, r := range rules {
			counts[r.Name] = ledger.RuleCount{Shape: set.Shape(r.Name), Requests: requests, Keys: 60, Median: 0.7, Scale: 0.4}
		}
		s := ledger.Summary{Time: at, Outcome: ledger.Success, Service: "SVC1", Window: 10 * time.Minute, Rows: 2000, Trusted: 2000,
			Rules: counts}
		if err := ledger.NewChain(store, ledger.NewRun(at), "tester", "here").Add(context.Background(), s.Event()); err != nil {
			w.t.Fatal(err)
		}
	}
	return path
}

func TestAFloodOfACrowdIsExplainedAndNothingIsBlocked(t *testing.T) {
	w := crowded(t)
	past := w.earlierDays(100)
	o := w.want(w.run("run", "--dry-run", "--ledger", past), exitOK)
	for _, say := range []string{
		"flood: 1,500 requests to POST /login in 10m by rule login, 15× the usual 100 (at this hour on 5 earlier days); 300 addresses, the busiest has 5; blocking the top 100 would stop 33 %",
		"100 % share ja4    t13d190900_9dc949149365_97f8aa674fd9: 300 addresses, the busiest has 5; blocking the top 100 of them would stop 33 % of it",
		"33 % share asn    AS64500: 100 addresses",
		"consider a rule with group: prefix",
		"data: 2,100 rows in 10m",
	} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q:\n%s", say, o.stdout)
		}
	}
	d := w.json(w.want(w.run("run", "--json", "--ledger", past), exitOK))
	if len(d.Floods) != 1 || len(d.Changes) != 0 || len(w.prefixes("edgewarden_1")) != 0 {
		t.Fatalf("floods %+v, changes %+v", d.Floods, d.Changes)
	}
	f := d.Floods[0]
	if f.ServiceID != "SVC1" || f.Rule != "login" || f.Requests != 1500 || f.Usual != 100 || f.Factor != 15 || f.Addresses != 300 || f.MostOfOne != 5 || f.TopAddresses != 100 || len(f.Clusters) != 9 {
		t.Errorf("flood %+v", f)
	}
	for _, c := range f.Clusters {
		if c.By == "ja4" && (c.Share != 1 || c.Addresses != 300) || c.By == "prefix" && c.Requests != 500 {
			t.Errorf("cluster %+v", c)
		}
	}
}

// What a rule on the weight asks for is no number of requests; how many it needs at least is.
func TestTheAdviceOnAFloodSaysHowManyRequestsTheRuleNeeds(t *testing.T) {
	f := detect.Flood{Rule: "heavy", Requests: 1500, Addresses: 60, TopAddresses: 60, TopRequests: 1500, Floor: 150}
	if got := floodAdvice(f); !strings.Contains(got, "the top 60 sent 100 %, but at least 150 requests are needed for rule heavy; lower its when") {
		t.Error(got)
	}
}

func TestWhatIsUsualIsNoFloodAndIsNotLookedAt(t *testing.T) {
	w := crowded(t)
	if d := w.json(w.want(w.run("run", "--json", "--ledger", w.earlierDays(1400)), exitOK)); len(d.Floods) != 0 {
		t.Errorf("floods %+v", d.Floods)
	}
}

func TestARunRecordsWhatEachRuleCounted(t *testing.T) {
	w := crowded(t)
	path := filepath.Join(w.dir, "own.jsonl")
	w.want(w.run("run", "--ledger", path), exitOK)
	store, err := ledger.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	events, err := store.Since(t.Context(), w.T.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	all := ledger.Summaries(events)
	if len(all) != 1 {
		t.Fatalf("%d summaries", len(all))
	}
	if c := all[0].Rules["login"]; c.Requests != 1500 || c.Keys != 300 || c.Shape == "" || c.Median < 1.6 || c.Median > 1.61 {
		t.Errorf("count %+v", c)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "203.0.1.") {
		t.Error("the summary names addresses")
	}
}

func TestARuleThatAsksForABaselineFiresOnlyWithOne(t *testing.T) {
	w := crowded(t)
	w.file("rules.yaml", strings.Replace(loginRule, "requests >= 60", "requests >= 5 && baseline_ratio > 10.0", 1))
	if d := w.json(w.want(w.run("run", "--json", "--dry-run"), exitOK)); len(d.Offenders) != 0 {
		t.Errorf("without a baseline %d offenders", len(d.Offenders))
	}
	d := w.json(w.want(w.run("run", "--json", "--dry-run", "--ledger", w.earlierDays(100)), exitOK))
	if len(d.Offenders) != 300 {
		t.Fatalf("with a baseline %d offenders", len(d.Offenders))
	}
	if e := d.Offenders[0].Evidence; e.BaselineRatio == nil || *e.BaselineRatio != 15 || e.BaselineScore == nil || *e.BaselineScore < 2.27 || *e.BaselineScore > 2.28 { // (ln 5 - 0.7) / 0.4
		t.Errorf("evidence %+v", e)
	}
}

// Over BigQuery a look at a flood is a second scan, which only a flood may cost.
func TestOverBigQueryOnlyAFloodCostsASecondScan(t *testing.T) {
	for name, tc := range map[string]struct {
		volume int64
		want   string
	}{
		"an everyday run": {290, "detect"},
		"a flood":         {41_200, "detect flood"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.file("rules.yaml", loginRule)
			table, url := w.table()
			newest := w.T.Add(-10 * time.Second).UnixMicro()
			table.Answers["detect"] = bqtest.DetectAnswer(
				detect.Row{Rule: -1, HealthRows: 50_000, HealthNewestUs: newest, HealthTrusted: 50_000, HealthTrustedNewestUs: newest, HealthOldestUs: newest - 580e6},
				detect.Row{Rule: 0, Population: 3900, Volume: tc.volume, Busiest: 14, Older: 20})
			table.Answers["flood"] = bqtest.FloodAnswer(
				detect.FloodRow{About: 0, N: 41_200, Addresses: 3900, Most: 14, TopN: 1236, Place: 1},
				detect.FloodRow{About: 3, Value: "t13d\x1b[31m", N: 35_844, Addresses: 3400, Most: 14, TopN: 1200, Place: 1},
				detect.FloodRow{About: 5, Value: "POST /login", N: 41_200, Addresses: 3900, Most: 14, TopN: 1236, Place: 1})
			o := w.want(w.runBigQuery(url, "run"), exitOK)
			var asked []string
			for _, q := range table.Queries() {
				asked = append(asked, q.Labels["query"])
			}
			if got := strings.Join(asked, " "); got != tc.want {
				t.Errorf("asked %s, want %s", got, tc.want)
			}
			if strings.Contains(o.stdout, "flood:") != (tc.want != "detect") || strings.Contains(o.stdout, "\x1b") {
				t.Errorf("stdout %q", o.stdout)
			}
			for _, say := range []string{"blocking the top 100 would stop 3 %", "87 % share ja4", "no address rule helps here", "looking at the flood read 212 MiB more"} {
				if tc.want != "detect" && !strings.Contains(o.stdout, say) {
					t.Errorf("does not say %q:\n%s", say, o.stdout)
				}
			}
		})
	}
}

// Rules that count the same requests tell one story, and it is told once.
func TestAFloodThatSeveralRulesCountIsSaidOnce(t *testing.T) {
	w := crowded(t)
	w.file("rules.yaml", `rules:
  - {name: many, when: requests >= 60, window: 10m, block: 1h, mode: enforce}
  - {name: steep, when: peak_per_minute >= 50, window: 10m, block: 1h}
  - {name: odd, when: error_share > 0.9 && requests >= 40, window: 10m, block: 1h}
`)
	var rules []detect.Rule
	for _, name := range []string{"many", "steep", "odd"} {
		rules = append(rules, detect.Rule{Name: name, When: "requests >= 1", Window: 10 * time.Minute})
	}
	past := w.usually(100, rules...)
	o := w.want(w.run("run", "--dry-run", "--ledger", past), exitOK)
	if n := strings.Count(o.stdout, "flood: "); n != 1 || !strings.Contains(o.stdout, " in 10m by rules many, steep, odd, ") || strings.Count(o.stdout, "share ja4") != 1 {
		t.Errorf("%d floods:\n%s", n, o.stdout)
	}
	if d := w.json(w.want(w.run("run", "--dry-run", "--json", "--ledger", past), exitOK)); len(d.Floods) != 3 || !strings.Contains(d.Floods[1].Text, "by rule steep, ") {
		t.Errorf("%+v", d.Floods)
	}
}
