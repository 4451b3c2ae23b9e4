package gcp

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
	"google.golang.org/genproto/googleapis/api/monitoredres"
)

// metadataWait bounds the questions to the metadata server: outside of Google
// Cloud its address may swallow packets.
const metadataWait = 1500 * time.Millisecond

// Resource describes the monitored resource this process runs in.
//
// In a pod it is a k8s_container: POD_NAME and POD_NAMESPACE come from the
// downward API, CONTAINER_NAME from the manifest, CLUSTER_NAME and LOCATION
// too, or else from GKE's metadata server, which is asked for at most 1.5 s.
// Anywhere else, and when neither names the cluster, it is a generic_task:
// LOCATION (or "global"), POD_NAMESPACE (or "edgewarden"), the program as job and the
// pod's or host's name. It never fails.
//
// https://cloud.google.com/logging/docs/api/v2/resource-list
func Resource(ctx context.Context, project, program string, getenv func(string) string) *monitoredres.MonitoredResource {
	get := func(name, or string) string {
		if v := strings.TrimSpace(getenv(name)); v != "" {
			return v
		}
		return or
	}
	pod, cluster, location := get("POD_NAME", ""), get("CLUSTER_NAME", ""), get("LOCATION", "")
	if pod != "" && (cluster == "" || location == "") {
		c, l := fromMetadata(ctx)
		if cluster == "" {
			cluster = c
		}
		if location == "" {
			location = l
		}
	}
	if pod != "" && cluster != "" && location != "" {
		return &monitoredres.MonitoredResource{Type: "k8s_container", Labels: map[string]string{
			"project_id":     project,
			"location":       location,
			"cluster_name":   cluster,
			"namespace_name": get("POD_NAMESPACE", "default"),
			"pod_name":       pod,
			"container_name": get("CONTAINER_NAME", program),
		}}
	}
	if location == "" {
		location = "global"
	}
	if pod == "" {
		pod, _ = os.Hostname()
	}
	return &monitoredres.MonitoredResource{Type: "generic_task", Labels: map[string]string{
		"project_id": project,
		"location":   location,
		"namespace":  get("POD_NAMESPACE", "edgewarden"),
		"job":        program,
		"task_id":    pod,
	}}
}

// fromMetadata asks GKE for the cluster's name and location; what it does not
// know is empty.
func fromMetadata(ctx context.Context) (cluster, location string) {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	c := metadata.NewClient(&http.Client{Timeout: metadataWait})
	cluster, err := c.InstanceAttributeValueWithContext(ctx, "cluster-name")
	if err != nil {
		return "", ""
	}
	location, err = c.InstanceAttributeValueWithContext(ctx, "cluster-location")
	if err != nil {
		location = ""
	}
	return strings.TrimSpace(cluster), strings.TrimSpace(location)
}
