package bigquery_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/api/option"

	"edgewarden/internal/detect/bigquery"
)

// custom is the least a custom table needs.
func custom() map[string]string {
	return map[string]string{"timestamp": "ts", "client_ip": "ip"}
}

func with(m map[string]string, kv ...string) map[string]string {
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		opt   bigquery.Options
		fault string // empty when it is fine
	}{
		{"a table is enough", bigquery.Options{}, ""},
		{"an unknown kind", bigquery.Options{Kind: "lake"}, "choose sink"},
		{"a mapping for a sink", bigquery.Options{Columns: custom()}, "remove the mapping, or set the kind to custom"},
		{"custom without an address", bigquery.Options{Kind: bigquery.Custom, Columns: map[string]string{"timestamp": "ts"}}, "client_ip is missing"},
		{"custom without a time", bigquery.Options{Kind: bigquery.Custom, Columns: map[string]string{"client_ip": "ip"}}, "timestamp is missing"},
		{"custom, mapped", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "status", "http.status", "sender", "=token")}, ""},
		{"an unknown field", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "statuss", "status")}, `"statuss" is no field`},
		{"a column that is SQL", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "path", "a` OR true")}, "is no column"},
		{"a constant number", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "status", "=200")}, "cannot be a constant"},
		{"an empty constant", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "host", "=")}, "constant of host is"},
		{"a constant that ends its quotes", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "host", `=a' OR true --`)}, "constant of host is"},
		{"a constant time", bigquery.Options{Kind: bigquery.Custom, Columns: with(custom(), "timestamp", "=now")}, "cannot be a constant"},
		{"a billing project with a path", bigquery.Options{BillingProject: "projects/ops"}, `billing project "projects/ops"`},
		{"a multi-region", bigquery.Options{Location: "EU"}, ""},
		{"a region", bigquery.Options{Location: "europe-west4"}, ""},
		{"a region of another cloud", bigquery.Options{Location: "aws-us-east-1"}, ""},
		{"a location that is none", bigquery.Options{Location: "europe west"}, "not a BigQuery location"},
		{"a byte limit below what is billed at least", bigquery.Options{MaxBytes: 1 << 20}, "raise it or leave it out"},
		{"a negative deadline", bigquery.Options{Deadline: -time.Second}, "must be positive"},
		{"an endpoint without a scheme", bigquery.Options{Endpoint: "127.0.0.1:9050"}, "http://HOST:PORT"},
		{"an endpoint with a password", bigquery.Options{Endpoint: "http://u:hunter2@h"}, "without user and password"},
		{"a label key in upper case", bigquery.Options{Labels: map[string]string{"Run": "x"}}, `label "Run"`},
		{"a label we set ourselves", bigquery.Options{Labels: map[string]string{"query": "x"}}, `label "query"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opt.Table = "p.d.t"
			c.opt.ClientOptions = []option.ClientOption{option.WithoutAuthentication()}
			e, err := bigquery.Open(t.Context(), c.opt)
			if c.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				e.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Fatalf("error %v does not say %q", err, c.fault)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := bigquery.Open(t.Context(), bigquery.Options{Table: "nope", Kind: "odd", Location: "!", MaxBytes: 1})
	for _, s := range []string{`table "nope"`, `kind "odd"`, `location "!"`, "max bytes 1"} {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("error does not mention %s: %v", s, err)
		}
	}
}
