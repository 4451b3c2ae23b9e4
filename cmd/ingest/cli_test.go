package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/logformat"
)

func TestCommandsAndExitCodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"no command prints the help", nil, exitUsage, "Usage: ingest <command>", ""},
		{"help", []string{"--help"}, exitOK, "serve", ""},
		{"help of a command", []string{"serve", "--help"}, exitOK, "--spool=DIR", ""},
		{"an unknown command", []string{"sever"}, exitUsage, "", "sever"},
		{"the version", []string{"version"}, exitOK, "ingest ", ""},
		{"the log format", []string{"logformat"}, exitOK, logformat.Format() + "\n", ""},
		{"the format for BigQuery", []string{"logformat", "--bigquery"}, exitOK, logformat.BigQueryFormat() + "\n", ""},
		{"the log statement", []string{"logformat", "--vcl", "edge"}, exitOK, logformat.Statement("edge"), ""},
		{"import without lake", []string{"import", "x.log"}, exitUsage, "", "--lake"},
		{"spool without folder", []string{"spool", "verify"}, exitUsage, "", "--spool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, nil, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
}

// parsed returns what the flags of serve came to.
func parsed(t *testing.T, env map[string]string, args ...string) *serveCmd {
	t.Helper()
	c, ctx, _, err := parseAll(append([]string{"serve"}, args...), func(k string) string { return env[k] }, io.Discard)
	if err != nil || ctx == nil {
		t.Fatal(err)
	}
	return &c.Serve
}

func TestAFlagWinsOverTheEnvironmentAndTheEnvironmentOverTheFile(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "edgewarden.yaml"), `
services: [{id: SVC1}]   # the blocker's
ingest:
  spool: /from/file
  listen: [127.0.0.1:1, "tcp://127.0.0.1:2"]
  log-id: from-file
  service-id: from-file
  max-connections: 7
  allow-unauthenticated: true
  drain: 1m
`)
	got := parsed(t, map[string]string{"EDGEWARDEN_LOG_ID": "from-env", "EDGEWARDEN_SERVICE_ID": "from-env", "EDGEWARDEN_CONFIG": file}, "--service-id", "from-flag")
	want := map[string]any{"spool": "/from/file", "listen": "127.0.0.1:1 tcp://127.0.0.1:2", "log-id": "from-env", "service-id": "from-flag",
		"max": 7, "allow": true, "drain": "1m0s"}
	if diff := cmp.Diff(want, map[string]any{"spool": got.Spool, "listen": strings.Join(got.Listen, " "), "log-id": got.LogID, "service-id": got.ServiceID,
		"max": got.MaxConnections, "allow": got.AllowUnauthenticated, "drain": got.Drain.String()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryFlagIsAnEnvironmentVariable(t *testing.T) {
	got := parsed(t, map[string]string{"EDGEWARDEN_SPOOL": "/s", "EDGEWARDEN_LISTEN": "127.0.0.1:1,127.0.0.1:2", "EDGEWARDEN_LOGGING_INSECURE": "true", "EDGEWARDEN_MAX_LINE": "100"})
	if got.Spool != "/s" || len(got.Listen) != 2 || !got.LoggingInsecure || got.MaxLine != 100 {
		t.Errorf("got %+v", got)
	}
}

func TestConfigurationMistakesHaveAPlace(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"an unknown key", "ingest:\n  spool: a\n  spol: b\n", ":3:3: ingest.spol is unknown; did you mean spool?"},
		{"a key far from any flag", "ingest: {zzzzzzzz: 1}\n", ":1:10: ingest.zzzzzzzz is unknown"},
		{"a secret does not belong there", "ingest:\n  token: hunter2\n", "ingest.token is unknown"},
		{"a key twice", "ingest:\n  spool: a\n  spool: b\n", "spool"},
		{"a mapping where a value is due", "ingest:\n  spool: {a: b}\n", ":2:"},
		{"a list of lists", "ingest:\n  listen: [[a]]\n", "must not hold lists"},
		{"no mapping", "ingest: [a]\n", "must be a mapping"},
		{"no YAML", "ingest: [a\n", "edgewarden.yaml"},
		{"a value that does not fit its flag", "ingest:\n  spool: a\n  drain: soon\n", "--drain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "edgewarden.yaml"), c.yaml)
			code, _, stderr := invoke(t, nil, "serve", "--config", file)
			if code != exitUsage || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "hunter2") {
				t.Errorf("exit %d, want %d and %q:\n%s", code, exitUsage, c.want, stderr)
			}
		})
	}
}

func TestTheLogCanBeReadByCloudLogging(t *testing.T) {
	out := newOutput()
	log, err := newLogger(out, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	log.Warn("something", "severity_of_it", 3)
	log.Debug("hidden")
	got := out.String()
	for _, w := range []string{`"severity":"WARNING"`, `"message":"something"`, `"severity_of_it":3`, `"time":"`} {
		if !strings.Contains(got, w) {
			t.Errorf("%s is not in %s", w, got)
		}
	}
	if strings.Contains(got, "hidden") || strings.Contains(got, `"level"`) || strings.Contains(got, `"msg"`) {
		t.Errorf("log %s", got)
	}
}
