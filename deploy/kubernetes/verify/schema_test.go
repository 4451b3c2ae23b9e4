package verify_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/resource"
	"github.com/yannh/kubeconform/pkg/validator"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Where schemas come from, so that no network but that of Go modules is needed.
const (
	kubernetes = "k8s.io/kubernetes@v1.37.2"
	prometheus = "github.com/GoogleCloudPlatform/prometheus-engine@v0.17.2" // PodMonitoring
)

// moduleDir downloads a module, once a machine, and says where it is.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of any module: the checksum database vouches for it
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go mod download %s: %v %s", module, err, out)
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil || m.Dir == "" {
		t.Fatalf("go mod download %s: %s (%v)", module, out, err)
	}
	return m.Dir
}

type object = map[string]any

// writeSchemas makes the folder of JSON schemas that kubeconform wants: one file a kind.
func writeSchemas(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	content, err := os.ReadFile(filepath.Join(moduleDir(t, kubernetes), "api/openapi-spec/swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var swagger struct{ Definitions map[string]object }
	if err := json.Unmarshal(content, &swagger); err != nil {
		t.Fatal(err)
	}
	for _, definition := range swagger.Definitions {
		shut(definition)
	}
	for name, definition := range swagger.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 {
			continue
		}
		k := kinds[0].(object)
		writeSchema(t, dir, k["group"].(string), k["version"].(string), k["kind"].(string), object{
			"allOf":       []any{object{"$ref": "#/definitions/" + name}},
			"definitions": reachable(swagger.Definitions, name, object{}),
		})
	}
	writeCRDs(t, dir)
	return dir
}

// shut forbids what a type does not name, at every depth.
func shut(schema object) {
	if properties, ok := schema["properties"].(object); ok && schema["additionalProperties"] == nil && schema["x-kubernetes-preserve-unknown-fields"] == nil {
		schema["additionalProperties"] = false
		for _, p := range properties {
			shut(p.(object))
		}
	}
	if items, ok := schema["items"].(object); ok {
		shut(items)
	}
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		delete(schema, "format")
		schema["type"] = []any{"integer", "string"}
	}
}

func reachable(all map[string]object, name string, found object) object {
	if found[name] != nil {
		return found
	}
	found[name] = all[name]
	text, _ := json.Marshal(all[name])
	for _, part := range strings.Split(string(text), `"$ref":"#/definitions/`)[1:] {
		ref, _, _ := strings.Cut(part, `"`)
		reachable(all, ref, found)
	}
	return found
}

func writeSchema(t *testing.T, dir, group, version, kind string, schema object) {
	t.Helper()
	group, _, _ = strings.Cut(group, ".")
	name := strings.ToLower(strings.TrimPrefix(group+"-", "-")) + version
	content, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ToLower(kind)+"-"+name+".json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeCRDs adds the kinds of Managed Service for Prometheus.
func writeCRDs(t *testing.T, dir string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(moduleDir(t, prometheus), "manifests/setup.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range strings.Split(string(content), "\n---\n") {
		var crd struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema object }
				}
			}
		}
		if err := yaml.Unmarshal([]byte(doc), &crd); err != nil {
			t.Fatal(err)
		}
		for _, v := range crd.Spec.Versions {
			schema := v.Schema.OpenAPIV3Schema
			schema["properties"].(object)["metadata"] = object{"type": "object", "additionalProperties": true}
			shut(schema)
			writeSchema(t, dir, crd.Spec.Group, v.Name, crd.Spec.Names.Kind, schema)
		}
	}
}

func TestEveryObjectFitsItsSchema(t *testing.T) {
	v, err := validator.New([]string{writeSchemas(t) + "/{{ .ResourceKind }}{{ .KindSuffix }}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range renderings(t) {
		for _, doc := range r {
			if got := v.ValidateResource(resource.Resource{Path: name, Bytes: doc}); got.Status != validator.Valid {
				t.Errorf("%s: %v in\n%s", name, got.Err, doc)
			}
		}
	}
	for _, broken := range []string{
		"apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  prots: []\n",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  selector: {}\n",
		"apiVersion: monitoring.googleapis.com/v1\nkind: PodMonitoring\nmetadata:\n  name: a\nspec:\n  selector: {}\n  endpoints:\n  - prot: admin\n",
	} {
		if got := v.ValidateResource(resource.Resource{Bytes: []byte(broken)}); got.Status != validator.Invalid {
			t.Errorf("passes (%v):\n%s", got.Err, broken)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
