package edgewarden_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/record"
)

// Prices in US dollars for the US multi-region, as copies of the public lists gave them in September 2026; a contract or another
// region differs.
const (
	priceQuery     = 6.25        // a TiB that queries read, on demand
	freeQuery      = 1.0         // TiB a month and billing account
	priceStorage   = 0.02        // a GiB of logical bytes and month, active
	priceStream    = 0.01 / 200  // a MiB streamed by insertAll, which Log Router and Fastly use
	leastStreamRow = 1024.0      // bytes a streamed row is billed for at least
	priceLogging   = 0.50        // a GiB that log buckets take in, 30 days of keeping included
	freeLogging    = 50.0        // GiB a month and project
	leastQuery     = 10.0 / 1024 // GiB a query is billed for at least, for each table

	monthDays = 30.0
	keepDays  = 30.0 // how long rows are kept
	findings  = 0.1  // share of runs that find somebody, ask for evidence and count all that was asked for
	mib       = 1 << 20
	gib       = 1 << 30
)

// layout is a table and what of it a query with the window w must read, in hours of traffic: partitions are read whole.
type layout struct {
	name, kind string
	hours      func(w float64) float64 // on average
	worst      float64                 // at the end of a partition, without the window
	ours       bool                    // stored for edgewarden, so storing is part of its price
}

var layouts = []layout{
	{"sink, day partitions", "sink", func(w float64) float64 { return 12 + w }, 24, true},
	{"fastly, hour partitions", "fastly", func(w float64) float64 { return 0.5 + w }, 1, true},
	{"custom, day partitions", "custom", func(w float64) float64 { return 12 + w }, 24, false},
	{"custom, hour partitions", "custom", func(w float64) float64 { return 0.5 + w }, 1, false},
}

// cost is dollars a month.
type cost struct{ query, storage, stream, logging float64 }

func (c cost) total() float64 { return c.query + c.storage + c.stream }

func (l layout) cost(t *testing.T, perSecond float64, period time.Duration) cost {
	read := queryBytes(t, l.kind)
	runs := monthDays * 24 * float64(time.Hour) / float64(period)
	rows := perSecond * 3600 * l.hours(read.window.Hours())
	perRun := max(read.query*rows/gib, leastQuery) + findings*(max(read.evidence*rows/gib, leastQuery)+max(read.wholes*rows/gib, leastQuery))
	c := cost{query: max(0, runs*perRun/1024-freeQuery) * priceQuery}
	if !l.ours {
		return c
	}
	month := perSecond * 3600 * 24 * monthDays
	row := rowBytes(l.kind)
	c.storage = month / monthDays * keepDays * row / gib * priceStorage
	c.stream = month * max(row, leastStreamRow) / mib * priceStream
	if l.kind == "sink" {
		c.logging = max(0, month*entryBytes()/gib-freeLogging) * priceLogging
	}
	return c
}

func costPage(t *testing.T) string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format, a...) }
	sink, fastly := queryBytes(t, "sink"), queryBytes(t, "fastly")
	p("# What BigQuery costs\n\n%s", generated)
	p(`What a month costs in US dollars, with the starter rules (%s), a run every 5 minutes, and rows kept %.0f days.
On one machine the lake costs a disk and no more; this page is for BigQuery.

`, "`deploy/rules.yaml`", keepDays)
	p("## A month\n\n| table | requests/s | queries | storage | streaming | sum | Cloud Logging, unless excluded |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, l := range layouts {
		for _, perSecond := range []float64{100, 1_000, 10_000, 100_000} {
			c := l.cost(t, perSecond, 5*time.Minute)
			if !l.ours {
				p("| %s | %s | %s | yours | yours | %s | – |\n", l.name, thousands(perSecond), dollars(c.query), dollars(c.total()))
				continue
			}
			logging := "–"
			if l.kind == "sink" {
				logging = dollars(c.logging)
			}
			p("| %s | %s | %s | %s | %s | %s | %s |\n", l.name, thousands(perSecond), dollars(c.query), dollars(c.storage), dollars(c.stream), dollars(c.total()), logging)
		}
	}
	p(`
The last column is what log buckets take for the same lines. Routing costs nothing: a log bucket is paid for only if it keeps
the lines. Exclude the log from the buckets (an exclusion filter on %s) and let the sink alone have it, unless somebody reads
the lines in Logs Explorer, or an auditor wants them there. The sum does not have the column.

`, "`_Default`")
	p("## Where the numbers come from\n\n| | sink | fastly, custom |\n|---|---:|---:|\n")
	p("| a row, logical bytes | %.0f | %.0f |\n| of it read by the query of the starter rules | %.0f | %.0f |\n| of it read for evidence | %.0f | %.0f |\n| of it read to count all that offenders asked for | %.0f | %.0f |\n| of it read to find repeated request ids | %.0f | %.0f |\n| an entry in a log bucket, bytes | %.0f | – |\n| streamed, bytes (at least 1 KiB) | %.0f | %.0f |\n",
		rowBytes("sink"), rowBytes("fastly"), sink.query, fastly.query, sink.evidence, fastly.evidence, sink.wholes, fastly.wholes, sink.repeats, fastly.repeats, entryBytes(), max(rowBytes("sink"), leastStreamRow), max(rowBytes("fastly"), leastStreamRow))
	p(`
* **Bytes.** BigQuery bills logical bytes of the columns a query names: 8 for a number or a time, 1 for a BOOL, 2 more than its
  UTF-8 for a text, nothing for NULL. Text lengths marked "measured" are the means of an access log of 10,000 real requests of a
  small site; yours may have longer URLs. The others are what the field holds by its form.
* **Columns.** The rules compile into one query that names the table once. Its cost does not grow with the number of rules, only
  with the columns they name. A second query, for evidence, runs only when somebody was found, and a third, which counts all that
  an offender asked for, when he was found by a rule with a where; here both in one run of ten. In an attack that lasts the whole month they would run every time.
* **Request ids** are looked at only where more than a twentieth of the rows do not say %s (a format of your own), in a query of
  its own over one minute, once an hour as long as the ledger keeps the answer. The sums do not have it: at 1,000 requests/s it is %s a month on a
  sink, since the partition of that minute is read whole, and %s without a ledger, when every run asks. With our log format nobody asks;
  %s in the configuration ends it, too.
* **Partitions** are read whole, whatever the window. Day partitions hold half a day on average, plus the window (%s here)
  that reaches into the day before; hour partitions half an hour, plus the window. So a longer window costs next to
  nothing on day partitions and its length on hour partitions. The Log Router makes day partitions and offers no others.
* **The least** that is billed is 10 MiB for each table and query: a run every 5 minutes is %.0f GiB a month, inside the
  free TiB. The floor matters only below a few requests a second.
* **The free TiB** of queries and the free 50 GiB of log buckets are taken off once; they are one for the whole billing account
  (project), so others may have used them up.
* Not counted: Fastly, the machine that ingest runs on, network between clouds, long-term storage (half the price after 90 days
  without change), a ledger table (a few megabytes a month; reading it costs 10 MiB a run, %.0f GiB a month).

`, "`first_hop`", dollars(monthDays*24*sink.repeats*1000*3600*layouts[0].hours(1./60)/gib/1024*priceQuery), dollars(monthRuns*sink.repeats*1000*3600*layouts[0].hours(1./60)/gib/1024*priceQuery), "`guard: {repeated_ids: 100%}`", spell(sink.window), monthRuns*leastQuery, monthRuns*leastQuery)
	p("## When `--max-bytes` is met\n\n")
	p("At the end of a partition, and with the default of 50 GiB, a run's query reaches it at\n\n| table | requests/s |\n|---|---:|\n")
	for _, l := range layouts {
		read := queryBytes(t, l.kind)
		p("| %s | %s |\n", l.name, thousands(math.Floor(50*gib/read.query/3600/(l.worst+read.window.Hours())/100)*100))
	}
	p(`
Above that the rules with the longest windows are left out. On hour partitions a shorter window reads less. On day partitions it does not:
the whole day is read whatever the window, so no rule is judged and the run fails. Raise %s there, or use hour partitions.
A lake has no such limit: there the flag does nothing, and a run that gives both says so.

`, "`--max-bytes`")
	p("## Lengths of texts\n\n| text | bytes | |\n|---|---:|---|\n")
	for f := record.Field(0); f < record.NumFields; f++ {
		if n, ok := lengths[f]; ok && n > 0 {
			note := "by its form"
			for _, m := range measured {
				if m == f {
					note = "measured"
				}
			}
			p("| `%s` | %.2f | %s |\n", record.Fields[f].Name, n, note)
		}
	}
	p("\n## Prices\n\n")
	p("From the public lists of BigQuery (https://cloud.google.com/bigquery/pricing) and Cloud Logging (https://cloud.google.com/stackdriver/pricing) as copies of September 2026 give them, for the US\nmulti-region, without any discount. They are constants in `costpage_test.go`; correct them there and make the page anew.\n\n")
	p("| what | price | sure? |\n|---|---|---|\n")
	p("| queries, on demand | $%.2f a TiB, the first TiB a month free | yes |\n", priceQuery)
	p("| storage, logical, active | $%.2f a GiB and month | likely; some regions more |\n", priceStorage)
	p("| streaming by `insertAll` | $0.01 for 200 MB, a row at least 1 KB | likely; an assumption that the Log Router and Fastly are billed so |\n")
	p("| log buckets | $%.2f a GiB, the first %.0f GiB a month free, 30 days of keeping included | yes |\n", priceLogging, freeLogging)
	levers(t, p)
	return b.String()
}

const monthRuns = monthDays * 24 * 12

// levers says what an operator can turn, with what each would save at 10,000 requests/s.
func levers(t *testing.T, p func(string, ...any)) {
	const perSecond = 10_000
	sink, fastly := layouts[0].cost(t, perSecond, 5*time.Minute), layouts[1].cost(t, perSecond, 5*time.Minute)
	p(`
## Levers, at %s requests/s

| lever | from | to |
|---|---:|---:|
| keep the lines out of the log buckets | %s | %s |
| table kind fastly instead of sink: hour partitions, fewer columns, no ingest between (and no redaction) | %s | %s |
| a run every 10 minutes instead of every 5, on a sink (queries) | %s | %s |
| a run every 2 minutes, on a fastly table (queries) | %s | %s |

* **Period** (%s, %s): queries cost in proportion to the number of runs. A window must be at least twice the period.
* **Window**: on hour partitions a rule over 6 h makes every run read 6 h. Put slow rules into a configuration of their own,
  with an owner of its own (%s), and run it once an hour. On day partitions a window costs nothing until it reaches into the day before.
* **Clustering** by address makes looks of your own at one address cheap. It makes neither a run nor %s cheaper: both look at every
  address, since a share or a score is one among all. The price before a query runs is then an upper bound.
* **Rules**: leave out columns no rule needs. A rule that names user_agent makes every run read it, the widest column of all.
* **Guard rails**: %s stops one query; above it the rules with the longest windows are left out, with an alert. A custom quota of query bytes
  per day on the project stops all of them. %s prints what a run would read before it reads it, and what was billed.
`, thousands(perSecond), dollars(sink.total()+sink.logging), dollars(sink.total()), dollars(sink.total()), dollars(fastly.total()),
		dollars(sink.query), dollars(layouts[0].cost(t, perSecond, 10*time.Minute).query),
		dollars(fastly.query), dollars(layouts[1].cost(t, perSecond, 2*time.Minute).query),
		"`--schedule`", "`--period`", "`--owner`", "`blocker explain`", "`--max-bytes`", "`--dry-run`")
}

// dollars rounds to what the assumptions can carry.
func dollars(x float64) string {
	switch {
	case x == 0:
		return "$0"
	case x < 1:
		return "under $1"
	case x < 100:
		return fmt.Sprintf("$%.0f", x)
	}
	digits := math.Pow(10, math.Floor(math.Log10(x))-1)
	return "$" + thousands(math.Round(x/digits)*digits)
}

func thousands(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func spell(d time.Duration) string { return fmt.Sprintf("%.0f minutes", d.Minutes()) }
