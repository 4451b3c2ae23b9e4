package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// ruleManual is the rule named in entries made by hand.
const ruleManual = "manual"

// blockMax is the longest block a person can set. What shall last longer belongs into an ACL of its own, or into VCL.
const blockMax = 30 * 24 * time.Hour

// exemptMax is the longest exemption unblock gives.
const exemptMax = 7 * 24 * time.Hour

// block blocks addresses by hand. They pass policy and guard like a rule's offenders.
func (p *program) block(ctx context.Context, cmd blockCmd) (int, error) {
	prefixes, err := addresses(cmd.Address, cmd.File)
	if err != nil {
		return exitUsage, err
	}
	if cmd.For <= 0 || cmd.For > blockMax {
		return exitUsage, usagef("--for %s: want a duration above zero, such as 1h, and at most %s", cmd.For, blockMax)
	}
	in := policy.Input{Actions: map[string]policy.Action{ruleManual: {Block: cmd.For, Enforce: true, CountsOnly: true, Floor: 1}}}
	for _, prefix := range prefixes {
		group := detect.ByPrefix
		if prefix.IsSingleIP() || prefix.Bits() == 64 {
			group = detect.ByAddress
		}
		in.Offenders = append(in.Offenders, detect.Offender{Key: policy.Key(prefix), Group: group, Rule: ruleManual})
	}
	return p.byHand(ctx, "block", cmd.Reason, func(c *cycle, s *acl.Snapshot) ([]policy.Decision, error) {
		in.Now, in.Present, in.Settings = c.now, s.Present(), c.Policy
		in.Settings.Max = max(in.Settings.WithDefaults().Max, cmd.For) // a person may block for longer than a rule
		in.Allow, in.Never, in.Crawlers, in.AllowPartial = c.known.Allow, c.known.Never, c.known.Crawlers, c.known.AllowPartial
		ds := policy.DecideByHand(in)
		for i := range ds {
			if ds[i].Verb != policy.VerbRefuse {
				ds[i].Reason = "by hand: " + cmd.Reason
			}
			ds[i].Offender = nil // nothing was measured
		}
		return ds, nil
	})
}

// unblock deletes our entry and exempts the address for a while, so that the next run does not block it again.
func (p *program) unblock(ctx context.Context, cmd unblockCmd) (int, error) {
	prefixes, err := addresses(cmd.Address, "")
	if err != nil {
		return exitUsage, err
	}
	if cmd.Exempt <= 0 || cmd.Exempt > exemptMax {
		return exitUsage, usagef("--exempt %s: want more than zero and at most %s", cmd.Exempt, exemptMax)
	}
	for _, prefix := range prefixes {
		if tooWideToExempt(prefix) {
			return exitUsage, usagef("%s is too wide to exempt (at most /24 or /48): to end all blocking use blocker stop --reason …", prefix)
		}
	}
	return p.byHand(ctx, "unblock", cmd.Reason, func(c *cycle, s *acl.Snapshot) ([]policy.Decision, error) {
		var ds []policy.Decision
		for _, prefix := range prefixes {
			one, err := release(s, prefix, c.now, cmd)
			if err != nil {
				return nil, err
			}
			ds = append(ds, one...)
		}
		return ds, nil
	})
}

// tooWideToExempt reports whether unblock refuses a prefix for its width.
func tooWideToExempt(prefix netip.Prefix) bool {
	return prefix.Addr().Is4() && prefix.Bits() < 24 || prefix.Addr().Is6() && prefix.Bits() < 48
}

// release is what unblocking one prefix takes: our entries for it go, and an exemption comes, which the edge asks first. A
// wider entry of ours stays, since others are behind it; the exemption lifts it for this address.
func release(s *acl.Snapshot, prefix netip.Prefix, now time.Time, cmd unblockCmd) ([]policy.Decision, error) {
	var ds []policy.Decision
	for _, e := range s.Covering(prefix) {
		if !e.Ours && !cmd.OverrideForeign {
			return nil, fmt.Errorf("%s is also blocked by %s in ACL %s, which is not ours (comment %q): somebody else put it there; --override-foreign exempts the address all the same", prefix, e.Prefix, e.ACL, e.Comment)
		}
		if e.Ours && e.Prefix == prefix {
			ds = append(ds, policy.Decision{Verb: policy.VerbRelease, Kind: policy.KindBlock, Key: prefix.String(), Prefix: prefix,
				Rule: e.Mark.Rule, Since: e.Mark.Since, Until: e.Mark.Until, Strikes: e.Mark.Strikes, Code: "unblocked", Reason: cmd.Reason})
		}
	}
	return append(ds, policy.Decision{Verb: policy.VerbBlock, Kind: policy.KindExempt, Key: prefix.String(), Prefix: prefix, Rule: ruleManual,
		Rules: []string{ruleManual}, Since: now, Until: now.Add(cmd.Exempt), Reason: cmd.Reason}), nil
}

// purge removes every entry of this owner, unreadable ones too.
func (p *program) purge(ctx context.Context, reason string) (int, error) {
	return p.byHand(ctx, "purge", reason, func(*cycle, *acl.Snapshot) ([]policy.Decision, error) { return nil, nil })
}
