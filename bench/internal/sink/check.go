package sink

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/protobuf/proto"
)

// maxEntry is the limit of an entry. https://cloud.google.com/logging/quotas
const maxEntry = 256 << 10

// Check looks at entries as a strict reader would, and remembers which ones it
// has seen by what makes two entries one for Cloud Logging: log, insert_id and
// timestamp. It needs about 150 bytes of memory an entry.
type Check struct {
	// Line is called, one at a time, for every entry of a line that was not
	// seen before. May be nil.
	Line func(requestID string, e *loggingpb.LogEntry) error

	mu   sync.Mutex
	seen map[key]struct{}
	n    Checked
}

type key struct {
	log, insertID string
	at            time.Time
}

// Checked is what a Check has seen.
type Checked struct {
	Lines      int64    `json:"lines"`      // different entries of lines
	Text       int64    `json:"text"`       // of these, lines that were not understood
	Heartbeats int64    `json:"heartbeats"` // different entries of heartbeats
	Repeated   int64    `json:"repeated"`   // entries seen before
	Invalid    int64    `json:"invalid"`    // entries with a fault
	Faults     []string `json:"faults"`     // the first few
}

// Entry is an [Options.Entry]. It never refuses an entry.
func (c *Check) Entry(e *loggingpb.LogEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := key{e.LogName, e.InsertId, e.GetTimestamp().AsTime()}
	if _, again := c.seen[k]; again {
		c.n.Repeated++
		return nil
	}
	if c.seen == nil {
		c.seen = make(map[key]struct{})
	}
	c.seen[k] = struct{}{}
	fields := e.GetJsonPayload().GetFields()
	err := valid(e)
	switch {
	case fields["kind"].GetStringValue() == "heartbeat" || strings.HasSuffix(e.LogName, "_heartbeat"):
		c.n.Heartbeats++
	default:
		c.n.Lines++
		id := fields["request_id"].GetStringValue()
		if id == "" {
			c.n.Text++
		}
		if c.Line != nil {
			err = errors.Join(err, c.Line(id, e))
		}
	}
	if err != nil {
		c.n.Invalid++
		if len(c.n.Faults) < 10 {
			c.n.Faults = append(c.n.Faults, fmt.Sprintf("%s: %v", e.InsertId, err))
		}
	}
	return nil
}

// Checked is what was seen so far.
func (c *Check) Checked() Checked {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// valid finds what the API would refuse or throw away, and what edgewarden
// promises besides.
func valid(e *loggingpb.LogEntry) error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	need(e.LogName != "", "no log name")
	need(e.InsertId != "" && len(e.InsertId) <= 512, "no insert id")
	need(e.Resource.GetType() != "", "no resource")
	need(e.Timestamp.IsValid(), "no timestamp")
	age := time.Since(e.GetTimestamp().AsTime())
	need(age < 30*24*time.Hour && age > -24*time.Hour, "timestamp out of bounds")
	need(e.GetJsonPayload() != nil || e.GetTextPayload() != "", "no payload")
	if e.GetJsonPayload().GetFields()["status"] != nil {
		need(e.HttpRequest.GetStatus() != 0 && e.HttpRequest.GetRequestMethod() != "", "a request without http_request")
	}
	need(proto.Size(e) <= maxEntry, "larger than 256 KiB")
	return errors.Join(errs...)
}
