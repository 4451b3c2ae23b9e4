package acl

import (
	"fmt"
	"time"
)

// The bounds of LogWindow and CompareLogs.
const (
	statsDelay   = 20 * time.Minute // Fastly's minutes are not complete sooner
	statsWindow  = time.Hour
	logTolerance = 100 // one line of so many may be under way at either end of the window
	logFewLines  = 100 // difference in lines that is never worth an alarm
)

// LogWindow is the last hour of which Fastly's count is complete, in whole minutes, as LogLines takes it.
func LogWindow(now time.Time) (from, to time.Time) {
	to = now.UTC().Add(-statsDelay).Truncate(time.Minute)
	return to.Add(-statsWindow), to
}

// LogCount is what both ends of the log stream say of one window.
type LogCount struct {
	From, To  time.Time
	Sent      uint64 // lines Fastly says it sent, over all logging endpoints of the service (Client.LogLines)
	Endpoints int    // how many of them log each request; less than 1 means 1
	Received  uint64 // lines ingest says it received, from its heartbeats or the store
}

// LogDifference is what a comparison of the two counts shows.
type LogDifference struct {
	LogCount
	Expected uint64  // what one endpoint sent
	Lost     float64 // share of Expected that did not arrive; negative when more arrived. 0 when nothing was sent
	Alert    string  // "" when they agree
}

// CompareLogs compares Fastly's own count of log lines with what arrived. What is lost before ingest's socket shows nowhere
// else: Fastly drops in silence what a receiver does not take. It is pure.
func CompareLogs(c LogCount) LogDifference {
	c.Endpoints = max(1, c.Endpoints)
	r := LogDifference{LogCount: c, Expected: c.Sent / uint64(c.Endpoints)}
	if r.Expected > 0 {
		r.Lost = 1 - float64(c.Received)/float64(r.Expected)
	}
	window := fmt.Sprintf("from %s to %s", c.From.UTC().Format(time.RFC3339), c.To.UTC().Format(time.RFC3339))
	missing := int64(r.Expected) - int64(c.Received)
	switch {
	case max(missing, -missing) <= max(logFewLines, int64(r.Expected/logTolerance)):
	case c.Received == 0:
		r.Alert = fmt.Sprintf("Fastly says it sent %d log lines %s and none arrived: is ingest running, and does the logging endpoint name it?", r.Expected, window)
	case missing > 0:
		r.Alert = fmt.Sprintf("%d of %d log lines that Fastly says it sent %s did not arrive (%.1f %%): shares and scores may be wrong, and an audit trail has a hole; see whether ingest was down or slow, or whether the service has more logging endpoints than log_endpoints (%d) says", missing, r.Expected, window, r.Lost*100, c.Endpoints)
	case r.Expected == 0:
		r.Alert = fmt.Sprintf("%d log lines arrived %s although Fastly says it sent none: who sends them?", c.Received, window)
	default:
		r.Alert = fmt.Sprintf("%d log lines arrived %s, %d more than Fastly says it sent: does somebody else send to ingest, or is log_endpoints (%d) wrong?", c.Received, window, -missing, c.Endpoints)
	}
	return r
}
