package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
)

// table starts a stand-in for BigQuery that holds one table in which the attacker met rule 0, 300 requests.
func (w *world) table() (*bqtest.Server, string) {
	newest := w.T.Add(-10 * time.Second).UnixMicro()
	health := detect.Row{Rule: -1, HealthRows: 900, HealthNewestUs: newest, HealthTrusted: 900, HealthTrustedNewestUs: newest, HealthOKRequests: 900, HealthOKAddresses: 201}
	found := detect.Row{Rule: 0, Key: attacker, Met: 1, Requests: 300, Peak: 120, OK: 300, DistinctPaths: 7, Addresses: 1, OKAddresses: 1, Share: 0.33, FirstUs: newest - 150e6, LastUs: newest, Population: 201}
	s := &bqtest.Server{Table: "logs-project.edge_logs.fastly", Bytes: 212 << 20, Answers: map[string]bqtest.Answer{
		"detect":   bqtest.DetectAnswer(health, found),
		"evidence": bqtest.EvidenceAnswer(),
	}}
	server := httptest.NewServer(s)
	w.t.Cleanup(server.Close)
	return s, server.URL
}

func (w *world) runBigQuery(url string, args ...string) outcome {
	return w.raw(append(args, "--rules", filepath.Join(w.dir, "rules.yaml"), "--bigquery", "logs-project.edge_logs.fastly", "--table-kind", "sink", "--location", "EU",
		"--bigquery-endpoint", url, "--service-id", "SVC1", "--acl", "edgewarden_1", "--fastly-endpoint", w.url, "--now", w.T.Format(time.RFC3339))...)
}

func TestARunOverBigQueryBlocks(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	d := w.json(w.want(w.runBigQuery(url, "run", "--json"), exitOK))
	if len(w.prefixes("edgewarden_1")) != 1 || d.Data.BytesScanned == 0 || d.Data.Rows != 900 {
		t.Errorf("entries %v, data %+v", w.prefixes("edgewarden_1"), d.Data)
	}
	for _, q := range table.Queries() {
		if q.Labels["app"] != "edgewarden" || q.Labels["component"] != "blocker" {
			t.Errorf("labels %v", q.Labels)
		}
	}
}

func TestBigQueryFailuresBlockNobodyAndSayWhatToDo(t *testing.T) {
	cases := []struct {
		name  string
		fail  bqtest.Failure
		wants []string
	}{
		{"no permission", bqtest.Failure{Status: 403, Reason: "accessDenied", Message: "Access Denied: Project logs-project: User does not have bigquery.jobs.create permission"}, []string{"roles/bigquery.jobUser"}},
		{"no table", bqtest.Failure{Status: 404, Reason: "notFound", Message: "Not found: Table logs-project:edge_logs.fastly was not found in location EU"}, []string{"logs-project.edge_logs.fastly"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			table, url := w.table()
			table.Fail(bqtest.JobsInsert, c.fail)
			before := w.edge.Writes()
			o := w.want(w.runBigQuery(url, "run"), exitFailed)
			for _, want := range c.wants {
				if !strings.Contains(o.stderr, want) {
					t.Errorf("stderr does not say %q: %s", want, o.stderr)
				}
			}
			if w.edge.Writes() != before {
				t.Error("a run without data wrote to the edge")
			}
		})
	}
}
