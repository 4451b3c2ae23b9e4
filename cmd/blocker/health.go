package main

import (
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
)

// healthLine is the state of the data a run decided from, in one line: age and volume, then what of it does not count.
func healthLine(s *serviceReport) string {
	h := s.Found.Health
	if h.Rows == 0 {
		return ""
	}
	rows := thousands(h.Rows) + " rows"
	if h.Rows == 1 {
		rows = "1 row"
	}
	parts := []string{fmt.Sprintf("data: %s in %s", rows, short(s.Window))}
	switch {
	case s.UsualRows > 0:
		parts = append(parts, fmt.Sprintf("%s trusted (usual %s)", thousands(h.Trusted), thousands(s.UsualRows)))
	case h.Trusted < h.Rows:
		parts = append(parts, thousands(h.Trusted)+" trusted")
	}
	if !h.Newest.IsZero() {
		parts = append(parts, "newest "+s.To.Sub(h.Newest).Round(time.Second).String()+" old")
	}
	if h.LossKnown {
		parts = append(parts, fmt.Sprintf("%.1f %% lost on the way", h.Loss*100))
	} else {
		parts = append(parts, "loss not known")
	}
	for _, c := range []struct {
		n    int64
		what string
	}{
		{h.Shield, "from shields, not counted"}, {h.NoFirstHop, "do not say first_hop"}, {h.Forgeable, "with an address a client can forge"}, {h.NoAddress, "without an address"},
		{h.TrustedNotClient, "with an address no client has"}, {h.TrustedClaims, "claim another address"}, {h.ReceivedTime, "without a time of their own, not counted"}, {h.Ahead, "ahead of the clock"},
	} {
		if c.n > 0 {
			parts = append(parts, percent(c.n, h.Rows)+" "+c.what)
		}
	}
	return strings.Join(parts, ", ")
}

// unexplained says that there are far more requests than usual that neither an offender nor a flood accounts for: no rule
// counts them. It costs no question; what they share only a rule can tell.
func unexplained(s *serviceReport) []string {
	rows := s.Found.Health.Trusted
	if s.UsualRows <= 0 || len(s.Floods) > 0 {
		return nil
	}
	caught, byKey := int64(0), map[string]int64{}
	for _, o := range s.Found.Offenders {
		if o.Group == detect.ByAddress && o.Trust == (detect.Trust{}) && o.Measures.Requests > byKey[o.Key] {
			caught += o.Measures.Requests - byKey[o.Key]
			byKey[o.Key] = o.Measures.Requests
		}
	}
	if rest := rows - caught; rest < 1000 || rest < 3*s.UsualRows {
		return nil
	}
	return []string{fmt.Sprintf("%s trusted rows where %s are usual, and no rule says why: a rule without where, in shadow mode, shows who sends them and, in a flood, what they share",
		thousands(rows), thousands(s.UsualRows))}
}

// healthShare is how much of the rows may be odd before a sentence says what to do about it.
const healthShare = 0.05

// firstHopAdvice says what rows that do not say first_hop mean, by the request ids where they were looked at.
func firstHopAdvice(h detect.Health, limits acl.Limits) string {
	r, of := h.Repeats, percent(h.NoFirstHop, h.Rows)+" of the rows do not say first_hop"
	minute := r.Minute.UTC().Format("15:04")
	switch {
	case !limits.CheckRepeats(r).Passed:
		return fmt.Sprintf("%s of the rows of minute %s repeat a request id (%s of %s): a shield logs each request again, and it counts twice, or clients send the id: log first_hop (ingest logformat), or let only the edge log",
			percent(r.Repeated, r.Rows), minute, thousands(r.Repeated), thousands(r.Rows))
	case r.Rows == 0:
		return of + ": with shielding each of their requests is logged, and counted, twice: use our log format (ingest logformat)"
	case part(r.Repeated, r.Rows) > healthShare:
		return fmt.Sprintf("%s, and of %s request ids in minute %s %s came before: too few to tell whether a shield logs requests again", of, thousands(r.Rows), minute, thousands(r.Repeated))
	}
	return fmt.Sprintf("%s, but of %s request ids in minute %s hardly one comes twice: no shield seems to log requests again, unless it gives ids of its own", of, thousands(r.Rows), minute)
}

// healthAdvice says what to do about rows that cannot count, or count wrongly. What can stop blocks is a limit of the guard and
// not said here. Forgeable says that addresses out of headers are trusted.
func healthAdvice(h detect.Health, limits acl.Limits, forgeable bool) []string {
	var out []string
	much := func(n int64) bool { return part(n, h.Rows) > healthShare }
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if much(h.NoFirstHop) {
		out = append(out, firstHopAdvice(h, limits))
	}
	if much(h.Forgeable) {
		say("%s of the rows carry an address that may come from a request header, which a client can forge: log client.ip at the first hop (ingest logformat); nobody is blocked for them", percent(h.Forgeable, h.Rows))
	}
	if !limits.CheckClaims(h, forgeable).Passed {
		counted := "; they count under the address that connected"
		if forgeable {
			counted = "" // dataAlerts says what they do then
		}
		say("requests that came with a Fastly-Client-IP that is not their address: %s; somebody forges it, or a proxy or CDN of yours stands in front of Fastly, whose addresses then belong on the allowlist%s", thousands(h.TrustedClaims), counted)
	}
	if much(h.NoAddress) {
		say("%s of the rows have no client address: ingest lint-format shows what is wrong with the log line", percent(h.NoAddress, h.Rows))
	}
	if much(h.ReceivedTime) {
		say("%s of the rows have no time of their own and are not counted: log time.start as timestamp (ingest logformat)", percent(h.ReceivedTime, h.Rows))
	}
	// Every request that a shield sees was logged at the edge before.
	if edge := h.Rows - h.Shield; h.Shield > edge && much(h.Shield-edge) {
		say("more rows come from shields (%s) than from the edge (%s): the edge's lines are lost, or its logging has a condition: compare with blocker check", thousands(h.Shield), thousands(edge))
	}
	return out
}
