package lists_test

import (
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
