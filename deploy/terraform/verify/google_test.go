package verify_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

const google = "../google"

// googleSchema are the blocks and attributes of the provider that the files use.
// https://registry.terraform.io/providers/hashicorp/google/latest/docs
var googleSchema = map[string]string{
	"google_logging_project_bucket_config": "project location bucket_id description retention_days locked",
	"google_logging_project_sink":          "name description destination filter unique_writer_identity bigquery_options",
	"bigquery_options":                     "use_partitioned_tables",
	"google_logging_project_exclusion":     "name description filter depends_on",
	"google_logging_metric":                "name description filter metric_descriptor for_each",
	"metric_descriptor":                    "metric_kind value_type",
	"google_bigquery_dataset":              "dataset_id description location default_partition_expiration_ms count",
	"google_bigquery_table":                "dataset_id table_id description schema clustering require_partition_filter deletion_protection time_partitioning count",
	"time_partitioning":                    "type field expiration_ms",
	"google_bigquery_dataset_iam_member":   "dataset_id role member",
	"google_bigquery_table_iam_member":     "dataset_id table_id role member count",
	"google_service_account":               "account_id display_name count",
	"google_service_account_iam_member":    "service_account_id role member count",
	"google_project_iam_member":            "project role member",
	"google_monitoring_alert_policy":       "display_name severity combiner notification_channels conditions documentation alert_strategy for_each depends_on",
	"conditions":                           "display_name condition_prometheus_query_language",
	"condition_prometheus_query_language":  "query duration evaluation_interval",
	"documentation":                        "mime_type content",
	"alert_strategy":                       "auto_close",
}

func TestGooglesProviderKnowsEveryName(t *testing.T) {
	resources := find(blocksOf(t, google), "resource")
	if len(resources) < 20 {
		t.Fatalf("%d resources", len(resources))
	}
	for _, r := range resources {
		checkNames(t, googleSchema, r.Labels[0], r.Body)
	}
}

// settings are the variables of the folder, as an operator would set them.
func settings() map[string]cty.Value {
	return map[string]cty.Value{
		"project": cty.StringVal("shop"), "location": cty.StringVal("EU"), "log_bucket_location": cty.StringVal("global"), "log_id": cty.StringVal("fastly"), "fastly_account_id": cty.StringVal("edgewarden-fastly-7f3a"),
		"retention_days": cty.NumberIntVal(400), "lock_log_bucket": cty.False, "table_days": cty.NumberIntVal(45), "fastly_endpoint": cty.True,
		"ledger_table": cty.True, "workload_identity": cty.True, "namespace": cty.StringVal("edgewarden"), "period_minutes": cty.NumberIntVal(5),
		"notification_channels": cty.ListValEmpty(cty.String),
	}
}

func TestGooglesVariablesAreDocumentedTypedAndUsed(t *testing.T) {
	given, all := settings(), source(t)
	declared := find(blocksOf(t, google), "variable")
	if len(declared) != len(given) {
		t.Errorf("%d variables are declared, this test knows %d", len(declared), len(given))
	}
	for _, v := range declared {
		name, attrs := v.Labels[0], v.Body.Attributes
		if _, ok := given[name]; !ok {
			t.Errorf("this test does not know variable %s", name)
		}
		if attrs["description"] == nil || attrs["type"] == nil {
			t.Errorf("variable %s lacks a description or a type", name)
		}
		if uses := regexp.MustCompile(`\bvar\.`+name+`\b`).FindAllString(all, -1); len(uses) == 0 {
			t.Errorf("variable %s is not used", name)
		}
	}
}

// source is the text of the folder without its variables.
func source(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"versions", "logging", "tables", "identity", "alerts", "outputs"} {
		content, err := os.ReadFile(google + "/" + name + ".tf")
		if err != nil {
			t.Fatal(err)
		}
		b.Write(content)
	}
	return b.String()
}

// googleScope is what Terraform would know: variables, locals, and of other resources what they are called.
func googleScope(t *testing.T) *hcl.EvalContext {
	t.Helper()
	all := blocksOf(t, google)
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"var":  cty.ObjectVal(settings()),
			"path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(google)}),
		},
		Functions: map[string]function.Function{"format": stdlib.FormatFunc, "file": fileFunction()},
	}
	kinds := map[string]map[string]cty.Value{}
	for _, r := range find(all, "resource") {
		kind, name := r.Labels[0], r.Labels[1]
		attrs := map[string]cty.Value{}
		for _, a := range []string{"id", "name", "email", "member", "writer_identity", "dataset_id", "table_id", "account_id"} {
			attrs[a] = cty.StringVal("<" + a + " of " + name + ">")
		}
		value := cty.ObjectVal(attrs)
		if r.Body.Attributes["count"] != nil {
			value = cty.TupleVal([]cty.Value{value})
		}
		if kinds[kind] == nil {
			kinds[kind] = map[string]cty.Value{}
		}
		kinds[kind][name] = value
	}
	for kind, names := range kinds {
		ctx.Variables[kind] = cty.ObjectVal(names)
	}
	addLocals(t, ctx, all)
	return ctx
}

// addLocals evaluates the locals in the order in which they need each other.
func addLocals(t *testing.T, ctx *hcl.EvalContext, all []*hclsyntax.Block) {
	t.Helper()
	waiting := map[string]*hclsyntax.Attribute{}
	for _, b := range find(all, "locals") {
		maps.Copy(waiting, b.Body.Attributes)
	}
	known := map[string]cty.Value{}
	for len(waiting) > 0 {
		before := len(waiting)
		for name, a := range waiting {
			ctx.Variables["local"] = cty.ObjectVal(known)
			if v, diags := a.Expr.Value(ctx); !diags.HasErrors() {
				known[name] = v
				delete(waiting, name)
			}
		}
		if len(waiting) == before {
			for _, a := range waiting {
				_, diags := a.Expr.Value(ctx)
				t.Error(diags)
			}
			t.FailNow()
		}
	}
	ctx.Variables["local"] = cty.ObjectVal(known)
}

func fileFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			b, err := os.ReadFile(args[0].AsString())
			return cty.StringVal(string(b)), err
		},
	})
}

// Every expression of every resource and output can be computed: no reference to what is not there.
func TestEveryExpressionIsComputed(t *testing.T) {
	ctx := googleScope(t)
	n := 0
	var walk func(body *hclsyntax.Body, ctx *hcl.EvalContext)
	walk = func(body *hclsyntax.Body, ctx *hcl.EvalContext) {
		for name, a := range body.Attributes {
			if name == "depends_on" || name == "for_each" {
				continue
			}
			if v, diags := a.Expr.Value(ctx); diags.HasErrors() || !v.IsWhollyKnown() {
				t.Errorf("%s: %v", name, diags)
			}
			n++
		}
		for _, b := range body.Blocks {
			walk(b.Body, ctx)
		}
	}
	for _, b := range slices.Concat(find(blocksOf(t, google), "resource"), find(blocksOf(t, google), "output")) {
		if each := b.Body.Attributes["for_each"]; each != nil {
			for key, v := range value(t, ctx, each).AsValueMap() {
				child := ctx.NewChild()
				child.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": v})}
				walk(b.Body, child)
			}
			continue
		}
		walk(b.Body, ctx)
	}
	if n < 100 {
		t.Errorf("%d expressions: the test looks at too little", n)
	}
}

// resource returns one resource's attributes, computed.
func computed(t *testing.T, kind, name string) map[string]string {
	t.Helper()
	found := find(blocksOf(t, google), "resource", kind, name)
	if len(found) != 1 {
		t.Fatalf("%d of %s %s", len(found), kind, name)
	}
	ctx, out := googleScope(t), map[string]string{}
	var walk func(prefix string, body *hclsyntax.Body)
	walk = func(prefix string, body *hclsyntax.Body) {
		for n, a := range body.Attributes {
			if n == "depends_on" {
				continue
			}
			v := value(t, ctx, a)
			switch {
			case v.Type() == cty.Bool && v.True():
				out[prefix+n] = "true"
			case v.Type() == cty.Number:
				out[prefix+n] = v.AsBigFloat().Text('f', -1)
			case v.Type() == cty.String:
				out[prefix+n] = v.AsString()
			case v.CanIterateElements():
				for _, e := range v.AsValueSlice() {
					out[prefix+n] += e.AsString()
				}
			}
		}
		for _, b := range body.Blocks {
			walk(prefix+b.Type+".", b.Body)
		}
	}
	walk("", found[0].Body)
	return out
}

func TestLinesAreKeptAYearAndStoredOnce(t *testing.T) {
	bucket, sink, exclusion := computed(t, "google_logging_project_bucket_config", "edgewarden"), computed(t, "google_logging_project_sink", "bucket"), computed(t, "google_logging_project_exclusion", "default")
	if bucket["retention_days"] != "400" || !strings.Contains(source(t), "locked         = var.lock_log_bucket") {
		t.Errorf("the bucket: %v", bucket)
	}
	if sink["filter"] != exclusion["filter"] {
		t.Errorf("what is kept and what is excluded from _Default differ:\n%s\n%s", sink["filter"], exclusion["filter"])
	}
	bq := computed(t, "google_logging_project_sink", "bigquery")
	for _, log := range []string{`log_id("fastly")`, `log_id("fastly_heartbeat")`} {
		if !strings.Contains(sink["filter"], log) || !strings.Contains(bq["filter"], log) {
			t.Errorf("%s is not routed: %s, %s", log, sink["filter"], bq["filter"])
		}
	}
	if bq["bigquery_options.use_partitioned_tables"] != "true" {
		t.Error("a table for each day: the blocker does not read those")
	}
}

func TestTablesAreAsTheProgramsNeedThem(t *testing.T) {
	edge, ledger := computed(t, "google_bigquery_table", "edge"), computed(t, "google_bigquery_table", "ledger")
	for name, want := range map[string]string{"time_partitioning.type": "HOUR", "time_partitioning.field": "timestamp", "clustering": "client_ip", "require_partition_filter": "true", "deletion_protection": "true"} {
		if edge[name] != want {
			t.Errorf("table for Fastly: %s is %q, want %q", name, edge[name], want)
		}
	}
	for name, want := range map[string]string{"time_partitioning.type": "DAY", "time_partitioning.field": "time", "time_partitioning.expiration_ms": "", "clustering": "run", "deletion_protection": "true"} {
		if ledger[name] != want {
			t.Errorf("ledger: %s is %q, want %q", name, ledger[name], want)
		}
	}
	for what, table := range map[string]map[string]string{"edge": edge, "ledger": ledger} {
		var columns []struct{ Name, Type, Mode string }
		if err := json.Unmarshal([]byte(table["schema"]), &columns); err != nil || len(columns) < 10 {
			t.Fatalf("%s: %d columns (%v)", what, len(columns), err)
		}
		if !slices.ContainsFunc(columns, func(c struct{ Name, Type, Mode string }) bool {
			return c.Name == table["time_partitioning.field"] && c.Type == "TIMESTAMP"
		}) {
			t.Errorf("%s: the partition column is no timestamp", what)
		}
	}
}

// The ledger's schema is the program's own.
func TestTheLedgersSchemaIsTheProgramsOwn(t *testing.T) {
	want, err := os.ReadFile("../../../internal/ledger/bigquery/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(google + "/ledger.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("stale: cp internal/ledger/bigquery/schema.json deploy/terraform/google/ledger.schema.json")
	}
}

func TestAccountsHaveTheFewestRoles(t *testing.T) {
	var got []string
	ctx := googleScope(t)
	for _, r := range find(blocksOf(t, google), "resource") {
		if a := r.Body.Attributes; a["role"] != nil {
			got = append(got, strings.TrimPrefix(value(t, ctx, a["role"]).AsString(), "roles/")+" on "+strings.TrimSuffix(strings.TrimPrefix(r.Labels[0], "google_"), "_iam_member")+": "+value(t, ctx, a["member"]).AsString())
		}
	}
	slices.Sort(got)
	want := []string{
		"bigquery.dataEditor on bigquery_dataset: <writer_identity of bigquery>",
		"bigquery.dataEditor on bigquery_table: <member of blocker>", // the ledger
		"bigquery.dataEditor on bigquery_table: <member of fastly>",
		"bigquery.dataViewer on bigquery_dataset: <member of blocker>",
		"bigquery.dataViewer on bigquery_table: <member of blocker>",
		"bigquery.jobUser on project: <member of blocker>",
		"iam.serviceAccountTokenCreator on service_account: serviceAccount:fastly-logging@datalog-bulleit-9e86.iam.gserviceaccount.com",
		"iam.workloadIdentityUser on service_account: serviceAccount:shop.svc.id.goog[edgewarden/edgewarden-blocker]",
		"iam.workloadIdentityUser on service_account: serviceAccount:shop.svc.id.goog[edgewarden/edgewarden-ingest]",
		"logging.logWriter on project: <member of ingest>",
		"monitoring.metricWriter on project: <member of blocker>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(source(t), "google_service_account_key") {
		t.Error("a key is made")
	}
}

// The pods that may act as the accounts are those of the manifests.
func TestPodsActAsTheAccounts(t *testing.T) {
	overlay, err := os.ReadFile("../../kubernetes/overlays/gke/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ingest", "blocker"} {
		account := computed(t, "google_service_account", name)["account_id"]
		if !strings.Contains(string(overlay), "iam.gke.io/gcp-service-account: "+account+"@my-project.iam.gserviceaccount.com") {
			t.Errorf("the pods of %s act as somebody else than %s", name, account)
		}
	}
}

func TestAlertsAskForWhatExists(t *testing.T) {
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	ctx := googleScope(t)
	locals := ctx.Variables["local"].AsValueMap()
	counted := locals["run_metrics"].AsValueMap()
	metric := regexp.MustCompile(`\b(edgewarden_\w+|logging_googleapis_com:user_edgewarden_\w+)`)
	used := map[string]bool{}
	for name, a := range locals["alerts"].AsValueMap() {
		alert := a.AsValueMap()
		query := alert["query"].AsString()
		names := metric.FindAllString(query, -1)
		if len(names) == 0 || strings.Count(query, "(") != strings.Count(query, ")") || len(alert["do"].AsString()) < 40 {
			t.Errorf("%s: %s", name, query)
		}
		for _, m := range names {
			if key, ok := strings.CutPrefix(m, "logging_googleapis_com:user_edgewarden_"); ok {
				used[key] = true
				if _, ok := counted[key]; !ok {
					t.Errorf("%s: no log-based metric %s", name, key)
				}
			} else if !strings.Contains(string(page), "`"+m+"`") {
				t.Errorf("%s: docs/metrics.md has no %s", name, m)
			}
		}
	}
	for key := range counted {
		if !used[key] {
			t.Errorf("log-based metric %s is counted for nothing", key)
		}
	}
}
