package main

import (
	"context"
	"net/netip"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
)

// known is what a run holds addresses against. It is read once a run.
type known struct {
	lists.Sources
	warnings []string // lists that could not be read anew; the last good copy is used
}

// notClients are the ranges no client comes from: reserved ones and Fastly's own. Our own egress is not among them: monitors
// come from there.
func (k known) notClients() (out []netip.Prefix) {
	if k.Never == nil {
		return nil
	}
	for _, e := range k.Never.Entries() {
		if e.List == lists.NeverList || e.List == lists.FastlyList {
			out = append(out, e.Prefix)
		}
	}
	return out
}

// loadLists reads every list. It never fails: what cannot be read is a warning.
func (c *cycle) loadLists(ctx context.Context) {
	o := c.Config.ListOptions()
	o.Now = c.now
	if c.token == "" {
		o.FastlyURL = "" // a run that needs no token asks nobody
	}
	sources, warnings := lists.Load(ctx, o)
	if !c.fromFile {
		sources.Allow = nil // rules alone say nothing of the allowlist, and its entries at the edge stay as they are
	}
	c.known = known{Sources: sources}
	for _, w := range warnings {
		c.known.warnings = append(c.known.warnings, w.Error())
	}
}

// verifyCrawlers adds to the published ranges the offenders that prove by forward-confirmed reverse DNS who they say they are.
func (c *cycle) verifyCrawlers(ctx context.Context, offenders []detect.Offender) {
	var claims []lists.Claim
	for _, o := range offenders {
		addr, err := netip.ParseAddr(o.Key)
		if err != nil || o.Evidence == nil || o.Group != detect.ByAddress {
			continue
		}
		claim := lists.Claim{Address: addr}
		for _, agent := range o.Evidence.Agents {
			claim.Agents = append(claim.Agents, agent.Value)
		}
		claims = append(claims, claim)
	}
	if len(claims) == 0 || len(c.Config.Crawlers) == 0 {
		return
	}
	verified, warnings := lists.Verify(ctx, lists.VerifyOptions{Crawlers: c.Config.Crawlers, Known: c.known.Crawlers, CacheDir: c.ListsCache, Now: c.now}, claims)
	c.known.Crawlers = lists.Union(c.known.Crawlers, verified)
	for _, w := range warnings {
		c.known.warnings = append(c.known.warnings, w.Error())
	}
}
