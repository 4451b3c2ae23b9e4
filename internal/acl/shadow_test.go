package acl_test

import (
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

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
		"rule wide (shadow): would have refused 900 requests (180 of them successful) of 1 address since " + t0.Add(-time.Minute).UTC().Format(time.RFC3339) + " (1 entry)",
		"rule probe (shadow): would have refused 50 requests (10 of them successful) of 2 addresses since " + t0.Add(-9*time.Minute).UTC().Format(time.RFC3339) + " (3 entries)",
		"rule flood (shadow): 1 entry, whose addresses sent nothing it counts since",
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
