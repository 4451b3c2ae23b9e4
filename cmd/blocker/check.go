package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/plain"
)

// finding is one answer of check.
type finding struct {
	What    string `json:"what"`
	OK      bool   `json:"ok"`
	Text    string `json:"text"`
	Warning bool   `json:"warning,omitempty"` // nothing fails for it, but it is hardly what was meant
}

// checkReply, the --json of check.
type checkReply struct {
	Schema   int       `json:"schema"` // 1
	Findings []finding `json:"findings"`
}

// check looks at everything a run needs, without writing, and says what is missing and what to do.
func (p *program) check(ctx context.Context) (int, error) {
	s, err := p.settings()
	if err != nil {
		return exitUsage, err
	}
	s.dry = true
	var found []finding
	if s.tokenErr != nil {
		found = append(found, finding{What: "token", Text: s.tokenErr.Error()})
	}
	note := func(what string, err error, ok string) {
		f := finding{What: what, OK: err == nil, Text: ok}
		if err != nil {
			f.Text = err.Error()
		}
		found = append(found, f)
	}
	for _, svc := range append([]config.Service{}, s.servicesOrAll()...) {
		label := "rules"
		if svc.ID != "" {
			label += " of " + svc.ID
		}
		set, _, err := config.Compile(svc.Rules, s.period, svc.Classes...)
		if err == nil && len(svc.Rules) == 0 {
			err = fmt.Errorf("none: name a file with --rules, or put rules into --config")
		}
		if err != nil {
			note(label, err, "")
		} else {
			note(label, nil, compiles(svc, set))
			if text := neverBlocks(svc); text != "" {
				found = append(found, finding{What: label, OK: true, Warning: true, Text: text})
			}
			text, err := p.checkStore(ctx, s, svc, set)
			note("store"+ofService(svc.ID), err, text)
		}
		if svc.ID != "" {
			found = append(found, p.checkEdge(ctx, s, svc)...)
		}
	}
	if s.Ledger != "" {
		text, err := p.checkLedger(ctx, s)
		note("ledger", err, text)
	}
	found = append(found, p.checkNotify(s))
	return p.printFindings(found)
}

// servicesOrAll is the configured services, or one that stands for the rows of all.
func (s *settings) servicesOrAll() []config.Service {
	if len(s.Services) > 0 {
		return s.Services
	}
	return []config.Service{{Rules: s.Rules, Classes: s.Classes}}
}

// compiles says how many rules there are, and whether they look at the classes.
func compiles(svc config.Service, set *detect.Set) string {
	rules, classes := int64(len(svc.Rules)), int64(len(svc.Classes))
	switch text := counted(rules, "rule") + " and " + counted(classes, "class") + " compile"; {
	case classes == 0 && set.NamesWeight():
		return counted(rules, "rule") + " compile; there are no classes, so weight is the number of requests"
	case classes == 0 && rules == 1:
		return "1 rule compiles"
	case classes == 0:
		return counted(rules, "rule") + " compile"
	case !set.Weighs():
		return text + "; no rule's when names weight, so the classes change nothing"
	default:
		return text
	}
}

// neverBlocks names the rules that say enforce and group by what is only reported; empty when there is none.
func neverBlocks(svc config.Service) string {
	var names []string
	for _, r := range svc.Rules {
		if r.Enforce && (r.Group == detect.ByASN || r.Group == detect.ByJA4) {
			names = append(names, r.Name+" (group: "+string(r.Group)+")")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "mode: enforce changes nothing for " + strings.Join(names, ", ") + ": such groups are reported, never blocked, since many strangers share one; use group: address or prefix"
}

// checkStore asks the store one real question.
func (p *program) checkStore(ctx context.Context, s *settings, svc config.Service, set *detect.Set) (string, error) {
	engine, err := p.openEngine(ctx, s)
	if err != nil {
		return "", err
	}
	defer engine.Close()
	now, to := s.clock()
	c, sr := &cycle{program: p, settings: s, engine: engine}, &serviceReport{Service: svc}
	found, _, err := c.detect(ctx, sr, detect.Query{Set: set, ServiceID: svc.ID, To: to, Now: now, TrustForgeable: s.Policy.TrustForgeable, TrustUnauthenticated: s.Policy.TrustUnauthenticated})
	if err != nil {
		return "", err
	}
	if sr.Unjudged != nil {
		return "", errors.New(sr.Unjudged.alert())
	}
	h := found.Health
	if h.Rows == 0 {
		return "", fmt.Errorf("it answers, but has no rows in the last %s%s: is ingest running, and is the service id right?", short(set.MaxWindow()), ofService(svc.ID))
	}
	if h.Trusted == 0 && !s.Policy.TrustForgeable && !s.Policy.TrustUnauthenticated {
		return "", fmt.Errorf("none of %d rows is trusted, so nobody can be blocked: lines need a token or client certificate, and our log format (ingest logformat)", h.Rows)
	}
	text := fmt.Sprintf("%s in the last %s, newest %s old, %d trusted", counted(h.Rows, "row"), short(set.MaxWindow()), to.Sub(h.Newest).Round(time.Second), h.Trusted)
	if sr.Cost.Estimated != nil {
		text += ", " + bytesText(*sr.Cost.Estimated) + " read by a run"
	}
	return text, nil
}

func ofService(id string) string {
	if id == "" {
		return ""
	}
	return " of service " + id
}

// checkEdge reads what a run would read and what the token says of itself.
func (p *program) checkEdge(ctx context.Context, s *settings, svc config.Service) []finding {
	fail := func(what string, err error) []finding {
		return []finding{{What: what + ofService(svc.ID), Text: err.Error()}}
	}
	if err := s.needToken(); err != nil {
		return fail("token", err)
	}
	client, err := p.edge(s)
	if err != nil {
		return fail("token", err)
	}
	self, err := client.Self(ctx)
	if err != nil {
		return fail("token", err)
	}
	found := []finding{{What: "token", OK: true, Text: "limited to the configured services"}}
	if other := otherServices(self.Services, s.Services); len(self.Services) == 0 || len(other) > 0 {
		found[0] = finding{What: "token", Text: fmt.Sprintf("it reaches more than the configured services (%s): make one that is limited to them", reach(self.Services, other))}
	}
	snapshot, err := client.Read(ctx, s.target(svc))
	if err != nil {
		return append(found, finding{What: "edge of " + svc.ID, Text: err.Error()})
	}
	if why := notSetUp(snapshot); why != "" {
		return append(found, finding{What: "edge of " + svc.ID, Text: why})
	}
	for _, l := range snapshot.Blocks {
		if !l.Referenced {
			found = append(found, finding{What: "VCL of " + svc.ID, Text: "ACL " + l.Name + " is not referenced by the active version: add the snippets of deploy/fastly"})
		}
	}
	if snapshot.Shadow.ID == "" {
		found = append(found, finding{What: "edge of " + svc.ID, OK: true, Text: "no shadow ACL " + svc.Shadow + ": rules in shadow mode are shown only"})
	}
	found = append(found, p.checkLoss(ctx, s, svc, client)...)
	return append(found, finding{What: "edge of " + svc.ID, OK: true, Text: fmt.Sprintf("version %d has every ACL and the control dictionary; %d entries of ours; this machine's clock is %s off Fastly's",
		snapshot.Version, len(snapshot.Present()), snapshot.Skew.Abs().Round(time.Second))})
}

// checkLoss compares what Fastly says it sent with what is stored.
func (p *program) checkLoss(ctx context.Context, s *settings, svc config.Service, client *acl.Client) []finding {
	engine, err := p.openEngine(ctx, s)
	if err != nil {
		return nil // checkStore has said so
	}
	defer engine.Close()
	f := finding{What: "loss" + ofService(svc.ID), OK: true, Text: "what Fastly says it sent in the last complete hour is stored"}
	if alert, err := logCountAlert(ctx, client, engine, svc, time.Now().UTC()); err != nil {
		f.OK, f.Text = false, err.Error()
	} else if alert != "" {
		f.OK, f.Text = false, alert
	}
	return []finding{f}
}

// otherServices lists services of the token that are not configured.
func otherServices(token []string, configured []config.Service) []string {
	ours := map[string]bool{}
	for _, svc := range configured {
		ours[svc.ID] = true
	}
	var other []string
	for _, id := range token {
		if !ours[id] {
			other = append(other, id)
		}
	}
	return other
}

func reach(all, other []string) string {
	if len(all) == 0 {
		return "all services of the account"
	}
	return fmt.Sprint(other)
}

// checkLedger reads the ledger and verifies its chains, without creating it.
func (p *program) checkLedger(ctx context.Context, s *settings) (string, error) {
	store, err := p.openLedger(ctx, s)
	if err != nil {
		return "", err
	}
	if store == nil {
		return s.Ledger + " does not exist yet; the first run that writes creates it", nil
	}
	defer store.Close()
	events, err := store.Since(ctx, time.Time{})
	if err != nil {
		return "", err
	}
	if problems := ledger.Verify(events); len(problems) > 0 {
		return "", fmt.Errorf("%s: %s, the first: %s", s.Ledger, counted(int64(len(problems)), "problem"), problems[0])
	}
	return fmt.Sprintf("%s holds %s, every chain is whole", s.Ledger, counted(int64(len(events)), "event")), nil
}

// printFindings shows the answers; any that is not OK makes the exit code 1.
func (p *program) printFindings(found []finding) (int, error) {
	code := exitOK
	for _, f := range found {
		if !f.OK {
			code = exitFailed
		}
	}
	if p.flags.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return code, enc.Encode(checkReply{Schema: schemaVersion, Findings: found})
	}
	for _, f := range found {
		mark := "ok  "
		switch {
		case !f.OK:
			mark = "FAIL"
		case f.Warning:
			mark = "WARN"
		}
		if _, err := fmt.Fprintf(p.stdout, "%s %s: %s\n", mark, f.What, plain.Text(f.Text, 0)); err != nil {
			return exitFailed, err
		}
	}
	return code, nil
}
