package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

func TestCompileSaysWhatOffendersGet(t *testing.T) {
	rules, _, err := config.LoadRules(write(t, `rules:
  - {name: counts, window: 10m, where: status >= 400, when: requests >= 100 && errors >= 5, block: 2h, mode: enforce}
  - {name: scored, window: 15m, when: requests >= 10 && score > 4.0}
  - {name: networks, window: 10m, when: requests >= 100, group: asn, mode: enforce}
`))
	if err != nil {
		t.Fatal(err)
	}
	set, got, err := config.Compile(rules, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]policy.Action{
		"counts":   {Block: 2 * time.Hour, Enforce: true, CountsOnly: true, Floor: 100, FloorOf: "requests", Window: 10 * time.Minute},
		"scored":   {Block: time.Hour, Floor: 10, FloorOf: "requests", Window: 15 * time.Minute, AllRows: true},
		"networks": {Block: time.Hour, Enforce: true, CountsOnly: true, Floor: 100, FloorOf: "requests", Window: 10 * time.Minute, Report: true, AllRows: true},
	}
	asks := map[string]int{"counts": 2, "scored": 2, "networks": 1}
	for name, a := range got {
		if len(a.Asks) != asks[name] {
			t.Errorf("rule %s asks for %d things, want %d", name, len(a.Asks), asks[name])
		}
		a.Asks = nil // detect's own tests look into them
		got[name] = a
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if names := len(set.Rules()); names != 3 {
		t.Errorf("the set has %d rules", names)
	}
}

func TestCompileChecksWindowsAgainstThePeriod(t *testing.T) {
	rules, _, err := config.LoadRules(write(t, rule))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		period time.Duration
		want   string
	}{
		{"half the window is enough", 5 * time.Minute, ""},
		{"the default period is five minutes", 0, ""},
		{"more is not", 5*time.Minute + time.Second, "c.yaml:3:13: rule flood: window: the window of 10m is shorter than twice the period of 5m1s, so a burst across the edge of two runs would be halved: use a window of at least 10m2s or a period of at most 5m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := config.Compile(rules, c.period)
			if got := strings.Join(lines(err), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCompileOfRulesThatAreInNoFile(t *testing.T) {
	_, _, err := config.Compile([]config.Rule{{Rule: detect.Rule{Name: "a", When: "request > 1", Window: time.Minute}}}, time.Minute)
	var fault *detect.Error
	if !errors.As(err, &fault) || fault.Part != "when" {
		t.Errorf("got %v, want detect's own error", err)
	}
	if len(lines(err)) != 2 || !strings.Contains(err.Error(), "rule a: window: ") {
		t.Errorf("got %v, want the misspelt measure and the short window", err)
	}
}
