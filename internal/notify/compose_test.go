package notify_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/notify"
	"edgewarden/internal/policy"
)

var at = time.Date(2031, 5, 6, 7, 30, 0, 0, time.UTC)

func change(op acl.Op, prefix, rule string, o *detect.Offender) acl.Change {
	return acl.Change{Op: op, ACL: "edgewarden_1", Prefix: netip.MustParsePrefix(prefix), Reason: "its time is over",
		Mark:     acl.Mark{Kind: policy.KindBlock, Rule: rule, Strikes: 2, Until: at.Add(time.Hour)},
		Decision: &policy.Decision{Offender: o}}
}

// hostile is what strangers write into paths and agents.
const hostile = "<!channel> <@U123> <https://evil.example/x|reset your password> @here @everyone https://evil.com http://EVIL.net www.evil.org evil.io/x ` *b* ~s~ &lt; \x1b[2J\u202eabc mailto:a@evil.com 2001:db8:9:9::1"

func offender() *detect.Offender {
	return &detect.Offender{Key: "203.0.113.9", Measures: detect.Measures{Requests: 812, PeakPerMinute: 120, OK: 4},
		Evidence: &detect.Evidence{Country: "DE", ASN: 64500, Paths: []detect.Count{{Value: "/login?" + hostile, N: 800}}, Agents: []detect.Count{{Value: hostile, N: 800}}}}
}

func runOf(services ...notify.Service) notify.Run {
	return notify.Run{ID: "0123456789ab", Now: at, Services: services}
}

func changed(changes ...acl.Change) notify.Service {
	return notify.Service{ID: "SVC1", Name: "shop " + hostile, Flags: "--config edgewarden.yaml", Plan: &acl.Plan{Changes: changes}, Applied: &acl.Result{}}
}

func TestSlackActsOnNothingThatCameFromTheLog(t *testing.T) {
	s := changed(change(acl.Create, "203.0.113.9/32", "login", offender()), change(acl.Delete, "2001:db8:1:2::/64", "flood", nil))
	s.Error, s.LedgerError, s.NotEnforced = "edge said "+hostile, hostile, []string{"ACL x " + hostile}
	s.Plan.Verdict = acl.Verdict{Verdict: acl.VerdictRefused, Limits: []acl.Check{{Name: acl.LimitStale, Value: 900, Limit: 600, Note: hostile}, {Name: acl.LimitLoss, Passed: true}}}
	for _, mask := range []bool{false, true} {
		m, any := notify.Compose(runOf(s), notify.Settings{MaskAddresses: mask})
		if !any {
			t.Fatal("nothing to say")
		}
		slack := newSlack(t, nil) // which checks what it gets
		if err := sender(t, notify.Options{URL: slack.url(), Form: notify.FormSlack}).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		_, texts := slack.got()
		for _, want := range []string{"812 requests", "AS64500 DE", "rule `login`", "stale-data: 15m, limit 10m", "*not_enforced*", "&lt;"} {
			if !strings.Contains(texts[0], want) {
				t.Errorf("it does not say %q:\n%s", want, texts[0])
			}
		}
		if strings.Contains(texts[0], "loss") {
			t.Error("a limit that passed is named")
		}
		undo, hidden := "`blocker unblock 203.0.113.9 --reason 'undo block' --config edgewarden.yaml`", "unblock ADDRESS --reason"
		if strings.Contains(texts[0], undo) == mask || strings.Contains(texts[0], hidden) != mask {
			t.Errorf("masked %v, and the command that undoes it is wrong:\n%s", mask, texts[0])
		}
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"203.0.113.9", "2001:db8:1:2", "2001:db8:9:9"} {
			if mask && strings.Contains(texts[0]+string(body), secret) {
				t.Errorf("%s is not masked:\n%s", secret, texts[0])
			}
		}
		if mask && !strings.Contains(texts[0], "`203.0.113.x`") || mask && !strings.Contains(texts[0], "`2001:db8:1::/48`") {
			t.Errorf("masked as something else:\n%s", texts[0])
		}
	}
}

// Two hundred logins are not many requests: without the weight nobody sees why they were blocked.
func TestABlockByWeightSaysTheWeight(t *testing.T) {
	o := offender()
	o.Measures.Weighed, o.Measures.Weight = true, 16240
	m, _ := notify.Compose(runOf(changed(change(acl.Create, "203.0.113.9/32", "heavy", o))), notify.Settings{})
	if why := m.Events[0].Blocked[0].Why; !strings.HasPrefix(why, "812 requests with a weight of 16240 in all, 120 a minute at most") {
		t.Error(why)
	}
}

func TestMoreThanAFewAreCounted(t *testing.T) {
	var changes []acl.Change
	for i := range 25 {
		changes = append(changes, change(acl.Create, fmt.Sprintf("203.0.113.%d/32", i), "flood", offender()))
	}
	m, _ := notify.Compose(runOf(changed(changes...), changed(changes[:3]...)), notify.Settings{MaxEntries: 7})
	if len(m.Events) != 2 || len(m.Events[0].Blocked) != 7 || m.Events[0].More != 18 || len(m.Events[1].Blocked) != 0 || m.Events[1].More != 3 {
		t.Errorf("%+v", m.Events)
	}
	if m.Events[0].Text != "25 blocked, 0 released" {
		t.Errorf("%s", m.Events[0].Text)
	}
}

func TestOnlyWhatIsInEffectIsTold(t *testing.T) {
	s := changed(change(acl.Create, "203.0.113.9/32", "flood", nil), change(acl.Update, "203.0.113.8/32", "flood", nil))
	s.Applied.Failed = s.Plan.Changes[:1]
	if m, any := notify.Compose(runOf(s), notify.Settings{}); any {
		t.Errorf("%+v", m)
	}
	shadow := change(acl.Create, "203.0.113.7/32", "flood", nil)
	shadow.Mark.Kind = policy.KindShadow
	if m, any := notify.Compose(runOf(changed(shadow)), notify.Settings{}); any {
		t.Errorf("a shadow entry is told: %+v", m)
	}
	s = changed(change(acl.Create, "203.0.113.9/32", "flood", nil))
	if m, any := notify.Compose(runOf(s), notify.Settings{On: []notify.Kind{notify.Failure}}); any {
		t.Errorf("what nobody wants is told: %+v", m)
	}
}

// story is a service's runs, five minutes apart, the last one before at.
func story(outcomes ...string) []ledger.Summary {
	var past []ledger.Summary
	for i, o := range outcomes {
		s := ledger.Summary{Time: at.Add(-time.Duration(len(outcomes)-i) * 5 * time.Minute), Outcome: ledger.Success}
		if o != "" {
			s.Outcome, s.Extra = ledger.Failure, map[string]string{"error": o}
		}
		past = append(past, s)
	}
	return past
}

func TestTheSameFailureIsToldOnceAnHour(t *testing.T) {
	fail := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("timeout after %d ms", i))
		}
		return all
	}
	for name, c := range map[string]struct {
		past []ledger.Summary
		told bool
	}{
		"the first": {story("", ""), true}, "without a ledger": {nil, true}, "the second": {story(append([]string{""}, fail(1)...)...), false},
		"the twelfth": {story(fail(11)...), false}, "an hour later": {story(fail(12)...), true}, "and after that": {story(fail(13)...), false},
		"two hours later": {story(fail(24)...), true},
		"another failure": {story("no such table", "no such table"), true}, "after a good run": {story("timeout after 7 ms", ""), false},
		"two in turn": {story("timeout after 7 ms", "no such table"), false},
	} {
		t.Run(name, func(t *testing.T) {
			m, any := notify.Compose(runOf(notify.Service{ID: "SVC1", Error: "timeout after 30 ms", Past: c.past}), notify.Settings{})
			if any != c.told {
				t.Errorf("told %v: %+v", any, m)
			}
			if any && (m.Severity != "error" || m.Events[0].Kind != notify.Failure) {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestARecoveryIsToldWhenTheFailureWas(t *testing.T) {
	for name, c := range map[string]struct {
		past []ledger.Summary
		text string
	}{
		"after one":                 {story("", "timeout"), "after 1 that failed since 2031-05-06T07:25:00Z"},
		"after many":                {story("", "timeout", "timeout", "other"), "after 3 that failed since 2031-05-06T07:15:00Z"},
		"after none":                {story("", ""), ""},
		"after one nobody heard of": {story("timeout", "", "timeout"), ""},
		"at the beginning":          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, any := notify.Compose(runOf(notify.Service{ID: "SVC1", Past: c.past}), notify.Settings{})
			if any != (c.text != "") || any && (!strings.Contains(m.Text, c.text) || m.Events[0].Kind != notify.Recovery) {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestARefusalIsToldOnce(t *testing.T) {
	s := notify.Service{ID: "SVC1", Plan: &acl.Plan{Verdict: acl.Verdict{Verdict: acl.VerdictWarn, Limits: []acl.Check{{Name: acl.LimitNewBlocks, Value: 300, Limit: 100}, {Name: acl.LimitVolume}}}}}
	m, any := notify.Compose(runOf(s), notify.Settings{})
	if !any || m.Events[0].Kind != notify.Refusal || len(m.Events[0].Details) != 1 || m.Severity != "warning" {
		t.Errorf("%+v", m)
	}
	s.Past = []ledger.Summary{{Time: at.Add(-5 * time.Minute), Outcome: ledger.Success, Extra: s.Marks()}}
	if m, any := notify.Compose(runOf(s), notify.Settings{}); any {
		t.Errorf("told again: %+v", m)
	}
	s.Stopped = "anna at 2031-05-06T07:28:00Z"
	if m, any := notify.Compose(runOf(s), notify.Settings{}); !any || !strings.Contains(m.Events[0].Undo, "start --reason") {
		t.Errorf("the kill switch is not told: %+v", m)
	}
}

// A limit that only warns refuses nothing; who can make it fail must not make a known refusal look new with it.
func TestALimitThatOnlyWarnsIsNoRefusal(t *testing.T) {
	refused := acl.Verdict{Verdict: acl.VerdictRefused, Limits: []acl.Check{{Name: acl.LimitStale, Value: 900, Limit: 600}}}
	s := notify.Service{ID: "SVC1", Plan: &acl.Plan{Verdict: refused}}
	s.Past = []ledger.Summary{{Time: at.Add(-5 * time.Minute), Outcome: ledger.Success, Extra: s.Marks()}}
	for _, name := range []string{acl.LimitNotClient, acl.LimitClaims, acl.LimitRepeats} {
		s.Plan.Verdict.Limits = append(s.Plan.Verdict.Limits, acl.Check{Name: name, Value: 1, Limit: 0.05})
	}
	if m, any := notify.Compose(runOf(s), notify.Settings{}); any {
		t.Errorf("told again: %+v", m)
	}
	s.Past = nil
	if m, any := notify.Compose(runOf(s), notify.Settings{}); !any || len(m.Events[0].Details) != 1 {
		t.Errorf("%+v", m)
	}
}

func TestBlocksThatDoNotActAreToldOnceAnHour(t *testing.T) {
	s := notify.Service{ID: "SVC1", NotEnforced: []string{"203.0.113.9 is blocked but 7 requests passed"}}
	if m, any := notify.Compose(runOf(s), notify.Settings{}); !any || m.Severity != "error" {
		t.Errorf("%+v", m)
	}
	s.Past = []ledger.Summary{{Time: at.Add(-5 * time.Minute), Outcome: ledger.Success, Extra: s.Marks()}}
	if m, any := notify.Compose(runOf(s), notify.Settings{}); any {
		t.Errorf("told again: %+v", m)
	}
}
