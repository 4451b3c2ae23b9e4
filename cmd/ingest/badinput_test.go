package main

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a sender can do wrong: each line is stored or counted, the connection and
// the program go on, and what an operator has to know is said once.
func TestBadLines(t *testing.T) {
	token := map[string]string{"EDGEWARDEN_TOKEN": "tok"}
	for _, c := range []struct {
		name string
		env  map[string]string
		send string
		want func(t *testing.T, s *server, stored []row)
	}{
		{"garbage is kept as text, with a reason", nil, "\x00\x01\x02 garbage \xff\xfe\n", func(t *testing.T, s *server, l []row) {
			if len(l) != 1 || l[0].Kind != "text" || l[0].Problem == "" || !strings.Contains(l[0].Text, "garbage") {
				t.Errorf("stored %+v", l)
			}
		}},
		{"a line of 1 MiB is cut and marked", nil, `{"user_agent":"` + strings.Repeat("a", 1<<20) + `"}` + "\n", func(t *testing.T, s *server, l []row) {
			if len(l) != 1 || l[0].Kind != "text" || l[0].Problem == "" || len(l[0].Text) > 64<<10 {
				t.Fatalf("stored %d rows", len(l))
			}
		}},
		{"half a line is kept and marked", nil, `<134>2031-05-06T07:08:09Z cache-a e[1]: {"timestamp":"2031-05-`, func(t *testing.T, s *server, l []row) {
			if len(l) != 1 || l[0].Kind != "text" || l[0].Problem == "" {
				t.Errorf("stored %+v", l)
			}
		}},
		{"invalid UTF-8 in a good line is repaired", nil, strings.Replace(classic("", "a"), `"/p"`, "\"/p\xe9\xff\"", 1), func(t *testing.T, s *server, l []row) {
			if len(l) != 1 || l[0].Kind != "request" || l[0].RequestID != "a" || !strings.HasPrefix(l[0].Path, "/p") || strings.ToValidUTF8(l[0].Path, "") != l[0].Path {
				t.Errorf("stored %+v", l)
			}
		}},
		{"a wrong token is dropped, counted and said once", token, strings.Repeat(classic("tik", "a"), 10), func(t *testing.T, s *server, l []row) {
			if len(l) != 0 {
				t.Errorf("stored %+v", l)
			}
			if n := strings.Count(s.stderr.String(), "reason=auth"); n != 1 || !strings.Contains(s.stderr.String(), "compare the token of the Fastly logging endpoint") {
				t.Errorf("said %d times:\n%s", n, s.stderr)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, t.TempDir(), c.env)
			nc := dial(t, s.addr)
			send(t, nc, c.send)
			nc.CloseWrite()
			s.until(t, "edgewarden_ingest_received_lines_total", 1)
			after := dial(t, s.addr)
			send(t, after, classic(c.env["EDGEWARDEN_TOKEN"], "after"))
			s.until(t, "edgewarden_ingest_shipped_records_total", 1)
			eventually(t, "an empty queue", func() bool { return s.metric(t, "edgewarden_ingest_queued_records") == 0 })
			s.identity(t, "lake")
			s.stop(t)
			var rest []row
			for _, r := range lines(rows(t, s.lake)) {
				if r.RequestID != "after" {
					rest = append(rest, r)
				}
			}
			if len(rest) == len(lines(rows(t, s.lake))) {
				t.Error("the good line after it is not stored")
			}
			c.want(t, s, rest)
		})
	}
}

func TestTLSOnThePlainPortIsSaidOnceWithAdvice(t *testing.T) {
	s := serve(t, t.TempDir(), nil)
	for range 5 {
		if err := tls.Client(dial(t, s.addr), &tls.Config{ServerName: "x"}).Handshake(); err == nil {
			t.Fatal("a handshake succeeded")
		}
	}
	if n := s.metric(t, `edgewarden_ingest_rejected_connections_total{reason="tls_on_plain_port"}`); n != 5 {
		t.Errorf("counted %d, want 5", n)
	}
	if n := strings.Count(s.stderr.String(), "tls_on_plain_port"); n != 1 || !strings.Contains(s.stderr.String(), "--tls-cert") {
		t.Errorf("said %d times:\n%s", n, s.stderr)
	}
	s.stop(t)
}

// What an operator can do wrong: the program does not start, exits with the
// right code, and says what, where and what to do.
func TestServeRefusesToStart(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "file"), "")
	three := writeFile(t, filepath.Join(dir, "three"), "a\nb\nc\n")
	empty := writeFile(t, filepath.Join(dir, "empty"), "\n")
	config := writeFile(t, filepath.Join(dir, "edgewarden.yaml"), "rules: []\ningest:\n  lisen: 127.0.0.1:0\n")
	newer := filepath.Join(dir, "newer")
	if err := os.Mkdir(newer, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(newer, ".version"), "2\n")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	running := serve(t, filepath.Join(dir, "running"), nil)
	defer running.stop(t)
	local := []string{"--listen", "127.0.0.1:0", "--admin", "off", "--spool", filepath.Join(dir, "s"), "--lake", filepath.Join(dir, "l")}
	for _, c := range []struct {
		name string
		code int
		env  map[string]string
		args []string
		want []string
	}{
		{"no spool", exitUsage, nil, []string{"--spool="}, []string{"--spool"}},
		{"an unknown flag", exitUsage, nil, []string{"--spoool", "x"}, []string{"--spoool", "ingest --help"}},
		{"a spool folder that cannot be written", exitFailed, nil, []string{"--spool", filepath.Join(file, "spool")}, []string{"spool", file, "this user can create and write"}},
		{"a lake folder that cannot be written", exitFailed, nil, []string{"--lake", filepath.Join(file, "lake")}, []string{"lake", file, "this user can create and write"}},
		{"a lake of a newer release", exitFailed, nil, []string{"--lake", newer}, []string{newer, "use the newer release on it, or give this one another --lake\n"}},
		{"a second process on the same spool", exitFailed, nil, []string{"--spool", running.spool}, []string{"in use by another process", running.spool, "a spool of its own"}},
		{"an address in use", exitFailed, nil, []string{"--listen", busy.Addr().String()}, []string{busy.Addr().String(), "in use"}},
		{"an admin address in use", exitFailed, nil, []string{"--admin", busy.Addr().String()}, []string{busy.Addr().String(), "in use"}},
		{"the world without a token", exitUsage, nil, []string{"--listen", "0.0.0.0:0"}, []string{"0.0.0.0:0", "token or a client CA"}},
		{"broken credentials", exitFailed, map[string]string{"EDGEWARDEN_GOOGLE_CREDENTIALS_JSON": `{"private_key":"hunter2`}, []string{"--project", "my-project"},
			[]string{"EDGEWARDEN_GOOGLE_CREDENTIALS_JSON"}},
		{"a project that is none", exitFailed, nil, []string{"--project", "My Project", "--logging-endpoint", "127.0.0.1:1", "--logging-insecure"}, []string{"My Project", "no project id"}},
		{"an endpoint without project", exitUsage, nil, []string{"--logging-endpoint", "127.0.0.1:1"}, []string{"--project"}},
		{"a CA and no TLS", exitUsage, nil, []string{"--project", "p", "--logging-insecure", "--logging-ca", "x"}, []string{"--logging-insecure", "--logging-ca"}},
		{"a certificate that is not there", exitFailed, nil, []string{"--tls-cert", "nowhere.pem", "--tls-key", "nowhere.key"}, []string{"nowhere.pem"}},
		{"a certificate without key", exitUsage, nil, []string{"--tls-cert", "nowhere.pem"}, []string{"belong together"}},
		{"a token file that is not there", exitFailed, nil, []string{"--token-file", "nowhere"}, []string{"--token-file", "nowhere"}},
		{"a token file with three lines", exitUsage, nil, []string{"--token-file", three}, []string{three, "at most two"}},
		{"a token file without token", exitUsage, nil, []string{"--token-file", empty}, []string{empty, "no token"}},
		{"a token in two places", exitUsage, map[string]string{"EDGEWARDEN_TOKEN": "hunter2"}, []string{"--token-file", three}, []string{"at most two"}},
		{"a proxy that is no address", exitUsage, nil, []string{"--proxy-from", "proxy.example"}, []string{"--proxy-from", "proxy.example"}},
		{"profiling for the world", exitUsage, nil, []string{"--profile", "0.0.0.0:6060"}, []string{"--profile", "0.0.0.0:6060", "loopback"}},
		{"a profiling address in use", exitFailed, nil, []string{"--profile", busy.Addr().String()}, []string{busy.Addr().String(), "in use"}},
		{"a share that is no percentage", exitUsage, nil, []string{"--sender-share", "0"}, []string{"--sender-share", "1 to 100"}},
		{"a service to stamp that is none", exitUsage, nil, []string{"--service-id", "a\xff"}, []string{"--service-id", "letters and digits"}},
		{"a service that is none", exitUsage, nil, []string{"--expect-service", "a b"}, []string{"--expect-service", "a b"}},
		{"source ranges that are not there", exitUsage, nil, []string{"--source-ranges", "nowhere"}, []string{"--source-ranges", "nowhere", "fastly"}},
		{"a negative age", exitUsage, nil, []string{"--max-connection-age=-1s"}, []string{"--max-connection-age"}},
		{"a log level that is none", exitUsage, nil, []string{"--log-level", "loud"}, []string{"--log-level", "loud"}},
		{"a negative duration", exitUsage, nil, []string{"--drain=-1s"}, []string{"--drain"}},
		{"a configuration file that is not there", exitUsage, nil, []string{"--config", "nowhere.yaml"}, []string{"nowhere.yaml"}},
		{"a misspelt key", exitUsage, nil, []string{"--config", config}, []string{config + ":3:3", "lisen", "did you mean listen?"}},
		{"a ledger in BigQuery", exitFailed, nil, []string{"--ledger", "my-project.audit.ledger"}, []string{"--ledger", "looks like a BigQuery table", "./my-project.audit.ledger"}},
		{"a ledger that cannot be written", exitFailed, nil, []string{"--ledger", filepath.Join(file, "ledger")}, []string{"--ledger", file}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve"}, c.args...)
			for i := 0; i < len(local); i += 2 {
				if !strings.Contains(strings.Join(c.args, " "), local[i]) {
					args = append(args, local[i], local[i+1])
				}
			}
			code, _, stderr := invoke(t, c.env, args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, w := range c.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("%q is not said:\n%s", w, stderr)
				}
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("a secret is said:\n%s", stderr)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("a default folder was made")
	}
}
