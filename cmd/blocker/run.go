package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// A run, per service:
//
//	store --offenders--> policy --decisions--> diff --plan--> guard --> [dry run ends here] --> apply --> lease
//	  ^                    ^                     ^
//	  '---present blocks---+------entries now----'
//
// everything a run decides from is read before anything is written.

// runOnce is one run over every configured service.
func (p *program) runOnce(ctx context.Context, cmd runCmd) (int, error) {
	if err := checkPage(cmd.Report); err != nil {
		return exitUsage, err
	}
	s, err := p.forRun()
	if err != nil {
		return exitUsage, err
	}
	rep, err := p.cycle(ctx, s, nil)
	if rep == nil {
		p.notBegun(ctx, s, err)
		return exitFailed, err
	}
	p.keepPage(cmd.Report, rep, s)
	code := rep.exitCode(cmd.DetailedExitcode)
	if p.flags.LogFormat == "json" {
		p.logRun(rep, code)
	}
	if printErr := p.print(rep); printErr != nil {
		return exitFailed, errors.Join(err, printErr)
	}
	return code, err
}

// forRun loads the settings of a run and settles whether it may write.
func (p *program) forRun() (*settings, error) {
	s, err := p.settings()
	if err != nil {
		return nil, err
	}
	if !s.now.IsZero() && !s.loopbackEdge() && !s.dry {
		s.dry = true
		p.log.Warn("--now makes this a dry run: the Fastly endpoint is not on loopback", "endpoint", s.FastlyEndpoint)
	}
	switch {
	case len(s.Services) == 0 && !s.dry:
		return nil, usagef("which service? Name it with --service-id and --acl, or in --config; or look first with --dry-run")
	case len(s.Services) == 0:
		s.Services = []config.Service{{Rules: s.Rules, Classes: s.Classes}}
		p.log.Info("no --service-id: rows of all services are counted, present entries are taken as none")
	default:
		if err := s.needToken(); err != nil {
			return nil, err
		}
	}
	return s, s.compile()
}

// compiled is a service's rules, ready to ask and to act.
type compiled struct {
	set     *detect.Set
	actions map[string]policy.Action
}

// compile compiles every service's rules, so that a fault in a file is found before anything is read or written.
func (s *settings) compile() error {
	s.compiled = map[string]compiled{}
	for _, svc := range s.Services {
		if len(svc.Rules) == 0 {
			return usagef("no rules: name a file with --rules, or put rules into --config")
		}
		set, actions, err := config.Compile(svc.Rules, s.period, svc.Classes...)
		if err != nil {
			return usageError{err}
		}
		s.compiled[svc.ID] = compiled{set, actions}
	}
	return nil
}

// cycle is what one run shares between its services.
type cycle struct {
	*program
	*settings
	id        string
	leaseFrom time.Time // the present, from which the lease is counted
	now, to   time.Time
	engine    detect.Engine
	past      []ledger.Event
	chain     *ledger.Chain

	known          known     // lists
	warnings       []string  // what went wrong around the run without stopping it
	review         *planFile // apply: what was reviewed; nil for a run that asks the store
	override       string    // apply: the limit that is lifted
	overrideReason string
}

// cycle opens what a run needs, runs every service and closes. The report is nil only when nothing could begin. prepare may
// change the cycle before it begins.
func (p *program) cycle(ctx context.Context, s *settings, prepare func(*cycle)) (*report, error) {
	c := &cycle{program: p, settings: s}
	c.now, c.to = s.clock()
	c.leaseFrom = c.now
	if prepare != nil {
		prepare(c)
	}
	if c.review == nil {
		engine, err := p.openEngine(ctx, s)
		if err != nil {
			return nil, err
		}
		defer engine.Close()
		c.engine = engine
	}
	store, err := p.openLedger(ctx, s)
	if usage := (usageError{}); errors.As(err, &usage) {
		return nil, err
	} else if err != nil {
		store = lostLedger{err} // releases do not wait for a disk; the exit code says that nothing was recorded
	}
	c.id = ledger.NewRun(c.now)
	if store != nil {
		defer store.Close()
		if c.past, err = store.Since(ctx, c.now.Add(-ledgerMemory)); err != nil {
			c.warnings = append(c.warnings, fmt.Sprintf("the ledger cannot be read in full, so strikes may be forgotten: %v", err))
		}
	}
	if s.dry {
		store = nil // a dry run writes nothing
	}
	c.chain = ledger.NewChain(store, c.id, p.actor(), source())
	c.loadLists(ctx)

	defer p.busy.Step("") // whatever comes next says so itself
	rep := &report{Run: c.id, DryRun: s.dry, Now: c.now, To: c.to, Capacity: s.Capacity}
	c.recordOverride(ctx)
	for _, svc := range s.Services {
		sr, err := c.service(ctx, svc)
		if err != nil {
			sr.Error = err.Error()
			if sr.Applied == nil { // write records its own end
				c.recordFailure(ctx, sr, sr.Error)
			}
			p.failed("service failed", svc.ID, err)
		}
		rep.Services = append(rep.Services, sr)
	}
	c.logHead()
	c.export(ctx, rep)
	c.tell(ctx, rep)
	return rep, nil
}

// ledgerMemory is how far back a run reads its ledger: strikes are forgotten after 30 days.
const ledgerMemory = 31 * 24 * time.Hour

// failed says on stderr that a service failed; the report on stdout goes on with the others.
func (p *program) failed(msg, service string, err error) {
	p.log.Error(msg, "service_id", service, "err", err)
}

// logHead leaves the head of the run's chain in the program's log, outside the ledger: who cuts the ledger's end away cannot
// reach it there.
func (c *cycle) logHead() {
	if head := c.chain.Head(); head != "" && !c.dry {
		c.log.Info("ledger", "run", c.id, "head", head)
	}
}

// print shows a report as text or JSON.
func (p *program) print(r *report) error {
	if p.flags.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r.document())
	}
	return r.text(p.stdout, p.view())
}
