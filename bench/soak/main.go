// soak runs ingest for ten minutes at 20,000 lines a second, takes Cloud Logging
// away for a minute twice, and watches.
//
// It fails when
//
//   - received = shipped + dead_lettered + queued + dropped does not hold at a quiet
//     moment: with a full queue at the end of each outage, and with an empty one at the end;
//   - a line was dropped, or the stand-in got fewer entries than were shipped;
//   - memory is not flat: above -max-rss, or after the second outage a quarter more
//     than after the first;
//   - goroutines are left over at the end.
//
// make soak, or: go run ./soak -for 1m -outage 6s -rate 5000
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o options
	flag.DurationVar(&o.length, "for", 10*time.Minute, "how long to send")
	flag.DurationVar(&o.outage, "outage", time.Minute, "how long the sink is gone, twice")
	flag.DurationVar(&o.every, "every", 0, "how often to look; 0 for a hundredth of the time")
	flag.IntVar(&o.rate, "rate", 20_000, "lines a second")
	flag.IntVar(&o.conns, "conns", 4, "connections")
	flag.Int64Var(&o.maxRSS, "max-rss", 120, "resident memory in MB that is never exceeded")
	flag.StringVar(&o.ingest, "ingest-path", "", "an ingest that is built already")
	flag.StringVar(&o.keep, "dir", "", "folder for the spool, kept; default is a temporary one")
	flag.Parse()
	o.log = os.Stderr
	r, err := run(o)
	fmt.Println(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}
