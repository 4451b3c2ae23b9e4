package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/ledger"
)

// plan is a dry run whose plan is kept.
func (p *program) plan(ctx context.Context, cmd planCmd) (int, error) {
	if err := checkPage(cmd.Report); err != nil {
		return exitUsage, err
	}
	p.flags.DryRun = true
	s, err := p.forRun()
	if err != nil {
		return exitUsage, err
	}
	rep, err := p.cycle(ctx, s, nil)
	if rep == nil {
		return exitFailed, err
	}
	file := newPlanFile(rep)
	if err := file.write(cmd.Out); err != nil {
		return exitFailed, fmt.Errorf("keeping the plan: %w", err)
	}
	p.keepPage(cmd.Report, rep, s)
	if err := p.print(rep); err != nil {
		return exitFailed, err
	}
	p.log.Info("plan kept", "apply", "blocker apply "+cmd.Out, "before", file.Made.Add(planLife).Format(time.RFC3339))
	return rep.exitCode(cmd.DetailedExitcode), nil
}

// apply carries out a reviewed plan. Policy and guard judge again with the lists, entries and ledger of now; what comes out
// beyond the plan is left alone.
func (p *program) apply(ctx context.Context, cmd applyCmd) (int, error) {
	if err := acl.CheckOverride(cmd.Override); err != nil {
		return exitUsage, usagef("--override: %v", err)
	}
	if cmd.Override != "" && strings.TrimSpace(cmd.Reason) == "" {
		return exitUsage, usagef("--override needs --reason: say why, it is kept in the ledger")
	}
	file, err := readPlan(cmd.File)
	if err != nil {
		return exitUsage, err
	}
	if age := time.Since(file.Made); age > planLife || age < -time.Minute {
		return exitRefused, fmt.Errorf("the plan of %s has expired, it could be applied for %s: make a new one", file.Made.Format(time.RFC3339), planLife)
	}
	s, err := p.forWriting()
	if err != nil {
		return exitUsage, err
	}
	if err := s.compile(); err != nil {
		return exitUsage, err
	}
	rep, err := p.cycle(ctx, s, func(c *cycle) {
		c.review, c.override, c.overrideReason = file, cmd.Override, cmd.Reason
		c.now, c.to = file.Now, file.To // expiries are those that were reviewed
	})
	if rep == nil {
		return exitFailed, err
	}
	return rep.exitCode(false), errors.Join(err, p.print(rep))
}

// recordOverride records who lifts which limit and why, before anything is written.
func (c *cycle) recordOverride(ctx context.Context) {
	if c.override == "" || c.dry {
		return
	}
	var events []ledger.Event
	for _, svc := range c.Services {
		events = append(events, ledger.Event{Event: "override", Outcome: ledger.Success, Target: svc.ID, Detail: map[string]string{"limit": c.override, "reason": c.overrideReason}})
	}
	if err := c.record(ctx, events...); err != nil {
		c.warnings = append(c.warnings, fmt.Sprintf("the override is not recorded: %v", err))
	}
}
