package main

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule runs until ctx ends: once at start, then on the cron schedule, in UTC. Files are read again for every run, and
// the last good settings are kept while they cannot be read.
func (p *program) schedule(ctx context.Context, cmd runCmd) (int, error) {
	if err := checkPage(cmd.Report); err != nil {
		return exitUsage, err
	}
	plan, err := parseSchedule(cmd.Schedule)
	if err != nil {
		return exitUsage, usagef("--schedule %q: %v", cmd.Schedule, err)
	}
	if p.flags.Period == 0 {
		p.flags.Period = longestGap(plan, time.Now().UTC())
	}
	if p.flags.Now != "" {
		return exitUsage, usagef("--now and --schedule exclude each other")
	}
	good, err := p.forRun()
	if err != nil {
		return exitUsage, err
	}
	watch, err := p.watch(cmd.Admin)
	if err != nil {
		return exitFailed, err
	}
	defer watch.close()
	job := func() {
		if ctx.Err() != nil {
			return
		}
		if s, err := p.forRun(); err == nil {
			good = s
		} else {
			p.log.Error("the configuration cannot be read; the last good one is used", "err", err)
		}
		rep, code := p.scheduledRun(ctx, good, cmd)
		watch.done(rep, code, good.Capacity)
		p.keepPage(cmd.Report, rep, good)
		watch.show(p, rep, good)
		p.logRun(rep, code)
	}
	runner := cron.New(cron.WithLocation(time.UTC))
	wrapped := chainOf(p).Then(cron.FuncJob(job))
	runner.Schedule(plan, wrapped)
	runner.Start()
	p.log.Info("scheduled", "schedule", cmd.Schedule, "period", p.flags.Period.String(), "next", plan.Next(time.Now().UTC()).Format(time.RFC3339))
	wrapped.Run() // the first tick may be far away
	<-ctx.Done()
	<-runner.Stop().Done() // a run in flight ends by its own context
	return exitOK, nil
}

// chainOf wraps every run: skip outside recover, since the other way round a panic would block the job for good
// (https://github.com/robfig/cron/issues/366).
func chainOf(p *program) cron.Chain {
	return cron.NewChain(cron.SkipIfStillRunning(cron.DiscardLogger), cron.Recover(panicLogger{p}))
}

// scheduledRun is one run, reported on the log instead of by an exit code.
func (p *program) scheduledRun(ctx context.Context, s *settings, cmd runCmd) (*report, int) {
	rep, err := p.cycle(ctx, s, nil)
	if rep == nil {
		p.notBegun(ctx, s, err)
		p.log.Error("the run could not begin", "err", err)
		now, to := s.clock()
		return &report{Run: "could not begin", DryRun: s.dry, Now: now, To: to, Services: []*serviceReport{{Error: err.Error()}}}, exitFailed
	}
	if err := p.print(rep); err != nil {
		p.log.Error("printing the report", "err", err)
	}
	return rep, rep.exitCode(cmd.DetailedExitcode)
}

// parseSchedule reads a cron expression and refuses what the library accepts in silence but nobody means.
func parseSchedule(spec string) (plan cron.Schedule, err error) {
	defer func() { // the parser panics on "CRON_TZ=UTC" without an expression
		if r := recover(); r != nil {
			plan, err = nil, fmt.Errorf("want five fields, such as */5 * * * *")
		}
	}()
	plan, err = cron.ParseStandard(spec)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	first := plan.Next(now)
	if first.IsZero() {
		return nil, fmt.Errorf("it never comes due")
	}
	if gap := plan.Next(first).Sub(first); gap < time.Minute {
		return nil, fmt.Errorf("it comes due every %s; once a minute is the most", gap)
	}
	return plan, nil
}

// longestGap is the longest time between two runs among the next hundred: what a rule's window must be twice as long as.
func longestGap(plan cron.Schedule, now time.Time) time.Duration {
	var longest time.Duration
	at := plan.Next(now)
	for range 100 {
		next := plan.Next(at)
		longest = max(longest, next.Sub(at))
		at = next
	}
	return longest
}

// panicLogger reports a recovered panic.
type panicLogger struct{ p *program }

// Info implements cron.Logger.
func (panicLogger) Info(string, ...any) {}

// Error implements cron.Logger.
func (l panicLogger) Error(err error, msg string, _ ...any) {
	l.p.log.Error("bug: a run panicked; the schedule goes on", "err", err, "msg", msg)
}
