package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// audit writes what a run decided and did on one service, and its summary, to the ledger.
func (c *cycle) audit(ctx context.Context, sr *serviceReport, runErr error) error {
	hash := planHash(sr.Plan)
	events := changeEvents(sr)
	for _, d := range sr.Plan.Refusals {
		events = append(events, ledger.Event{Event: "refuse", Outcome: "refused", Target: sr.Service.ID + "/" + d.Key, PlanHash: hash,
			Detail: map[string]string{"rule": d.Rule, "code": d.Code, "reason": d.Reason, "prefix": d.Prefix.String()}})
	}
	if !sr.LeaseUntil.IsZero() {
		events = append(events, ledger.Event{Event: "lease", Outcome: ledger.Success, Target: sr.Service.ID + "/" + sr.Snapshot.Target.Control,
			Detail: map[string]string{"until": sr.LeaseUntil.UTC().Format(time.RFC3339)}})
	}
	end := c.summary(sr, runErr).Event()
	end.PlanHash = hash
	return c.record(ctx, append(events, end)...)
}

const outcomeFailure = "failure"

// changeEvents is every change of a plan with what became of it.
func changeEvents(sr *serviceReport) []ledger.Event {
	failed := map[string]bool{}
	for _, ch := range sr.Applied.Failed {
		failed[string(ch.Op)+ch.ACL+ch.Prefix.String()] = true
	}
	hash := planHash(sr.Plan)
	var events []ledger.Event
	for _, ch := range sr.Plan.Changes {
		e := changeEvent(sr.Service.ID, ch)
		e.PlanHash = hash
		if failed[string(ch.Op)+ch.ACL+ch.Prefix.String()] {
			e.Outcome = outcomeFailure
		}
		events = append(events, e)
	}
	return events
}

// recordFailure leaves a trace of a writing run that did not get as far as writing: silence would look like health.
func (c *cycle) recordFailure(ctx context.Context, sr *serviceReport, why string) {
	if c.dry || sr.Service.ID == "" {
		return
	}
	e := ledger.Event{Event: ledger.RunEvent, Outcome: outcomeFailure, Target: sr.Service.ID, Detail: map[string]string{"error": why}}
	if err := c.record(ctx, e); err != nil {
		sr.LedgerError = err.Error()
	}
}

// record adds events to the run's chain. In a rehearsal they carry its time, so that its history reads as it was played.
func (c *cycle) record(ctx context.Context, events ...ledger.Event) error {
	if !c.settings.now.IsZero() {
		for i := range events {
			events[i].Time = c.settings.now
		}
	}
	return c.chain.Add(ctx, events...)
}

// changeEvent is one change as an audit record.
func changeEvent(service string, ch acl.Change) ledger.Event {
	verb := map[acl.Op]string{acl.Create: "block", acl.Update: "extend", acl.Delete: "release"}[ch.Op]
	if ch.Mark.Kind != policy.KindBlock {
		verb = string(ch.Mark.Kind) + "-" + string(ch.Op)
	}
	detail := map[string]string{
		"acl": ch.ACL, "rule": ch.Mark.Rule, "strikes": strconv.Itoa(ch.Mark.Strikes), "reason": ch.Reason,
		"since": ch.Mark.Since.UTC().Format(time.RFC3339), "prefix": ch.Prefix.String(),
	}
	if !ch.Mark.Until.IsZero() {
		detail["until"] = ch.Mark.Until.UTC().Format(time.RFC3339)
	}
	if d := ch.Decision; d != nil && d.Code != "" {
		detail["code"] = d.Code
	}
	if d := ch.Decision; d != nil && len(d.Rules) > 1 {
		detail["rules"] = strings.Join(d.Rules, ",")
	}
	return ledger.Event{Event: verb, Outcome: ledger.Success, Target: service + "/" + ch.ACL + "/" + ch.Prefix.String(), Detail: detail}
}

// summary keeps the numbers of a run; later runs take their baseline from it.
func (c *cycle) summary(sr *serviceReport, runErr error) ledger.Summary {
	h := sr.Found.Health
	create, update, remove := tally(sr.Plan.Changes)
	sum := ledger.Summary{
		Outcome: ledger.Success, Service: sr.Service.ID, Window: sr.Window, Newest: h.Newest,
		Rows: h.Rows, Trusted: h.Trusted, OKRequests: h.OKRequests, OKAddresses: h.OKAddresses, BytesScanned: h.BytesScanned,
		Offenders: int64(len(sr.Found.Offenders)), Blocks: int64(create), Extends: int64(update), Releases: int64(remove),
		Refusals: int64(len(sr.Plan.Refusals)), Ours: int64(sr.Snapshot.Usage(c.Capacity).Ours),
		Rules: ruleCounts(c.compiled[sr.Service.ID].set, sr.Found),
		Extra: map[string]string{"guard": sr.Plan.Verdict.Verdict},
	}
	if u := sr.Unjudged; u != nil {
		for _, rule := range u.Rules {
			delete(sum.Rules, rule) // it counted nothing, which is no count
		}
		sum.Extra["unjudged"], sum.Extra["unjudged_why"] = strings.Join(u.Rules, ","), u.Why
	}
	if sr.Cost.Billed != nil {
		sum.Extra["bytes_billed"] = strconv.FormatInt(*sr.Cost.Billed, 10)
	}
	if h.Repeats.Rows > 0 { // an empty minute tells nothing that the next run should go by
		sum.Extra[repeatsKey] = repeatsText(h.Repeats)
	}
	maps.Copy(sum.Extra, c.told(sr).Marks())
	if runErr != nil {
		sum.Outcome, sum.Extra["error"] = outcomeFailure, runErr.Error()
	}
	return sum
}

// planHash names a plan by what it changes.
func planHash(p *acl.Plan) string {
	h := sha256.New()
	for _, ch := range p.Changes {
		fmt.Fprintf(h, "%s %s %s %s %s\n", ch.Op, ch.ACL, ch.Prefix, ch.EntryID, ch.Mark)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
