package detect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
)

func TestAnExpressionThatCannotBeReadIsExplainedInPlainWords(t *testing.T) {
	for _, c := range []struct {
		when string
		says []string
	}{
		{"requests >= 30 &&", []string{"line 1, column 18: the expression ends where a value is expected"}},
		{">= 50%", []string{"line 1, column 1: >= stands where a value is expected; a share is a number from 0 to 1: 50 % is 0.5",
			"line 1, column 7: the expression ends where a value is expected; a share is a number from 0 to 1: 50 % is 0.5"}},
		{"(requests > 3", []string{"line 1, column 14: the expression ends where ) is expected"}},
		{"requests > 3)", []string{"line 1, column 13: ) stands where the expression could end, or go on with && or ||"}},
		{"requests > 3 ok > 2", []string{"line 1, column 14: ok stands where the expression could end, or go on with && or ||"}},
		{"requests > 3 and ok > 2", []string{"line 1, column 14: and stands where the expression could end, or go on with && or ||; write && for and, || for or, ! for not"}},
		{"requests in [1, 2", []string{"line 1, column 18: the expression ends where ] or , is expected"}},
		{"requests = 3", []string{"line 1, column 10: nothing can be made of =; write == to compare", "line 1, column 12: 3 stands where the expression could end"}},
		{"requests => 3", []string{"line 1, column 10: nothing can be made of =>; write >= for at least", "column 13: 3 stands where"}},
		{"requests > 'a", []string{"line 1, column 12: the text 'a has no end: its closing quote is missing", "column 14: the expression ends where a value is expected"}},
	} {
		_, err := detect.Compile([]detect.Rule{{Name: "a", Window: time.Minute, When: c.when}})
		if err == nil {
			t.Errorf("%s compiles", c.when)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.says) || slices.ContainsFunc(c.says, func(say string) bool { return !strings.Contains(err.Error(), say) }) {
			t.Errorf("%s: %v\nwant %q", c.when, err, c.says)
		}
		for _, raw := range []string{"EOF", "IDENTIFIER", "mismatched", "extraneous", "yntax error"} {
			if strings.Contains(err.Error(), raw) {
				t.Errorf("%s: the parser's own words: %v", c.when, err)
			}
		}
	}
}
