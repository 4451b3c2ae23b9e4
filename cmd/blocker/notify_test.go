package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edgewarden/internal/notify"
)

// hook is a webhook that remembers messages.
type hook struct {
	mu       sync.Mutex
	status   int // answered in place of 200
	messages []notify.Message
}

const hookSecret = "/hook/SecretSecret"

// hooked is a world whose configuration names a webhook, and a ledger.
func hooked(t *testing.T, more string) (*world, *hook, []string) {
	w, h := flooded(t), &hook{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	url := w.file("url", server.URL+hookSecret+"\n")
	config := w.file("edgewarden.yaml", "notify: {url_file: "+url+more+"}\n")
	return w, h, []string{"--config", config, "--ledger", filepath.Join(w.dir, "ledger.jsonl")}
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.status != 0 {
		http.Error(w, "revoked: "+r.URL.String(), h.status)
		return
	}
	var m notify.Message
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || r.URL.Path != hookSecret {
		http.Error(w, "invalid", http.StatusBadRequest)
		return
	}
	h.messages = append(h.messages, m)
}

// take returns the messages since the last call, as the kinds of their events.
func (h *hook) take() (kinds []string, messages []notify.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	messages, h.messages = h.messages, nil
	for _, m := range messages {
		for _, e := range m.Events {
			kinds = append(kinds, string(e.Kind))
		}
	}
	return kinds, messages
}

func TestABlockIsTold(t *testing.T) {
	w, h, flags := hooked(t, "")
	w.want(w.run(append(flags, "--dry-run")...), exitOK)
	if kinds, _ := h.take(); len(kinds) != 0 {
		t.Errorf("a dry run tells %v", kinds)
	}
	w.want(w.run(flags...), exitOK)
	kinds, messages := h.take()
	if len(messages) != 1 || kinds[0] != "change" {
		t.Fatalf("told %v", kinds)
	}
	e := messages[0].Events[0]
	if len(e.Blocked) != 1 || e.Blocked[0].Prefix != attacker || e.Blocked[0].Rule != "flood" || !strings.Contains(e.Blocked[0].Why, "300 requests") {
		t.Errorf("%+v", e)
	}
	if want := "blocker unblock " + attacker + " --reason 'undo block' --config " + flags[1]; !strings.HasPrefix(e.Blocked[0].Undo, want) {
		t.Errorf("undo %q, want %q", e.Blocked[0].Undo, want)
	}
	w.T = w.T.Add(time.Minute)
	w.want(w.run(flags...), exitOK)
	if kinds, _ := h.take(); len(kinds) != 0 {
		t.Errorf("a run that changes nothing tells %v", kinds)
	}
}

func TestANotificationThatFailsChangesNothingElse(t *testing.T) {
	w, h, flags := hooked(t, "")
	h.status = http.StatusForbidden
	o := w.want(w.run(flags...), exitOK)
	if !strings.Contains(o.stdout, "ALERT: nobody was notified: the webhook answered 403") || !strings.Contains(o.stderr, "notification not sent") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	if strings.Contains(o.stdout+o.stderr, "Secret") || strings.Contains(o.stdout+o.stderr, "revoked") {
		t.Errorf("the URL or the answer is shown: %s%s", o.stdout, o.stderr)
	}
	if len(w.prefixes("edgewarden_1")) != 1 {
		t.Error("nobody is blocked")
	}
}

func TestAFailureIsToldOnceAndSoIsItsEnd(t *testing.T) {
	w, h, flags := hooked(t, ", mask_addresses: true")
	lake, away := w.lake(), w.lake()+"-away"
	step := func(code int, want ...string) {
		t.Helper()
		w.want(w.run(flags...), code)
		if kinds, messages := h.take(); strings.Join(kinds, " ") != strings.Join(want, " ") {
			t.Errorf("told %v, want %v: %+v", kinds, want, messages)
		}
		w.T = w.T.Add(5 * time.Minute)
	}
	step(exitOK, "change")
	if err := os.Rename(lake, away); err != nil {
		t.Fatal(err)
	}
	step(exitFailed, "failure")
	step(exitFailed)
	step(exitFailed)
	if err := os.Rename(away, lake); err != nil {
		t.Fatal(err)
	}
	step(exitOK, "recovery")
	step(exitOK)
	w.want(w.raw(append([]string{"audit", "verify"}, flags...)...), exitOK)
}

func TestTheWebhookIsCheckedAndTried(t *testing.T) {
	w, h, flags := hooked(t, ", form: json")
	o := w.run(append([]string{"check"}, flags...)...)
	if !strings.Contains(o.stdout, "ok   notify: a webhook is configured, form json") || strings.Contains(o.stdout+o.stderr, "Secret") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	if kinds, _ := h.take(); len(kinds) != 0 {
		t.Errorf("check tells %v", kinds)
	}
	w.want(w.run(append([]string{"notify", "test", "--dry-run"}, flags...)...), exitOK)
	if kinds, _ := h.take(); len(kinds) != 0 {
		t.Errorf("a dry run tells %v", kinds)
	}
	w.want(w.run(append([]string{"notify", "test"}, flags...)...), exitOK)
	if kinds, messages := h.take(); len(messages) != 1 || kinds[0] != "test" || !strings.HasPrefix(messages[0].Text, "TEST") {
		t.Errorf("told %v", kinds)
	}
	if o := w.want(w.run(append([]string{"notify", "test", "--json"}, flags...)...), exitOK); !strings.Contains(o.stdout, `"sent": true`) {
		t.Errorf("%s", o.stdout)
	}
	h.status = http.StatusNotFound
	if o := w.want(w.run(append([]string{"notify", "test"}, flags...)...), exitFailed); strings.Contains(o.stdout+o.stderr, "Secret") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	w.want(w.run("notify", "test"), exitUsage) // no webhook
}

// The configuration knows the kinds by name, since its room does not know the other.
func TestEveryKindCanBeChosen(t *testing.T) {
	for _, kind := range notify.Kinds {
		w, h, flags := hooked(t, ", on: ["+string(kind)+"]")
		w.want(w.run(flags...), exitOK)
		if kinds, _ := h.take(); (len(kinds) == 1) != (kind == notify.Change) {
			t.Errorf("on %s: told %v", kind, kinds)
		}
	}
}
