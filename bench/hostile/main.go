// hostile keeps an honest sender beside ten thousand hostile sockets, all on
// loopback, and stops by itself after about a minute and a half.
//
// First the honest sender, paced at 20,000 lines a second, is alone for a while;
// then beside
//
//   - idle connections that say nothing, or half a line and nothing more;
//   - slow senders, a few bytes at a time, for ever inside one line;
//   - probes that connect and close, or reset, at once;
//   - random TLS records, truncated and garbled handshakes, and plain text on the TLS port;
//   - lines of 9 to 16 KB, sent so that they arrive in reads of 8 KB.
//
// It fails when the honest sender gets less than 80 % of what it reached alone, when
// one of its lines does not arrive, when memory exceeds the budget, or when the
// hostile sockets write lines into the log.
//
//	go run ./hostile
//	go run ./hostile -conns 500 -for 3s -rate 2000     # a small one
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.conns, "conns", 10_000, "hostile connections at the same time")
	flag.DurationVar(&o.length, "for", 30*time.Second, "how long the honest sender is measured, alone and beside the others")
	flag.IntVar(&o.rate, "rate", 20_000, "lines a second of the honest sender")
	flag.IntVar(&o.probes, "probes", 500, "probes a second")
	flag.IntVar(&o.long, "long", 2_000, "long lines a second")
	flag.Float64Var(&o.least, "least", 0.8, "share of its pace that the honest sender must keep")
	flag.Int64Var(&o.maxRSS, "max-rss", 512, "resident memory in MB that is never exceeded")
	flag.StringVar(&o.ingest, "ingest-path", "", "an ingest that is built already")
	flag.Parse()
	o.log = os.Stderr
	r, err := run(o)
	fmt.Println(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}
