//go:build deps

package deps

import (
	_ "cel.dev/cel-go/cel"
	_ "cloud.google.com/go/bigquery"
	_ "cloud.google.com/go/logging/apiv2"
	_ "cloud.google.com/go/monitoring/apiv3/v2"
	_ "cloud.google.com/go/compute/metadata"
	_ "github.com/alecthomas/kong"
	_ "github.com/duckdb/duckdb-go/v2"
	_ "github.com/fastly/go-fastly/v8/fastly"
	_ "github.com/gaissmai/bart"
	_ "github.com/goccy/go-yaml"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/oklog/run"
	_ "github.com/parquet-go/parquet-go"
	_ "github.com/pires/go-proxyproto"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/robfig/cron/v3"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/errgroup"
	_ "google.golang.org/grpc"
	_ "google.golang.org/protobuf/encoding/protowire"
	_ "google.golang.org/genproto/googleapis/api/monitoredres"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/api/option"
)
