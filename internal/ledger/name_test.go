package ledger_test

import (
	"testing"

	"edgewarden/internal/ledger"
)

func TestANameIsATableOrAFile(t *testing.T) {
	for name, table := range map[string]bool{
		"my-project.audit.events": true, "example.com:p.audit.events": true,
		"./my-project.audit.events": false, "/var/lib/a.b.c": false, "ledger.jsonl": false, "2031.05.06.log": false, `C:\a.b.c`: false, "": false,
	} {
		if ledger.IsTable(name) != table {
			t.Errorf("%q: %v", name, !table)
		}
	}
}
