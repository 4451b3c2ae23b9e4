package acl_test

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
)

func TestCompareLogs(t *testing.T) {
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
		r := acl.CompareLogs(tc.c)
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

func TestLogsAreComparedWithTheStandInsStatistics(t *testing.T) {
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
	if r := acl.CompareLogs(acl.LogCount{From: from, To: to, Sent: sent, Received: 4_000}); !strings.Contains(r.Alert, "1000 of 5000") {
		t.Errorf("%+v", r)
	}
}
