package main

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/cli/clitest"
	"edgewarden/internal/ledger"
	"edgewarden/internal/record"
)

// `go test ./cmd/blocker -run Scripts -update` writes what the program says now into testdata/script; read the difference.
var update = flag.Bool("update", false, "write the golden files of testdata/script and docs/schema anew")

// TestMain lets a script start this program as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"blocker": clitest.Program(run, scrub, checkSchema)})
}

// TestScripts runs testdata/script against a stand-in edge of each script's own and a lake that they share. A script finds
// edgewarden.yaml (unless it brings one) and, as variables, NOW (the time of its runs) and LAKE. What differs from call to call
// is scrubbed: see scrub.
func TestScripts(t *testing.T) {
	past, present := scriptLake(t, time.Date(2031, 5, 6, 7, 30, 0, 0, time.UTC)), scriptLake(t, time.Now().UTC().Truncate(time.Second))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": clitest.Code},
		Setup: func(env *testscript.Env) error {
			w := past
			if strings.HasPrefix(filepath.Base(env.WorkDir), "script-drill") { // as an engineer types it: without --now
				w = present
			}
			edge := httptest.NewServer(acltest.New())
			env.Defer(edge.Close)
			env.Setenv("NOW", w.T.Format(time.RFC3339))
			env.Setenv("LAKE", w.lake())
			env.Setenv("SCRUB", strings.Join([]string{edge.URL, "http://edge", env.WorkDir, "$WORK", w.dir, "$LAKE"}, "\n"))
			env.Setenv("FASTLY_API_TOKEN", "some-token")
			env.Setenv("EDGEWARDEN_ACTOR", "tester")
			env.Setenv("HOSTNAME", "here")
			path := filepath.Join(env.WorkDir, "edgewarden.yaml")
			if _, err := os.Stat(path); err == nil {
				return nil
			}
			return os.WriteFile(path, []byte(fmt.Sprintf("lake: %s\nledger: %s\nfastly: {endpoint: %q}\n%s%s", w.lake(), filepath.Join(env.WorkDir, "ledger.jsonl"), edge.URL, scriptConfig, rulesText)), 0o600)
		},
	})
}

const scriptConfig = `services:
  - id: SVC1
    acls: [edgewarden_1, edgewarden_2]
allowlist:
  - prefix: 192.0.2.0/28
    reason: our office
`

// scriptLake holds a day at the shop: customers, a flooder, somebody who scans, the office, and a line that anyone may have sent.
func scriptLake(t *testing.T, at time.Time) *world {
	w := newWorld(t)
	w.T = at
	w.everyday()
	w.requests("203.0.113.9", 300, func(r *record.Record) {
		r.Method, r.Path, r.UserAgent = "POST", "/login", "curl/8\x1b[31m"
		r.ClientCountry = "NZ"
		r.SetInt(record.Status, 401)
		r.SetInt(record.ClientASN, 64500)
	})
	w.requests("203.0.113.40", 40, func(r *record.Record) { r.SetInt(record.Status, 404) })
	w.requests("192.0.2.5", 200, nil)
	w.requests("203.0.113.7", 150, func(r *record.Record) { r.AddressSource = record.AddressHeader })
	w.store()
	return w
}

var (
	hashes   = regexp.MustCompile(`\b[0-9a-f]{32}(?:[0-9a-f]{32})?\b`)
	skew     = regexp.MustCompile(`("name": "clock-skew",\s*"value": )[-0-9.e]+`)
	offBy    = regexp.MustCompile(`clock is \S+ off`)
	scanning = regexp.MustCompile(`"bytes_scanned": \d+|[0-9.]+ (?:bytes|[KMGT]iB) scanned`)
)

// scrub takes out what differs from call to call: run ids, hashes, this machine's clock, ports and folders.
func scrub(s string) string {
	pairs := strings.Split(os.Getenv("SCRUB"), "\n")
	s = strings.NewReplacer(pairs...).Replace(s)
	if now, err := time.Parse(time.RFC3339, os.Getenv("NOW")); err == nil {
		s = regexp.MustCompile(`\b`+ledger.NewRun(now)[:8]+`[0-9a-z]{4}\b`).ReplaceAllString(s, "RUN")
	}
	s = offBy.ReplaceAllString(s, "clock is N off")
	s = skew.ReplaceAllString(s, "${1}N")
	s = hashes.ReplaceAllString(s, "HASH")
	if host, err := os.Hostname(); err == nil {
		s = strings.ReplaceAll(s, `"`+host+"/blocker", `"HOST/blocker`)
	}
	s = scanning.ReplaceAllStringFunc(s, func(m string) string {
		return regexp.MustCompile(`[0-9.]+(?: (?:bytes|[KMGT]iB))?`).ReplaceAllString(m, "N")
	})
	return clitest.Clock(s)
}
