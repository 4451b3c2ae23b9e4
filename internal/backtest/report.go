package backtest

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// Report is what the rules would have done.
type Report struct {
	ServiceID string    `json:"service_id,omitempty"`
	From      time.Time `json:"from"` // the first step looks at rows from a window before its time on
	To        time.Time `json:"to"`
	Step      Duration  `json:"step"`
	Steps     int       `json:"steps"`
	Covered   *Coverage `json:"covered"`  // what of it there are requests of, to a step; null: none
	Requests  int64     `json:"requests"` // not refused then, at the first hop, whatever rule they match
	Refused   Refused   `json:"refused"`

	Rules     []RuleReport `json:"rules"`     // in the order of the file
	Baselines []string     `json:"baselines"` // rules that compare with a baseline, which a backtest does not know: no such comparison holds
	Blocks    []Block      `json:"blocks"`    // by what they would have refused, most first
	Saved     []Refusal    `json:"saved"`     // offenders that a list would have kept from being blocked
	Unblocked []Refusal    `json:"unblocked"` // offenders that were not blocked for another reason
	Real      *Comparison  `json:"real,omitempty"`

	MostBlocks    int   `json:"most_blocks"`     // at once
	MostNewBlocks int   `json:"most_new_blocks"` // in one step
	MostWrites    int   `json:"most_writes"`     // entries made, moved on or released in one step
	BytesScanned  int64 `json:"bytes_scanned"`   // 0 when the store does not say
}

// Refused is what all blocks together would have refused.
type Refused struct {
	Requests    int64          `json:"requests"`
	ByClass     detect.Traffic `json:"by_class"`     // of those, by how they were answered; refused were refused in the past already
	Addresses   int            `json:"addresses"`    // IPv4 hosts and IPv6 /64
	OKAddresses int            `json:"ok_addresses"` // of those, with a successful request that would have been refused
}

// RuleReport is one rule's part. A block counts for the rule that decided it.
type RuleReport struct {
	Rule      string         `json:"rule"`
	Mode      string         `json:"mode"` // as written: enforce, shadow or report
	Offenders int            `json:"offenders"`
	Blocks    int            `json:"blocks"`
	Addresses int            `json:"addresses"` // different entries
	Escalated int            `json:"escalated"` // blocks at the second strike or a later one
	Blocked   Duration       `json:"blocked"`   // all blocks together
	Longest   Duration       `json:"longest"`
	Traffic   detect.Traffic `json:"traffic"`
}

// Block is one block.
type Block struct {
	Key      string         `json:"key"`
	Prefix   netip.Prefix   `json:"prefix"`
	Rule     string         `json:"rule"`
	Rules    []string       `json:"rules"` // all that hit while it lasted
	From     time.Time      `json:"from"`
	Until    *time.Time     `json:"until"` // null: it would still last
	Lasted   Duration       `json:"lasted"`
	Strike   int            `json:"strike"`
	Requests int64          `json:"requests"` // what the rule had counted when it began
	Traffic  detect.Traffic `json:"traffic"`  // what it would have refused
}

// Refusal is an offender that would not have been blocked.
type Refusal struct {
	Key      string    `json:"key"`
	Rule     string    `json:"rule"`
	Code     string    `json:"code"`
	Reason   string    `json:"reason"` // the last one's
	Steps    int       `json:"steps"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Requests int64     `json:"requests"` // most that were counted in one window
}

// Comparison holds the blocks of the past against those of the replay.
type Comparison struct {
	Blocks  int      `json:"blocks"`  // by rules, in the time that was replayed
	Caught  int      `json:"caught"`  // of those, covered by a block of the replay that overlaps in time
	ByHand  int      `json:"by_hand"` // blocks by hand
	Found   int      `json:"found"`   // of those, covered too
	Missed  []Missed `json:"missed"`  // of both
	New     int      `json:"new"`     // blocks of the replay of addresses that were not blocked then
	NewKeys []string `json:"new_keys"`
}

// Missed is a block of the past that the present rules would not have made.
type Missed struct {
	Key   string    `json:"key"`
	Rule  string    `json:"rule"` // empty: by hand
	Since time.Time `json:"since"`
}

// Duration is a time.Duration that is written as rules write it.
type Duration time.Duration

// String is 1h30m, not 1h30m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

func (s *simulation) report() *Report {
	steps := int(s.o.To.Sub(s.o.From) / s.o.Step)
	r := &Report{ServiceID: s.o.ServiceID, From: s.o.To.Add(-time.Duration(steps) * s.o.Step), To: s.o.To, Step: Duration(s.o.Step), Steps: steps, Requests: s.requests,
		Covered: cover(s.seen), Rules: []RuleReport{}, Baselines: []string{}, Blocks: []Block{}, Saved: []Refusal{}, Unblocked: []Refusal{},
		MostBlocks: s.most, MostNewBlocks: s.mostNew, MostWrites: s.mostWrites, BytesScanned: s.bytes}
	for _, b := range s.blocks {
		r.Blocks = append(r.Blocks, s.blockReport(b))
		r.Refused.ByClass.Add(b.traffic)
	}
	r.Refused.Requests = r.Refused.ByClass.Passed()
	slices.SortStableFunc(r.Blocks, func(a, b Block) int {
		return cmp.Or(cmp.Compare(b.Traffic.Passed(), a.Traffic.Passed()), cmp.Compare(b.Requests, a.Requests), a.From.Compare(b.From), cmp.Compare(a.Key, b.Key))
	})
	s.addresses(r)
	for _, rule := range s.o.Set.Rules() {
		r.Rules = append(r.Rules, s.ruleReport(rule))
		if s.o.Set.UsesBaseline(rule.Name) {
			r.Baselines = append(r.Baselines, rule.Name)
		}
	}
	for _, x := range s.refusals {
		switch x.Code {
		case policy.CodeAllowlisted, policy.CodeCrawler, policy.CodeNeverBlock:
			r.Saved = append(r.Saved, *x)
		case policy.CodeSameBurst: // the burst of a block that is in the report
		default:
			r.Unblocked = append(r.Unblocked, *x)
		}
	}
	for _, list := range [][]Refusal{r.Saved, r.Unblocked} {
		slices.SortFunc(list, func(a, b Refusal) int {
			return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Code, b.Code))
		})
	}
	if s.o.Real != nil {
		r.Real = s.compare(r.From)
	}
	return r
}

func (s *simulation) lasted(b *block) Duration {
	end := b.ended
	if end.IsZero() {
		end = s.o.To
	}
	return Duration(end.Sub(b.begun))
}

func (s *simulation) blockReport(b *block) Block {
	out := Block{Key: policy.Key(b.Prefix), Prefix: b.Prefix, Rule: b.Rule, Rules: slices.Sorted(maps.Keys(b.rules)), From: b.begun,
		Lasted: s.lasted(b), Strike: b.Strikes, Requests: b.first.Requests, Traffic: b.traffic}
	if !b.ended.IsZero() {
		out.Until = &b.ended
	}
	return out
}

// addresses counts the addresses behind all blocks, each once.
func (s *simulation) addresses(r *Report) {
	ok := map[string]bool{}
	for client, n := range s.clients {
		ok[client] = n > 0
	}
	for _, b := range s.blocks {
		if k := keyed(b.Prefix); k.Group == detect.ByAddress && b.traffic.Passed() > 0 {
			ok[k.Key] = ok[k.Key] || b.traffic.OK+b.traffic.Cached > 0
		}
	}
	r.Refused.Addresses = len(ok)
	for _, is := range ok {
		if is {
			r.Refused.OKAddresses++
		}
	}
}

func (s *simulation) ruleReport(rule detect.Rule) RuleReport {
	out := RuleReport{Rule: rule.Name, Mode: "shadow", Offenders: len(s.offenders[rule.Name])}
	switch a := s.o.Actions[rule.Name]; {
	case a.Report:
		out.Mode = "report"
	case a.Enforce:
		out.Mode = "enforce"
	}
	seen := map[netip.Prefix]bool{}
	for _, b := range s.blocks {
		if b.Rule != rule.Name {
			continue
		}
		out.Blocks++
		seen[b.Prefix] = true
		if b.Strikes > 1 {
			out.Escalated++
		}
		lasted := s.lasted(b)
		out.Blocked += lasted
		out.Longest = max(out.Longest, lasted)
		out.Traffic.Add(b.traffic)
	}
	out.Addresses = len(seen)
	return out
}

// compare holds the blocks of the past against those of the replay.
func (s *simulation) compare(from time.Time) *Comparison {
	c := &Comparison{Missed: []Missed{}, NewKeys: []string{}}
	known := map[netip.Prefix]bool{}
	for _, real := range s.o.Real {
		if real.Since.Before(from) || !real.Since.Before(s.o.To) {
			continue
		}
		for _, b := range s.blocks {
			if b.Prefix.Overlaps(real.Prefix) {
				known[b.Prefix] = true
			}
		}
		caught := slices.ContainsFunc(s.blocks, func(b *block) bool { return s.covers(b, real) })
		switch {
		case real.Rule == "":
			c.ByHand++
			c.Found += one(caught)
		default:
			c.Blocks++
			c.Caught += one(caught)
		}
		if !caught {
			c.Missed = append(c.Missed, Missed{Key: policy.Key(real.Prefix), Rule: real.Rule, Since: real.Since})
		}
	}
	seen := map[netip.Prefix]bool{}
	for _, b := range s.blocks {
		if !known[b.Prefix] && !seen[b.Prefix] {
			seen[b.Prefix] = true
			c.New++
			c.NewKeys = append(c.NewKeys, policy.Key(b.Prefix))
		}
	}
	return c
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// covers reports whether a block of the replay covers the address of a real one at
// some time while that was set to last, or began within two steps of it.
func (s *simulation) covers(b *block, real Real) bool {
	if b.Prefix.Bits() > real.Prefix.Bits() || !b.Prefix.Contains(real.Prefix.Addr()) {
		return false
	}
	until := real.Until
	if slack := real.Since.Add(2 * s.o.Step); until.Before(slack) {
		until = slack
	}
	end := b.ended
	return b.begun.Before(until) && (end.IsZero() || end.After(real.Since.Add(-2*s.o.Step)))
}
