module edgewarden

go 1.26.0

require (
	cel.dev/cel-go v0.33.2 // rules are written in CEL; its parser and checker
	cloud.google.com/go/bigquery v1.86.2 // the BigQuery engine
	cloud.google.com/go/compute/metadata v0.10.0 // which cluster this process runs in
	cloud.google.com/go/logging v1.21.1 // Cloud Logging
	cloud.google.com/go/monitoring v1.32.1 // numbers of a run that ends, for Cloud Monitoring
	github.com/alecthomas/kong v1.17.0 // command lines whose flags are also environment variables
	github.com/duckdb/duckdb-go/v2 v2.10506.0 // the engine over the lake
	github.com/fastly/go-fastly/v8 v8.6.4 // Fastly's API
	github.com/gaissmai/bart v0.30.0 // prefix look-up by longest match and overlap
	github.com/goccy/go-yaml v1.17.1 // YAML with the position of every token, for errors
	github.com/google/go-cmp v0.7.0 // differences in tests
	github.com/googleapis/gax-go/v2 v2.27.0 // switches the Cloud Logging client's own retry off
	github.com/klauspost/compress v1.20.1 // imports of zstd files
	github.com/parquet-go/parquet-go v0.32.0 // the lake, without cgo
	github.com/pires/go-proxyproto v0.15.0 // PROXY protocol
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/rivo/uniseg v0.4.7 // columns that a character takes
	github.com/robfig/cron/v3 v3.0.1 // the schedule of a blocker that stays
	github.com/rogpeppe/go-internal v1.16.0 // testscript, in tests
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // checks --json against its schema, in tests
	go.uber.org/goleak v1.3.0 // goroutines left behind by tests
	golang.org/x/net v0.61.0 // parses the page, in tests
	golang.org/x/oauth2 v0.37.0 // tokens that expire, in tests
	golang.org/x/sync v0.24.0 // groups of goroutines that fail together
	golang.org/x/sys v0.49.0 // whether the processor has AVX2
	golang.org/x/term v0.47.0 // is this a terminal, and how wide
	google.golang.org/api v0.304.0 // client options, errors of BigQuery
	google.golang.org/genproto v0.0.0-20261012220534-4341edf3f941 // HttpRequest of a log entry
	google.golang.org/genproto/googleapis/api v0.0.0-20261012220534-4341edf3f941 // the monitored resource
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261012220534-4341edf3f941 // status of a refused entry
	google.golang.org/grpc v1.84.0 // the connection to Cloud Logging, with our own codec
	google.golang.org/protobuf v1.36.12 // wire encoding of log entries
)

require (
	cel.dev/expr v0.25.2 // indirect
	cloud.google.com/go v0.123.0 // indirect
	cloud.google.com/go/auth v0.24.1-0.20261001053825-dbc26066f70a // indirect
	cloud.google.com/go/auth/oauth2adapt v0.3.0 // indirect
	cloud.google.com/go/iam v1.14.0 // indirect
	cloud.google.com/go/longrunning v1.5.0 // indirect
	github.com/andybalholm/brotli v1.2.0 // indirect
	github.com/antlr4-go/antlr/v4 v4.13.1 // indirect
	github.com/apache/arrow-go/v18 v18.5.1 // indirect
	github.com/apache/arrow/go/v15 v15.0.2 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/duckdb/duckdb-go-bindings v0.10506.0 // indirect
	github.com/duckdb/duckdb-go-bindings/lib/darwin-amd64 v0.10506.0 // indirect
	github.com/duckdb/duckdb-go-bindings/lib/darwin-arm64 v0.10506.0 // indirect
	github.com/duckdb/duckdb-go-bindings/lib/linux-amd64 v0.10506.0 // indirect
	github.com/duckdb/duckdb-go-bindings/lib/linux-arm64 v0.10506.0 // indirect
	github.com/duckdb/duckdb-go-bindings/lib/windows-amd64 v0.10506.0 // indirect
	github.com/felixge/httpsnoop v1.1.0 // indirect
	github.com/go-logr/logr v1.4.4 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/goccy/go-json v0.10.5 // indirect
	github.com/google/flatbuffers v25.12.19+incompatible // indirect
	github.com/google/go-querystring v1.1.0 // indirect
	github.com/google/jsonapi v1.0.0 // indirect
	github.com/google/s2a-go v0.1.11 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/googleapis/enterprise-certificate-proxy v0.3.23 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	github.com/mitchellh/mapstructure v1.5.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/parquet-go/bitpack v1.0.0 // indirect
	github.com/parquet-go/jsonlite v1.0.0 // indirect
	github.com/peterhellberg/link v1.1.0 // indirect
	github.com/pierrec/lz4/v4 v4.1.25 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/twpayne/go-geom v1.6.1 // indirect
	github.com/zeebo/xxh3 v1.1.0 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc v0.67.0 // indirect
	go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp v0.69.0 // indirect
	go.opentelemetry.io/otel v1.47.0 // indirect
	go.opentelemetry.io/otel/log v1.47.0 // indirect
	go.opentelemetry.io/otel/metric v1.47.0 // indirect
	go.opentelemetry.io/otel/trace v1.47.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/exp v0.0.0-20260112195511-716be5621a96 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/telemetry v0.0.0-20260924152758-ed294f943157 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	golang.org/x/xerrors v0.0.0-20240903120638-7835f813f4da // indirect
)
