package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"edgewarden/internal/backtest"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/ledger"
)

type backtestCmd struct {
	Since        string        `help:"How far back: 14d, 36h." default:"14d" placeholder:"DURATION"`
	Step         time.Duration `help:"How far apart the runs lie (default --period)."`
	EnforcedOnly bool          `help:"Replay only rules with mode: enforce. Without it every rule is replayed as if it enforced."`
	Top          int           `help:"How many blocks the text lists." default:"20"`
}

// replaying is what backtest and suggest share: settings, store and the past they look at.
type replaying struct {
	*cycle
	replayer detect.Replayer
	from, to time.Time
	step     time.Duration
}

// lakeChunk is how much of a lake is replayed at a time: its rows pass through this machine's memory. BigQuery is asked once,
// since each scan is paid for.
const lakeChunk = time.Hour

// replayDeadline bounds one scan of BigQuery for a backtest: it reads days, not minutes.
const replayDeadline = 30 * time.Minute

// openReplay loads settings, rules, lists and store of a command that looks at the past and writes nothing.
func (p *program) openReplay(ctx context.Context, since string, step time.Duration) (*replaying, error) {
	p.flags.DryRun = true
	if p.flags.ServiceID != "" && len(p.flags.ACL) == 0 {
		p.flags.ACL = []string{config.DefaultOwner} // the past has no ACL; nothing asks for this one
	}
	length, err := config.ParseDuration(since)
	if err != nil {
		return nil, usagef("--since %v", err)
	}
	s, err := p.settings()
	if err != nil {
		return nil, err
	}
	s.Services = s.servicesOrAll()
	s.token = "" // Fastly is not asked
	if err := s.compile(); err != nil {
		return nil, err
	}
	r := &replaying{cycle: &cycle{program: p, settings: s}, step: step}
	if r.step == 0 {
		r.step = s.period
	}
	r.now, r.to = s.clock()
	r.to = r.to.Truncate(time.Minute)
	r.from = r.to.Add(-length)
	if r.engine, err = p.openEngine(ctx, s); err != nil {
		return nil, err
	}
	r.replayer = r.engine
	r.loadLists(ctx)
	return r, nil
}

// backtest replays the rules over the past and says what they would have done.
func (p *program) backtest(ctx context.Context, cmd backtestCmd) (int, error) {
	r, err := p.openReplay(ctx, cmd.Since, cmd.Step)
	if err != nil {
		return codeOf(err), err
	}
	defer r.engine.Close()
	reports := []*backtest.Report{}
	for _, svc := range r.Services {
		o, err := r.options(ctx, svc, cmd.EnforcedOnly)
		if err != nil {
			return codeOf(err), err
		}
		if err := r.afford(ctx, o); err != nil {
			return exitFailed, err
		}
		p.busy.Step("replaying the past" + ofService(svc.ID))
		o.Progress = p.busy.Count
		rep, err := backtest.Run(ctx, o)
		if err != nil {
			return exitFailed, err
		}
		reports = append(reports, rep)
	}
	code := codeOfRows(reports, func(r *backtest.Report) bool { return r.Covered != nil })
	if p.flags.JSON {
		return code, p.encode(backtestReply{Schema: schemaVersion, Backtests: reports, Warnings: append([]string{}, r.known.warnings...)})
	}
	return code, backtestText(p.stdout, reports, r.known.warnings, cmd.Top)
}

// codeOf tells a wrong call from one that failed.
func codeOf(err error) int {
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// backtestReply, the --json of backtest.
type backtestReply struct {
	Schema    int                `json:"schema"`
	Backtests []*backtest.Report `json:"backtests"`
	Warnings  []string           `json:"warnings"`
}

func (p *program) encode(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// options are a service's part of a replay.
func (r *replaying) options(ctx context.Context, svc config.Service, enforcedOnly bool) (backtest.Options, error) {
	rules := svc.Rules
	if enforcedOnly {
		rules = nil
		for _, rule := range svc.Rules {
			if rule.Enforce {
				rules = append(rules, rule)
			}
		}
		if len(rules) == 0 {
			return backtest.Options{}, usagef("--enforced-only: no rule%s has mode: enforce", ofService(svc.ID))
		}
	}
	set, actions, err := config.Compile(rules, r.period, svc.Classes...)
	if err != nil {
		return backtest.Options{}, usageError{err}
	}
	o := backtest.Options{Engine: r.replayer, Set: set, Actions: actions, ServiceID: svc.ID, From: r.from, To: r.to, Step: r.step, Settings: r.Policy,
		Allow: r.known.Allow, Never: r.known.Never, Crawlers: r.known.Crawlers, Chunk: max(lakeChunk, set.MaxWindow()), Deadline: replayDeadline}
	if _, paid := paidBy(r.engine); paid {
		o.Chunk = 0
	}
	if err := o.Validate(); err != nil {
		return o, usageError{err}
	}
	o.Real, err = r.realBlocks(ctx, svc)
	return o, err
}

// realBlocks reads the blocks of the past from the ledger; nil without one.
func (r *replaying) realBlocks(ctx context.Context, svc config.Service) ([]backtest.Real, error) {
	store, err := r.openLedger(ctx, r.settings)
	if err != nil || store == nil {
		return nil, err
	}
	defer store.Close()
	events, err := store.Since(ctx, r.from)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	if svc.ID != "" {
		events = ledger.ForService(events, svc.ID)
	}
	out := []backtest.Real{}
	for _, e := range events {
		if e.Event != "block" || e.Outcome != ledger.Success {
			continue
		}
		prefix, err := parsePrefix(e.Detail["prefix"])
		if err != nil {
			continue // not a block of an address
		}
		real := backtest.Real{Prefix: prefix, Rule: e.Detail["rule"], Since: e.Time}
		if real.Rule == ruleManual {
			real.Rule = ""
		}
		if until, err := time.Parse(time.RFC3339, e.Detail["until"]); err == nil {
			real.Until = until
		}
		out = append(out, real)
	}
	return out, nil
}

// afford says what the queries would read before they read it, and refuses above --max-bytes.
func (r *replaying) afford(ctx context.Context, o backtest.Options) error {
	if _, paid := paidBy(r.engine); !paid {
		return nil
	}
	total, err := backtest.Estimate(ctx, o)
	if err != nil {
		return err
	}
	return r.withinMaxBytes(total, backtest.Scans)
}

// withinMaxBytes says what BigQuery reckons, and refuses what is above --max-bytes.
func (r *replaying) withinMaxBytes(total int64, queries int) error {
	store, _ := paidBy(r.engine)
	limit := store.MaxBytes()
	fmt.Fprintf(r.stderr, "estimate: at most %s in up to %d queries, as BigQuery reckons before they run\n", bytesText(total), queries)
	if total > limit {
		return fmt.Errorf("the queries would read up to %s, more than --max-bytes allows (%s): look at less with --since, take out rules that name long columns such as user_agent, or raise --max-bytes to %s", bytesText(total), bytesText(limit), bigquery.Limit(total))
	}
	return nil
}
