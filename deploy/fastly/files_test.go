package fastly_test

import (
	"strings"
	"testing"

	"edgewarden/deploy/fastly"
	"edgewarden/internal/logformat"
)

func TestTheLogFormatOnDiskIsTheGeneratedOne(t *testing.T) {
	if fastly.Format != logformat.Format() {
		t.Error("deploy/fastly/log.format is stale: ingest logformat | tr -d '\\n' > deploy/fastly/log.format")
	}
}

func TestTheContactStandsOnTheBlockPage(t *testing.T) {
	if page := fastly.Error("help@shop.example"); !strings.Contains(page, "write to help@shop.example and") || strings.Contains(page, fastly.DefaultContact) {
		t.Errorf("%s", page)
	}
	if !strings.Contains(fastly.Recv, "edgewarden_exempt") {
		t.Error("the recv snippet asks no exempt ACL")
	}
}
