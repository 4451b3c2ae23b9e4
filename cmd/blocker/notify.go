package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"edgewarden/internal/ledger"
	"edgewarden/internal/notify"
)

// notifyURLEnv holds the URL of the webhook, which is a secret.
const notifyURLEnv = "EDGEWARDEN_NOTIFY_URL"

// sender is the configured webhook, or nil when there is none.
func (p *program) sender(s *settings) (*notify.Sender, error) {
	url := strings.TrimSpace(p.getenv(notifyURLEnv))
	if url == "" && s.Notify.URLFile != "" {
		b, err := os.ReadFile(s.Notify.URLFile)
		if err != nil {
			return nil, fmt.Errorf("reading the URL of the webhook: %w", err)
		}
		if url = strings.TrimSpace(string(b)); url == "" {
			return nil, fmt.Errorf("the file %s holds no URL", s.Notify.URLFile)
		}
	}
	if url == "" {
		return nil, nil
	}
	return notify.NewSender(notify.Options{URL: url, Form: s.Notify.Form, UserAgent: "edgewarden-blocker/" + version()})
}

// tell says through the webhook what people must know of a run. It comes when all is done, changes no exit code, and what goes wrong
// with it is an alert.
func (c *cycle) tell(ctx context.Context, rep *report) {
	if c.dry {
		return
	}
	run := notify.Run{ID: c.id, Now: c.now}
	for _, sr := range rep.Services {
		run.Services = append(run.Services, c.told(sr))
	}
	if err := c.send(ctx, c.settings, run); err != nil {
		c.log.Error("notification not sent", "err", err)
		if len(rep.Services) > 0 {
			rep.Services[0].Alerts = append(rep.Services[0].Alerts, "nobody was notified: "+err.Error())
		}
	}
}

// told is a service's report as a notification takes it.
func (c *cycle) told(sr *serviceReport) notify.Service {
	t := notify.Service{ID: sr.Service.ID, Name: sr.Service.Name, Flags: c.again(sr.Service.ID), Plan: sr.Plan, Applied: sr.Applied, Error: sr.Error, LedgerError: sr.LedgerError,
		NotEnforced: sr.NotEnforced, Past: ledger.Summaries(ledger.ForService(c.past, sr.Service.ID))}
	switch snapshot := sr.Snapshot; {
	case snapshot == nil:
	case snapshot.Stopped != "":
		t.Stopped = stoppedBy(snapshot.Stopped)
	case sr.LeaseUntil.IsZero():
		t.Lease = strings.Join(leaseAlert(snapshot, c.now), "; ")
	}
	if sr.Applied == nil {
		t.Error = cmp.Or(t.Error, sr.Refused) // not set up, which the ledger has as a failure too
	}
	return t
}

// send composes and sends, if there is a webhook and something to say. A run that was told to end still says what it did.
func (p *program) send(ctx context.Context, s *settings, run notify.Run) error {
	sender, err := p.sender(s)
	if sender == nil || err != nil {
		return err
	}
	want := notify.Settings{MaxEntries: s.Notify.MaxEntries, MaskAddresses: s.Notify.MaskAddresses}
	for _, kind := range s.Notify.On {
		want.On = append(want.On, notify.Kind(kind))
	}
	message, any := notify.Compose(run, want)
	if !any {
		return nil
	}
	return sender.Send(context.WithoutCancel(ctx), message)
}

// notBegun leaves a trace of a run that could not begin, and tells people. A call that is wrong in itself has only its caller.
func (p *program) notBegun(ctx context.Context, s *settings, cause error) {
	if usage := (usageError{}); s.dry || errors.As(cause, &usage) {
		return
	}
	now, _ := s.clock()
	c := &cycle{program: p, settings: s, now: now, id: ledger.NewRun(now)}
	store, err := p.openLedger(ctx, s)
	if err == nil && store != nil {
		defer store.Close()
		c.past, err = store.Since(ctx, now.Add(-ledgerMemory))
		c.chain = ledger.NewChain(store, c.id, p.actor(), source())
	}
	rep := &report{Run: c.id, Now: now}
	for _, svc := range s.Services {
		sr := &serviceReport{Service: svc, Error: cause.Error()}
		if c.chain != nil {
			c.recordFailure(ctx, sr, sr.Error)
		}
		rep.Services = append(rep.Services, sr)
	}
	if err != nil {
		p.log.Error("the ledger cannot be read", "err", err)
	}
	c.export(ctx, rep)
	c.tell(ctx, rep)
}

// notifyTest sends a message that says it is a test.
func (p *program) notifyTest(ctx context.Context) (int, error) {
	s, err := p.settings()
	if err != nil {
		return exitUsage, err
	}
	sender, err := p.sender(s)
	switch {
	case err != nil:
		return exitFailed, err
	case sender == nil:
		return exitUsage, usagef("no webhook: set %s, or notify: {url_file: PATH} in --config", notifyURLEnv)
	}
	reply := notifyReply{Schema: schemaVersion, DryRun: s.dry, Form: sender.Form()}
	if !s.dry {
		err = sender.Send(ctx, notify.TestMessage(time.Now()))
	}
	code := exitOK
	if reply.Sent = !s.dry && err == nil; err != nil {
		code = exitFailed
	}
	switch {
	case p.flags.JSON:
		return code, errors.Join(err, p.encode(reply))
	case reply.Sent:
		fmt.Fprintf(p.stdout, "sent, form %s\n", reply.Form)
	case s.dry:
		fmt.Fprintf(p.stdout, "dry run: a test message would be sent, form %s\n", reply.Form)
	}
	return code, err
}

// notifyReply is the --json of notify test.
type notifyReply struct {
	Schema int    `json:"schema"`
	DryRun bool   `json:"dry_run"`
	Sent   bool   `json:"sent"`
	Form   string `json:"form"` // json or slack
}

// checkNotify says whether there is a webhook, without using it.
func (p *program) checkNotify(s *settings) finding {
	sender, err := p.sender(s)
	switch {
	case err != nil:
		return finding{What: "notify", Text: err.Error()}
	case sender == nil:
		return finding{What: "notify", OK: true, Text: "no webhook: nobody is told of failures (" + notifyURLEnv + ", or notify: {url_file: PATH})"}
	}
	return finding{What: "notify", OK: true, Text: "a webhook is configured, form " + sender.Form() + "; blocker notify test sends a message"}
}
