package main

import "time"

// explainReply, the --json of explain.
type explainReply struct {
	Schema       int           `json:"schema"` // 1
	Explanations []explanation `json:"explanations"`
}

// explanation is what explain says of one address on one service.
type explanation struct {
	ServiceID string            `json:"service_id,omitempty"`
	Address   string            `json:"address"`
	Request   *requestFound     `json:"request,omitempty"` // with --request-id
	Verdict   string            `json:"verdict"`           // is it blocked, by what and until when
	Next      string            `json:"next,omitempty"`    // what a run would do with it now; only for one that it would block or put into the shadow ACL
	Undo      string            `json:"undo,omitempty"`    // the command that lets it pass; only for one that is blocked
	To        time.Time         `json:"to"`
	Rules     []ruleExplanation `json:"rules"`
	Lists     []string          `json:"lists"`
	Entries   []string          `json:"entries"`
	History   []string          `json:"history"`
	Missing   map[string]string `json:"missing,omitempty"`         // why a part is not known: rules, in_all, evidence, lists, edge, ledger
	Unjudged  *unjudged         `json:"unjudged,omitempty"`        // rules left out for --max-bytes
	Estimated *int64            `json:"bytes_estimated,omitempty"` // only over BigQuery
	Billed    *int64            `json:"bytes_billed,omitempty"`
}

// ruleExplanation is one rule against what was measured of the address.
type ruleExplanation struct {
	Rule    string     `json:"rule"`
	When    string     `json:"when"`
	Window  string     `json:"window"`
	Enforce bool       `json:"enforce"`
	Key     string     `json:"key,omitempty"` // what was counted: the address, or the prefix it is in
	Met     bool       `json:"met"`
	Floor   int64      `json:"floor"`              // the least of what floor_of names for which the condition can be met
	FloorOf string     `json:"floor_of"`           // a measure of docs/rules.md
	Margins []margin   `json:"margins,omitempty"`  // each comparison of the condition with a number
	Refused string     `json:"refused,omitempty"`  // why a run would not block it although the rule is met
	Note    string     `json:"note,omitempty"`     // why it was not measured
	Measure *evidence  `json:"measured,omitempty"` // nil: no request that was let through matched where
	AtEdge  *edgeCount `json:"at_edge,omitempty"`  // only where the edge refused some of its requests
	Trust   []string   `json:"untrusted,omitempty"`
}

// edgeCount is what the edge did with the trusted requests that match a rule's where.
type edgeCount struct {
	From     time.Time `json:"from"` // when the rule's block took hold, or the beginning of its window
	Refused  int64     `json:"refused"`
	Passed   int64     `json:"passed"`
	LastSeen time.Time `json:"last_seen"`

	byRule bool // the rule blocks the key now, so that they count from when its block took hold
}

// margin is what was measured against what is asked for.
type margin struct {
	Measure   string   `json:"measure"`
	Operator  string   `json:"operator"`
	Threshold float64  `json:"threshold"`
	Value     *float64 `json:"value"` // null: no baseline is known to compare with
	Times     float64  `json:"times"` // value divided by threshold; 0 when that is not positive
	Met       bool     `json:"met"`
}
