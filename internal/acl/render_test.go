package acl_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// shown is a plan with one of everything, read and judged as in a run.
func shown(t *testing.T) *acl.Plan {
	s := snap(t, row{acl: b1, prefix: "203.0.113.10", comment: gone}, row{acl: b1, prefix: "203.0.113.11", comment: ours}, row{acl: b1, prefix: "203.0.113.12", comment: ours},
		row{acl: b2, prefix: "203.0.113.13", comment: "Ann's \x1b[31m"})
	s.Skew = 0
	attack := with(block("203.0.113.1", 412), func(d *policy.Decision) {
		d.Rule, d.Rules, d.Strikes, d.Reason = "login-bruteforce", []string{"flood", "login-bruteforce", "watch"}, 2, "412 failed logins in 15m"
		d.Offender.Measures = detect.Measures{Requests: 412, PeakPerMinute: 90, Errors: 412}
		d.Offender.Evidence = &detect.Evidence{Country: "NZ", ASN: 64500, Paths: []detect.Count{{Value: "/login\x1b]0;owned\a", N: 412}}, Agents: []detect.Count{{Value: "curl/8\u202e", N: 412}}, Statuses: []detect.Count{{Value: "401", N: 412}}}
	})
	ds := []policy.Decision{attack, extension("203.0.113.11"), block("203.0.113.13", 5),
		with(block("203.0.113.12", 0), func(d *policy.Decision) { d.Verb, d.Offender = policy.VerbKeep, nil }),
		{Verb: policy.VerbAllow, Kind: policy.KindAllow, Key: "198.51.100.0/24", Prefix: prefix("198.51.100.0/24"), Reason: "office"}}
	p := acl.Diff(s, ds, acl.DiffOptions{Now: t0, Run: "now"})
	h := healthy()
	h.Loss = 0.2
	acl.Guard(p, s, acl.GuardInput{Health: h, HasData: true, Actions: map[string]policy.Action{"flood": {CountsOnly: true}, "login-bruteforce": {CountsOnly: true}}})
	return p
}

func TestRenderReadsLikeAGoodDiff(t *testing.T) {
	var b strings.Builder
	if err := acl.Render(&b, shown(t), acl.RenderOptions{Actions: map[string]policy.Action{"login-bruteforce": {Floor: 60, CountsOnly: true, Enforce: true}, "flood": {Enforce: true}, "watch": {}}, Undo: undo}); err != nil {
		t.Fatal(err)
	}
	want := `4 changes: 1 block, 1 allowlist entry, 1 extension, 1 release; 1 refused, 1 kept
? limit    loss failed: 20 %, limit 5 %
+ allow    198.51.100.0/24      without end  in edgewarden_exempt
           office
+ block    203.0.113.1/32       NZ AS64500  rules login-bruteforce, flood  412 requests (60 make an offender)  for 1h until 2026-05-06T08:08:09Z  strike 2  in edgewarden_1
           412 failed logins in 15m
           peak 90/min; 0 ok, 412 errors; 401 ×412; /login\x1b]0;owned\x07 ×412; "curl/8\u202e"
           undo: undo 203.0.113.1/32
~ extend   203.0.113.11/32      rule flood  50 requests  for 2h until 2026-05-06T09:08:09Z  strike 1  in edgewarden_1
           too many requests
           peak 0/min; 50 ok, 0 errors
           undo: undo 203.0.113.11/32
- release  203.0.113.10/32      rule flood  strike 1  in edgewarden_1
           its time is over: 2026-05-06T07:07:09Z
           undo: undo 203.0.113.10/32
! refused  203.0.113.13         foreign_entry  rule flood  5 requests
           already in edgewarden_2 by somebody else's entry id003, comment "Ann's \x1b[31m"
= kept     1
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// undo stands for the command that the program would name; an allowlist entry has none.
func undo(c acl.Change) string {
	if c.Mark.Kind == policy.KindAllow {
		return ""
	}
	return "undo " + c.Prefix.String()
}

func TestTextFromTheLogIsHarmlessInEveryLine(t *testing.T) {
	var b strings.Builder
	if err := acl.Render(&b, shown(t), acl.RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r != '\n' && (r < ' ' || r == 0x7f || r == '\u202e') {
			t.Fatalf("%q is printed", r)
		}
	}
}

func TestALongPlanCanBeCut(t *testing.T) {
	var ds []policy.Decision
	for i := range 20 {
		ds = append(ds, block("203.0.113."+string(rune('1'+i%9))+string(rune('0'+i/9)), int64(100-i)))
	}
	s := snap(t)
	s.Skew = 0
	p := acl.Diff(s, ds, acl.DiffOptions{Now: t0})
	acl.Guard(p, s, acl.GuardInput{Limits: acl.Limits{NewBlocks: 5}})
	var b strings.Builder
	if err := acl.Render(&b, p, acl.RenderOptions{Max: 3, More: "--all"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "+ … and 2 more (--all)\n") || !strings.Contains(b.String(), "! refused … and 12 more (--all)\n") || !strings.HasPrefix(b.String(), "5 changes: 5 blocks; 15 refused\n") {
		t.Errorf("\n%s", b.String())
	}
}

func TestNothingToDoIsSaidSo(t *testing.T) {
	var b strings.Builder
	if err := acl.Render(&b, &acl.Plan{}, acl.RenderOptions{}); err != nil || b.String() != "no changes\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

type broke struct{}

func (broke) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestAWriterThatFailsIsNotHidden(t *testing.T) {
	if err := acl.Render(broke{}, &acl.Plan{}, acl.RenderOptions{}); err == nil {
		t.Error("no error")
	}
}

func TestJSONShapes(t *testing.T) {
	p := shown(t)
	got, err := json.Marshal(map[string]any{"changes": p.ChangesJSON(), "refusals": p.RefusalsJSON()})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"changes":[` +
		`{"op":"delete","acl":"edgewarden_1","prefix":"203.0.113.10/32","rule":"flood","until":"2026-05-06T07:07:09Z","reason":"its time is over: 2026-05-06T07:07:09Z"},` +
		`{"op":"create","acl":"edgewarden_exempt","prefix":"198.51.100.0/24","rule":"-","until":null,"reason":"office"},` +
		`{"op":"create","acl":"edgewarden_1","prefix":"203.0.113.1/32","rule":"login-bruteforce","rules":["flood","login-bruteforce","watch"],"until":"2026-05-06T08:08:09Z","reason":"412 failed logins in 15m"},` +
		`{"op":"update","acl":"edgewarden_1","prefix":"203.0.113.11/32","rule":"flood","rules":["flood"],"until":"2026-05-06T09:08:09Z","reason":"too many requests"}],` +
		`"refusals":[{"key":"203.0.113.13","rule":"flood","code":"foreign_entry","reason":"already in edgewarden_2 by somebody else's entry id003, comment \"Ann's \\x1b[31m\""}]}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if empty, _ := json.Marshal((&acl.Plan{}).ChangesJSON()); string(empty) != "[]" {
		t.Errorf("no changes are %s", empty)
	}
}

func TestAPlanSurvivesAFile(t *testing.T) {
	p := shown(t)
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back acl.Plan
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&back)
	if err != nil || string(again) != string(b) {
		t.Errorf("a plan read back from its file is another: %v", err)
	}
	var one, two strings.Builder
	if err := errors.Join(acl.Render(&one, p, acl.RenderOptions{}), acl.Render(&two, &back, acl.RenderOptions{})); err != nil || one.String() != two.String() {
		t.Errorf("it also reads differently: %v", err)
	}
}
