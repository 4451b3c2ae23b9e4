package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a store can never be asked for is a wrong call, not a failure that passes.
func TestAnImpossibleStoreIsAWrongCall(t *testing.T) {
	w := newWorld(t)
	_, url := w.table()
	for say, args := range map[string][]string{
		"max bytes 5: BigQuery bills at least 10 MiB":   {"--max-bytes", "5"},
		"location \"E U\": not a BigQuery location":     {"--location", "E U"},
		"table \"logs-project.edge_logs.fastly; DROP\"": {"--bigquery", "logs-project.edge_logs.fastly; DROP"},
		"needs a project, a dataset and a table":        {"--bigquery", "fastly"},
		`"lots" is no size`:                             {"--max-bytes", "lots"},
	} {
		for _, command := range [][]string{{"run"}, {"explain", attacker}, {"backtest"}} {
			call := append(slices.Clone(command), "--rules", filepath.Join(w.dir, "rules.yaml"), "--service-id", "SVC1", "--acl", "edgewarden_1",
				"--fastly-endpoint", w.url, "--bigquery-endpoint", url, "--now", w.T.Format(time.RFC3339))
			if args[0] != "--bigquery" {
				call = append(call, "--bigquery", "logs-project.edge_logs.fastly")
			}
			if o := w.want(w.raw(append(call, args...)...), exitUsage); !strings.Contains(o.stderr, say) {
				t.Errorf("%s %s: %s", command[0], args, o.stderr)
			}
		}
	}
}
