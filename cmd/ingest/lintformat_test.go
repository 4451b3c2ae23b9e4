package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"edgewarden/internal/logformat"
)

func TestLintFormatCommand(t *testing.T) {
	dir := t.TempDir()
	clean := writeFile(t, filepath.Join(dir, "clean"), logformat.Format()+"\n")
	bad := writeFile(t, filepath.Join(dir, "bad"), "%h %l %u %t \"%r\" %>s %b\n")
	evil := writeFile(t, filepath.Join(dir, "evil"), "{\"\x1b[2Jx\":\"%{req.http.\x1b]0;x\x07}V\"}\n")
	if code, out, errs := invoke(t, nil, "lint-format", clean); code != exitOK || out != "0 findings\n" || errs != "" {
		t.Errorf("our own format: exit %d, %q, %q", code, out, errs)
	}
	code, out, errs := invoke(t, nil, "lint-format", bad)
	if code != exitFailed || errs != "" || !strings.HasPrefix(out, bad+":1:1: forgeable-address: %h is an address that a client can send itself") || !strings.HasSuffix(out, "\n6 findings\n") {
		t.Errorf("the default format: exit %d, %q, %q", code, out, errs)
	}
	if _, out, _ := invoke(t, nil, "lint-format", evil); strings.ContainsAny(out, "\x1b\x07") || !strings.Contains(out, "findings") {
		t.Errorf("a control byte of the file reaches the terminal: %q", out)
	}
	code, out, _ = invoke(t, nil, "lint-format", "--json", bad)
	var got struct{ Findings []logformat.Finding }
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitFailed || len(got.Findings) != 6 || got.Findings[0].Code != logformat.ForgeableAddress || got.Findings[0].Fix == "" {
		t.Errorf("--json: exit %d, %v, %s", code, err, out)
	}
	if code, out, _ := invoke(t, nil, "lint-format", "--json", clean); code != exitOK || strings.Join(strings.Fields(out), "") != `{"findings":[]}` {
		t.Errorf("--json of a clean format: exit %d, %s", code, out)
	}
	if code, _, errs := invoke(t, nil, "lint-format", filepath.Join(dir, "none")); code != exitUsage || !strings.Contains(errs, "opening the log format") {
		t.Errorf("a file that is not there: exit %d, %q", code, errs)
	}
	huge := writeFile(t, filepath.Join(dir, "huge"), strings.Repeat("a", maxFormat+1))
	if code, _, errs := invoke(t, nil, "lint-format", huge); code != exitUsage || !strings.Contains(errs, "no log format") {
		t.Errorf("a huge file: exit %d, %q", code, errs)
	}
}
