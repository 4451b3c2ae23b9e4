package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"edgewarden/internal/ledger"
	"edgewarden/internal/plain"
)

// auditEvents reads the whole ledger.
func (p *program) auditEvents(ctx context.Context, since time.Duration) ([]ledger.Event, error) {
	s, err := p.settings()
	if err != nil {
		return nil, err
	}
	if s.Ledger == "" {
		return nil, usagef("which ledger? Name it with --ledger, or in --config")
	}
	s.dry = true // reading creates nothing
	store, err := p.openLedger(ctx, s)
	if err != nil {
		return nil, err
	}
	if store == nil {
		return nil, fmt.Errorf("there is no ledger %s", s.Ledger)
	}
	defer store.Close()
	from := time.Time{}
	if since > 0 {
		from = time.Now().Add(-since)
	}
	return store.Since(ctx, from)
}

// verifyReply, the --json of audit verify.
type verifyReply struct {
	Schema   int               `json:"schema"` // 1
	Events   int               `json:"events"`
	Problems []string          `json:"problems"`
	Heads    map[string]string `json:"heads"`              // by run: the hash of its last record
	Unlogged []string          `json:"unlogged,omitempty"` // runs that --log does not name, between the first and the last it does
}

// auditVerify finds a record that was changed, removed, inserted or moved; exit code 1 says so.
func (p *program) auditVerify(ctx context.Context, cmd auditVerifyCmd) (int, error) {
	events, err := p.auditEvents(ctx, 0)
	if err != nil {
		return exitFailed, err
	}
	problems := ledger.Verify(events)
	var unlogged []string
	if cmd.Log != "" {
		heads, err := loggedHeads(cmd.Log)
		if err != nil {
			return exitFailed, err
		}
		problems = append(problems, ledger.VerifyHeads(events, heads)...)
		unlogged = ledger.Unlogged(events, heads)
	}
	if p.flags.JSON {
		if problems == nil {
			problems = []string{}
		}
		err = json.NewEncoder(p.stdout).Encode(verifyReply{Schema: schemaVersion, Events: len(events), Problems: problems, Heads: ledger.Heads(events), Unlogged: unlogged})
	} else {
		for _, problem := range problems {
			fmt.Fprintf(p.stdout, "%s\n", plain.Text(problem, 0))
		}
		if len(unlogged) > 0 {
			fmt.Fprintf(p.stdout, "not named by the log: run %s: logged elsewhere, or added by a stranger's hand\n", plain.Text(strings.Join(unlogged, ", run "), 400))
		}
		_, err = fmt.Fprintf(p.stdout, "%s, %s\n", counted(int64(len(events)), "event"), counted(int64(len(problems)), "problem"))
	}
	if len(problems) > 0 {
		return exitFailed, err
	}
	return exitOK, err
}

// What logHead writes, as text or JSON, in any order.
var (
	loggedRun  = regexp.MustCompile(`\brun"?[=:] ?"?([A-Za-z0-9_.-]+)`)
	loggedHead = regexp.MustCompile(`\bhead"?[=:] ?"?([0-9a-f]{64})\b`)
)

// loggedHeads are the heads of runs that the program's log names.
func loggedHeads(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading --log: %w", err)
	}
	defer f.Close()
	heads := map[string]string{}
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadString('\n')
		run, head := loggedRun.FindStringSubmatch(line), loggedHead.FindStringSubmatch(line)
		if run != nil && head != nil {
			heads[run[1]] = head[1]
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading --log: %w", err)
		}
	}
	if len(heads) == 0 {
		return nil, fmt.Errorf("--log %s names no head of a run: give what blocker logged when it wrote to this ledger", path)
	}
	return heads, nil
}

// auditShow prints events, of one address or of all.
func (p *program) auditShow(ctx context.Context, cmd auditShowCmd) (int, error) {
	var addr netip.Addr
	if cmd.IP != "" {
		prefix, err := parsePrefix(cmd.IP)
		if err != nil {
			return exitUsage, usageError{err}
		}
		addr = prefix.Addr()
	}
	events, err := p.auditEvents(ctx, cmd.Since)
	if err != nil {
		return exitFailed, err
	}
	enc := json.NewEncoder(p.stdout)
	for _, e := range events {
		if addr.IsValid() && !about(e, addr) {
			continue
		}
		if p.flags.JSON {
			err = enc.Encode(e)
		} else {
			_, err = fmt.Fprintf(p.stdout, "%s  %-14s %-8s %s  by %s  run %s  %s\n", e.Time.Format(time.RFC3339), plain.Text(e.Event, 20), plain.Text(e.Outcome, 10),
				plain.Text(e.Target, 100), plain.Text(e.Actor, 40), plain.Text(e.Run, 20), plain.Text(e.Detail["reason"], 200))
		}
		if err != nil {
			return exitFailed, err
		}
	}
	return exitOK, nil
}

// about reports whether an event is about an address.
func about(e ledger.Event, addr netip.Addr) bool {
	prefix, err := parsePrefix(e.Detail["prefix"])
	return err == nil && prefix.Contains(addr)
}
