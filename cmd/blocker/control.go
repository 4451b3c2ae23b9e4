package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/ledger"
)

// stop is the kill switch.
func (p *program) stop(ctx context.Context, reason string) (int, error) {
	return p.control(ctx, "stop", reason, func(client *acl.Client, s *acl.Snapshot, c *cycle) (string, error) {
		return "stopped: the edge enforces nothing, no run blocks anything until it is started; undo: blocker start --reason 'undo stop' " + c.again(s.Target.ServiceID), client.Stop(ctx, s, c.now, p.actor())
	})
}

// start clears the kill switch.
func (p *program) start(ctx context.Context, reason string) (int, error) {
	return p.control(ctx, "start", reason, func(client *acl.Client, s *acl.Snapshot, _ *cycle) (string, error) {
		return "started: the next successful run moves the lease, and the edge enforces again", client.Start(ctx, s)
	})
}

// control changes the control dictionary of every configured service.
func (p *program) control(ctx context.Context, event, reason string, do func(*acl.Client, *acl.Snapshot, *cycle) (string, error)) (int, error) {
	if strings.TrimSpace(reason) == "" {
		return exitUsage, usagef("--reason is empty: say why, it is kept in the ledger")
	}
	c, done, err := p.handCycle(ctx)
	if err != nil {
		return exitUsage, err
	}
	defer done()
	failed, ledgerFailed := 0, false
	var lines []controlLine
	for _, svc := range c.Services {
		text, err := c.controlService(ctx, svc, do)
		line, outcome := controlLine{ServiceID: svc.ID, DryRun: c.dry, Text: text}, ledger.Success
		if err != nil {
			failed++
			line.Error, outcome = err.Error(), outcomeFailure
		}
		if !c.dry {
			auditErr := c.record(ctx, ledger.Event{Event: event, Outcome: outcome, Target: svc.ID + "/" + svc.Control, Detail: map[string]string{"reason": reason}})
			if auditErr != nil {
				ledgerFailed = true
				p.log.Error("writing the ledger", "err", auditErr)
			}
		}
		lines = append(lines, line)
	}
	c.logHead()
	if err := p.printControl(lines); err != nil {
		return exitFailed, err
	}
	switch {
	case failed == len(c.Services):
		return exitFailed, nil
	case failed > 0 || ledgerFailed:
		return exitPartly, nil
	}
	return exitOK, nil
}

// controlLine is what stop and start say of one service.
type controlLine struct {
	ServiceID string `json:"service_id"`
	DryRun    bool   `json:"dry_run"`
	Text      string `json:"text,omitempty"`
	Error     string `json:"error,omitempty"`
}

// controlReply, the --json of stop and start.
type controlReply struct {
	Schema   int           `json:"schema"` // 1
	Services []controlLine `json:"services"`
}

func (p *program) printControl(lines []controlLine) error {
	if p.flags.JSON {
		return json.NewEncoder(p.stdout).Encode(controlReply{Schema: schemaVersion, Services: lines})
	}
	for _, l := range lines {
		prefix := ""
		if l.DryRun {
			prefix = "dry run, nothing written: "
		}
		if l.Error != "" {
			fmt.Fprintf(p.stderr, "%s: %s\n", l.ServiceID, l.Error)
			continue
		}
		if _, err := fmt.Fprintf(p.stdout, "%s: %s%s\n", l.ServiceID, prefix, l.Text); err != nil {
			return err
		}
	}
	return nil
}

// controlService reads one service and changes its control dictionary, unless this is a dry run.
func (c *cycle) controlService(ctx context.Context, svc config.Service, do func(*acl.Client, *acl.Snapshot, *cycle) (string, error)) (string, error) {
	client, err := c.edge(c.settings)
	if err != nil {
		return "", err
	}
	snapshot, err := client.Read(ctx, c.target(svc))
	if err != nil {
		return "", withAdvice(fmt.Errorf("reading the present state: %w", err), "stop", acl.ByHandAdvice(err, c.target(svc), nil, c.now))
	}
	if snapshot.ControlID == "" {
		return "", errors.New(notSetUp(snapshot))
	}
	if c.dry {
		return "the control dictionary " + svc.Control + " would be changed", nil
	}
	text, err := do(client, snapshot, c)
	return text, withAdvice(err, "stop", acl.ByHandAdvice(err, c.target(svc), snapshot, c.now))
}
