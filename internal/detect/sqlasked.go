package detect

import (
	"fmt"
	"slices"
	"strings"
)

// asks reports whether the query asks about a key of the group.
func (q Query) asks(g Group, key string) bool { return slices.Contains(q.About, Keyed{g, key}) }

// asked is the condition of a row of a rule and a key that the query asks about, "" when it asks about none that the rules
// count. The keys are parameters of their own and no table: they are few, and a condition costs no join.
func (s *scan) asked() string {
	var parts []string
	for i, a := range s.q.About {
		var rules []string
		for r, c := range s.q.Set.rules {
			if c.Group == a.Group {
				rules = append(rules, fmt.Sprint(r))
			}
		}
		if len(rules) > 0 {
			parts = append(parts, fmt.Sprintf("rule IN (%s) AND k = %s", strings.Join(rules, ", "), s.named(fmt.Sprintf("about%d", i), a.Key)))
		}
	}
	return strings.Join(parts, " OR ")
}

// alsoAsked ends a condition that the keys asked about need not meet.
func (s *scan) alsoAsked() string {
	if asked := s.asked(); asked != "" {
		return " OR " + asked
	}
	return ""
}

// metOf tells rows that meet their rule, where others are kept that need not.
func (s *scan) metOf(condition string) string {
	if s.asked() == "" {
		return "1"
	}
	return "CASE WHEN " + condition + " THEN 1 ELSE 0 END"
}

// near is what the tally says of keys that can still be offenders. Where keys are asked about it is that of everybody, since
// any number of requests may be theirs, and says who is close.
func (s *scan) near(condition string) cte {
	const columns = "SELECT r.grp AS grp, r.counter AS counter, rule, trust, requests, share, score, baseline_score, baseline_ratio, population"
	const from = "\nFROM scored JOIN rules r ON r.id = rule"
	if s.asked() == "" {
		return cte{name: "near", body: columns + from + "\nWHERE " + condition}
	}
	return cte{name: "near", body: columns + ",\n  " + condition + " AS close" + from}
}

// possible are the keys that can still be offenders by all that is known without another look at their rows, and those asked
// about.
func (s *scan) possible(known string) cte {
	left, where := "counter", s.ifWeighed("\nWHERE "+known)
	if asked := s.asked(); asked != "" {
		left, where = "counter, close", "\nWHERE close"+s.ifWeighed(" AND "+known)+" OR "+asked
	}
	return cte{name: "possible", hint: keep, body: "SELECT n.* EXCLUDE (" + left + "), c.k" + s.ifWeighed(", c.weight") + "\nFROM counts c JOIN near n USING (counter, trust, requests)" + where}
}
