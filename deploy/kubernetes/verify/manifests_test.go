package verify_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// decoder refuses unknown fields and wrong types, as a strict API server does.
var decoder = json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Yaml: true, Strict: true})

// documents splits a manifest file.
func documents(t *testing.T, content []byte) [][]byte {
	t.Helper()
	var docs [][]byte
	split := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(content)))
	for {
		buf := make([]byte, 1<<20)
		n, err := split.Read(buf)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, buf[:n])
	}
}

func TestManifestsDecodeStrictly(t *testing.T) {
	files, err := filepath.Glob("../*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v (%v): the test looks at the wrong folder", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range documents(t, content) {
			object, _, err := decoder.Decode(doc, nil, nil)
			if err != nil {
				t.Errorf("%s, document %d: %v", file, i+1, err)
				continue
			}
			if job, ok := object.(*batchv1.CronJob); ok && len(job.Name) > 52 {
				t.Errorf("%s: a CronJob's name has at most 52 characters", file)
			}
		}
	}
}

func TestAnUnknownFieldIsFound(t *testing.T) {
	content, err := os.ReadFile("../blocker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(content), "concurrencyPolicy:", "concurrencyPolitics:", 1)
	failed := false
	for _, doc := range documents(t, []byte(broken)) {
		if _, _, err := decoder.Decode(doc, nil, nil); err != nil {
			failed = true
		}
	}
	if !failed {
		t.Error("a misspelt field passes")
	}
}
