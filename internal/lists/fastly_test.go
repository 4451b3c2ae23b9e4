package lists_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/lists"
)

func TestFastlySnapshot(t *testing.T) {
	entries := lists.FastlySnapshot()
	if len(entries) != 21 {
		t.Errorf("%d ranges, want 19 of IPv4 and 2 of IPv6", len(entries))
	}
	if _, err := time.Parse(time.DateOnly, lists.FastlySnapshotDate); err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if e.List != lists.FastlyList || !strings.Contains(e.Reason, lists.FastlySnapshotDate) {
			t.Errorf("%s does not say where it comes from: %+v", e.Prefix, e)
		}
	}
}

func TestParseFastlyRefusesHalfAnAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":            "<html>",
		"nothing":            "{}",
		"no IPv6":            `{"addresses":["151.101.0.0/16"]}`,
		"no IPv4":            `{"ipv6_addresses":["2a04:4e40::/32"]}`,
		"a range that is no": `{"addresses":["151.101.0.0/16","x"],"ipv6_addresses":["2a04:4e40::/32"]}`,
		"everybody":          `{"addresses":["0.0.0.0/0"],"ipv6_addresses":["2a04:4e40::/32"]}`,
	} {
		if entries, err := lists.ParseFastly([]byte(body), "x"); err == nil || entries != nil {
			t.Errorf("%s: got %v, %v", name, entries, err)
		}
	}
}

func TestFetchFastly(t *testing.T) {
	const good = `{"addresses":["192.0.2.0/24"],"ipv6_addresses":["2001:db8::/32"]}`
	status, body := http.StatusOK, good
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Fastly-Key") != "" {
			t.Errorf("asked by %s with a token", r.Method)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer server.Close()
	keep := filepath.Join(t.TempDir(), "fastly.json")

	entries, err := lists.FetchFastly(context.Background(), server.Client(), server.URL, keep)
	if err != nil || len(entries) != 2 || entries[0].Prefix != p("192.0.2.0/24") {
		t.Fatalf("a good answer: %v, %v", entries, err)
	}
	info, err := os.Stat(keep)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the last good copy: %v, %v", info, err)
	}
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"an error":        {http.StatusServiceUnavailable, good},
		"half an answer":  {http.StatusOK, `{"addresses":["192.0.2.0/24"]}`},
		"a torn answer":   {http.StatusOK, good[:20]},
		"a flood of text": {http.StatusOK, strings.Repeat(" ", 2<<20)},
	} {
		status, body = answer.status, answer.body
		entries, err := lists.FetchFastly(context.Background(), server.Client(), server.URL, keep)
		if err == nil || len(entries) != 2 || !strings.Contains(entries[0].Reason, "last good copy") {
			t.Errorf("%s: want the last good copy and an error, got %v, %v", name, entries, err)
		}
		entries, err = lists.FetchFastly(context.Background(), server.Client(), server.URL, "")
		if err == nil || len(entries) != 21 {
			t.Errorf("%s: want the snapshot and an error, got %d entries, %v", name, len(entries), err)
		}
	}
	if err := os.WriteFile(keep, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if entries, err := lists.FetchFastly(context.Background(), server.Client(), server.URL, keep); len(entries) != 21 || err == nil || !strings.Contains(err.Error(), "last good copy") {
		t.Errorf("a damaged copy: want the snapshot and an error that says so, got %d entries, %v", len(entries), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if entries, err := lists.FetchFastly(ctx, nil, "", ""); err == nil || len(entries) != 21 {
		t.Errorf("no time: want the snapshot and an error, got %d entries, %v", len(entries), err)
	}
}

func TestFetchFastlySaysThatItCouldNotKeepTheAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"addresses":["192.0.2.0/24"],"ipv6_addresses":["2001:db8::/32"]}`)
	}))
	defer server.Close()
	entries, err := lists.FetchFastly(context.Background(), server.Client(), server.URL, filepath.Join(t.TempDir(), "missing", "fastly.json"))
	if err == nil || len(entries) != 2 || entries[0].Prefix != p("192.0.2.0/24") {
		t.Errorf("got %v, %v, want the answer and an error", entries, err)
	}
}
