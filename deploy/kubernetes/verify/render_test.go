package verify_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// renderings are what an operator applies, by name.
func renderings(t *testing.T) map[string]rendering {
	t.Helper()
	all := map[string]rendering{
		"gke":   render(t, "..", "overlays/gke"),
		"local": render(t, "..", "overlays/local"),
	}
	// The kustomization says that one line chooses how the blocker runs.
	tree := copyOf(t, "..")
	swap(t, filepath.Join(tree, "overlays/gke/kustomization.yaml"), "- ../../components/cronjob #", "- ../../components/scheduled #")
	all["gke, scheduled"] = render(t, tree, "overlays/gke")
	return all
}

// rendering is one object per document, as kustomize prints them.
type rendering [][]byte

func render(t *testing.T, tree, overlay string) rendering {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(tree, overlay))
	if err != nil {
		t.Fatalf("%s: %v", overlay, err)
	}
	var docs rendering
	for _, r := range resources.Resources() {
		doc, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	if len(docs) < 8 {
		t.Fatalf("%s: %d objects: the test looks at the wrong folder", overlay, len(docs))
	}
	return docs
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, part := range []string{"base", "components", "overlays"} {
		if err := os.CopyFS(filepath.Join(to, part), os.DirFS(filepath.Join(dir, part)).(fs.FS)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// swap replaces a text that must be there.
func swap(t *testing.T, file, old, new string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("%s does not contain %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(content), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// decoder refuses unknown fields and wrong types, as a strict API server does.
var decoder = json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Yaml: true, Strict: true})

// ofGoogle are kinds that Kubernetes itself does not have; the schemas check them.
var ofGoogle = []string{"kind: PodMonitoring\n"}

// decode reads an object with Kubernetes' own types; kinds of others come back untyped.
func decode(doc []byte) (runtime.Object, error) {
	for _, kind := range ofGoogle {
		if strings.Contains(string(doc), kind) {
			u := &unstructured.Unstructured{}
			_, _, err := decoder.Decode(doc, nil, u)
			return u, err
		}
	}
	object, _, err := decoder.Decode(doc, nil, nil)
	return object, err
}

// all returns the objects of type T.
func all[T runtime.Object](t *testing.T, r rendering) (found []T) {
	t.Helper()
	for _, doc := range r {
		object, err := decode(doc)
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// one returns the only object of type T.
func one[T runtime.Object](t *testing.T, r rendering) T {
	t.Helper()
	found := all[T](t, r)
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want one", len(found), *new(T))
	}
	return found[0]
}

func TestEveryObjectDecodesStrictly(t *testing.T) {
	for name, r := range renderings(t) {
		for _, doc := range r {
			if _, err := decode(doc); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, doc)
			}
		}
	}
}

func TestAnUnknownFieldIsFound(t *testing.T) {
	tree := copyOf(t, "..")
	swap(t, filepath.Join(tree, "components/cronjob/cronjob.yaml"), "concurrencyPolicy:", "concurrencyPolitics:")
	for _, doc := range render(t, tree, "overlays/gke") {
		if _, err := decode(doc); err != nil {
			return
		}
	}
	t.Error("a misspelt field passes")
}
