package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

func TestTheReportSaysWhatIsWrongWithTheData(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests("203.0.113.7", 90, func(r *record.Record) { r.AddressSource = record.AddressHeader; r.Present &^= 1 << record.FirstHop })
	w.requests("10.1.2.3", 90, nil)
	w.requests("198.51.100.1", 50, func(r *record.Record) { r.SetBool(record.FirstHop, false) })
	w.requests("198.51.100.2", 60, func(r *record.Record) { r.TimeSource = record.TimeReceived })
	w.store()
	o := w.want(w.run("run", "--dry-run"), exitOK)
	for _, say := range []string{
		"data: 890 rows in 10m, 690 trusted, newest 10s old, loss not known, 6 % from shields, not counted, 10 % do not say first_hop, 10 % with an address a client can forge, 10 % with an address no client has, 7 % without a time of their own",
		"do not say first_hop: with shielding each of their requests is logged, and counted, twice",
		"which a client can forge: log client.ip at the first hop",
		"have no time of their own and are not counted: log time.start",
		"? limit    not-client failed: 13 %, limit 5 %: 90 of 690 trusted rows have a private address or one of Fastly's own",
	} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q:\n%s", say, o.stdout)
		}
	}
	d := w.json(w.want(w.run("run", "--dry-run", "--json"), exitOK))
	if d.Data.NotClient != 90 || d.Data.Forgeable != 90 || d.Data.Trusted != 690 || d.Guard.Verdict != "warn" {
		t.Errorf("data %+v, guard %s", d.Data, d.Guard.Verdict)
	}
}

// Whoever can send requests from Fastly's own ranges must not be able to stop blocks.
func TestAddressesNoClientHasStopNoBlock(t *testing.T) {
	w := flooded(t)
	w.requests("151.101.1.1", 90, nil)
	w.store()
	w.want(w.run("run"), exitOK)
	if len(w.prefixes("edgewarden_1")) != 1 {
		t.Errorf("entries %v", w.prefixes("edgewarden_1"))
	}
}

// The header is in every client's hand, so whoever sends it must not be able to stop blocks: neither a few nor all of them.
func TestAForgedHeaderIsSaidAndStopsNoBlock(t *testing.T) {
	const advice = "requests that came with a Fastly-Client-IP that is not their address: "
	for name, tc := range map[string]struct {
		claims  int
		config  string
		say     []string
		silent  []string
		verdict string
	}{
		"a few":            {40, "", []string{"4 % claim another address"}, []string{advice, "claims-other-ip"}, "pass"},
		"many":             {60, "", []string{"6 % claim another address", advice + "60; somebody forges it, or a proxy or CDN of yours", "they count under the address that connected", "? limit    claims-other-ip failed: 6.25 %, limit 5 %"}, nil, "warn"},
		"a CDN, looked at": {60, "guard: {claims_other_ip: 100%}\n", []string{"6 % claim another address"}, []string{advice, "claims-other-ip"}, "pass"},
		"one, where it may choose who is blocked": {1, "trust: {allow: [forgeable_address]}\n", []string{advice + "1;",
			"claims-other-ip failed: 0.111 %, limit 0 %: 1 of 901 trusted rows came with a Fastly-Client-IP that is not their address, and trust allows forgeable_address",
			"ALERT: requests of service SVC1 came with another address in Fastly-Client-IP (1 of 901 trusted rows) and trust: allow: forgeable_address is set"},
			[]string{"they count under the address that connected"}, "warn"},
		"and the operator knows": {60, "trust: {allow: [forgeable_address]}\nguard: {claims_other_ip: 100%}\n", []string{"6 % claim another address"}, []string{advice, "claims-other-ip", "ALERT: requests"}, "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			w := flooded(t)
			w.requests("203.0.113.80", tc.claims, func(r *record.Record) { r.SetBool(record.ClaimsOtherIP, true) })
			w.store()
			config := w.file("edgewarden.yaml", tc.config+"lease: 30m\n")
			d := w.json(w.want(w.run("run", "--config", config, "--dry-run", "--json"), exitOK))
			if d.Data.Claims != int64(tc.claims) || d.Guard.Verdict != tc.verdict {
				t.Errorf("data %+v, guard %s", d.Data, d.Guard.Verdict)
			}
			o := w.want(w.run("run", "--config", config), exitOK)
			for _, say := range tc.say {
				if !strings.Contains(o.stdout, say) {
					t.Errorf("does not say %q:\n%s", say, o.stdout)
				}
			}
			for _, silent := range tc.silent {
				if strings.Contains(o.stdout, silent) {
					t.Errorf("says %q:\n%s", silent, o.stdout)
				}
			}
			if len(w.prefixes("edgewarden_1")) != 1 {
				t.Errorf("entries %v:\n%s", w.prefixes("edgewarden_1"), o.stdout)
			}
		})
	}
}

// Without first_hop a shielded service counts everybody twice. The request ids tell, and whoever chooses them stops no block.
func TestARequestThatAShieldLogsAgainIsSaid(t *testing.T) {
	foreign := func(id func(i int) string) func(*record.Record) {
		i := -1
		return func(r *record.Record) {
			i++
			r.Present &^= 1 << record.FirstHop
			r.RequestID = id(i)
		}
	}
	twice := foreign(func(i int) string { return fmt.Sprint("id-", i/2) })
	handful := foreign(func(i int) string {
		if i < 102 || i >= 120 {
			return ""
		}
		return fmt.Sprint("id-", i/2)
	})
	once := foreign(func(i int) string { return fmt.Sprint("id-", i) })
	for name, tc := range map[string]struct {
		rows    func(*record.Record)
		off     bool
		say     string
		verdict string
		looked  bool
	}{
		"each id twice":  {twice, false, "49 % of the rows of minute 07:28 repeat a request id (59 of 120): a shield logs each request again, and it counts twice, or clients send the id: log first_hop", "warn", true},
		"a few do":       {handful, false, "do not say first_hop, and of 18 request ids in minute 07:28 9 came before: too few to tell whether a shield logs requests again", "pass", true},
		"each id once":   {once, false, "of the rows do not say first_hop, but of 120 request ids in minute 07:28 hardly one comes twice", "pass", true},
		"no id at all":   {foreign(func(int) string { return "" }), false, "do not say first_hop: with shielding each of their requests is logged", "pass", true},
		"our own format": {func(r *record.Record) { r.RequestID = "the same" }, false, "data: 1,200 rows", "pass", false},
		"nobody asks":    {twice, true, "do not say first_hop: with shielding each of their requests is logged", "pass", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := flooded(t)
			w.requests("203.0.113.80", 300, tc.rows)
			w.store()
			args := []string{"run"}
			if tc.off {
				args = append(args, "--config", w.file("edgewarden.yaml", "guard: {repeated_ids: 100%}\n"))
			}
			d := w.json(w.want(w.run(append(args, "--dry-run", "--json")...), exitOK))
			if d.Guard.Verdict != tc.verdict || (d.Data.Repeats != nil) != tc.looked {
				t.Errorf("verdict %s, want %s; repeats %+v", d.Guard.Verdict, tc.verdict, d.Data.Repeats)
			}
			if o := w.want(w.run(args...), exitOK); !strings.Contains(o.stdout, tc.say) || len(w.prefixes("edgewarden_1")) == 0 {
				t.Errorf("entries %v, does not say %q:\n%s", w.prefixes("edgewarden_1"), tc.say, o.stdout)
			}
		})
	}
}

func TestAdviceOnTheDataComesWithItsCause(t *testing.T) {
	for name, tc := range map[string]struct {
		h    detect.Health
		want string
	}{
		"all is well":                  {detect.Health{Rows: 100, Trusted: 100}, ""},
		"half from shields is usual":   {detect.Health{Rows: 100, Shield: 50}, ""},
		"more from shields is not":     {detect.Health{Rows: 100, Shield: 60}, "more rows come from shields (60) than from the edge (40)"},
		"a shield with ids of its own": {detect.Health{Rows: 100, NoFirstHop: 100, Repeats: detect.Repeats{Rows: 90}}, "no shield seems to log requests again, unless it gives ids of its own"},
		"a few without an address":     {detect.Health{Rows: 100, NoAddress: 5}, ""},
		"many without an address":      {detect.Health{Rows: 100, NoAddress: 6}, "6 % of the rows have no client address"},
		"no rows at all are said else": {detect.Health{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(healthAdvice(tc.h, acl.Limits{}, false), "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("says %q", got)
			}
		})
	}
	s := &serviceReport{To: time.Unix(900, 0), Window: 15 * time.Minute, UsualRows: 1200}
	s.Found.Health = detect.Health{Rows: 1000, Trusted: 990, Newest: time.Unix(880, 0), Loss: 0.012, LossKnown: true}
	if got, want := healthLine(s), "data: 1,000 rows in 15m, 990 trusted (usual 1,200), newest 20s old, 1.2 % lost on the way"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFarMoreRowsThanUsualAreSaidWhenNothingExplainsThem(t *testing.T) {
	offender := func(rule string, n int64) detect.Offender {
		return detect.Offender{Key: "203.0.113.9", Group: detect.ByAddress, Rule: rule, Measures: detect.Measures{Requests: n}}
	}
	for name, tc := range map[string]struct {
		usual  int64
		found  detect.Result
		floods []detect.Flood
		say    bool
	}{
		"nothing explains them":                {1000, detect.Result{Health: detect.Health{Trusted: 3000}}, nil, true},
		"not so many":                          {1000, detect.Result{Health: detect.Health{Trusted: 2999}}, nil, false},
		"no baseline":                          {0, detect.Result{Health: detect.Health{Trusted: 3000}}, nil, false},
		"a flood explains them":                {1000, detect.Result{Health: detect.Health{Trusted: 3000}}, []detect.Flood{{}}, false},
		"an offender does":                     {1000, detect.Result{Health: detect.Health{Trusted: 4000}, Offenders: []detect.Offender{offender("a", 900), offender("b", 1100)}}, nil, false},
		"one who breaks two rules counts once": {1000, detect.Result{Health: detect.Health{Trusted: 4000}, Offenders: []detect.Offender{offender("a", 900), offender("b", 900)}}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := unexplained(&serviceReport{UsualRows: tc.usual, Found: tc.found, Floods: tc.floods})
			if (len(got) > 0) != tc.say {
				t.Errorf("says %q", got)
			}
		})
	}
}
