package detect

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// SinkCount is what an ingest process has done for one sink since it started, in lines.
type SinkCount struct {
	Sink           string
	Recovered      int64 // in the spool at the start
	Shipped        int64
	DeadLettered   int64
	LettersDropped int64 // no room for a dead letter
	Queued         int64 // in the spool now
}

// Unexplained is what a sink's count leaves open of what the process received; 0 when
//
//	received + recovered = shipped + dead_lettered + dead_letters_dropped + queued + dropped
//
// holds. Lines on their way between two rooms make it positive for a moment.
func (b Heartbeat) Unexplained(s SinkCount) int64 {
	open := b.Received + s.Recovered - s.Shipped - s.DeadLettered - s.LettersDropped - s.Queued
	for _, n := range b.Dropped {
		open -= n
	}
	return open
}

// Latest is the newest heartbeat of each spool, in the order of their names.
func Latest(beats []Heartbeat) []Heartbeat {
	newest := map[string]Heartbeat{}
	for _, b := range beats {
		if old, seen := newest[b.Spool]; !seen || b.Time.After(old.Time) || b.Time.Equal(old.Time) && b.Received > old.Received {
			newest[b.Spool] = b
		}
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b Heartbeat) int { return strings.Compare(a.Spool, b.Spool) })
}

// sinkCounts are the counters by sink in a heartbeat's body. A count that is no object of numbers is left out: it costs a
// line of a report, not the loss.
type sinkCounts struct {
	Recovered      bySink `json:"recovered"`
	Shipped        bySink `json:"shipped"`
	DeadLettered   bySink `json:"dead_lettered"`
	LettersDropped bySink `json:"dead_letters_dropped"`
	Queued         bySink `json:"queued"`
}

type bySink map[string]int64

// UnmarshalJSON never fails.
func (m *bySink) UnmarshalJSON(b []byte) error {
	var counts map[string]int64
	if json.Unmarshal(b, &counts) == nil {
		*m = counts
	}
	return nil
}

func (c sinkCounts) list() []SinkCount {
	var all []SinkCount
	for sink := range c.Shipped {
		all = append(all, SinkCount{sink, c.Recovered[sink], c.Shipped[sink], c.DeadLettered[sink], c.LettersDropped[sink], c.Queued[sink]})
	}
	slices.SortFunc(all, func(a, b SinkCount) int { return cmp.Compare(a.Sink, b.Sink) })
	return all
}
