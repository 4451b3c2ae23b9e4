// peers measures what a line costs: TCP → parse → redact → spool with fsync → a
// stand-in for Cloud Logging that counts and does not decode, in ingest and in an
// OpenTelemetry Collector that does the nearest thing to it (tcplog, regex and
// JSON parsed, file-storage queue with fsync, googlecloud exporter).
//
//	make bench-peers                        # 1.2 million lines, three times each: 10 minutes
//	go run ./peers -lines 60000 -runs 1     # a smaller run
//	go run ./peers -otelcol=false -profile /tmp   # and where its time goes: go tool pprof -top /tmp/ingest.pprof
//	go run ./peers -otelcol=false           # only ingest, without and with TLS
//
// CPU is user + system of the process under test, from the first byte sent to the
// last answer of the stand-in. Sender and stand-in are processes of their own on
// the same cores. The figures are the median of the runs. It never fails on a
// figure, only when something did not work.
package main

import (
	"flag"
	"fmt"
	"os"
)

type options struct {
	lines, otelLines  int64
	runs, conns, rate int
	tls, ingest, otel bool
	ingestPath        string
	otelPath, keep    string
	ingestEx, profile string
}

func main() {
	var o options
	flag.Int64Var(&o.lines, "lines", 1_200_000, "lines of a run")
	flag.Int64Var(&o.otelLines, "otelcol-lines", 0, "lines of a run of the collector; 0 for the same")
	flag.IntVar(&o.runs, "runs", 3, "runs, of which the median is shown")
	flag.IntVar(&o.conns, "conns", 4, "connections")
	flag.IntVar(&o.rate, "rate", 0, "lines a second; 0 for as fast as they are taken")
	flag.BoolVar(&o.tls, "tls", true, "measure ingest with TLS on both sides too")
	flag.BoolVar(&o.ingest, "ingest", true, "measure ingest without TLS")
	flag.BoolVar(&o.otel, "otelcol", true, "measure the collector")
	flag.StringVar(&o.ingestPath, "ingest-path", "", "an ingest that is built already")
	flag.StringVar(&o.otelPath, "otelcol-path", "", "a collector that is built already")
	flag.StringVar(&o.keep, "dir", "", "folder for spools and programs, kept; default is a temporary one")
	flag.StringVar(&o.profile, "profile", "", "folder for a CPU profile of one more, unmeasured run of each ingest: NAME.pprof")
	flag.StringVar(&o.ingestEx, "ingest-flags", "", "more flags for ingest serve, separated by spaces")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}
