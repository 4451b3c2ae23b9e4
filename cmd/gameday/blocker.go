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
	"time"
)

// rules of the rehearsal. The windows are at least twice the period of one minute.
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

// verdict is what the rehearsal reads of a run's --json.
type verdict struct {
	Offenders []struct {
		Key, Rule string
		Evidence  struct{ Requests int64 }
	}
	Changes []struct{ Op, ACL, Prefix, Rule, Reason string }
	Guard   struct{ Verdict string }
	Data    struct{ Rows int64 }
}

// blocker runs the real program once, at the rehearsal's time, and returns what it prints.
func (r *rehearsal) blocker(ctx context.Context, now time.Time, args ...string) (string, error) {
	path, err := program("blocker")
	if err != nil {
		return "", err
	}
	args = append(args, "--config", filepath.Join(r.dir, "edgewarden.yaml"), "--lake", lakeDir(r.dir), "--service-id", service,
		"--acl", "edgewarden_1,edgewarden_2", "--fastly-endpoint", "http://"+r.edgeAddr, "--ledger", filepath.Join(r.dir, "ledger.jsonl"),
		"--actor", "gameday", "--now", now.UTC().Format(time.RFC3339))
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "FASTLY_API_TOKEN=gameday")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.Join(fmt.Errorf("blocker at %s: %w", now.Format(time.TimeOnly), err), errors.New(stderr.String()+stdout.String()))
	}
	return stdout.String(), nil
}

// blockerJSON runs the blocker and reads its answer.
func (r *rehearsal) blockerJSON(ctx context.Context, now time.Time) (verdict, error) {
	var v verdict
	out, err := r.blocker(ctx, now, "run", "--json")
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(out), &v)
}
