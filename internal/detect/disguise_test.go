package detect_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

// starter is the where of a rule of deploy/rules.yaml that is written over
// several lines.
func starter(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)- name: ` + name + `\n    where: >-\n(.*?)\n    [a-z]+: `).FindSubmatch(text)
	if m == nil {
		t.Fatalf("rule %s is written otherwise", name)
	}
	return strings.Join(strings.Fields(string(m[1])), " ")
}

func TestTheStarterRuleKnowsTheLoginInDisguise(t *testing.T) {
	set := compile(t, rule(func(r *detect.Rule) { r.Where = starter(t, "login-bruteforce") }))
	for path, want := range map[string]bool{
		"/login": true, "/account/login": true, "/login.php": true, "/LOGIN": true, "/Account/Login": true,
		"//login": true, "/account//login": true, "/./login": true, "/x/../login": true, "/login/.": true,
		"/%6cogin": true, "/%6Cogin": true, "/log%69n": true, "/%4cOGIN": true, "/account%2Dx": true, "/%7Ex": true, "/a%2e%2e": true, "/%5f": true,
		"/caf%C3%A9": false, "/a%20b": false, "/a%2Fb": false, "/search": false, "/help/login": false, "/v1.2/x": false, "/a/.well-known/x": false, "/100%": false, "/%5B1%5D": false, "/%40me": false,
	} {
		r := detecttest.Request(detecttest.T, "203.0.113.9", path, 401, func(r *record.Record) { r.Method = "POST" })
		if got, err := set.Matches("r", &r); err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
}
