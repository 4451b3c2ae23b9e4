// Package verify reads the alert rules and the dashboard as Prometheus would: every expression parses, and names only metrics and
// labels of docs/metrics.md.
package verify

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const root = "../../../"

// metrics is the labels of every metric on the page, and its kind.
func metrics(t *testing.T) (known map[string][]string, kinds map[string]string) {
	t.Helper()
	page, err := os.ReadFile(root + "docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known, kinds = map[string][]string{}, map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(edgewarden_\\w+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		kinds[m[1]], known[m[1]] = m[2], []string{}
		for _, l := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(m[3], -1) {
			known[m[1]] = append(known[m[1]], l[1])
		}
	}
	if len(known) < 40 {
		t.Fatalf("only %d metrics found on the page", len(known))
	}
	return known, kinds
}

// check parses an expression and looks at every metric in it.
func check(t *testing.T, where, expr string, known map[string][]string, kinds map[string]string) {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	found := 0
	parser.Inspect(tree, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		found++
		name := v.Name
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if kinds[base] == "histogram" {
			name = base
		}
		has, ok := known[name]
		if !ok {
			t.Errorf("%s: docs/metrics.md has no %s", where, v.Name)
			return nil
		}
		for _, m := range v.LabelMatchers {
			if m.Name != labels.MetricName && !slices.Contains(has, m.Name) {
				t.Errorf("%s: %s has no label %s", where, v.Name, m.Name)
			}
		}
		for _, p := range path {
			if agg, ok := p.(*parser.AggregateExpr); ok {
				for _, by := range agg.Grouping {
					if by != "le" && !slices.Contains(has, by) {
						t.Errorf("%s: %s has no label %s to group by", where, v.Name, by)
					}
				}
			}
		}
		if ranged := slices.ContainsFunc(path, func(p parser.Node) bool { _, ok := p.(*parser.MatrixSelector); return ok }); ranged != (kinds[name] != "gauge") {
			t.Errorf("%s: %s is a %s, and the expression takes it for something else", where, v.Name, kinds[name])
		}
		return nil
	})
	if found == 0 {
		t.Errorf("%s names no metric", where)
	}
}

func TestTheRulesOfPrometheusParseAndNameWhatExists(t *testing.T) {
	known, kinds := metrics(t)
	text, err := os.ReadFile("../prometheus-rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			check(t, r.Alert, r.Expr, known, kinds)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["runbook"] == "" {
				t.Errorf("%s: want a severity, a summary and a runbook", r.Alert)
			}
		}
	}
	if rules < 10 {
		t.Fatalf("only %d rules found", rules)
	}
}

func TestTheDashboardParsesAndNamesWhatExists(t *testing.T) {
	known, kinds := metrics(t)
	text, err := os.ReadFile("../grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids, exprs := map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q: a double id, too wide, or empty", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			exprs++
			check(t, p.Title, target.Expr, known, kinds)
		}
	}
	if exprs < 20 {
		t.Fatalf("only %d expressions found", exprs)
	}
}
