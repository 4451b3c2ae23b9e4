package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect/bigquery/bqtest"
	ledgertable "edgewarden/internal/ledger/bigquery"
)

const auditTable = "logs-project.edge_audit.ledger"

// tables is table with a ledger beside it.
func (w *world) tables() (*bqtest.Server, string) {
	s, url := w.table()
	s.Kept = &bqtest.Kept{Name: auditTable}
	if err := json.Unmarshal(ledgertable.Schema, &s.Kept.Schema); err != nil {
		w.t.Fatal(err)
	}
	return s, url
}

func TestARunKeepsItsLedgerInATable(t *testing.T) {
	w := newWorld(t)
	table, url := w.tables()
	w.want(w.runBigQuery(url, "run", "--ledger", auditTable), exitOK)
	rows := len(table.Kept.Rows())
	if rows < 3 { // block, lease, run
		t.Fatalf("%d rows", rows)
	}
	w.T = w.T.Add(time.Hour)
	w.want(w.runBigQuery(url, "unblock", attacker, "--reason", "office", "--ledger", auditTable), exitOK)

	o := w.want(w.raw("audit", "verify", "--ledger", auditTable, "--bigquery-endpoint", url), exitOK)
	if !strings.Contains(o.stdout, " 0 problems") || strings.HasPrefix(o.stdout, "0 events") {
		t.Error(o.stdout)
	}
	o = w.want(w.raw("audit", "show", "--ip", attacker, "--ledger", auditTable, "--bigquery-endpoint", url), exitOK)
	if block, exempt := strings.Index(o.stdout, " block "), strings.Index(o.stdout, " exempt-create "); block < 0 || exempt < block {
		t.Error(o.stdout)
	}
	table.Kept.Rows()[1]["actor"] = "nobody"
	o = w.want(w.raw("audit", "verify", "--ledger", auditTable, "--bigquery-endpoint", url), exitFailed)
	if !strings.Contains(o.stdout, "was changed") {
		t.Error(o.stdout)
	}
}

func TestTheConfigurationFileNamesTheLedgerTable(t *testing.T) {
	w := newWorld(t)
	table, url := w.tables()
	file := w.file("edgewarden.yaml", "bigquery:\n  table: logs-project.edge_logs.fastly\n  kind: sink\n  location: EU\n  endpoint: "+url+"\nledger: "+auditTable+
		"\nservices:\n  - id: SVC1\n    acls: [edgewarden_1]\n    rules:\n      - {name: flood, when: requests >= 100, window: 10m, block: 1h, mode: enforce}\n")
	w.want(w.raw("run", "--config", file, "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339)), exitOK)
	if len(table.Kept.Rows()) == 0 {
		t.Error("nothing was kept")
	}
}

func TestADryRunWritesNoRow(t *testing.T) {
	w := newWorld(t)
	table, url := w.tables()
	w.want(w.runBigQuery(url, "run", "--dry-run", "--ledger", auditTable), exitOK)
	if n := len(table.Kept.Rows()); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestStrikesAreRememberedInTheTable(t *testing.T) {
	w := newWorld(t)
	table, url := w.tables()
	w.want(w.runBigQuery(url, "run", "--ledger", auditTable), exitOK)
	later := newWorld(t) // an edge without the block: only the ledger remembers
	later.T = w.T.Add(2 * time.Hour)
	table.Answers["detect"] = later.answerFor(0) // another burst
	later.want(later.runBigQuery(url, "run", "--ledger", auditTable), exitOK)
	if mark := later.prefixes("edgewarden_1")[attacker+"/32"]; !strings.Contains(mark, " n=2 ") {
		t.Errorf("the second block is no second strike: %q", mark)
	}
}

func TestALostLedgerTableStopsNoRelease(t *testing.T) {
	for name, lose := range map[string]func(*bqtest.Server){
		"there is no table":  func(s *bqtest.Server) { s.Kept.Schema = nil },
		"may not be written": func(s *bqtest.Server) { s.Fail(bqtest.TablesGet, noTablesGet, noTablesGet, noTablesGet, noTablesGet) },
	} {
		w := newWorld(t)
		table, url := w.tables()
		lose(table)
		w.expired("203.0.113.5")
		o := w.want(w.runBigQuery(url, "run", "--ledger", auditTable), exitPartly)
		if got := w.prefixes("edgewarden_1"); got["203.0.113.5/32"] != "" || got[attacker+"/32"] == "" {
			t.Errorf("%s: entries %v", name, got)
		}
		for _, say := range []string{"LEDGER NOT WRITTEN", "the ledger cannot be read in full", auditTable} {
			if !strings.Contains(o.stdout, say) {
				t.Errorf("%s: does not say %q: %s", name, say, o.stdout)
			}
		}
	}
}

var noTablesGet = bqtest.Failure{Status: 403, Reason: "accessDenied", Message: "Access Denied: Table x: Permission bigquery.tables.get denied on table x"}

func TestTheKillSwitchDoesNotWaitForTheLedgerTable(t *testing.T) {
	w := newWorld(t)
	w.edge.PutItem("SVC1", "edgewarden_control", "enforce_until", "1935900000")
	table, url := w.tables()
	table.Fail(bqtest.TablesGet, noTablesGet)
	o := w.want(w.runBigQuery(url, "stop", "--reason", "customers report 403", "--ledger", auditTable), exitPartly)
	if w.edge.Dictionary("SVC1", "edgewarden_control")["enforce_until"] != "0" || !strings.Contains(o.stderr, auditTable) {
		t.Errorf("%v %s", w.edge.Dictionary("SVC1", "edgewarden_control"), o.stderr)
	}
}

func TestCheckSaysHowToMakeTheLedgerTable(t *testing.T) {
	w := newWorld(t)
	table, url := w.tables()
	table.Kept.Schema = nil
	o := w.want(w.runBigQuery(url, "check", "--ledger", auditTable), exitFailed)
	if !strings.Contains(o.stdout, "FAIL ledger: ") || !strings.Contains(o.stdout, "CREATE TABLE `"+auditTable+"`") {
		t.Error(o.stdout)
	}
}

func TestALedgerNameThatIsNeitherTableNorFile(t *testing.T) {
	w := newWorld(t)
	_, url := w.tables()
	o := w.want(w.runBigQuery(url, "run", "--ledger", "My_Project.d.t"), exitUsage)
	if !strings.Contains(o.stderr, "write PROJECT.DATASET.TABLE") || !strings.Contains(o.stderr, "./My_Project.d.t") {
		t.Error(o.stderr)
	}
	path := filepath.Join(w.dir, "a.b.c") // with a path it is a file
	w.want(w.runBigQuery(url, "run", "--ledger", path), exitOK)
}
