package config_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/config"
	"edgewarden/internal/lists"
)

func TestListOptionsCarryWhatTheFileSays(t *testing.T) {
	c, err := config.Load(write(t, `
allowlist: [{address: 198.51.100.7, reason: office}]
allowlist_files: [allow.txt]
allowlist_urls: [https://example.com/a.txt]
crawlers: [{name: bingbot, domains: search.msn.com}]
lists_cache: kept
egress: [192.0.2.1]
`))
	if err != nil {
		t.Fatal(err)
	}
	o := c.ListOptions()
	if len(o.Allowlist) != 1 || len(o.Files) != 1 || len(o.URLs) != 1 || len(o.Crawlers) != 1 || len(o.Egress) != 1 || o.CacheDir != "kept" || o.FastlyURL != lists.FastlyURL {
		t.Errorf("got %+v", o)
	}
}

func TestARehearsalAsksTheStandInForFastlysRanges(t *testing.T) {
	edge := httptest.NewServer(acltest.New())
	defer edge.Close()
	c := config.Config{FastlyEndpoint: edge.URL + "/", ListsCache: filepath.Join(t.TempDir(), "kept")}
	o := c.ListOptions()
	o.Now = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	got, faults := lists.Load(t.Context(), o)
	if len(faults) > 0 || got.States[0].Origin != lists.Fresh || !strings.HasPrefix(o.FastlyURL, edge.URL) {
		t.Errorf("%v, %v", got.States, faults)
	}
}
