// Command ingest receives Fastly's log stream, keeps it in a spool on disk and
// files it in Cloud Logging, in a lake of Parquet files, or in both.
//
// Start reading at serve.go: it wires the rooms in the order in which bytes
// meet them.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
