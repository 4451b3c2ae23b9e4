package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// byHand carries out a person's decisions on every configured service: no log store is needed.
func (p *program) byHand(ctx context.Context, event, reason string, decide func(*cycle, *acl.Snapshot) ([]policy.Decision, error)) (int, error) {
	if strings.TrimSpace(reason) == "" {
		return exitUsage, usagef("--reason is empty: say why, it is kept in the ledger")
	}
	c, done, err := p.handCycle(ctx)
	if err != nil {
		return exitUsage, err
	}
	defer done()
	rep := &report{Run: c.id, DryRun: c.dry, Now: c.now, To: c.to, Capacity: c.Capacity}
	for _, svc := range c.Services {
		sr, err := c.serviceByHand(ctx, svc, event, reason, decide)
		if err != nil {
			sr.Error = err.Error()
			p.failed(event+" failed", svc.ID, err)
		}
		rep.Services = append(rep.Services, sr)
	}
	c.logHead()
	if err := p.print(rep); err != nil {
		return exitFailed, err
	}
	return rep.exitCode(false), nil
}

// handCycle prepares a command that writes without log data.
func (p *program) handCycle(ctx context.Context) (*cycle, func(), error) {
	s, err := p.forWriting()
	if err != nil {
		return nil, nil, err
	}
	store, err := p.openLedger(ctx, s)
	if usage := (usageError{}); errors.As(err, &usage) {
		return nil, nil, err
	} else if err != nil {
		store = lostLedger{err}
	}
	if store == nil && !s.dry {
		p.log.Warn("there is no --ledger: who did this and why is kept nowhere")
	}
	done := func() {
		if store != nil {
			store.Close()
		}
	}
	c := &cycle{program: p, settings: s}
	c.now, c.to = s.clock()
	c.id = ledger.NewRun(c.now)
	chainStore := store
	if s.dry {
		chainStore = nil
	}
	c.loadLists(ctx)
	c.chain = ledger.NewChain(chainStore, c.id, p.actor(), source())
	return c, done, nil
}

// serviceByHand is a person's command on one service: read, decide, judge, write.
func (c *cycle) serviceByHand(ctx context.Context, svc config.Service, event, reason string, decide func(*cycle, *acl.Snapshot) ([]policy.Decision, error)) (*serviceReport, error) {
	sr := &serviceReport{Service: svc, To: c.to}
	client, err := c.edge(c.settings)
	if err != nil {
		return sr, err
	}
	c.busy.Step("reading the entries" + ofService(svc.ID))
	snapshot, err := client.Read(ctx, c.target(svc))
	if err != nil {
		return sr, withAdvice(fmt.Errorf("reading the present entries: %w", err), event, acl.ByHandAdvice(err, c.target(svc), nil, c.now))
	}
	sr.Snapshot = snapshot
	sr.Alerts = append(edgeAlerts(snapshot), leaseAlert(snapshot, c.now)...)
	ds, err := decide(c, snapshot)
	if err != nil {
		return sr, err
	}
	sr.Plan = acl.Diff(snapshot, ds, acl.DiffOptions{Run: c.id, Now: c.now, Capacity: c.Capacity, Max: c.Policy.Max, OnlyDecisions: true, Purge: event == "purge"})
	acl.Guard(sr.Plan, snapshot, acl.GuardInput{Limits: c.Guard, Never: c.known.Never, Allow: c.known.Allow})
	if why := notSetUp(snapshot); why != "" && event != "purge" { // removing what is ours needs nothing
		sr.Refused, sr.Plan.Changes = why, nil
		return sr, nil
	}
	if event == "block" && snapshot.Stopped != "" {
		sr.Refused, sr.Plan.Changes = "stopped by "+stoppedBy(snapshot.Stopped)+": start first", nil
		return sr, nil
	}
	if c.dry {
		return sr, nil
	}
	c.busy.Step("writing" + ofService(svc.ID))
	applied, err := client.Apply(ctx, snapshot, sr.Plan)
	sr.Applied = &applied
	if err == nil && len(applied.Failed) > 0 {
		err = fmt.Errorf("%d of %d changes are not in effect after reading back", len(applied.Failed), len(sr.Plan.Changes))
	}
	err = withAdvice(err, event, acl.ByHandAdvice(err, c.target(svc), snapshot, c.now))
	outcome := ledger.Success
	if err != nil {
		outcome = outcomeFailure
	}
	events := []ledger.Event{{Event: event, Outcome: outcome, Target: svc.ID, PlanHash: planHash(sr.Plan), Detail: map[string]string{"reason": reason}}}
	for _, e := range changeEvents(sr) {
		e.Detail["reason"] = reason
		events = append(events, e)
	}
	if auditErr := c.record(ctx, events...); auditErr != nil {
		sr.LedgerError = auditErr.Error()
	}
	return sr, err
}

// withAdvice adds what to do by hand when Fastly cannot be reached while a person wants traffic to pass.
func withAdvice(err error, event, advice string) error {
	if err == nil || advice == "" || event == "block" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}
