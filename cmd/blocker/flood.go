package main

import (
	"context"
	"fmt"
	"strconv"

	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
)

// baselines are what the rules of a set usually count at this hour of the day, by the run summaries of earlier days.
func (c *cycle) baselines(summaries []ledger.Summary, service string, set *detect.Set) map[string]detect.Baseline {
	out := map[string]detect.Baseline{}
	for _, r := range set.Rules() {
		if u, ok := ledger.UsualAtHour(summaries, service, r.Name, set.Shape(r.Name), c.now); ok {
			out[r.Name] = detect.Baseline{Requests: max(u.Requests, 1), Median: u.Median, Scale: u.Scale}
		}
	}
	return out
}

// usual is what a flood is held against: the same hour of earlier days, or, before three of them are known, the last day's runs.
func (c *cycle) usual(summaries []ledger.Summary, service string, set *detect.Set) map[string]detect.Usual {
	out := map[string]detect.Usual{}
	for _, r := range set.Rules() {
		shape := set.Shape(r.Name)
		if u, ok := ledger.UsualAtHour(summaries, service, r.Name, shape, c.now); ok {
			out[r.Name] = detect.Usual{Requests: u.Requests, From: fmt.Sprintf("at this hour on %d earlier days", u.Days)}
		} else if u, ok := ledger.UsualLately(summaries, service, r.Name, shape, c.now); ok {
			out[r.Name] = detect.Usual{Requests: u.Requests, From: fmt.Sprintf("by %d runs of the last day", u.Runs)}
		}
	}
	return out
}

// takeApart looks closer at floods that no address stands out of. That there is one shows in the answer the run has; only then
// the store is asked again, over the windows of those rules. It comes after everything is written and has little time: what it
// finds is shown and never acted on, and how long it takes is in the hand of whoever floods.
func (c *cycle) takeApart(ctx context.Context, sr *serviceReport, query detect.Query) {
	if c.review != nil || len(sr.Floods) == 0 {
		return
	}
	c.busy.Step("looking at a flood" + ofService(sr.Service.ID))
	ctx, stop := context.WithTimeout(ctx, showFor)
	defer stop()
	before := sr.Cost.Billed
	done := c.meter(sr)
	bytes, err := c.engine.Flood(ctx, query, sr.Floods)
	done()
	if before != nil && sr.Cost.Billed != nil {
		*sr.Cost.Billed += *before
	}
	if err != nil {
		sr.Alerts = append(sr.Alerts, fmt.Sprintf("a flood could not be taken apart, its counts stand alone: %v", err))
	}
	if bytes > 0 {
		sr.Notes = append(sr.Notes, fmt.Sprintf("looking at the flood read %s more", bytesText(bytes)))
	}
	sr.FloodBytes = bytes
}

// ruleCounts is what each rule counted of trusted rows, for the run's summary.
func ruleCounts(set *detect.Set, found detect.Result) map[string]ledger.RuleCount {
	out := map[string]ledger.RuleCount{}
	for _, r := range set.Rules() {
		out[r.Name] = ledger.RuleCount{Shape: set.Shape(r.Name)}
	}
	for _, v := range found.Volumes {
		if c, known := out[v.Rule]; known && v.Trust == (detect.Trust{}) {
			c.Requests, c.Keys, c.Median, c.Scale = v.Requests, v.Keys, v.Median, v.Scale
			out[v.Rule] = c
		}
	}
	return out
}

// floodDoc is a flood as JSON. Shares are of its requests, 0 to 1.
type floodDoc struct {
	ServiceID    string       `json:"service_id,omitempty"`
	Rule         string       `json:"rule"`
	Window       string       `json:"window"`
	Trust        []string     `json:"untrusted,omitempty"`
	Requests     int64        `json:"requests"`
	Usual        float64      `json:"usual"`
	UsualFrom    string       `json:"usual_from"`
	Factor       float64      `json:"factor"`
	CaughtShare  float64      `json:"caught_share"` // by the rule's offenders
	Addresses    int64        `json:"addresses"`
	MostOfOne    int64        `json:"most_of_one"` // requests of the busiest address
	TopAddresses int64        `json:"top_addresses"`
	TopShare     float64      `json:"top_share"` // what blocking the top addresses would stop
	Clusters     []clusterDoc `json:"clusters"`
	Advice       string       `json:"advice"`
	Text         string       `json:"text"`
}

type clusterDoc struct {
	By        string  `json:"by"` // prefix, asn, ja4, agent or path
	Value     string  `json:"value"`
	Requests  int64   `json:"requests"`
	Share     float64 `json:"share"`
	Addresses int64   `json:"addresses"`
	MostOfOne int64   `json:"most_of_one"`
	TopShare  float64 `json:"top_share"` // of the cluster, what blocking its own top addresses would stop
}

func newFloodDoc(service string, f detect.Flood) floodDoc {
	d := floodDoc{ServiceID: service, Rule: f.Rule, Window: short(f.Window), Trust: trustWords(f.Trust), Requests: f.Requests, Usual: f.Usual.Requests,
		UsualFrom: f.Usual.From, Factor: f.Factor(), CaughtShare: part(f.Caught, f.Requests), Addresses: f.Addresses, MostOfOne: f.MostOfOne,
		TopAddresses: f.TopAddresses, TopShare: part(f.TopRequests, f.Requests), Clusters: []clusterDoc{}, Advice: floodAdvice(f), Text: floodText([]detect.Flood{f})}
	for _, c := range f.Clusters {
		d.Clusters = append(d.Clusters, clusterDoc{By: c.By, Value: c.Value, Requests: c.Requests, Share: part(c.Requests, f.Requests), Addresses: c.Addresses,
			MostOfOne: c.MostOfOne, TopShare: part(c.TopRequests, c.Requests)})
	}
	return d
}

func trustWords(t detect.Trust) (words []string) {
	if t.Forgeable {
		words = append(words, "forgeable_address")
	}
	if t.Unauthenticated {
		words = append(words, "unauthenticated_sender")
	}
	return words
}

func part(n, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// percent writes a share without more digits than it has: 3 %, 0.4 %.
func percent(n, of int64) string {
	switch p := part(n, of) * 100; {
	case p > 0 && p < 0.1:
		return "<0.1 %"
	case p > 0 && p < 1:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// thousands writes 41200 as 41,200.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
