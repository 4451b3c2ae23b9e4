package detect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
)

// rule is a valid rule, which edit spoils.
func rule(edit ...func(*detect.Rule)) detect.Rule {
	r := detect.Rule{Name: "r", When: "requests >= 60", Window: 15 * time.Minute}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func TestAConditionOutsideTheSubsetIsRefusedAtItsPlaceWithWhatToDo(t *testing.T) {
	cases := []struct {
		part, text string
		column     int // in the expression
		want       string
	}{
		{"where", `statuss == 401`, 1, `unknown name "statuss"; did you mean "status"?`},
		{"where", `path == "/" && pth == "/"`, 16, `did you mean "path"?`},
		{"where", `zzzzzzzzz == 1`, 1, `the names are service_id, request_id`},
		{"where", `timestamp > 3`, 1, `unknown name "timestamp"`},
		{"where", `requests > 3`, 1, `it is a measure, so it belongs in when`},
		{"when", `path == "/"`, 1, `it is a field of a request, so it belongs in where`},
		{"when", `requets >= 60`, 1, `did you mean "requests"?`},
		{"where", `status == "401"`, 8, `status is of type int and cannot be compared with the string "401"; leave the quotes out`},
		{"where", `path == 401`, 6, `put the value in quotes`},
		{"where", `path == status`, 6, `path is of type string and status of type int`},
		{"where", `path`, 1, `path is of type string and no condition by itself`},
		{"where", `blocked < true`, 9, `has no order`},
		{"where", `1 == 1`, 3, `compares two literals`},
		{"where", `status = 401`, 8, `write == to compare`},
		{"where", `status == 401 and blocked`, 15, `write && for and`},
		{"where", `status in []`, 11, `is empty`},
		{"where", `status in [401, "403"]`, 17, `leave the quotes out`},
		{"where", `status in [status]`, 12, `holds literals only`},
		{"where", `"/login" in path`, 13, `path.contains(`},
		{"where", `path.startWith("/login")`, 15, `unknown method "startWith"; did you mean "startsWith"?`},
		{"where", `status.startsWith("4")`, 18, `works on a field of type string`},
		{"where", `path.startsWith(method)`, 17, `wants a text in quotes`},
		{"where", `path.contains("a", "b")`, 14, `wants one text in quotes, not 2 arguments`},
		{"where", `path.matches("(?=x)")`, 14, `not an RE2 expression`},
		{"where", `path.matches("[")`, 14, `not an RE2 expression`},
		{"where", `size(path) > 3`, 5, `no arithmetic, no functions`},
		{"where", `status + 1 == 401`, 8, `no arithmetic`},
		{"where", `status == 401 ? true : false`, 15, `not part of the rule language`},
		{"where", `has(path.x)`, 4, `not part of the rule language`},
		{"where", `path == "a\u0000b"`, 9, `NUL`},
		{"where", `path == b"x"`, 9, `this kind of literal`},
		{"where", `status == 401u`, 11, `this kind of literal`},
		{"where", `path == null`, 9, `this kind of literal`},
		{"where", `{"a": 1}`, 1, `not part of the rule language`},
		{"when", `score in [1.5]`, 7, `compare it with < or >`},
		{"when", `requests`, 1, `compare it, such as requests >= 1`},
		{"where", `path == "` + strings.Repeat("x", 20000) + `"`, 1, `longer than`},
	}
	for _, c := range cases {
		t.Run(c.text[:min(len(c.text), 30)], func(t *testing.T) {
			r := rule(func(r *detect.Rule) {
				r.WhereLine, r.WhereColumn, r.WhenLine, r.WhenColumn = 40, 12, 50, 11
				if c.part == "where" {
					r.Where = c.text
				} else {
					r.When = c.text
				}
			})
			_, err := detect.Compile([]detect.Rule{r})
			var e *detect.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v, want a *detect.Error", err)
			}
			line, column := 40, 12+c.column-1
			if c.part == "when" {
				line, column = 50, 11+c.column-1
			}
			if e.Rule != "r" || e.Part != c.part || e.Line != line || e.Column != column {
				t.Errorf("fault is of rule %q, %s at %d:%d, want r, %s at %d:%d: %s", e.Rule, e.Part, e.Line, e.Column, c.part, line, column, e.Msg)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("message %q does not say %q", err, c.want)
			}
			if place := fmt.Sprintf("line %d, column %d", line, column); !strings.Contains(e.Error(), place) {
				t.Errorf("message %q does not say %q", e, place)
			}
		})
	}
}

func TestAFaultOnALaterLineOfATextPointsToThatLine(t *testing.T) {
	_, err := detect.Compile([]detect.Rule{rule(func(r *detect.Rule) {
		r.Where, r.WhereLine, r.WhereColumn = "method == \"POST\" &&\nstats == 401", 7, 5
	})})
	var e *detect.Error
	if !errors.As(err, &e) || e.Line != 8 || e.Column != 5 {
		t.Errorf("fault is %+v, want line 8, column 5", e)
	}
}

func TestEveryFaultOfEveryRuleIsReportedAtOnce(t *testing.T) {
	_, err := detect.Compile([]detect.Rule{
		{Name: "Bad Name", Where: "foo == 1 && bar == 2", When: "", Window: 1500 * time.Millisecond, Group: "adress"},
		{Name: "twice", When: "requests > 1", Window: time.Minute},
		{Name: "twice", When: "requests > 1", Window: -time.Minute},
		{Name: "long", When: "requests > 1", Window: 25 * time.Hour},
	})
	for _, want := range []string{
		`the name "Bad Name" is not 1 to 48`, `unknown name "foo"`, `unknown name "bar"`, "there is no when", "not whole seconds",
		`unknown group "adress"; did you mean "address"?`, "rules 2 and 3 have the same name", "is not positive", "is longer than",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}

func TestSixtyThreeRulesFitAndSixtyFourDoNot(t *testing.T) {
	var rules []detect.Rule
	for i := range 64 {
		rules = append(rules, rule(func(r *detect.Rule) { r.Name = fmt.Sprintf("r%d", i) }))
	}
	if _, err := detect.Compile(rules[:63]); err != nil {
		t.Errorf("63 rules: %v", err)
	}
	if _, err := detect.Compile(rules); err == nil || !strings.Contains(err.Error(), "at most 63") {
		t.Errorf("64 rules: %v", err)
	}
	if _, err := detect.Compile(nil); err == nil {
		t.Error("no rules at all are accepted")
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	set, err := detect.Compile([]detect.Rule{rule(), rule(func(r *detect.Rule) { r.Name, r.Window, r.Group = "s", time.Hour, detect.ByASN })})
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules()
	if r[0].Where != "true" || r[0].Group != detect.ByAddress || r[1].Group != detect.ByASN {
		t.Errorf("rules are %+v", r)
	}
	if set.MaxWindow() != time.Hour {
		t.Errorf("MaxWindow is %s", set.MaxWindow())
	}
}
