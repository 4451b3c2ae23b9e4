// Package fastly holds the Terraform files of a Fastly service, so that ingest
// fastly-setup can write them wherever it runs.
package fastly

import "embed"

// Files are the .tf files. They read ../../fastly/recv.vcl, error.vcl and
// log.format from where they stand.
//
//go:embed *.tf
var Files embed.FS
