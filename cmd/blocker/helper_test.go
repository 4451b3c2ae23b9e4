package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// world is a lake, a stand-in edge and the files of one test. T is the time of its runs.
type world struct {
	t     *testing.T
	dir   string
	edge  *acltest.Server
	url   string
	T     time.Time
	rows  []record.Record
	token string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), edge: acltest.New(), T: time.Date(2031, 5, 6, 7, 30, 0, 0, time.UTC), token: "some-token"}
	server := httptest.NewServer(w.edge)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.file("rules.yaml", rulesText)
	return w
}

const rulesText = `rules:
  - name: flood
    when: requests >= 100
    window: 10m
    block: 1h
    mode: enforce
  - name: scan
    where: status == 404
    when: requests >= 20
    window: 10m
    block: 1h
`

// file writes a file of the test's folder and returns its path.
func (w *world) file(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// requests adds n requests of an address, spread over the minutes before T, the last one 10 s before it.
func (w *world) requests(addr string, n int, change func(*record.Record)) {
	for i := range n {
		var r record.Record
		r.Kind, r.ServiceID, r.Sender = record.KindRequest, "SVC1", record.SenderToken
		r.AddressSource, r.TimeSource = record.AddressEdge, record.TimeMessage
		r.ClientIP, r.ClientKey, r.ClientPrefix = addr, addr, addr+"/prefix"
		r.Method, r.Path, r.Host = "GET", fmt.Sprintf("/page/%d", i%7), "shop.example.com"
		r.UserAgent = "demo/1.0"
		r.SetInt(record.Status, 200)
		r.SetBool(record.FirstHop, true)
		r.SetBool(record.Blocked, false)
		at := w.T.Add(-10*time.Second - time.Duration(i)*time.Second/2)
		r.SetTime(record.Timestamp, at)
		r.SetTime(record.Received, at.Add(time.Second))
		if change != nil {
			change(&r)
		}
		w.rows = append(w.rows, r)
	}
}

// store writes the rows into the lake.
func (w *world) store() {
	w.t.Helper()
	l, err := lake.OpenWriter(lake.Options{Dir: w.lake()})
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	for i := range w.rows {
		w.rows[i].Position = fmt.Sprintf("%016x-%016x", 1, i)
	}
	if err := l.Write(fmt.Sprintf("%016x", 1), 0, uint64(len(w.rows)), w.rows); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lake() string { return filepath.Join(w.dir, "lake") }

// everyday stores the usual customers besides whatever the test adds.
func (w *world) everyday() {
	for i := range 200 {
		w.requests(fmt.Sprintf("198.51.100.%d", i+1), 3, nil)
	}
}

// outcome is what one call of the program did.
type outcome struct {
	code           int
	stdout, stderr string
}

// run calls the program with the flags every test needs.
func (w *world) run(args ...string) outcome {
	w.t.Helper()
	base := []string{"--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "SVC1", "--acl", "edgewarden_1,edgewarden_2",
		"--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339), "--actor", "tester"}
	return w.raw(append(args, base...)...)
}

// raw calls the program with just these arguments.
func (w *world) raw(args ...string) outcome {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	getenv := func(name string) string {
		if name == "FASTLY_API_TOKEN" {
			return w.token
		}
		return ""
	}
	code := run(context.Background(), args, getenv, &stdout, &stderr)
	if w.token != "" && strings.Contains(stdout.String()+stderr.String(), w.token) {
		w.t.Errorf("the token is printed: %s%s", stdout.String(), stderr.String())
	}
	if err := checkSchema(args, stdout.Bytes()); err != nil {
		w.t.Error(err)
	}
	return outcome{code, stdout.String(), stderr.String()}
}

// json reads the one object that --json prints.
func (w *world) json(o outcome) document {
	w.t.Helper()
	var d document
	if err := json.Unmarshal([]byte(o.stdout), &d); err != nil {
		w.t.Fatalf("%v\nstdout: %s\nstderr: %s", err, o.stdout, o.stderr)
	}
	return d
}

// want fails the test when the exit code is another.
func (w *world) want(o outcome, code int) outcome {
	w.t.Helper()
	if o.code != code {
		w.t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", o.code, code, o.stdout, o.stderr)
	}
	return o
}

// prefixes lists the entries of an ACL of the stand-in as prefixes.
func (w *world) prefixes(acl string) map[string]string {
	entries := map[string]string{}
	for _, e := range w.edge.Entries("SVC1", acl) {
		entries[e.Prefix().String()] = e.Comment
	}
	return entries
}
