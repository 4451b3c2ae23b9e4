package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"edgewarden/internal/ledger"
)

func TestARotatedFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	store, err := ledger.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	chain := ledger.NewChain(store, "run1", "tester", "here")
	if err := chain.Add(t.Context(), ledger.Event{Event: "start", Outcome: ledger.Success, Target: "SVC1"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := chain.Add(t.Context(), ledger.Event{Event: "stop", Outcome: ledger.Success, Target: "SVC1"}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(content, []byte(`"event":"stop"`)) {
		t.Errorf("the event went into the file that was moved away: %v %s", err, content)
	}
}
