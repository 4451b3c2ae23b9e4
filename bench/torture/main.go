// torture kills ingest with SIGKILL at random moments under load, again and again
// on one spool, and proves that nothing that was written is lost or doubled.
//
// After each kill `ingest spool dump` lists what stands in the spool. At the end a
// last ingest delivers the rest to a stand-in that decodes every entry, and then:
//
//   - every line that was ever listed arrived exactly once, by (insert_id, timestamp);
//   - a position never named two lines, and an entry's insert_id is its position;
//   - of each connection at most a suffix of what was sent is missing;
//   - every entry is valid, and the identity holds for the last process.
//
// Exit code 1 and a list of faults when something of this is not so.
//
//	make torture                    # 50 kills, a few minutes
//	go run ./torture -kills 5       # for CI
//	go run ./torture -seed 7 -dir D # the same moments again; D is kept
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 50, "how often to kill")
	flag.IntVar(&o.conns, "conns", 4, "connections")
	flag.IntVar(&o.rate, "rate", 20_000, "lines a second at most; each life has a pace of its own")
	flag.DurationVar(&o.least, "least", 50*time.Millisecond, "shortest time from the first byte to the kill")
	flag.DurationVar(&o.most, "most", 2*time.Second, "longest time")
	flag.IntVar(&o.backlog, "backlog", 150_000, "lines in the spool from which on the next ingest first ships them")
	flag.DurationVar(&o.limit, "limit", 20*time.Minute, "give up after so long")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64N(1<<32), "seed of the random moments")
	flag.StringVar(&o.ingest, "ingest-path", "", "an ingest that is built already")
	flag.StringVar(&o.keep, "dir", "", "folder for the spool, kept; default is a temporary one")
	flag.Parse()
	o.log = os.Stderr
	r, err := run(o)
	fmt.Println(r)
	if err != nil {
		fmt.Fprintf(os.Stderr, "torture: %v\n(seed %d)\n", err, o.seed)
		os.Exit(1)
	}
}
