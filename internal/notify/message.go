package notify

import (
	"slices"
	"time"
)

// Message is what is sent, once made plain: the generic JSON form is this struct.
type Message struct {
	Version  int       `json:"version"` // 1
	Program  string    `json:"program"` // edgewarden
	Run      string    `json:"run,omitempty"`
	Time     time.Time `json:"time"`
	Severity string    `json:"severity"` // info, warning, error: the gravest of the events
	Text     string    `json:"text"`     // all of it in one line
	Events   []Event   `json:"events"`
}

// Event is one thing to know about one service.
type Event struct {
	Kind      Kind     `json:"kind"`
	ServiceID string   `json:"service_id,omitempty"`
	Name      string   `json:"service_name,omitempty"`
	Text      string   `json:"text"`
	Details   []string `json:"details,omitempty"`
	Blocked   []Entry  `json:"blocked,omitempty"`
	Released  []Entry  `json:"released,omitempty"`
	More      int      `json:"more,omitempty"` // changes that are not listed
	Undo      string   `json:"undo,omitempty"` // the command that undoes all of it
	Look      string   `json:"look,omitempty"` // the command that shows more
}

// Entry is one block or release with its evidence.
type Entry struct {
	Prefix string `json:"prefix"`
	Rule   string `json:"rule,omitempty"`
	Until  string `json:"until,omitempty"` // RFC 3339; empty for a block without an end
	Why    string `json:"why"`             // of the log or of policy
	Undo   string `json:"undo"`
}

var severities = []string{"info", "warning", "error"}

var severityOf = map[Kind]string{Change: "info", Recovery: "info", Test: "info", Refusal: "warning", Failure: "error", NotEnforced: "error"}

// severity is the gravest of the events'.
func severity(events []Event) string {
	worst := 0
	for _, e := range events {
		worst = max(worst, slices.Index(severities, severityOf[e.Kind]))
	}
	return severities[worst]
}

// TestMessage is what `notify test` sends.
func TestMessage(now time.Time) Message {
	return Message{Version: 1, Program: program, Time: now.UTC(), Severity: "info", Text: "TEST: notifications of edgewarden arrive here. Nothing happened.",
		Events: []Event{{Kind: Test, Text: "TEST: notifications of edgewarden arrive here. Nothing happened.", Look: "blocker status"}}}
}

const program = "edgewarden"
