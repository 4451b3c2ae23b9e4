package gcp

import (
	"context"
	"google.golang.org/api/option"
	"google.golang.org/genproto/googleapis/api/monitoredres"
)

// ClientOptions returns the credentials to use: JSON from the environment variable EDGEWARDEN_GOOGLE_CREDENTIALS_JSON, in memory
// only, or the default ones when it is unset.
func ClientOptions(getenv func(string) string) ([]option.ClientOption, error) { panic("stub") }

// Resource describes the monitored resource this process runs in: k8s_container from the downward API and the metadata
// server, else generic_task.
func Resource(ctx context.Context, project string, getenv func(string) string) *monitoredres.MonitoredResource {
	panic("stub")
}
