package backtest

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// Run replays the past.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	s := newSimulation(o)
	replays := o.replays()
	steps, done := 0, 0
	for _, r := range replays {
		steps += r.Steps
	}
	for _, r := range replays {
		found, err := r.Found(ctx, o.Engine, s.watched())
		if err != nil {
			return nil, fmt.Errorf("backtest of %s to %s: %w", r.From().Format(time.RFC3339), r.Last().Format(time.RFC3339), err)
		}
		for i := range r.Steps {
			s.step(r.At(i), i, found)
		}
		if err := s.account(ctx, r, found); err != nil {
			return nil, fmt.Errorf("backtest of %s to %s: %w", r.From().Format(time.RFC3339), r.Last().Format(time.RFC3339), err)
		}
		done += r.Steps
		o.Progress(done, steps)
	}
	return s.report(), nil
}

// simulation is what earlier steps left behind.
type simulation struct {
	o       Options
	actions map[string]policy.Action
	history map[netip.Prefix]policy.Past
	open    map[netip.Prefix]*block
	blocks  []*block // all, in order of their beginning
	spans   map[detect.Keyed][]detect.Span

	requests, bytes           int64
	seen                      []detect.Span // the steps that have requests
	most, mostNew, mostWrites int
	refusals                  map[refusalKey]*Refusal
	offenders                 map[string]map[string]bool // by rule, the keys that met it
	clients                   map[string]int64           // clients of blocked prefixes, and their successful requests
}

// block is one block that the rules would have made.
type block struct {
	policy.Block
	rules   map[string]bool
	begun   time.Time
	ended   time.Time // zero while it lasts
	span    int       // of its key in spans
	first   detect.Measures
	traffic detect.Traffic
}

type refusalKey struct{ rule, code, key string }

func newSimulation(o Options) *simulation {
	s := &simulation{o: o, actions: map[string]policy.Action{}, history: map[netip.Prefix]policy.Past{}, open: map[netip.Prefix]*block{},
		spans: map[detect.Keyed][]detect.Span{}, refusals: map[refusalKey]*Refusal{}, offenders: map[string]map[string]bool{}, clients: map[string]int64{}}
	for rule, a := range o.Actions {
		a.Enforce = true
		s.actions[rule] = a
	}
	return s
}

// watched are the keys whose requests matter although they may be no offenders:
// those that are blocked.
func (s *simulation) watched() []detect.Keyed {
	var out []detect.Keyed
	for p := range s.open {
		out = append(out, keyed(p))
	}
	return out
}

// keyed is the key of detect that a blocked prefix is.
func keyed(p netip.Prefix) detect.Keyed {
	group := detect.ByAddress
	if p.Addr().Is4() && p.Bits() < 32 || p.Addr().Is6() && p.Bits() < 64 {
		group = detect.ByPrefix
	}
	return detect.Keyed{Group: group, Key: policy.Key(p)}
}

// around is the /24 or /56 of an address.
func around(p netip.Prefix) netip.Prefix {
	bits := 56
	if p.Addr().Is4() {
		bits = 24
	}
	return netip.PrefixFrom(p.Addr(), min(bits, p.Bits())).Masked()
}

// held says when a key was blocked, by itself or with its prefix.
func (s *simulation) held(k detect.Keyed) []detect.Span {
	if len(s.spans) == 0 {
		return nil
	}
	own := s.spans[k]
	if k.Group != detect.ByAddress {
		return own
	}
	p, err := policy.ParseKey(k.Key)
	if err != nil {
		return own
	}
	if more := s.spans[keyed(around(p))]; len(more) > 0 {
		return append(own[:len(own):len(own)], more...)
	}
	return own
}

// step decides as a run at that time would have.
func (s *simulation) step(now time.Time, i int, found *detect.Replayed) {
	if n := found.Requests(i); n > 0 {
		s.requests += n
		s.seen = append(s.seen, detect.Span{From: now.Add(-s.o.Step), Until: now})
	}
	present := make([]policy.Block, 0, len(s.open))
	for _, b := range s.open {
		present = append(present, b.Block)
	}
	offenders := found.Offenders(i, s.held)
	for _, o := range offenders {
		if s.offenders[o.Rule] == nil {
			s.offenders[o.Rule] = map[string]bool{}
		}
		s.offenders[o.Rule][o.Key] = true
	}
	decisions := policy.Decide(policy.Input{
		Now: now, Offenders: offenders, After: found.After(i, policy.Questions(present, s.actions, s.o.Settings, now), s.held), Actions: s.actions, Present: present,
		Allow: s.o.Allow, Never: s.o.Never, Crawlers: s.o.Crawlers, History: s.history, Settings: s.o.Settings,
	})
	fresh, writes := 0, 0
	for _, d := range decisions {
		switch {
		case d.Verb == policy.VerbRefuse:
			s.refuse(d, now)
		case d.Kind != policy.KindBlock:
		case d.Verb == policy.VerbBlock:
			s.begin(d, now)
			fresh++
			writes++
		case d.Verb == policy.VerbExtend:
			s.open[d.Prefix].meet(d)
			s.open[d.Prefix].Until = d.Until
			s.history[d.Prefix] = policy.Past{Strikes: d.Strikes, Last: now}
			writes++
		case d.Verb == policy.VerbRelease:
			s.end(d.Prefix, now)
			writes++
		case d.Verb == policy.VerbKeep:
			s.open[d.Prefix].meet(d)
		}
	}
	s.most, s.mostNew, s.mostWrites = max(s.most, len(s.open)), max(s.mostNew, fresh), max(s.mostWrites, writes)
}

func (b *block) meet(d policy.Decision) {
	for _, rule := range d.Rules {
		b.rules[rule] = true
	}
}

func (s *simulation) begin(d policy.Decision, now time.Time) {
	if s.open[d.Prefix] != nil { // an entry whose time was up, blocked anew in the same step
		s.end(d.Prefix, now)
	}
	k := keyed(d.Prefix)
	b := &block{Block: policy.Block{Prefix: d.Prefix, Kind: d.Kind, Rule: d.Rule, Since: d.Since, Until: d.Until, Strikes: d.Strikes},
		rules: map[string]bool{}, begun: now, span: len(s.spans[k])}
	b.meet(d)
	if d.Offender != nil {
		b.first = d.Offender.Measures
	}
	s.spans[k] = append(s.spans[k], detect.Span{From: now, Until: s.o.To})
	s.open[d.Prefix] = b
	s.blocks = append(s.blocks, b)
	s.history[d.Prefix] = policy.Past{Strikes: d.Strikes, Last: now}
}

func (s *simulation) end(p netip.Prefix, now time.Time) {
	b := s.open[p]
	b.ended = now
	s.spans[keyed(p)][b.span].Until = now
	delete(s.open, p)
}

// refuse notes whom policy kept out, and why.
func (s *simulation) refuse(d policy.Decision, now time.Time) {
	k := refusalKey{d.Rule, d.Code, d.Key}
	r := s.refusals[k]
	if r == nil {
		r = &Refusal{Key: d.Key, Rule: d.Rule, Code: d.Code, Reason: d.Reason, First: now}
		s.refusals[k] = r
	}
	r.Steps++
	r.Last = now
	r.Requests = max(r.Requests, d.Harm)
}

// account adds up what the blocks would have refused since the chunk before.
func (s *simulation) account(ctx context.Context, r detect.Replay, found *detect.Replayed) error {
	s.bytes += found.Bytes
	begin := r.First.Add(-r.Step)
	var holds []detect.Hold
	byPrefix := map[netip.Prefix][]*block{}
	for _, b := range s.blocks {
		if span, ok := b.within(begin, r.Last()); ok && keyed(b.Prefix).Group == detect.ByPrefix {
			byPrefix[b.Prefix] = append(byPrefix[b.Prefix], b)
			b.traffic.Add(found.Traffic(keyed(b.Prefix), span))
			holds = append(holds, detect.Hold{Key: policy.Key(b.Prefix), From: span.From, Until: span.Until})
		}
	}
	for _, b := range s.blocks {
		span, ok := b.within(begin, r.Last())
		if !ok || keyed(b.Prefix).Group != detect.ByAddress {
			continue
		}
		b.traffic.Add(found.Traffic(keyed(b.Prefix), span))
		for _, wide := range byPrefix[around(b.Prefix)] { // counted with its own block, not with its prefix's
			if both, ok := overlap(span, wide, begin, r.Last()); ok {
				wide.traffic.Subtract(found.Traffic(keyed(b.Prefix), both))
			}
		}
	}
	if len(holds) == 0 {
		return nil
	}
	var clients []detect.ClientRow
	n, err := s.o.Engine.Scan(ctx, r.Clients(holds, &clients))
	s.bytes += n
	for _, c := range clients {
		s.clients[c.Client] += c.OK
	}
	return err
}

// within is the part of a block's time in [from, until).
func (b *block) within(from, until time.Time) (detect.Span, bool) {
	span := detect.Span{From: b.begun, Until: until}
	if span.From.Before(from) {
		span.From = from
	}
	if !b.ended.IsZero() && b.ended.Before(until) {
		span.Until = b.ended
	}
	return span, span.From.Before(span.Until)
}

func overlap(span detect.Span, b *block, from, until time.Time) (detect.Span, bool) {
	other, ok := b.within(from, until)
	if other.From.After(span.From) {
		span.From = other.From
	}
	if other.Until.Before(span.Until) {
		span.Until = other.Until
	}
	return span, ok && span.From.Before(span.Until)
}
