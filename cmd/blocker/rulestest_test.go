package main

import (
	"fmt"
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

// A value that cannot be what it is taken for is a slip in the test, not a request that counts as something else.
func TestRulesTestSaysWhereASlipStands(t *testing.T) {
	w := newWorld(t)
	for text, want := range map[string]string{
		"tests:\n  - name: x\n    traffic:\n      - request: {client_ip: 203.0.113.9, status: \"abc\"}\n":           `tests.yaml:4:51: test "x": traffic 1: request: status is abc: want a whole number`,
		"tests:\n  - name: x\n    traffic:\n      - request: {client_ip: 203.0.113.9, first_hop: perhaps}\n":        `tests.yaml:4:54: test "x": traffic 1: request: first_hop is perhaps: want true or false`,
		"tests:\n  - name: x\n    traffic:\n      - request: {client_ip: nobody}\n":                                 `tests.yaml:4:18: test "x": traffic 1: not a request: client address not understood`,
		"tests:\n  - name: x\n    traffic:\n      - repeat: -3\n        request: {client_ip: 203.0.113.9}\n":        `tests.yaml:4:17: test "x": traffic 1: repeat is -3: want how many requests, 1 or more`,
		"tests:\n  - name: x\n    traffic:\n      - over: soon\n        request: {client_ip: 203.0.113.9}\n":        `tests.yaml:4:15: test "x": traffic 1: over: `,
		"tests:\n  - name: x\n    traffic:\n      - request: {client_ip: 203.0.113.9, pth: /x}\n":                   `tests.yaml:4:48: test "x": traffic 1: request: "pth" is no field of a line`,
		"tests:\n  - name: x\n    traffic:\n      - request: {path: /x}\n":                                          `test "x": traffic 1: request: client_ip is missing`,
		"service: SVC9\ntests:\n  - name: x\n    traffic: [{request: {client_ip: 203.0.113.9, status: \"200\"}}]\n": "",
	} {
		code := exitUsage
		if want == "" {
			code = exitOK
		}
		if o := w.want(w.rulesTest(text), code); !strings.Contains(o.stderr, want) {
			t.Errorf("%s: stderr does not say %q: %s", text, want, o.stderr)
		}
	}
}

// An IPv6 host is blocked as its /64, so a test that names the host means that.
func TestRulesTestFoldsAnExpectedHost(t *testing.T) {
	w := newWorld(t)
	text := strings.Replace(floodTests, `"2001:db8:1:2::/64"`, `"2001:db8:1:2::77"`, 1)
	w.want(w.rulesTest(text), exitOK)
	text = strings.Replace(floodTests, `"2001:db8:1:2::/64"`, `"2001:db8:1:3::77"`, 1)
	if o := w.want(w.rulesTest(text), exitFailed); !strings.Contains(o.stdout, "rule flood does not name 2001:db8:1:3::/64") {
		t.Error(o.stdout)
	}
}

const twoServices = `services:
  - {id: SVC1, acls: [edgewarden_1]}
  - id: SVC2
    acls: [edgewarden_1]
    rules: [{name: second, window: 30m, when: requests >= 5}]
rules: [{name: first, window: 30m, when: requests >= 100}]
`

// Each service may have rules of its own, and a test is of one service.
func TestRulesTestIsOfOneService(t *testing.T) {
	w := newWorld(t)
	config := w.file("edgewarden.yaml", twoServices)
	const ten = "tests:\n  - name: x\n    %straffic: [{repeat: 10, request: {client_ip: 203.0.113.9}}]\n    offenders: [{rule: second, key: 203.0.113.9}]\n"
	test := func(text string, flags ...string) outcome {
		return w.raw(append([]string{"rules", "test", w.file("tests.yaml", text), "--config", config}, flags...)...)
	}
	none, own := fmt.Sprintf(ten, ""), fmt.Sprintf(ten, "service: SVC2\n    ")
	if o := w.want(test(none), exitUsage); !strings.Contains(o.stderr, `tests.yaml:2:11: test "x": which service's rules? Name one of SVC1, SVC2 with --service-id, or with the key service in the file`) {
		t.Error(o.stderr)
	}
	w.want(test(none, "--service-id", "SVC2"), exitOK)
	w.want(test("service: SVC2\n"+none), exitOK)
	w.want(test("service: SVC1\n"+own), exitOK)
	if o := w.want(test("service: SVC1\n"+none), exitFailed); !strings.Contains(o.stdout, "rule second is one of service SVC2, and this test is of service SVC1") || strings.Contains(o.stdout, "no rule") {
		t.Error(o.stdout)
	}
	if o := w.want(test("service: SVC3\n"+none), exitUsage); !strings.Contains(o.stderr, `there is no service "SVC3"; there is SVC1, SVC2`) {
		t.Error(o.stderr)
	}
	// Services with the same rules need no choice.
	w.file("edgewarden.yaml", strings.Replace(twoServices, "    rules: [{name: second, window: 30m, when: requests >= 5}]\n", "", 1))
	w.want(test(strings.Replace(strings.ReplaceAll(none, "second", "first"), "repeat: 10", "repeat: 100", 1)), exitOK)
}

// The starter rules and their tests are shipped together.
func TestTheStarterRulesPassTheirTests(t *testing.T) {
	w := newWorld(t)
	o := w.raw("rules", "test", "../../deploy/rules.test.yaml", "--rules", "../../deploy/rules.yaml")
	w.want(o, exitOK)
}

// Rules and tests come from files that somebody else may have written, and a run of the tests prints them on a terminal.
func TestAnErrorIsHarmlessOnATerminal(t *testing.T) {
	w := newWorld(t)
	for _, content := range []string{
		"tests:\n  - name: x\n    traffic:\n      - request: {method: GET, path: /, client_ip: 203.0.113.9, status: \"x\\e[31m\\a\"}\n",
		"tests:\n  - name: x\n    traffic:\n      - request: {method: GET, path: /, client_ip: 203.0.113.9}\n        repeat: 2\n      - request: {method: GET, path: /, client_ip: 203.0.113.9}\n        repeat: 9223372036854775807\n",
	} {
		o := w.want(w.rulesTest(content), exitUsage)
		if strings.ContainsAny(o.stderr, "\x1b\a\x00") || !strings.Contains(o.stderr, "traffic") {
			t.Errorf("%q", o.stderr)
		}
	}
	w.file("rules.yaml", "rules:\n  - {name: x, where: \"path == 'a\\e[31m\", when: requests >= 1, window: 10m}\n")
	if o := w.want(w.run("run", "--dry-run"), exitUsage); strings.ContainsAny(o.stderr, "\x1b\a\x00") || !strings.Contains(o.stderr, `\x1b[31m`) {
		t.Errorf("%q", o.stderr)
	}
}
