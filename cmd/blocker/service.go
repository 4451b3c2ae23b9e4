package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// service is the spine of a run: read, ask, decide, plan, judge, write. It returns what it got to, also with an error.
func (c *cycle) service(ctx context.Context, svc config.Service) (*serviceReport, error) {
	set, actions := c.compiled[svc.ID].set, c.compiled[svc.ID].actions
	sr := &serviceReport{Service: svc, To: c.to, Window: set.MaxWindow(), Actions: actions}
	target := c.target(svc)
	snapshot, client, err := acl.EmptySnapshot(target), (*acl.Client)(nil), error(nil)
	if svc.ID != "" {
		if client, err = c.edge(c.settings); err != nil {
			return sr, err
		}
		c.busy.Step("reading the entries" + ofService(svc.ID))
		if snapshot, err = client.Read(ctx, target); err != nil {
			return sr, fmt.Errorf("reading the present entries: %w", err)
		}
	}
	sr.Snapshot = snapshot

	past := ledger.ForService(c.past, svc.ID)
	sr.past = past
	summaries := ledger.Summaries(past)
	sr.Usual = c.usual(summaries, svc.ID, set)
	query := c.question(svc, snapshot.Present(), past)
	// Releases never depend on data: when the store does not answer, what is due is still released, and the run has failed.
	found, storeErr := c.find(ctx, sr, &query)
	sr.Found = found
	if sr.Unjudged != nil {
		sr.Alerts = append(sr.Alerts, sr.Unjudged.alert())
	}
	c.verifyCrawlers(ctx, found.Offenders)

	sr.UsualRows = ledger.Baseline(summaries, svc.ID, sr.Window)
	plan := c.judge(sr, snapshot, storeErr == nil)
	sr.Plan = plan
	if c.review != nil {
		sr.Unreviewed = c.review.keepReviewed(svc.ID, plan, c.override)
	}
	sr.NotEnforced = slices.Concat(edgeAlerts(snapshot), leakAlerts(snapshot, found, actions, c.now))
	sr.Alerts = slices.Concat(sr.Alerts, sr.NotEnforced, c.warnings, c.known.warnings)
	if storeErr == nil {
		sr.Alerts = append(sr.Alerts, c.dataAlerts(svc.ID, found.Health, sr.Window)...)
		sr.Notes = slices.Concat(sr.Notes, healthAdvice(found.Health, c.Guard, c.Policy.TrustForgeable), unexplained(sr))
		c.outlook(sr, past)
		c.compareLogs(ctx, client, sr)
	}
	if svc.ID == "" {
		c.takeApart(ctx, sr, query)
		return sr, storeErr
	}
	err = c.carryOut(ctx, client, snapshot, sr, storeErr)
	c.takeApart(ctx, sr, query)
	if sr.LeaseUntil.IsZero() {
		sr.Alerts = append(sr.Alerts, leaseAlert(snapshot, c.now)...)
	}
	return sr, err
}

// question is what a run asks the store of a service.
func (c *cycle) question(svc config.Service, present []policy.Block, past []ledger.Event) detect.Query {
	set, actions := c.compiled[svc.ID].set, c.compiled[svc.ID].actions
	return detect.Query{
		// Now is this machine's clock, never --now: rows that lie ahead of it tell that it is wrong.
		Set: set, ServiceID: svc.ID, To: c.to, Now: time.Now().UTC(), Present: policy.Questions(present, actions, c.Policy, c.to),
		TrustForgeable: c.Policy.TrustForgeable, TrustUnauthenticated: c.Policy.TrustUnauthenticated,
		Baselines: c.baselines(ledger.Summaries(past), svc.ID, set), NotClients: c.known.notClients(),
	}
}

// judge decides, compares with what is there and lets the guard speak: what a run would change. Nothing is written.
func (c *cycle) judge(sr *serviceReport, snapshot *acl.Snapshot, hasData bool) *acl.Plan {
	decisions := policy.Decide(policy.Input{
		Now: c.now, Offenders: sr.Found.Offenders, After: sr.Found.After, Actions: sr.Actions, Present: snapshot.Present(),
		Allow: c.known.Allow, Never: c.known.Never, Crawlers: c.known.Crawlers, AllowPartial: c.known.AllowPartial,
		History: ledger.History(sr.past, c.now, c.Policy.Forget), ShadowHistory: ledger.ShadowHistory(sr.past, c.now, c.Policy.Forget), Settings: c.Policy,
	})
	plan := acl.Diff(snapshot, decisions, acl.DiffOptions{Run: c.id, Now: c.now, Capacity: c.Capacity, Max: c.Policy.Max})
	acl.Guard(plan, snapshot, acl.GuardInput{
		Limits: c.Guard, Health: sr.Found.Health, HasData: hasData, To: c.to, Actions: sr.Actions, Never: c.known.Never,
		Allow: lists.Union(c.known.Allow, c.known.Crawlers), AllowPartial: c.known.AllowPartial,
		Forgeable: c.Policy.TrustForgeable, Baseline: sr.UsualRows, Override: c.override,
	})
	return plan
}

// showFor bounds the questions that a run can do without: all that offenders asked for (without an answer each has the room of an
// office), and what is only shown. Evidence comes before the writing, since the reasons of blocks are made
// of it, and a run has four minutes in all (deploy/): without a bound, whoever makes those questions slow would end the run
// before it blocks him. A variable, so that a test need not wait.
var showFor = 45 * time.Second

// find asks the store, or takes what a reviewed plan was made from. The query becomes the one that was answered.
func (c *cycle) find(ctx context.Context, sr *serviceReport, query *detect.Query) (found detect.Result, err error) {
	if c.review != nil {
		return c.review.found(sr)
	}
	defer c.meter(sr)()
	c.busy.Step("asking the log store" + ofService(sr.Service.ID))
	if found, *query, err = c.detect(ctx, sr, *query); err != nil {
		return detect.Result{}, fmt.Errorf("asking the log store: %w", err)
	}
	c.busy.Step("fetching evidence" + ofService(sr.Service.ID))
	shown, stop := context.WithTimeout(ctx, showFor)
	defer stop()
	counting, counted := context.WithTimeout(shown, showFor*2/3)
	err = c.countWholes(counting, sr, *query, &found)
	counted()
	if err != nil {
		sr.Alerts = append(sr.Alerts, err.Error())
	}
	if err := c.engine.Evidence(shown, *query, found.Offenders); err != nil {
		sr.Alerts = append(sr.Alerts, fmt.Sprintf("the evidence could not be fetched, counts stand alone: %v", err))
	}
	c.countRepeats(shown, sr, *query, &found.Health)
	sr.Floods = query.Set.Floods(found, sr.Usual, query.To)
	return found, nil
}

// carryOut writes a judged plan, unless this is a dry run: the one place that decides it.
func (c *cycle) carryOut(ctx context.Context, client *acl.Client, snapshot *acl.Snapshot, sr *serviceReport, storeErr error) error {
	if why := notSetUp(snapshot); why != "" {
		sr.Refused = why
		sr.Plan.Changes = nil
		c.recordFailure(ctx, sr, why)
		return storeErr
	}
	if snapshot.Stopped != "" {
		sr.Refused = stopped(snapshot)
		sr.Plan.KeepReleases()
	}
	if c.dry {
		return storeErr
	}
	return c.write(ctx, client, snapshot, sr, storeErr)
}

// stopped is the sentence with which a run refuses everything while the kill switch is pulled.
func stopped(s *acl.Snapshot) string {
	return "stopped by " + stoppedBy(s.Stopped) + ": nothing is blocked and the lease does not move, releases pass; blocker start --reason … ends it"
}

// write applies the plan, audits what was done and moves the lease.
func (c *cycle) write(ctx context.Context, client *acl.Client, snapshot *acl.Snapshot, sr *serviceReport, storeErr error) error {
	c.busy.Step("writing" + ofService(sr.Service.ID))
	applied, err := client.Apply(ctx, snapshot, sr.Plan)
	sr.Applied = &applied
	if err == nil && len(applied.Failed) > 0 {
		err = fmt.Errorf("%d of %d changes are not in effect after reading back", len(applied.Failed), len(sr.Plan.Changes))
	}
	err = errors.Join(storeErr, err)
	// A lease is earned by a run that could see, released what was due and trusts its clock; an applied plan that left releases
	// alone has not.
	if err == nil && snapshot.Stopped == "" && len(sr.Unreviewed) == 0 && clockTrusted(sr.Plan.Verdict) {
		sr.LeaseUntil = c.leaseFrom.Add(c.lease)
		if err = client.SetLease(ctx, snapshot, sr.LeaseUntil); err != nil {
			sr.LeaseUntil = time.Time{}
			err = fmt.Errorf("moving the lease: %w", err)
		}
		if errors.Is(err, acl.ErrStopped) { // somebody pulled the kill switch while this run was on its way: not a failure
			sr.Refused, err = "stopped while the run was on its way: the lease does not move", nil
		}
	}
	if auditErr := c.audit(ctx, sr, err); auditErr != nil {
		sr.LedgerError = auditErr.Error()
	}
	return err
}

// clockTrusted reports whether the guard took the clock for right. With a wrong one nothing was released that was due, so the
// run was no success and must not prolong the lease.
func clockTrusted(v acl.Verdict) bool {
	return !slices.ContainsFunc(v.Limits, func(c acl.Check) bool {
		return !c.Passed && (c.Name == acl.LimitClockSkew || c.Name == acl.LimitAhead)
	})
}

// notSetUp says what a writing run cannot do without; empty when all is there.
func notSetUp(s *acl.Snapshot) string {
	vital, _ := s.Missing()
	if len(vital) == 0 {
		return ""
	}
	return fmt.Sprintf("the active version %d of service %s has no %s: create it and activate (deploy/fastly), or name what there is in the configuration",
		s.Version, s.Target.ServiceID, strings.Join(vital, ", no "))
}
