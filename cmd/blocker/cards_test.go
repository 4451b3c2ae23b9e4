package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/redact"
)

// The blocker reads what ingest stored: card numbers that a client puts where a
// run shows them (paths, agents, hosts) are masked in all that it prints, writes
// and sends.
func TestARunOverALakeShowsNoCardNumber(t *testing.T) {
	const raw = `{"status":200,"path":"/pay/4111111111111111","query":"card=5555555555554444&cvv=73731737","host":"6011000990139424.shop.example","user_agent":"VISA 4012 8888 8888 1881"}`
	line := []byte(raw)
	if c := redact.New().Line(line); c.Cards != 4 || c.Secrets != 1 {
		t.Fatalf("masked %+v in %s", c, line)
	}
	var stored record.Record
	parse.New().Parse(line, parse.Meta{}, &stored)
	if stored.Kind != record.KindRequest {
		t.Fatalf("not understood: %s", line)
	}
	w := newWorld(t)
	w.everyday()
	w.requests(attacker, 300, func(r *record.Record) {
		r.Path, r.Query, r.Host, r.UserAgent = stored.Path, stored.Query, stored.Host, stored.UserAgent
	})
	w.store()
	ledger := filepath.Join(w.dir, "ledger.jsonl")
	shown := map[string]string{}
	show := func(name string, o outcome) { shown[name] = o.stdout + o.stderr }
	show("plan", w.want(w.run("plan", "-o", filepath.Join(w.dir, "plan.json"), "--ledger", ledger), exitOK))
	show("plan --json", w.want(w.run("plan", "-o", filepath.Join(w.dir, "plan2.json"), "--json", "--ledger", ledger), exitOK))
	show("dry run", w.want(w.run("run", "--dry-run", "--ledger", ledger), exitOK))
	show("explain", w.run("explain", attacker, "--ledger", ledger))
	show("run --json", w.want(w.run("run", "--json", "--ledger", ledger), exitOK))
	show("status", w.run("status", "--ledger", ledger))
	for _, file := range []string{"plan.json", "ledger.jsonl"} {
		b, err := os.ReadFile(filepath.Join(w.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		shown[file] = string(b)
	}
	for prefix, comment := range w.prefixes("edgewarden_1") {
		shown["the edge"] += prefix + " " + comment + "\n"
	}
	for where, text := range shown {
		for _, secret := range []string{"4111111111111111", "5555555555554444", "6011000990139424", "4012 8888 8888 1881", "4012888888881881", "73731737"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", where, secret)
			}
		}
	}
	for _, where := range []string{"plan", "run --json", "plan.json"} {
		if !strings.Contains(shown[where], "411111xxxxxx1111") && !strings.Contains(shown[where], "4012 88xx xxxx 1881") {
			t.Errorf("%s shows nothing of the lines: the test proves nothing\n%s", where, shown[where])
		}
	}
	if shown["the edge"] == "" || time.Since(w.T) > 0 {
		t.Errorf("nothing was blocked: %s", shown["run --json"])
	}
}
