package main

import (
	"context"
	"fmt"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
)

// logCountAlert compares what Fastly says it sent in an hour with what is stored of it. What is lost before ingest's socket shows
// nowhere else. The alert is empty when they agree.
func logCountAlert(ctx context.Context, client *acl.Client, engine detect.Engine, svc config.Service, now time.Time) (alert string, err error) {
	from, to := acl.LogWindow(now)
	sent, err := client.LogLines(ctx, svc.ID, from, to)
	if err != nil {
		return "", err
	}
	set, err := detect.Compile([]detect.Rule{{Name: "lines", When: "requests >= 1000000000000", Window: to.Sub(from)}}) // nobody: only the data's health is asked for
	if err != nil {
		return "", fmt.Errorf("bug in the question for stored lines: %w", err)
	}
	found, err := engine.Detect(ctx, detect.Query{Set: set, ServiceID: svc.ID, To: to, Now: now})
	if err != nil {
		return "", err
	}
	return acl.CompareLogs(acl.LogCount{From: from, To: to, Sent: sent, Endpoints: svc.LogEndpoints, Received: uint64(found.Health.Rows)}).Alert, nil
}
