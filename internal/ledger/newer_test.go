package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/ledger"
)

// TestARecordOfANewerReleaseIsNamedAndKept: with a key that is not known yet or without, reading says which release to use,
// the other records are read, and appending leaves the line as it is.
func TestARecordOfANewerReleaseIsNamedAndKept(t *testing.T) {
	for name, line := range map[string]string{
		"same keys": `{"version":2,"run":"r9","seq":1,"time":"2031-05-06T07:08:09Z","actor":"a","event":"e","outcome":"success","source":"s","target":"t","prev":"","hash":"x"}`,
		"a new key": `{"version":2,"run":"r9","seq":1,"time":"2031-05-06T07:08:09Z","tomorrow":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.jsonl")
			if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, path)
			if err := s.Append(context.Background(), []ledger.Event{{Version: ledger.Version, Run: "r1", Seq: 1, Time: time.Unix(1, 0).UTC()}}); err != nil {
				t.Fatal(err)
			}
			got, err := s.Since(context.Background(), time.Time{})
			if !errors.Is(err, ledger.ErrDamaged) || !strings.Contains(err.Error(), "line 1: record has version 2, written by a newer release") {
				t.Errorf("error %v", err)
			}
			if len(got) != 1 || got[0].Run != "r1" {
				t.Errorf("read %v", got)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, []byte(line+"\n")) {
				t.Errorf("the line was changed: %v", err)
			}
		})
	}
}
