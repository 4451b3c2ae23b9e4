package gcp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/gcp"
)

// metadataServer stands in for GKE's: it answers with attributes.
func metadataServer(t *testing.T, attributes map[string]string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			http.Error(w, "Missing required header", http.StatusForbidden)
			return
		}
		v, ok := attributes[strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/instance/attributes/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Metadata-Flavor", "Google")
		w.Write([]byte(v))
	}))
	t.Cleanup(srv.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	return srv
}

func TestResource(t *testing.T) {
	pod := map[string]string{"POD_NAME": "ingest-0", "POD_NAMESPACE": "edge", "CONTAINER_NAME": "main"}
	with := func(base map[string]string, more ...string) map[string]string {
		m := make(map[string]string)
		for k, v := range base {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	attributes := map[string]string{"cluster-name": "prod\n", "cluster-location": "europe-west4"}
	for _, c := range []struct {
		name     string
		env      map[string]string
		metadata map[string]string
		typ      string
		labels   map[string]string
	}{
		{"a pod with everything in its environment", with(pod, "CLUSTER_NAME", "c1", "LOCATION", "us-east1"), nil, "k8s_container",
			map[string]string{"cluster_name": "c1", "location": "us-east1", "namespace_name": "edge", "pod_name": "ingest-0", "container_name": "main", "project_id": "acme"}},
		{"a pod whose cluster the metadata server knows", pod, attributes, "k8s_container",
			map[string]string{"cluster_name": "prod", "location": "europe-west4", "namespace_name": "edge", "pod_name": "ingest-0", "container_name": "main", "project_id": "acme"}},
		{"the environment before the metadata server", with(pod, "CLUSTER_NAME", "mine"), attributes, "k8s_container",
			map[string]string{"cluster_name": "mine", "location": "europe-west4", "namespace_name": "edge", "pod_name": "ingest-0", "container_name": "main", "project_id": "acme"}},
		{"a pod outside of Google Cloud", pod, map[string]string{}, "generic_task",
			map[string]string{"location": "global", "namespace": "edge", "job": "ingest", "task_id": "ingest-0", "project_id": "acme"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			metadataServer(t, c.metadata)
			got := gcp.Resource(context.Background(), "acme", "ingest", func(k string) string { return c.env[k] })
			if got.Type != c.typ {
				t.Errorf("type %q, want %q", got.Type, c.typ)
			}
			for k, v := range c.labels {
				if got.Labels[k] != v {
					t.Errorf("label %s = %q, want %q", k, got.Labels[k], v)
				}
			}
			if len(got.Labels) != len(c.labels) {
				t.Errorf("labels %v, want %v", got.Labels, c.labels)
			}
		})
	}
}

func TestAHostWithoutPodIsAGenericTaskAndAsksNobody(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the metadata server is asked") }))
	defer srv.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	got := gcp.Resource(context.Background(), "acme", "ingest", env(""))
	if got.Type != "generic_task" || got.Labels["task_id"] == "" || got.Labels["location"] != "global" {
		t.Errorf("resource %v, want a generic_task with a task_id", got)
	}
}

func TestAMetadataServerThatHangsIsGivenUp(t *testing.T) {
	hung := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-hung:
		}
	}))
	defer srv.Close()
	defer close(hung)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	begin := time.Now()
	got := gcp.Resource(context.Background(), "acme", "ingest", func(k string) string { return map[string]string{"POD_NAME": "p"}[k] })
	if took := time.Since(begin); took > 10*time.Second { // it is given up after 1.5 s; a busy machine may add to that
		t.Errorf("it took %s", took)
	}
	if got.Type != "generic_task" {
		t.Errorf("type %q, want generic_task", got.Type)
	}
}
