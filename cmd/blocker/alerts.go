package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// edgeAlerts says what shows, at the edge itself, that blocking does not work although every call succeeded.
func edgeAlerts(s *acl.Snapshot) []string {
	var out []string
	for _, l := range s.Blocks {
		if l.ID != "" && !l.Referenced {
			out = append(out, fmt.Sprintf("ACL %s is not referenced by the active version %d: its entries block nothing", l.Name, s.Version))
		}
	}
	for _, e := range s.Exempt.Entries {
		if wide(e.Prefix) {
			out = append(out, fmt.Sprintf("%s in ACL %s exempts a great part of the internet: blocks in it do not act", e.Prefix, s.Exempt.Name))
		}
	}
	return out
}

// leaseAlert says why the edge enforces nothing; empty when it does.
func leaseAlert(s *acl.Snapshot, now time.Time) []string {
	switch {
	case s.ControlID == "":
		return nil // said elsewhere: nothing is written without it
	case s.Stopped != "":
		return []string{"stopped by " + stoppedBy(s.Stopped) + ": the edge enforces nothing until blocker start --reason …"}
	case s.EnforceUntil.IsZero():
		return []string{"no lease yet: the edge enforces nothing until a run has succeeded"}
	case s.EnforceUntil.Before(now):
		return []string{fmt.Sprintf("the lease ended at %s: the edge has not enforced since; the next successful run moves it", s.EnforceUntil.UTC().Format(time.RFC3339))}
	}
	return nil
}

// leakAlerts names blocked addresses whose requests still pass.
func leakAlerts(s *acl.Snapshot, found detect.Result, actions map[string]policy.Action, now time.Time) []string {
	if s.EnforceUntil.Before(now) || s.Stopped != "" {
		return nil // nothing is enforced, so nothing can leak
	}
	var out []string
	for _, a := range found.After {
		if a.Passed > 0 && actions[a.Rule].Enforce {
			out = append(out, fmt.Sprintf("%s is blocked (rule %s) but %d requests passed since %s", a.Key, a.Rule, a.Passed, a.From.UTC().Format(time.RFC3339)))
		}
	}
	return out
}

// dataAlerts says that a store without rows is no quiet night.
func (c *cycle) dataAlerts(service string, h detect.Health, window time.Duration) []string {
	stale := cmp.Or(c.Guard.Stale, 10*time.Minute)
	if h.Rows == 0 {
		return []string{fmt.Sprintf("no rows%s in the last %s: is ingest running, and is the service id right?", ofService(service), window)}
	}
	if h.Trusted == 0 && !c.Policy.TrustForgeable && !c.Policy.TrustUnauthenticated {
		return []string{fmt.Sprintf("none of %d rows is trusted, so nobody can be blocked: lines need a token or client certificate, and our log format", h.Rows)}
	}
	newest := h.TrustedNewest
	if newest.IsZero() {
		newest = h.Newest
	}
	if age := c.to.Sub(newest); age > stale {
		return []string{fmt.Sprintf("the newest row%s that counts is %s old: is ingest shipping?", ofService(service), age.Round(time.Second))}
	}
	if c.Policy.TrustForgeable && !c.Guard.CheckClaims(h, true).Passed {
		return []string{fmt.Sprintf("requests%s came with another address in Fastly-Client-IP (%s of %s trusted rows) and trust: allow: forgeable_address is set: where a line takes its address from a header, whoever sends it chooses who is blocked; log client.ip at the first hop (ingest logformat), then take forgeable_address out of trust",
			ofService(service), thousands(h.TrustedClaims), thousands(h.Trusted))}
	}
	return nil
}

// outlook adds what is not amiss yet: how full the ACLs are and when they will be, and what rules in shadow mode would have
// stopped.
func (c *cycle) outlook(sr *serviceReport, past []ledger.Event) {
	if sr.Service.ID == "" {
		return
	}
	forecast := ledger.FillForecast(ledger.Summaries(past), sr.Service.ID, int64(sr.Snapshot.Usage(c.Capacity).Room()), c.now)
	if alert := forecast.Alert(); alert != "" {
		sr.Alerts = append(sr.Alerts, alert)
	}
	sr.Notes = append(sr.Notes, forecast.String())
	for _, effect := range sr.Snapshot.ShadowEffects(sr.Found.After, c.to) {
		sr.Notes = append(sr.Notes, effect.String())
	}
}

// compareLogs holds Fastly's own count of log lines against the store. Only over the lake, where another look costs nothing, and
// only in the present, of which Fastly knows; over BigQuery `blocker check` does it.
func (c *cycle) compareLogs(ctx context.Context, client *acl.Client, sr *serviceReport) {
	if client == nil || c.Lake == "" || !c.settings.now.IsZero() || c.engine == nil {
		return
	}
	alert, err := logCountAlert(ctx, client, c.engine, sr.Service, time.Now().UTC())
	if err != nil {
		alert = fmt.Sprintf("lines received could not be compared with what Fastly sent: %v", err)
	}
	if alert != "" {
		sr.Alerts = append(sr.Alerts, alert)
	}
}

// wide reports whether a prefix is wider than anything a person would exempt.
func wide(p netip.Prefix) bool {
	return p.IsValid() && (p.Addr().Is4() && p.Bits() < 16 || p.Addr().Is6() && p.Bits() < 32)
}

// stoppedBy makes "<unix> <actor>" readable.
func stoppedBy(item string) string {
	at, who, ok := strings.Cut(item, " ")
	if unix, err := strconv.ParseInt(at, 10, 64); ok && err == nil {
		return who + " at " + time.Unix(unix, 0).UTC().Format(time.RFC3339)
	}
	return item
}
