package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// rehearsalConfig is what the blocker of the rehearsal is told. Windows are at least twice the period of one minute.
const rehearsalConfig = `owner: gameday
period: 1m
rules:
  - name: flood
    where: true
    window: 3m
    when: requests >= 1200 && share >= 0.05
    block: 1h
    mode: enforce
  - name: login-bruteforce
    where: method == "POST" && path.startsWith("/login") && status in [401, 403]
    window: 5m
    when: requests >= 60
    block: 1h
    mode: enforce
`

// verdict is what a game reads of a run's --json.
type verdict struct {
	Offenders []struct{ Key, Rule string }
	Changes   []change
	Refusals  []refusal
	Floods    []struct{ Rule string } // distributed attacks: shown, never acted on
	Guard     struct {
		Verdict string
		Limits  []struct {
			Name   string
			Passed bool
		}
	}
	Data struct {
		Rows          int64
		ClaimsOtherIP int64 `json:"claims_other_ip"`
	}
	Summary struct{ Notes, Alerts []string }
}

type change struct {
	Op, ACL, Prefix, Rule, Reason string
	Until                         time.Time // zero: no expiry
}

type refusal struct{ Key, Rule, Code, Reason string }

// failed reports whether a limit of the guard did not hold.
func (v verdict) failed(limit string) bool {
	for _, l := range v.Guard.Limits {
		if l.Name == limit && !l.Passed {
			return true
		}
	}
	return false
}

// refusedFor reports whether an offender was refused with a code.
func (v verdict) refusedFor(key, code string) bool {
	return slices.ContainsFunc(v.Refusals, func(r refusal) bool { return r.Key == key && r.Code == code })
}

// The blocker's exit codes that a game meets: all is done, or a whole class of changes was refused.
const (
	exitDone    = 0
	exitRefused = 3
)

// blocker runs the real program once, at the game's time, and returns what it prints.
func (s *stage) blocker(ctx context.Context, now time.Time, args ...string) (out string, code int, err error) {
	path, err := program("blocker")
	if err != nil {
		return "", 0, err
	}
	args = append(args, "--config", filepath.Join(s.dir, "edgewarden.yaml"), "--lake", lakeDir(s.dir), "--service-id", service,
		"--acl", "edgewarden_1,edgewarden_2", "--fastly-endpoint", "http://"+s.edgeAddr, "--ledger", filepath.Join(s.dir, "ledger.jsonl"),
		"--actor", "gameday", "--now", now.UTC().Format(time.RFC3339))
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "FASTLY_API_TOKEN=gameday")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	code = cmd.ProcessState.ExitCode()
	if err != nil && code != exitRefused {
		return "", code, errors.Join(fmt.Errorf("blocker at %s: %w", now.Format(time.TimeOnly), err), errors.New(stderr.String()+stdout.String()))
	}
	return stdout.String(), code, nil
}

// blockerJSON runs the blocker and reads its answer.
func (s *stage) blockerJSON(ctx context.Context, now time.Time) (verdict, error) {
	var v verdict
	out, code, err := s.blocker(ctx, now, "run", "--json")
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		return v, fmt.Errorf("reading the blocker's answer: %w", err)
	}
	if refused := v.Guard.Verdict == "refused"; refused != (code == exitRefused) {
		return v, fmt.Errorf("blocker at %s: exit code %d and guard %s do not go together", now.Format(time.TimeOnly), code, v.Guard.Verdict)
	}
	return v, nil
}
