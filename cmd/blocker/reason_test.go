package main

import (
	"path/filepath"
	"strings"
	"testing"

	"edgewarden/internal/record"
)

// Two rules that enforce hit the same address: the longer block wins, and both are named wherever the block is shown.
func TestABlockNamesEveryRuleThatHitAndWhatWasMet(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, func(r *record.Record) { r.SetInt(record.Status, 404) })
	w.store()
	w.file("rules.yaml", `rules:
  - {name: flood, when: requests >= 100, window: 10m, block: 1h, mode: enforce}
  - {name: failing, when: "error_share > 0.5 && requests >= 20", window: 10m, block: 2h, mode: enforce}
  - {name: watched, when: requests >= 200, window: 10m}
`)
	ledgerFile := filepath.Join(w.dir, "ledger.jsonl")
	const reason = "Rule failing: 300 requests (at least 20), error_share 1 (more than 0.5), at most 120 a minute, 300 of them failed; met, too: rule flood; strike 1, 2h."
	o := w.want(w.run("run", "--dry-run"), exitOK)
	for _, say := range []string{"rules failing, flood  300 requests (at least 20), error_share 1 (more than 0.5)  for 2h", reason} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q:\n%s", say, o.stdout)
		}
	}
	d := w.json(w.want(w.run("run", "--json", "--ledger", ledgerFile), exitOK))
	if len(d.Changes) != 1 || d.Changes[0].Rule != "failing" || strings.Join(d.Changes[0].Rules, " ") != "failing flood watched" || d.Changes[0].Reason != reason {
		t.Errorf("changes %+v", d.Changes)
	}
	audit := w.want(w.raw("audit", "show", "--json", "--ledger", ledgerFile), exitOK).stdout
	if !strings.Contains(audit, `"rules":"failing,flood,watched"`) || !strings.Contains(audit, "met, too: rule flood") {
		t.Error(audit)
	}
}
