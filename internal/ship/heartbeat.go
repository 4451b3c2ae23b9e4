package ship

import (
	"strings"

	"edgewarden/internal/record"
)

// heartbeat makes the record of a heartbeat: the counters stay one JSON text
// in extra.
func heartbeat(e *Envelope, position string, rec *record.Record) {
	*rec = record.Record{
		Kind:       record.KindHeartbeat,
		ServiceID:  e.ServiceID,
		Position:   position,
		Sender:     e.Sender,
		TimeSource: record.TimeReceived,
		Extra:      strings.ToValidUTF8(string(e.Line), "\uFFFD"),
	}
	rec.SetTime(record.Timestamp, e.Received)
	rec.SetTime(record.Received, e.Received)
}
