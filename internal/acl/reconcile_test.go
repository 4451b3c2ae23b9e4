package acl_test

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

func TestReconcile(t *testing.T) {
	for name, tc := range map[string]struct {
		c    acl.LogCount
		lost float64
		want string // in the alert; "" means no alert
	}{
		"all arrived":                             {acl.LogCount{Sent: 100_000, Received: 100_000}, 0, ""},
		"one per cent is under way":               {acl.LogCount{Sent: 100_000, Received: 99_000}, 0.01, ""},
		"more is lost":                            {acl.LogCount{Sent: 100_000, Received: 98_000}, 0.02, "2000 of 100000 log lines"},
		"a hundred lines are never worth a call":  {acl.LogCount{Sent: 150, Received: 50}, 1 - 50.0/150, ""},
		"a hundred and one are":                   {acl.LogCount{Sent: 150, Received: 49}, 1 - 49.0/150, "101 of 150 log lines"},
		"nothing arrived":                         {acl.LogCount{Sent: 5_000}, 1, "none arrived: is ingest running"},
		"two endpoints send everything twice":     {acl.LogCount{Sent: 200_000, Endpoints: 2, Received: 100_000}, 0, ""},
		"more arrived than was sent":              {acl.LogCount{Sent: 100_000, Received: 103_000}, -0.03, "3000 more than Fastly says"},
		"nothing was sent, and yet lines arrived": {acl.LogCount{Received: 5_000}, 0, "who sends them?"},
		"a quiet night":                           {acl.LogCount{}, 0, ""},
	} {
		tc.c.From, tc.c.To = t0, t0.Add(time.Hour)
		r := acl.Reconcile(tc.c)
		if d := r.Lost - tc.lost; d > 1e-9 || d < -1e-9 {
			t.Errorf("%s: lost %v, want %v", name, r.Lost, tc.lost)
		}
		if (r.Alert == "") != (tc.want == "") || !strings.Contains(r.Alert, tc.want) {
			t.Errorf("%s: alert %q, want %q", name, r.Alert, tc.want)
		}
		if r.Alert != "" && !strings.Contains(r.Alert, "from "+t0.UTC().Format(time.RFC3339)) {
			t.Errorf("%s: the alert does not say when: %q", name, r.Alert)
		}
	}
}

func TestReconciliationWithTheStandInsStatistics(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	from, to := acl.LogWindow(t0)
	if to.After(t0.Add(-15*time.Minute)) || to.Sub(from) != time.Hour || to.Second() != 0 {
		t.Fatalf("the window is %s to %s", from, to)
	}
	s.AddLogged("SVC1", from.Add(-time.Second), 9_999)
	s.AddLogged("SVC1", from, 4_000)
	s.AddLogged("SVC1", to.Add(-time.Second), 1_000)
	s.AddLogged("SVC1", to, 9_999)
	sent, err := client(t, url).LogLines(t.Context(), "SVC1", from, to)
	if err != nil || sent != 5_000 {
		t.Fatalf("sent %d, %v", sent, err)
	}
	if r := acl.Reconcile(acl.LogCount{From: from, To: to, Sent: sent, Received: 4_000}); !strings.Contains(r.Alert, "1000 of 5000") {
		t.Errorf("%+v", r)
	}
}

func TestWhatShadowRulesWouldHaveStopped(t *testing.T) {
	shadow := func(p, rule string) row {
		m := mark(policy.KindShadow, later)
		m.Rule = rule
		return row{acl: acltest.Shadow, prefix: p, comment: m.String()}
	}
	s := snap(t, shadow("203.0.113.1", "probe"), shadow("203.0.113.2", "probe"), shadow("203.0.113.3", "probe"), shadow("203.0.113.4", "flood"),
		shadow("198.51.100.0/24", "wide"), shadow("203.0.113.9", "flood"), row{acl: b1, prefix: "203.0.113.9", comment: ours})
	answer := func(key, rule string, from time.Duration, passed, refused int64) detect.After {
		return detect.After{Present: detect.Present{Key: key, Rule: rule, From: t0.Add(from)}, Requests: passed + refused, Passed: passed, Refused: refused, OK: passed / 5}
	}
	got := s.ShadowEffects([]detect.After{
		answer("203.0.113.1", "probe", -9*time.Minute, 10, 2), answer("203.0.113.2", "probe", -5*time.Minute, 40, 0), answer("203.0.113.3", "probe", -time.Minute, 0, 7),
		answer("203.0.113.4", "flood", -time.Minute, 0, 0), answer("198.51.100.0/24", "wide", -time.Minute, 900, 0),
		answer("203.0.113.9", "flood", -time.Minute, 5, 5), answer("192.0.2.1", "probe", -time.Hour, 1000, 0),
	}, t0)
	want := []string{
		"rule wide (shadow): would have refused 900 requests (180 of them successful) of 1 addresses since " + t0.Add(-time.Minute).UTC().Format(time.RFC3339) + " (1 entries)",
		"rule probe (shadow): would have refused 50 requests (10 of them successful) of 2 addresses since " + t0.Add(-9*time.Minute).UTC().Format(time.RFC3339) + " (3 entries)",
		"rule flood (shadow): 1 entries, whose addresses sent nothing it counts since",
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, w := range want {
		if got[i].String() != w {
			t.Errorf("got  %s\nwant %s", got[i], w)
		}
	}
	if p := got[1]; p.Refused != 9 || len(p.Most) != 2 || p.Most[0] != (acl.ShadowAddress{Key: "203.0.113.2", Would: 40}) || !p.To.Equal(t0) {
		t.Errorf("%+v", p)
	}
	if got := snap(t).ShadowEffects(nil, t0); len(got) != 0 {
		t.Errorf("without entries there is nothing to say: %+v", got)
	}
}
