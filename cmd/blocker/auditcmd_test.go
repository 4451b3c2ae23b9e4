package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuditVerifyFindsAChangedRecord(t *testing.T) {
	w := flooded(t)
	file := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", file), exitOK)
	w.want(w.raw("audit", "verify", "--ledger", file), exitOK)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(content), `"actor":"tester"`, `"actor":"nobody"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	o := w.want(w.raw("audit", "verify", "--ledger", file), exitFailed)
	if !strings.Contains(o.stdout, "problem") {
		t.Errorf("%s", o.stdout)
	}
}

func TestAuditShowByAddress(t *testing.T) {
	w := flooded(t)
	file := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", file), exitOK)
	w.want(w.run("unblock", attacker, "--reason", "office", "--ledger", file), exitOK)
	o := w.want(w.raw("audit", "show", "--ip", attacker, "--ledger", file), exitOK)
	if strings.Count(o.stdout, "\n") != 3 || !strings.Contains(o.stdout, "block") || !strings.Contains(o.stdout, "release") || !strings.Contains(o.stdout, "exempt-create") {
		t.Errorf("%s", o.stdout)
	}
	o = w.want(w.raw("audit", "show", "--ip", "198.51.100.1", "--ledger", file), exitOK)
	if o.stdout != "" {
		t.Errorf("events of another address: %s", o.stdout)
	}
}

// A ledger whose last run was cut away is whole in itself; the log of the run knows better.
func TestAuditVerifyHoldsTheLedgerAgainstTheLog(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		w := flooded(t)
		file := filepath.Join(w.dir, "ledger.jsonl")
		first := w.want(w.run("run", "--ledger", file, "--log-format", format), exitOK)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		second := w.want(w.run("unblock", attacker, "--reason", "office", "--ledger", file, "--log-format", format), exitOK)
		if o := w.want(w.raw("audit", "verify", "--ledger", file, "--log", w.file("first.log", first.stderr)), exitOK); strings.Contains(o.stdout, "not named by the log") {
			t.Errorf("a log that ends earlier is no finding: %s", o.stdout)
		}
		third := w.want(w.run("unblock", attacker, "--reason", "office", "--ledger", file, "--log-format", format), exitOK)
		if o := w.want(w.raw("audit", "verify", "--ledger", file, "--log", w.file("gap.log", first.stderr+third.stderr)), exitOK); !strings.Contains(o.stdout, "not named by the log: run ") {
			t.Errorf("a run that the log does not name: %s", o.stdout)
		}
		log := w.file("blocker.log", first.stderr+second.stderr)
		w.want(w.raw("audit", "verify", "--ledger", file, "--log", log), exitOK)

		lines := strings.SplitAfter(string(content), "\n")
		for name, cut := range map[string]struct{ kept, say string }{
			"a whole run":      {string(content), "all its records are missing"},
			"the end of a run": {strings.Join(lines[:len(lines)-2], ""), "does not end with the record it ended with"},
		} {
			if err := os.WriteFile(file, []byte(cut.kept), 0o600); err != nil {
				t.Fatal(err)
			}
			w.want(w.raw("audit", "verify", "--ledger", file), exitOK)
			if o := w.want(w.raw("audit", "verify", "--ledger", file, "--log", log), exitFailed); !strings.Contains(o.stdout, cut.say) {
				t.Errorf("%s, %s: %s", format, name, o.stdout)
			}
		}
	}
}

func TestAuditVerifyRefusesALogWithoutHeads(t *testing.T) {
	w := flooded(t)
	file := filepath.Join(w.dir, "ledger.jsonl")
	w.want(w.run("run", "--ledger", file), exitOK)
	o := w.want(w.raw("audit", "verify", "--ledger", file, "--log", w.file("other.log", "msg=ledger run=x\n")), exitFailed)
	if !strings.Contains(o.stderr, "names no head of a run") {
		t.Error(o.stderr)
	}
}
