package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/metrics.md and the golden files of testdata/script anew")

// metricsPage is the page that is made from what a running program exports.
const metricsPage = "../../docs/metrics.md"

// alerts is every metric by stage, in the order of the page, with what to alert
// on; empty is for looking at, not for waking somebody.
var alerts = []struct {
	stage   string
	metrics [][2]string
}{
	{"Connections", [][2]string{
		{"edgewarden_ingest_connections", "it falls to 0 while traffic is expected; it comes near `--max-connections`"},
		{"edgewarden_ingest_accepted_connections_total", ""},
		{"edgewarden_ingest_rejected_connections_total", "`tls_handshake`, `tls_on_plain_port`, `plain_on_tls_port`, `too_many_connections`, `too_many_connections_from_source`, `accept` or `panic` rise; `probe` is what health checks do"},
		{"edgewarden_ingest_aged_connections_total", ""},
		{"edgewarden_ingest_foreign_source_connections_total", "it rises and the token or client certificate is all that protects the port; or Fastly has new ranges and the refresh fails"},
		{"edgewarden_ingest_certificate_expiry_timestamp_seconds", "less than 14 days away; only with a certificate"},
	}},
	{"Lines", [][2]string{
		{"edgewarden_ingest_received_lines_total", "its rate is half of the week before"},
		{"edgewarden_ingest_received_bytes_total", ""},
		{"edgewarden_ingest_last_line_timestamp_seconds", "older than `--silence-alert`"},
		{"edgewarden_ingest_service_last_line_timestamp_seconds", "older than `--silence-alert`; only for configured services"},
		{"edgewarden_ingest_dropped_lines_total", "any reason rises: a line is lost. `auth`: token or certificate differ from Fastly's; `sender_share`: one sender fills the spool; `spool_full`, `spool_error`: disk; `spool_damaged`: found damaged later"},
		{"edgewarden_ingest_cut_lines_total", "it rises: a format has become too long"},
		{"edgewarden_ingest_unterminated_lines_total", "it rises steadily: something between Fastly and here cuts connections"},
		{"edgewarden_ingest_foreign_source_lines_total", "as for the connections"},
		{"edgewarden_ingest_redacted_total", "`card` rises: somebody puts card numbers where they do not belong"},
	}},
	{"Spool", [][2]string{
		{"edgewarden_ingest_spool_bytes", "more than half of `edgewarden_ingest_spool_max_bytes`; do not scale in a pod where it is not near 0"},
		{"edgewarden_ingest_spool_max_bytes", ""},
		{"edgewarden_ingest_spool_segments", ""},
		{"edgewarden_ingest_spool_full", "1"},
		{"edgewarden_ingest_spool_damaged_segments", "it rises: look at the disk, and run `ingest spool verify`"},
		{"edgewarden_ingest_spool_senders", ""},
		{"edgewarden_ingest_spool_largest_sender_bytes", "more than half of `edgewarden_ingest_spool_max_bytes`"},
		{"edgewarden_ingest_spool_sync_seconds", "the 99th percentile is over 1 s: the disk is too slow"},
	}},
	{"Sinks", [][2]string{
		{"edgewarden_ingest_queued_records", "it rises for 10 minutes"},
		{"edgewarden_ingest_oldest_queued_age_seconds", "more than 300: lines arrive late, and detection works on old data"},
		{"edgewarden_ingest_oldest_queued_timestamp_seconds", "as the age; for dashboards that compute it themselves"},
		{"edgewarden_ingest_recovered_records", ""},
		{"edgewarden_ingest_shipped_records_total", "0 for 10 minutes while lines are received"},
		{"edgewarden_ingest_stored_records_total", "the share of `text` rises: a log format broke, see `problem` in the stored lines"},
		{"edgewarden_ingest_shipped_heartbeats_total", "no increase for 5 minutes"},
		{"edgewarden_ingest_dead_letters_total", "it rises: see the log for the reason, then `ingest spool replay`"},
		{"edgewarden_ingest_dead_letters_dropped_total", "it rises: a line is lost; replay or remove the dead letters"},
		{"edgewarden_ingest_write_failures_total", "`configuration` rises: a permission or a name is wrong; `throttled` for an hour: ask for quota"},
		{"edgewarden_ingest_write_failing", "1 for 10 minutes"},
		{"edgewarden_ingest_write_seconds", "the 99th percentile is over 10 s"},
		{"edgewarden_ingest_oldest_in_flight_seconds", "more than 120"},
	}},
	{"The program", [][2]string{
		{"edgewarden_ingest_start_timestamp_seconds", "it changes several times an hour"},
		{"edgewarden_ingest_source_ranges_failures_total", "it rises for three days; only with `--source-ranges`"},
		{"edgewarden_ingest_source_ranges_timestamp_seconds", "older than three days; only with `--source-ranges`"},
	}},
	{"The blocker", [][2]string{ // the rest of this stage is the table in cmd/blocker/metrics.go
		{"edgewarden_blocker_runs_total", "code 1 or 4 rises; 3 means that the guard refused"},
	}},
}

// exported is a metric as a program exports it.
type exported struct {
	kind, help string
	labels     map[string][]string // names and the values seen

	unit, alert string // where the program's own table says it; alert is empty for "only look"
	tabled      bool
}

func TestMetricsPageIsFresh(t *testing.T) {
	all := scrape(t)
	maps.Copy(all, blockerMetrics(t))
	page := renderMetrics(t, all)
	if *update {
		if err := os.WriteFile(metricsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page {
		t.Error("docs/metrics.md is stale: run `go test ./cmd/ingest -run MetricsPage -update`")
	}
}

// scrape starts the program with everything that has a metric and reads what it exports.
func scrape(t *testing.T) map[string]exported {
	dir := t.TempDir()
	cert := selfSigned(t, dir)
	s := serve(t, dir, map[string]string{"EDGEWARDEN_TOKEN": "tok"}, "--project", "my-project", "--logging-endpoint", "127.0.0.1:1", "--logging-insecure",
		"--lake", filepath.Join(dir, "lake"), "--tls-cert", cert, "--tls-key", cert, "--expect-service", "SVC1", "--shutdown-timeout", "50ms",
		"--source-ranges", writeFile(t, filepath.Join(dir, "ranges"), "192.0.2.0/24\n"))
	defer s.stop(t)
	_, body := s.get(t, "/metrics")
	all := map[string]exported{}
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for _, l := range strings.Split(body, "\n") {
		f := strings.SplitN(l, " ", 4)
		switch {
		case strings.HasPrefix(l, "# HELP edgewarden_"):
			all[f[2]] = exported{help: f[3], labels: map[string][]string{}}
		case strings.HasPrefix(l, "# TYPE edgewarden_"):
			e := all[f[2]]
			e.kind = f[3]
			all[f[2]] = e
		case strings.HasPrefix(l, "edgewarden_"):
			name, _, _ := strings.Cut(l, "{")
			name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			for _, m := range label.FindAllStringSubmatch(l, -1) {
				if e := all[name]; m[1] != "le" && !slices.Contains(e.labels[m[1]], m[2]) {
					e.labels[m[1]] = append(e.labels[m[1]], m[2])
				}
			}
		}
	}
	return all
}

// blockerMetrics reads the blocker's metrics out of its source, since a program
// cannot be imported: calls of prometheus.NewX with a name and a help text.
func blockerMetrics(t *testing.T) map[string]exported {
	files, err := filepath.Glob("../blocker/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of the blocker: %v", err)
	}
	all := map[string]exported{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if name, e, ok := metricOf(n); ok {
					all[name] = e
				}
			case *ast.CompositeLit:
				if name, e, ok := rowOf(n); ok {
					all[name] = e
				}
			}
			return true
		})
	}
	return all
}

// rowOf reads a row of the blocker's table.
func rowOf(lit *ast.CompositeLit) (name string, e exported, ok bool) {
	e = exported{kind: "gauge", labels: map[string][]string{}, tabled: true}
	for _, el := range lit.Elts {
		kv, isPair := el.(*ast.KeyValueExpr)
		if !isPair || lit.Type != nil {
			return "", e, false
		}
		switch fmt.Sprint(kv.Key) {
		case "Name":
			name = literal(kv.Value)
		case "Help":
			e.help = literal(kv.Value)
		case "Unit":
			e.unit = literal(kv.Value)
		case "Alert":
			e.alert = literal(kv.Value)
		case "Labels":
			if list, isList := kv.Value.(*ast.CompositeLit); isList {
				for _, l := range list.Elts {
					e.labels[literal(l)] = nil
				}
			}
		}
	}
	return name, e, strings.HasPrefix(name, "edgewarden_blocker_")
}

func metricOf(call *ast.CallExpr) (name string, e exported, ok bool) {
	fn, isSel := call.Fun.(*ast.SelectorExpr)
	if !isSel || len(call.Args) == 0 || !strings.HasPrefix(fn.Sel.Name, "New") {
		return "", e, false
	}
	e = exported{kind: strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(fn.Sel.Name, "New"), "Vec"), "Func")), labels: map[string][]string{}}
	opts, isLit := call.Args[0].(*ast.CompositeLit)
	if !isLit {
		return "", e, false
	}
	for _, el := range opts.Elts {
		kv, isPair := el.(*ast.KeyValueExpr)
		if !isPair {
			return "", e, false
		}
		switch key := fmt.Sprint(kv.Key); key {
		case "Name":
			name = literal(kv.Value)
		case "Help":
			e.help = literal(kv.Value)
		}
	}
	if len(call.Args) > 1 {
		if list, isList := call.Args[1].(*ast.CompositeLit); isList {
			for _, l := range list.Elts {
				e.labels[literal(l)] = nil
			}
		}
	}
	return name, e, strings.HasPrefix(name, "edgewarden_")
}

func literal(x ast.Expr) string {
	if l, ok := x.(*ast.BasicLit); ok {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

// unit reads a metric's unit off its name, as Prometheus wants names to say it.
func unit(name string) string {
	for _, u := range [][2]string{
		{"_timestamp_seconds", "unix seconds"}, {"_seconds", "seconds"}, {"_bytes", "bytes"}, {"_lines", "lines"}, {"_records", "lines"}, {"_letters", "lines"}, {"_dropped", "lines"},
		{"_connections", "connections"}, {"_segments", "files"}, {"_heartbeats", "heartbeats"}, {"_failures", "failures"}, {"_senders", "senders"},
		{"_redacted", "values"}, {"_runs", "runs"}, {"_full", "0 or 1"}, {"_failing", "0 or 1"},
	} {
		if strings.HasSuffix(strings.TrimSuffix(name, "_total"), u[0]) {
			return u[1]
		}
	}
	return ""
}

const blockerStage = "The blocker"

// blockerIntro says where the blocker's numbers are.
const blockerIntro = "A blocker that stays (`--schedule` with `--admin`) exports these under `/metrics`. With `--metrics-project PROJECT`, or `monitoring: {project: …}`, every run that writes puts all " +
	"but `runs_total` into Cloud Monitoring too, under `custom.googleapis.com/edgewarden/blocker/` and the rest of the name, as gauges, for the resource `k8s_container` or `generic_task`; this is the way for a blocker that " +
	"comes and goes. Each pod is a series of its own there: look at the maximum over all of them. Numbers are those of the last run; what it did not get to is absent.\n\n"

func renderMetrics(t *testing.T, all map[string]exported) string {
	var b strings.Builder
	b.WriteString("# Metrics\n\n<!-- Made from what the programs export by `go test ./cmd/ingest -run MetricsPage -update`; a test fails when it is stale. -->\n\n" +
		"`ingest serve` exports these on `--admin` under `/metrics`, beside the `go_…` and `process_…` metrics of the Go runtime. Counters start at zero with the process, and every reason, class and kind is there from the start. " +
		"For each sink\n\n    received_lines_total + recovered_records =\n      shipped_records_total + dead_letters_total + dead_letters_dropped_total + queued_records + sum(dropped_lines_total)\n\n" +
		"holds whenever nothing is on its way between two parts. Label values come from flags and from this list, never from a log line. What to alert on is a proposal; an empty field is for looking at.\n")
	known := map[string]bool{}
	for _, stage := range alerts {
		intro := ""
		if stage.stage == blockerStage {
			intro = blockerIntro
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if all[name].tabled {
					stage.metrics = append(stage.metrics, [2]string{name, all[name].alert})
				}
			}
		}
		fmt.Fprintf(&b, "\n## %s\n\n"+intro+"| metric | type | labels | unit | meaning | alert when |\n|---|---|---|---|---|---|\n", stage.stage)
		for _, m := range stage.metrics {
			e, ok := all[m[0]]
			if !ok {
				t.Errorf("%s is in the table, and no program exports it", m[0])
			}
			if e.unit == "" {
				e.unit = unit(m[0])
			}
			if known[m[0]] = true; e.unit == "" {
				t.Errorf("%s does not say its unit", m[0])
			}
			if (e.kind == "counter") != strings.HasSuffix(m[0], "_total") {
				t.Errorf("%s is a %s: counters, and nothing else, end in _total", m[0], e.kind)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m[0], e.kind, labelText(e.labels), e.unit, e.help, m[1])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !known[name] {
			t.Errorf("%s is exported and not in the table: say what to alert on", name)
		}
	}
	return b.String()
}

func labelText(labels map[string][]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		values := slices.Sorted(slices.Values(labels[name]))
		if name == "service_id" || len(values) == 0 {
			parts = append(parts, "`"+name+"`")
			continue
		}
		parts = append(parts, "`"+name+"`: "+strings.Join(values, ", "))
	}
	return strings.Join(parts, "; ")
}

// selfSigned writes a certificate and its key to one file.
func selfSigned(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"logs.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(dir, "tls.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}
