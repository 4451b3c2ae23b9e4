package main

import (
	"path/filepath"
	"strings"
	"testing"
)

const floodTests = `tests:
  - name: a flood is caught, its neighbour is not
    traffic:
      - repeat: 120
        over: 5m
        request: {client_ip: 203.0.113.9, path: /search}
      - repeat: 99
        over: 5m
        request: {client_ip: 203.0.113.10, path: /search}
    offenders:
      - {rule: flood, key: 203.0.113.9}
  - name: a /64 is one client
    traffic:
      - {repeat: 60, request: {client_ip: "2001:db8:1:2::1"}}
      - {repeat: 60, request: {client_ip: "2001:db8:1:2::2"}}
    offenders:
      - {rule: flood, key: "2001:db8:1:2::/64"}
`

func (w *world) rulesTest(content string) outcome {
	return w.raw("rules", "test", w.file("tests.yaml", content), "--rules", filepath.Join(w.dir, "rules.yaml"))
}

func TestRulesTestPasses(t *testing.T) {
	w := newWorld(t)
	o := w.want(w.rulesTest(floodTests), exitOK)
	if !strings.HasSuffix(o.stdout, "2 passed, 0 failed\n") {
		t.Errorf("%s", o.stdout)
	}
}

func TestRulesTestSaysWhatDiffers(t *testing.T) {
	w := newWorld(t)
	text := strings.Replace(floodTests, "repeat: 120", "repeat: 90", 1) // not caught any more
	text = strings.Replace(text, "repeat: 99", "repeat: 150", 1)        // caught now
	o := w.want(w.rulesTest(text), exitFailed)
	for _, want := range []string{"rule flood does not name 203.0.113.9", "rule flood names 203.0.113.10 with 150 requests", "1 passed, 1 failed"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %s", want, o.stdout)
		}
	}
}

func TestRulesTestRefusesWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	for text, want := range map[string]string{
		"tests:\n  - nam: x\n": "nam",
		"tests: []\n":          "no tests",
		"tests:\n  - name: x\n    traffic: [{request: {client_ip: 203.0.113.9, pth: /x}}]\n":              "pth",
		"tests:\n  - name: x\n    traffic: [{request: {path: /x}}]\n":                                     "client_ip",
		"tests:\n  - name: x\n    traffic: [{over: soon, request: {client_ip: 203.0.113.9}}]\n":           "over",
		"tests:\n  - name: x\n    traffic: [{repeat: 9999999, request: {client_ip: 203.0.113.9}}]\n":      "1000000",
		"tests:\n  - name: x\n    traffic: [{request: {client_ip: 203.0.113.9, timestamp: yesterday}}]\n": "timestamp",
	} {
		if o := w.want(w.rulesTest(text), exitUsage); !strings.Contains(o.stderr, want) {
			t.Errorf("%s: stderr does not say %q: %s", text, want, o.stderr)
		}
	}
}

// The starter rules and their tests are shipped together.
func TestTheStarterRulesPassTheirTests(t *testing.T) {
	w := newWorld(t)
	o := w.raw("rules", "test", "../../deploy/rules.test.yaml", "--rules", "../../deploy/rules.yaml")
	w.want(o, exitOK)
}
