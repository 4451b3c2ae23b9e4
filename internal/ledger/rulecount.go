package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// RuleCount is what one rule counted in one run: a few numbers for all its keys together, so that a summary stays small
// whatever the traffic.
type RuleCount struct {
	Shape         string // what was counted, so that a rule that was rewritten is not held against itself: [0-9a-f]
	Requests      int64
	Keys          int64
	Median, Scale float64 // of ln(requests) of the keys
}

// writeRules is one text for all rules: name=shape/requests/keys/median/scale, parted by blanks. A name that this would
// not survive is left out.
func writeRules(rules map[string]RuleCount) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if r := rules[name]; !strings.ContainsAny(name+r.Shape, " =/") {
			parts = append(parts, fmt.Sprintf("%s=%s/%d/%d/%.4g/%.4g", name, r.Shape, r.Requests, r.Keys, r.Median, r.Scale))
		}
	}
	return strings.Join(parts, " ")
}

// readRules reads what writeRules wrote; what cannot be read is left out.
func readRules(text string) map[string]RuleCount {
	rules := map[string]RuleCount{}
	for _, part := range strings.Fields(text) {
		name, rest, _ := strings.Cut(part, "=")
		f := strings.Split(rest, "/")
		if len(f) != 5 {
			continue
		}
		requests, err1 := strconv.ParseInt(f[1], 10, 64)
		keys, err2 := strconv.ParseInt(f[2], 10, 64)
		median, err3 := strconv.ParseFloat(f[3], 64)
		scale, err4 := strconv.ParseFloat(f[4], 64)
		if err1 == nil && err2 == nil && err3 == nil && err4 == nil {
			rules[name] = RuleCount{Shape: f[0], Requests: requests, Keys: keys, Median: median, Scale: scale}
		}
	}
	return rules
}
