package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"edgewarden/internal/acl"
)

// statusReply, the --json of status.
type statusReply struct {
	Schema   int         `json:"schema"` // 1
	Now      time.Time   `json:"now"`
	Services []statusDoc `json:"services"`
}

// statusDoc is what status says of one service.
type statusDoc struct {
	ServiceID    string        `json:"service_id"`
	Version      int           `json:"version"`
	EnforceUntil *time.Time    `json:"enforce_until"`
	Stopped      string        `json:"stopped,omitempty"`
	ACLs         []statusACL   `json:"acls"`
	Entries      []statusEntry `json:"entries"`
	Problems     []string      `json:"problems,omitempty"`
	Error        string        `json:"error,omitempty"` // the service could not be read; nothing else is known
}

type statusACL struct {
	Name    string `json:"name"`
	Role    string `json:"role"` // block, exempt, shadow
	Found   bool   `json:"found"`
	Ours    int    `json:"ours"`
	Foreign int    `json:"foreign"`
}

type statusEntry struct {
	Prefix  string     `json:"prefix"`
	ACL     string     `json:"acl"`
	Kind    string     `json:"kind"`
	Rule    string     `json:"rule"`
	Since   time.Time  `json:"since"`
	Until   *time.Time `json:"until"`
	Expired bool       `json:"expired,omitempty"` // the next run releases it
	Strikes int        `json:"strikes"`
	Run     string     `json:"run"`
}

// status shows, from the edge itself, what is blocked, why and until when.
func (p *program) status(ctx context.Context, cmd statusCmd) (int, error) {
	if err := checkPage(cmd.Report); err != nil {
		return exitUsage, err
	}
	s, err := p.settings()
	if err != nil {
		return exitUsage, err
	}
	if len(s.Services) == 0 {
		return exitUsage, usagef("which service? Name it with --service-id and --acl, or in --config")
	}
	if err := s.needToken(); err != nil {
		return exitUsage, err
	}
	s.dry = true // status never writes; the transport makes sure of it
	client, err := p.edge(s)
	if err != nil {
		return exitUsage, err
	}
	now, _ := s.clock()
	var docs []statusDoc
	var read []*serviceReport
	failed := 0
	for _, svc := range s.Services {
		p.busy.Step("reading the entries" + ofService(svc.ID))
		snapshot, err := client.Read(ctx, s.target(svc))
		read = append(read, edgeReport(&serviceReport{Service: svc}, snapshot, err))
		if err != nil {
			failed++
			docs = append(docs, statusDoc{ServiceID: svc.ID, Entries: []statusEntry{}, Error: err.Error()})
			continue
		}
		docs = append(docs, statusOf(snapshot, now))
	}
	if err := p.statusPage(ctx, cmd.Report, s, now, read); err != nil {
		return exitFailed, err
	}
	code := exitOK
	if failed > 0 {
		code = exitPartly
	}
	if failed == len(docs) {
		code = exitFailed
	}
	if p.flags.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return code, enc.Encode(statusReply{Schema: schemaVersion, Now: now, Services: docs})
	}
	_, err = fmt.Fprint(p.stdout, statusText(docs, now, p.view()))
	return code, err
}

// statusOf reads a snapshot for people.
func statusOf(s *acl.Snapshot, now time.Time) statusDoc {
	d := statusDoc{ServiceID: s.Target.ServiceID, Version: s.Version, Stopped: s.Stopped, Entries: []statusEntry{}}
	if !s.EnforceUntil.IsZero() {
		d.EnforceUntil = &s.EnforceUntil
	}
	add := func(l acl.List, role string) {
		st := statusACL{Name: l.Name, Role: role, Found: l.ID != ""}
		for _, e := range l.Entries {
			if !e.Ours {
				st.Foreign++
				continue
			}
			st.Ours++
			if e.MarkErr != nil {
				d.Problems = append(d.Problems, fmt.Sprintf("%s in %s: unreadable mark: %v", e.Prefix, l.Name, e.MarkErr))
				continue
			}
			entry := statusEntry{Prefix: e.Prefix.String(), ACL: l.Name, Kind: string(e.Mark.Kind), Rule: e.Mark.Rule, Since: e.Mark.Since, Strikes: e.Mark.Strikes, Run: e.Mark.Run}
			if !e.Mark.Until.IsZero() {
				entry.Until, entry.Expired = &e.Mark.Until, !e.Mark.Until.After(now)
			}
			d.Entries = append(d.Entries, entry)
		}
		d.ACLs = append(d.ACLs, st)
	}
	for _, l := range s.Blocks {
		add(l, "block")
		if l.ID != "" && !l.Referenced {
			d.Problems = append(d.Problems, "ACL "+l.Name+" is not referenced by the active version: it blocks nothing")
		}
	}
	add(s.Exempt, "exempt")
	add(s.Shadow, "shadow")
	if why := notSetUp(s); why != "" {
		d.Problems = append(d.Problems, why)
	}
	slices.SortStableFunc(d.Entries, func(a, b statusEntry) int { return b.Since.Compare(a.Since) })
	return d
}
