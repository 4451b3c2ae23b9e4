package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// explainReply, the --json of explain.
type explainReply struct {
	Schema       int           `json:"schema"` // 1
	Explanations []explanation `json:"explanations"`
}

// explanation is what explain says of one address on one service.
type explanation struct {
	ServiceID string            `json:"service_id,omitempty"`
	Address   string            `json:"address"`
	Verdict   string            `json:"verdict"`        // is it blocked, by what and until when
	Undo      string            `json:"undo,omitempty"` // the command that lets it pass; only for one that is blocked
	To        time.Time         `json:"to"`
	Rules     []ruleExplanation `json:"rules"`
	Lists     []string          `json:"lists"`
	Entries   []string          `json:"entries"`
	History   []string          `json:"history"`
}

// ruleExplanation is one rule against what was measured of the address.
type ruleExplanation struct {
	Rule    string    `json:"rule"`
	When    string    `json:"when"`
	Window  string    `json:"window"`
	Enforce bool      `json:"enforce"`
	Met     bool      `json:"met"`
	Floor   int64     `json:"floor"`             // the least of what floor_of names for which the condition can be met
	FloorOf string    `json:"floor_of"`          // a measure of docs/rules.md
	Margins []margin  `json:"margins,omitempty"` // each comparison of the condition with a number
	Refused string    `json:"refused,omitempty"` // why a run would not block it although the rule is met
	Note    string    `json:"note,omitempty"`
	Measure *evidence `json:"measured,omitempty"` // nil: no request matched where
	Trust   []string  `json:"untrusted,omitempty"`
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

// requestID is what our log format writes; anything else cannot be one.
var requestID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// explain says, for an address that was blocked or one that was not, what each rule measured and what the lists, the edge and
// the ledger know of it.
func (p *program) explain(ctx context.Context, cmd explainCmd) (int, error) {
	if (cmd.Address == "") == (cmd.RequestID == "") {
		return exitUsage, usagef("name an address, or a request with --request-id")
	}
	if cmd.RequestID != "" && !requestID.MatchString(cmd.RequestID) {
		return exitUsage, usagef("--request-id %q is no id of our log format", cmd.RequestID)
	}
	p.flags.DryRun = true
	s, err := p.forRun()
	if err != nil {
		return exitUsage, err
	}
	c := &cycle{program: p, settings: s}
	c.now, c.to = s.clock()
	if c.engine, err = p.openEngine(ctx, s); err != nil {
		return exitFailed, err
	}
	defer c.engine.Close()
	c.loadLists(ctx)
	if store, err := p.openLedger(ctx, s); err != nil {
		return exitFailed, err
	} else if store != nil {
		defer store.Close()
		if c.past, err = store.Since(ctx, c.now.Add(-ledgerMemory)); err != nil {
			return exitFailed, fmt.Errorf("reading the ledger: %w", err)
		}
	}
	docs := []explanation{}
	for _, svc := range s.Services {
		doc, err := c.explainService(ctx, svc, cmd)
		if err != nil {
			return exitFailed, err
		}
		docs = append(docs, doc)
	}
	if p.flags.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return exitOK, enc.Encode(explainReply{Schema: schemaVersion, Explanations: docs})
	}
	var b strings.Builder
	for _, d := range docs {
		d.text(&b, p.view())
	}
	_, err = fmt.Fprint(p.stdout, b.String())
	return exitOK, err
}

// explainService asks the store, the lists, the edge and the ledger of one service.
func (c *cycle) explainService(ctx context.Context, svc config.Service, cmd explainCmd) (explanation, error) {
	address := cmd.Address
	if cmd.RequestID != "" {
		var err error
		if address, err = c.addressOf(ctx, svc, cmd.RequestID); err != nil {
			return explanation{}, err
		}
	}
	prefix, err := parsePrefix(address)
	if err != nil {
		return explanation{}, usageError{err}
	}
	doc := explanation{ServiceID: svc.ID, Address: policy.Key(prefix), Verdict: "no service was named, so what is blocked is not known", To: c.to, Lists: c.listed(prefix), Entries: []string{}, History: history(c.past, svc.ID, prefix)}
	c.busy.Step("asking the log store" + ofService(svc.ID))
	if doc.Rules, err = c.measure(ctx, svc, prefix); err != nil || svc.ID == "" {
		return doc, err
	}
	client, err := c.edge(c.settings)
	if err != nil {
		return doc, err
	}
	c.busy.Step("reading the entries" + ofService(svc.ID))
	snapshot, err := client.Read(ctx, c.target(svc))
	if err != nil {
		return doc, fmt.Errorf("reading the present entries: %w", err)
	}
	doc.Entries = entriesAbout(snapshot, prefix, c.now)
	var blocked bool
	if doc.Verdict, blocked = verdictOn(snapshot, prefix, c.now); blocked {
		doc.Undo = c.undo(svc.ID)(acl.Change{Op: acl.Create, Prefix: prefix, Mark: acl.Mark{Kind: policy.KindBlock}})
	}
	return doc, nil
}

// addressOf finds who made a request.
func (c *cycle) addressOf(ctx context.Context, svc config.Service, id string) (string, error) {
	set, err := detect.Compile([]detect.Rule{{Name: "request", Where: "request_id == " + strconv.Quote(id), When: "requests >= 1", Window: 24 * time.Hour}})
	if err != nil {
		return "", err
	}
	found, err := c.engine.Detect(ctx, detect.Query{Set: set, ServiceID: svc.ID, To: c.to, Now: time.Now().UTC()})
	if err != nil {
		return "", err
	}
	if len(found.Offenders) == 0 {
		return "", fmt.Errorf("no request %s in the last 24h%s", id, ofService(svc.ID))
	}
	return found.Offenders[0].Key, nil
}

// measure asks what each rule measures of one key: the rule's own where, narrowed to the key, met by any request.
func (c *cycle) measure(ctx context.Context, svc config.Service, prefix netip.Prefix) ([]ruleExplanation, error) {
	set, actions := c.compiled[svc.ID].set, c.compiled[svc.ID].actions
	var probes []detect.Rule
	for _, r := range set.Rules() {
		field, key := keyField(r.Group, prefix)
		if field == "" {
			continue // asn and ja4 do not tell of an address
		}
		r.Where, r.When = fmt.Sprintf("(%s) && %s == %s", r.Where, field, strconv.Quote(key)), "requests >= 1"
		if set.UsesWeight(r.Name) {
			r.When += " && weight >= 0" // it is measured only when it is asked for
		}
		probes = append(probes, r)
	}
	probe, err := detect.Compile(probes, set.Classes()...)
	if err != nil {
		return nil, err
	}
	query := detect.Query{Set: probe, ServiceID: svc.ID, To: c.to, Now: time.Now().UTC(), TrustForgeable: c.Policy.TrustForgeable, TrustUnauthenticated: c.Policy.TrustUnauthenticated}
	found, err := c.engine.Detect(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("asking the log store: %w", err)
	}
	if err := c.engine.Evidence(ctx, query, found.Offenders); err != nil {
		return nil, fmt.Errorf("fetching evidence: %w", err)
	}
	byRule := map[string][]detect.Offender{}
	for _, o := range found.Offenders {
		byRule[o.Rule] = append(byRule[o.Rule], o)
	}
	var out []ruleExplanation
	for _, r := range set.Rules() {
		x := ruleExplanation{Rule: r.Name, When: r.When, Window: r.Window.String(), Enforce: actions[r.Name].Enforce, Floor: actions[r.Name].Floor, FloorOf: actions[r.Name].Bounded()}
		if field, _ := keyField(r.Group, prefix); field == "" {
			x.Note = "groups by " + string(r.Group) + ": reported, never blocked"
		}
		if len(byRule[r.Name]) == 0 {
			out = append(out, x)
		}
		for _, o := range byRule[r.Name] {
			one := x
			doc := offenderDoc(svc.ID, o)
			one.Measure, one.Trust = &doc.Evidence, doc.Trust
			if one.Met, err = set.Met(r.Name, o.Measures); err != nil {
				return nil, err
			}
			if one.Met {
				one.Refused = c.refusal(o, actions)
			}
			if one.Margins, err = margins(set, r.Name, o.Measures); err != nil {
				return nil, err
			}
			if !actions[r.Name].CountsOnly {
				one.Note = "depends on everybody's traffic (share, score or an upper bound): measured here of this address alone"
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// refusal is the sentence with which a run would refuse to block an offender whatever is at the edge; "" when it would not.
func (c *cycle) refusal(o detect.Offender, actions map[string]policy.Action) string {
	for _, d := range policy.Decide(policy.Input{Now: c.now, Offenders: []detect.Offender{o}, Actions: actions,
		Allow: c.known.Allow, Never: c.known.Never, Crawlers: c.known.Crawlers, AllowPartial: c.known.AllowPartial, Settings: c.Policy}) {
		if d.Verb == policy.VerbRefuse {
			return d.Reason
		}
	}
	return ""
}

func margins(set *detect.Set, rule string, m detect.Measures) (out []margin, err error) {
	all, err := set.Margins(rule, m)
	for _, m := range all {
		one := margin{Measure: m.Measure, Operator: m.Operator, Threshold: m.Threshold, Times: m.Times(), Met: m.Met}
		if m.Known {
			one.Value = &m.Value
		}
		out = append(out, one)
	}
	return out, err
}

// keyField is the column a group counts by, and the address's value in it; "" for groups that are no addresses.
func keyField(group detect.Group, prefix netip.Prefix) (field, key string) {
	switch group {
	case detect.ByAddress:
		return "client_key", policy.Key(prefix)
	case detect.ByPrefix:
		bits := 24
		if prefix.Addr().Is6() {
			bits = 56
		}
		wide, err := prefix.Addr().Prefix(min(bits, prefix.Bits()))
		if err != nil {
			return "", ""
		}
		return "client_prefix", wide.String()
	}
	return "", ""
}
