package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// subject is what is explained: an address or prefix on a service, and the request it was found by, if it was.
type subject struct {
	svc     config.Service
	prefix  netip.Prefix
	request *requestFound
}

// explain says, for an address that was blocked or one that was not, what each rule measured and what the lists, the edge and
// the ledger know of it. What cannot be had is said in its place, and the rest is shown all the same.
func (p *program) explain(ctx context.Context, cmd explainCmd) (int, error) {
	prefix, err := cmd.subject()
	if err != nil {
		return exitUsage, err
	}
	p.flags.DryRun = true
	s, err := p.forRun()
	if err != nil {
		return exitUsage, err
	}
	c := &cycle{program: p, settings: s}
	c.now, c.to = s.clock()
	c.id = ledger.NewRun(c.now)
	var storeErr error
	if c.engine, storeErr = p.openEngine(ctx, s); storeErr == nil {
		defer c.engine.Close()
	} else if usage := (usageError{}); errors.As(storeErr, &usage) {
		return exitUsage, storeErr
	}
	c.loadLists(ctx)
	ledgerErr := c.readLedger(ctx)

	var subjects []subject
	for _, svc := range s.Services {
		subjects = append(subjects, subject{svc: svc, prefix: prefix})
	}
	if cmd.RequestID != "" {
		if storeErr != nil {
			return exitFailed, storeErr
		}
		if subjects, err = c.whoMade(ctx, cmd.RequestID); len(subjects) == 0 {
			return exitFailed, err
		}
	}
	failed := []error{err, storeErr, ledgerErr}
	docs := []explanation{}
	partly := false
	for _, subject := range subjects {
		doc, err := c.explainSubject(ctx, subject, storeErr, ledgerErr)
		docs, failed, partly = append(docs, doc), append(failed, err), partly || doc.Unjudged != nil
	}
	if err := p.printExplanations(docs); err != nil {
		return exitFailed, err
	}
	switch err := errors.Join(failed...); {
	case err != nil:
		return exitFailed, err
	case partly:
		return exitPartly, nil
	}
	return exitOK, nil
}

// subject is the prefix that the call names; the zero Prefix when it names a request.
func (cmd explainCmd) subject() (prefix netip.Prefix, err error) {
	switch {
	case (cmd.Address == "") == (cmd.RequestID == ""):
		return prefix, usagef("name an address, or a request with --request-id")
	case cmd.RequestID != "" && !requestID.MatchString(cmd.RequestID):
		return prefix, usagef("--request-id %q is no id of our log format", cmd.RequestID)
	case cmd.RequestID != "":
		return prefix, nil
	}
	if prefix, err = parsePrefix(cmd.Address); err != nil {
		return prefix, usageError{err}
	}
	return prefix, nil
}

// readLedger reads what the ledger remembers, as a run does.
func (c *cycle) readLedger(ctx context.Context) error {
	store, err := c.openLedger(ctx, c.settings)
	if err == nil && store != nil {
		defer store.Close()
		c.past, err = store.Since(ctx, c.now.Add(-ledgerMemory))
	}
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	return nil
}

// explainSubject asks the lists, the edge, the store and the ledger of one service. The error says which parts failed; they say
// so in their place too.
func (c *cycle) explainSubject(ctx context.Context, s subject, storeErr, ledgerErr error) (explanation, error) {
	past := ledger.ForService(c.past, s.svc.ID)
	doc := explanation{ServiceID: s.svc.ID, Address: policy.Key(s.prefix), Request: s.request, To: c.to, Missing: map[string]string{},
		Rules: []ruleExplanation{}, Entries: []string{}, History: history(past, s.prefix)}
	switch {
	case ledgerErr != nil:
		doc.Missing["ledger"] = ledgerErr.Error()
	case c.Ledger == "":
		doc.Missing["ledger"] = "there is no --ledger"
	}
	snapshot, edgeErr := c.explainEdge(ctx, s, &doc)
	var rulesErr error
	if storeErr == nil {
		c.busy.Step("asking the log store" + ofService(s.svc.ID))
		rulesErr = c.measure(ctx, s, snapshot, past, &doc)
	}
	if storeErr != nil {
		doc.Missing["rules"] = storeErr.Error()
	}
	doc.Lists = c.listed(s.prefix) // now that a crawler may have proven itself
	if len(c.known.warnings) > 0 {
		doc.Missing["lists"] = strings.Join(c.known.warnings, "; ")
	}
	return doc, errors.Join(edgeErr, rulesErr)
}

// explainEdge fills in what the edge holds. The snapshot is empty when it cannot be read.
func (c *cycle) explainEdge(ctx context.Context, s subject, doc *explanation) (*acl.Snapshot, error) {
	nothing := acl.EmptySnapshot(c.target(s.svc))
	if s.svc.ID == "" {
		doc.Verdict, doc.Missing["edge"] = "no service was named, so what is blocked is not known", "no service was named, so it was not asked"
		return nothing, nil
	}
	client, err := c.edge(c.settings)
	var snapshot *acl.Snapshot
	if err == nil {
		c.busy.Step("reading the entries" + ofService(s.svc.ID))
		snapshot, err = client.Read(ctx, c.target(s.svc))
	}
	if err != nil {
		doc.Verdict, doc.Missing["edge"] = "whether it is blocked is not known, since the edge cannot be read", err.Error()
		return nothing, fmt.Errorf("reading the present entries%s: %w", ofService(s.svc.ID), err)
	}
	doc.Entries = entriesAbout(snapshot, s.prefix, c.now)
	var blocked bool
	if doc.Verdict, blocked = verdictOn(snapshot, s.prefix, c.now); blocked {
		doc.Undo = c.undoOf(snapshot, s.prefix)
	}
	return snapshot, nil
}

// undoOf is the command that lets an address pass; empty where unblock would not take it.
func (c *cycle) undoOf(s *acl.Snapshot, prefix netip.Prefix) string {
	if tooWideToExempt(prefix) {
		return ""
	}
	command := c.undo(s.Target.ServiceID)(acl.Change{Op: acl.Create, Prefix: prefix, Mark: acl.Mark{Kind: policy.KindBlock}})
	for _, e := range s.Covering(prefix) {
		if !e.Ours {
			return command + " --override-foreign"
		}
	}
	return command
}

// printExplanations prints them as text or JSON.
func (p *program) printExplanations(docs []explanation) error {
	if p.flags.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(explainReply{Schema: schemaVersion, Explanations: docs})
	}
	var b strings.Builder
	for _, d := range docs {
		d.text(&b, p.view())
	}
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}
