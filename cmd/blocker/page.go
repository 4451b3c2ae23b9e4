package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/ledger"
	pages "edgewarden/internal/report"
)

// checkPage refuses, before anything is read or written, a page that could not be written.
func checkPage(path string) error {
	if path == "" {
		return nil
	}
	if err := pages.CheckFile(path); err != nil {
		return usagef("--report: %v", err)
	}
	return nil
}

// pageOf makes the page of a run. A page never harms a run: what goes wrong with it is an error, a panic too.
func (p *program) pageOf(r *report, period time.Duration, capacity int) (page []byte, err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("bug: making the page panicked: %v\n%s", bug, debug.Stack())
		}
	}()
	run := pages.Run{ID: r.Run, DryRun: r.DryRun, Now: r.Now, To: r.To, Period: period, Flags: p.flagsForPeople()}
	for _, s := range r.Services {
		var floods []pages.Flood
		for _, same := range alike(s.Floods) {
			floods = append(floods, pages.Flood{Text: floodText(same), Clusters: clusterText(same[0]), Advice: floodAdvice(easiest(same))})
		}
		run.Services = append(run.Services, pages.Service{
			Floods: floods, State: healthLine(s),
			ID: s.Service.ID, Name: s.Service.Name, Window: s.Window, Actions: s.Actions, Capacity: capacity,
			Snapshot: s.Snapshot, Found: s.Found, Plan: s.Plan, Applied: s.Applied, LeaseUntil: s.LeaseUntil,
			Refused: s.Refused, Error: s.Error, LedgerError: s.LedgerError, Alerts: s.Alerts, Notes: s.Notes, Unreviewed: s.Unreviewed, Past: s.past,
		})
	}
	return pages.HTML(run)
}

// keepPage writes the page of a run into a file. Its error is logged, since what the run did to the edge is done.
func (p *program) keepPage(path string, r *report, s *settings) {
	if path == "" {
		return
	}
	page, err := p.pageOf(r, s.period, s.Capacity)
	if err == nil {
		err = pages.WriteFile(path, page)
	}
	if err != nil {
		p.log.Error("the page is not written", "file", path, "err", err)
	}
}

// statusPage writes the page of what was read from the edge.
func (p *program) statusPage(ctx context.Context, path string, s *settings, now time.Time, read []*serviceReport) error {
	if path == "" {
		return nil
	}
	s.dry = true
	if store, err := p.openLedger(ctx, s); err == nil && store != nil { // why an address is blocked stands there; without it the rule must do
		past, _ := store.Since(ctx, now.Add(-ledgerMemory))
		for _, sr := range read {
			sr.past = ledger.ForService(past, sr.Service.ID)
		}
		_ = store.Close()
	}
	page, err := p.pageOf(&report{DryRun: true, Now: now, To: now, Services: read}, s.period, s.Capacity)
	if err == nil {
		err = pages.WriteFile(path, page)
	}
	return err
}

// flagsForPeople are the flags that a command on the page needs to mean the same services as this call.
func (p *program) flagsForPeople() (words []string) {
	f := p.flags
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag+" "+shellWord(value))
		}
	}
	add("--config", f.Config)
	add("--service-id", f.ServiceID)
	add("--acl", strings.Join(f.ACL, ","))
	add("--owner", f.Owner)
	add("--fastly-endpoint", f.FastlyEndpoint)
	add("--fastly-token-file", f.FastlyTokenFile)
	add("--ledger", f.Ledger)
	return words
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=@%+", r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// edgeReport is what status knows of a service.
func edgeReport(sr *serviceReport, snapshot *acl.Snapshot, err error) *serviceReport {
	sr.Snapshot = snapshot
	if err != nil {
		sr.Error = err.Error()
	}
	return sr
}
