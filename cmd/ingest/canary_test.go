package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// canary returns what the commands of docs/card-data.md send to ingest's port, and
// the mark they print.
func canary(t *testing.T, tokenFile string) (line, mark string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/card-data.md")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(doc), "```sh\n") {
		script, _, _ := strings.Cut(block, "```")
		if !strings.Contains(script, "nc -w 5 HOST 6514") {
			continue
		}
		cmd := exec.Command("sh", "-e", "-c", "nc() { cat; }\n"+script)
		cmd.Env = append(os.Environ(), "TOKEN_FILE="+tokenFile)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v in\n%s", err, script)
		}
		line, mark, _ = strings.Cut(string(out), "\n")
		return line + "\n", strings.TrimSpace(mark)
	}
	t.Fatal("docs/card-data.md has no canary")
	return "", ""
}

// The canary that the documentation describes proves what it says.
func TestTheCanaryOfTheDocumentation(t *testing.T) {
	dir := t.TempDir()
	tokenFile := writeFile(t, filepath.Join(dir, "token"), "tok-1\ntok-2\n")
	s := serve(t, dir, nil, "--token-file", tokenFile)
	line, mark := canary(t, tokenFile)
	if !strings.HasPrefix(mark, "canary-20") || !strings.Contains(line, "4111111111111111") {
		t.Fatalf("mark %q, line %q", mark, line)
	}
	send(t, dial(t, s.addr), line)
	s.until(t, "edgewarden_ingest_shipped_records_total", 1)
	for kind, want := range map[string]int64{"card": 2, "secret": 1} {
		if n := s.metric(t, `edgewarden_ingest_redacted_total{kind="`+kind+`"}`); n != want {
			t.Errorf("%s: %d counted, the page says %d", kind, n, want)
		}
	}
	s.stop(t)
	r := lines(rows(t, s.lake))
	if len(r) != 1 || r[0].Kind != "request" || r[0].Query != "id="+mark+"&card=411111xxxxxx1111&cvv=xxx" || r[0].UserAgent != mark+" 5555-55xx-xxxx-4444" {
		t.Errorf("stored %+v", r)
	}
	for _, number := range []string{"4111111111111111", "5555-5555-5555-4444"} {
		if f := grep(t, dir, number); f != "" {
			t.Errorf("%s stands in %s", number, f)
		}
	}
}
