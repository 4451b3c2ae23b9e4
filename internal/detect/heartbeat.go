package detect

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// HeartbeatReach is the least span of heartbeats an engine reads: ingest sends
// one a minute, and loss needs two.
const HeartbeatReach = 10 * time.Minute

// Heartbeat is what an ingest process said of itself: counters that grow from
// the start of the process.
type Heartbeat struct {
	Spool    string // id of the spool; two processes never share one at a time
	Time     time.Time
	Received int64
	Dropped  map[string]int64 // by reason
	Sinks    []SinkCount      // by name
}

// droppedAuth is the reason of lines that failed authentication: nobody's loss.
const droppedAuth = "auth"

// ParseHeartbeat reads a heartbeat row: its position, whose part before the
// last dash is the spool's id, its time and the JSON object in extra:
//
//	{"received":n,"dropped":{reason:n},"recovered":{sink:n},"shipped":{sink:n},"dead_lettered":{sink:n},"dead_letters_dropped":{sink:n},"queued":{sink:n}}
//
// Without received it is an error; whatever else is missing is 0.
func ParseHeartbeat(position string, t time.Time, extra string) (Heartbeat, error) {
	var body struct {
		Received *int64           `json:"received"`
		Dropped  map[string]int64 `json:"dropped"`
		sinkCounts
	}
	if err := json.Unmarshal([]byte(extra), &body); err != nil {
		return Heartbeat{}, fmt.Errorf("parsing heartbeat %s: %w", position, err)
	}
	if body.Received == nil {
		return Heartbeat{}, fmt.Errorf("parsing heartbeat %s: no counter received", position)
	}
	spool := position
	if i := strings.LastIndexByte(position, '-'); i >= 0 {
		spool = position[:i]
	}
	return Heartbeat{Spool: spool, Time: t, Received: *body.Received, Dropped: body.Dropped, Sinks: body.list()}, nil
}

// Loss is the share of the lines received between the first and the last
// heartbeat of each spool that was dropped, lines refused for their token
// aside. It is not known unless some spool has two heartbeats. A counter that
// fell means that the process was restarted: it counts from 0 again, so what
// came between the last heartbeat before and the restart is not seen.
func Loss(beats []Heartbeat) (share float64, known bool) {
	bySpool := map[string][]Heartbeat{}
	for _, b := range beats {
		bySpool[b.Spool] = append(bySpool[b.Spool], b)
	}
	var received, dropped int64
	for _, list := range bySpool {
		slices.SortStableFunc(list, func(a, b Heartbeat) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Received, b.Received)) })
		for i := 1; i < len(list); i++ {
			r, d := increase(list[i-1], list[i])
			received, dropped, known = received+r, dropped+d, true
		}
	}
	if received <= 0 {
		return 0, known
	}
	return min(float64(dropped)/float64(received), 1), known
}

// increase is how many lines were received and lost between two heartbeats.
func increase(from, to Heartbeat) (received, dropped int64) {
	if to.Received < from.Received {
		from = Heartbeat{}
	}
	received = to.Received - from.Received
	for reason, n := range to.Dropped {
		grown := n - from.Dropped[reason]
		if grown < 0 {
			grown = n
		}
		if reason == droppedAuth {
			received -= grown
			continue
		}
		dropped += grown
	}
	return max(received, 0), dropped
}
