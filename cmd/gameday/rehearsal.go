package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/lake"
)

const (
	service = "SVC1"
	token   = "gameday-token"
)

func lakeDir(dir string) string { return filepath.Join(dir, "lake") }

// rehearsal is one run of the game.
//
//	traffic --TCP, classic syslog, token--> ingest (process) --> lake --> blocker (process, once a minute) --HTTP--> stand-in edge
//	   ^                                                                                                                |
//	   '------------------------------------- 403 and blocked: true ----------------------------------------------------'
type rehearsal struct {
	dir      string
	edge     *acltest.Server
	edgeAddr string
	ingest   *process
	conn     net.Conn
	cast     []client
	rng      *rand.Rand
	start    time.Time // of the rehearsal's first minute
	score    score
	out      io.Writer // the story, for people
}

// rehearse plays the game and reports whether the score is as it should be.
func rehearse(ctx context.Context, cmd rehearseCmd, stdout, stderr io.Writer) (passed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "edgewarden-gameday-")
	if err != nil {
		return false, err
	}
	if cmd.Keep {
		fmt.Fprintln(stderr, "kept:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	r := &rehearsal{dir: dir, rng: rand.New(rand.NewPCG(cmd.Seed, cmd.Seed)), out: stdout}
	if cmd.JSON {
		r.out = io.Discard
	}
	// The rehearsal's clock runs ahead of the wall clock's pace but not into the future: it ends about now.
	r.start = time.Now().UTC().Truncate(time.Minute).Add(-minutes * time.Minute)
	r.cast = clients(r.rng)
	r.score.begin(r.cast, cmd.Seed)
	if err := r.open(ctx); err != nil {
		return false, err
	}
	for n := range minutes {
		if err := r.minute(ctx, n); err != nil {
			return false, err
		}
	}
	if err := r.finish(ctx); err != nil {
		return false, err
	}
	return r.score.passed(), r.score.print(stdout, cmd.JSON)
}

// open starts the edge and ingest.
func (r *rehearsal) open(ctx context.Context) error {
	r.edge = acltest.New()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.edgeAddr = l.Addr().String()
	server := &http.Server{Handler: r.edge, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := os.WriteFile(filepath.Join(r.dir, "edgewarden.yaml"), []byte(rehearsalConfig), 0o600); err != nil {
		return err
	}
	if r.ingest, err = startIngest(ctx, r.dir, token); err != nil {
		return err
	}
	r.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", r.ingest.addr)
	fmt.Fprintf(r.out, "edge http://%s, ingest %s, %d clients, %d attackers from minute %d\n\n", r.edgeAddr, r.ingest.addr, len(r.cast), r.score.Attackers, attackFrom)
	return err
}

// minute sends one minute of traffic, waits until it is stored, and runs the blocker.
func (r *rehearsal) minute(ctx context.Context, n int) error {
	begin := r.start.Add(time.Duration(n) * time.Minute)
	for _, q := range minute(r.rng, r.cast, n, begin) {
		refused := r.edge.Blocked(q.client.addr, q.at)
		b, err := line(q, token, refused)
		if err != nil {
			return err
		}
		if _, err := r.conn.Write(b); err != nil {
			return fmt.Errorf("sending a line: %w", err)
		}
		r.score.sent(q, refused)
	}
	if err := r.ingest.waitFor(ctx, "edgewarden_ingest_shipped_records_total", r.score.Sent); err != nil {
		return err
	}
	return r.decide(ctx, begin.Add(time.Minute))
}

// decide runs the blocker: a dry run first when something would change, as an engineer would, then the run that writes.
func (r *rehearsal) decide(ctx context.Context, now time.Time) error {
	preview, err := r.blocker(ctx, now, "run", "--dry-run")
	if err != nil {
		return err
	}
	v, err := r.blockerJSON(ctx, now)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s  %6d rows, %d offenders, %d changes, guard %s\n", now.Format(time.TimeOnly), v.Data.Rows, len(v.Offenders), len(v.Changes), v.Guard.Verdict)
	for _, ch := range v.Changes {
		prefix, err := netip.ParsePrefix(ch.Prefix)
		if err != nil {
			return fmt.Errorf("reading the blocker's answer: %w", err)
		}
		if ch.Op == "create" {
			r.score.block(prefix, ch.Rule, now)
		}
	}
	if slices.ContainsFunc(v.Changes, func(ch struct{ Op, ACL, Prefix, Rule, Reason string }) bool { return ch.Op == "create" }) {
		fmt.Fprintf(r.out, "\n%s\n", preview)
	}
	return nil
}

// finish stops ingest and counts what is in the lake.
func (r *rehearsal) finish(ctx context.Context) error {
	_ = r.conn.Close()
	received, err := r.ingest.metric(ctx, "edgewarden_ingest_received_lines_total")
	if err != nil {
		return err
	}
	r.score.Received = received
	if err := r.ingest.stop(); err != nil {
		return fmt.Errorf("stopping ingest: %w\n%s", err, r.ingest.log())
	}
	files, err := lake.Select(lakeDir(r.dir), r.start.Add(-time.Hour), r.start.Add(2*time.Hour))
	if err != nil {
		return err
	}
	for _, f := range files {
		rows, err := lake.ReadAll(f)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Kind == "request" {
				r.score.Stored++
			}
		}
	}
	return nil
}
