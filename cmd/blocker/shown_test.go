package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
)

// What is only shown must not keep a run from blocking: an attacker with many addresses and paths decides how long it takes.
func TestASlowLookAtEvidenceOrAFloodHoldsUpNoBlock(t *testing.T) {
	was := showFor
	showFor = 300 * time.Millisecond
	defer func() { showFor = was }()
	for _, slow := range []string{"wholes", "evidence", "flood"} {
		t.Run(slow, func(t *testing.T) {
			w := newWorld(t)
			w.file("rules.yaml", loginRule)
			table, _ := w.table()
			newest := w.T.Add(-10 * time.Second).UnixMicro()
			table.Answers["detect"] = bqtest.DetectAnswer(
				detect.Row{Rule: -1, HealthRows: 50_000, HealthNewestUs: newest, HealthTrusted: 50_000, HealthTrustedNewestUs: newest, HealthOldestUs: newest - 580e6, HealthOKAddresses: 2000},
				detect.Row{Rule: 0, Key: attacker, Met: 1, Requests: 300, Peak: 120, Addresses: 1, FirstUs: newest - 150e6, LastUs: newest, Population: 3900, Volume: 41_200, Busiest: 300, Older: 20})
			table.Answers["flood"] = bqtest.FloodAnswer()
			blocked := false
			hanging := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				if bytes.Contains(body, []byte(`"query":"`+slow+`"`)) {
					blocked = len(w.prefixes("edgewarden_1")) == 1
					table.Hang()
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				table.ServeHTTP(rw, r)
			}))
			defer hanging.Close()
			o := w.want(w.runBigQuery(hanging.URL, "run"), exitOK)
			if table.Calls(bqtest.JobsCancel) == 0 {
				t.Error("the slow question still runs, and is paid for")
			}
			if len(w.prefixes("edgewarden_1")) != 1 {
				t.Errorf("entries %v\n%s%s", w.prefixes("edgewarden_1"), o.stdout, o.stderr)
			}
			if want := map[string]string{"wholes": "could not be counted, so each has the room of an office", "evidence": "the evidence could not be fetched", "flood": "a flood could not be taken apart"}[slow]; !strings.Contains(o.stdout, want) {
				t.Errorf("does not say %q:\n%s", want, o.stdout)
			}
			if slow == "flood" && !blocked {
				t.Error("the flood was looked at before the attacker was blocked")
			}
		})
	}
}
