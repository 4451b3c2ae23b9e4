package detect

import "strings"

// scoreScale turns a median absolute deviation into a standard deviation of a
// normal distribution; scoreFloor is the least scale, so that a population of
// equals does not make every third request an outlier.
const (
	scoreScale = "1.4826e0"
	scoreFloor = "1e-1"
	// scoreFloorValue is the same for a scale that is known beforehand.
	scoreFloorValue = 0.1
)

// scoring writes the steps from tally to scored. tally holds a row for each
// number of requests a rule's keys have, with how many keys have it (members):
// median and deviation come from that histogram, exactly, without sorting all
// keys. Every row of tally is kept, so columns it carries beside these pass
// through. The steps are a chain: none is read twice.
//
// Of each rule and trust class the steps tell the keys (population), their requests (total), those of the busiest and
// the least busy key, and what window adds, each preceded by a comma.
func (s *scan) scoring(window string) []cte { return s.scoringBy("rule, trust", window) }

// scoringBy is scoring with a population for each value of the given columns.
func (s *scan) scoringBy(population, window string) []cte {
	part := "PARTITION BY " + population
	const rows = " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
	// at picks x where the running sum of members passes the n-th key.
	at := func(x, cum, n string) string {
		return "MAX(CASE WHEN " + cum + " - members <= " + n + " AND " + n + " < " + cum + " THEN " + x + " END) OVER (" + part + ")"
	}
	middle := func(x, cum string) string {
		return "COALESCE((" + at(x, cum, "mid_lo") + "\n    + " + at(x, cum, "mid_hi") + ") / 2, 0)"
	}
	return []cte{
		{name: "ranked", body: "SELECT *, LN(CASE WHEN requests > 0 THEN requests ELSE 1 END) AS ln_requests,\n" +
			"  SUM(members) OVER (" + part + " ORDER BY requests" + rows + " AS cum,\n" +
			"  SUM(members) OVER (" + part + ") AS population,\n" +
			"  SUM(requests * members) OVER (" + part + ") AS total,\n" +
			"  MAX(requests) OVER (" + part + ") AS busiest,\n" +
			"  MIN(requests) OVER (" + part + ") AS least" + strings.ReplaceAll(window, "PART", part) + "\nFROM tally"},
		{name: "halved", body: "SELECT *, " + s.div("population - 1", "2") + " AS mid_lo, " + s.div("population", "2") + " AS mid_hi\nFROM ranked"},
		{name: "centred", body: "SELECT *, " + middle("ln_requests", "cum") + " AS med\nFROM halved"},
		{name: "deviating", body: "SELECT *, ABS(ln_requests - med) AS dev\nFROM centred"},
		{name: "spread", body: "SELECT *, SUM(members) OVER (" + part + " ORDER BY dev, requests" + rows + " AS cum_dev\nFROM deviating"},
		{name: "scaled", body: "SELECT *, " + scoreScale + " * " + middle("dev", "cum_dev") + " AS scale\nFROM spread"},
		{name: "scored", body: "SELECT *, COALESCE(requests / NULLIF(total, 0), 0) AS share,\n" +
			"  (ln_requests - med) / CASE WHEN scale > " + scoreFloor + " THEN scale ELSE " + scoreFloor + " END AS score,\n  " + s.baselineColumns() + "\nFROM scaled"},
	}
}
