package main

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"edgewarden/internal/detect"
	"edgewarden/internal/plain"
)

// floodText is one sentence to read aloud of a flood that these rules count alike.
func floodText(same []detect.Flood) string {
	f := same[0]
	to := ""
	if p, ok := largest(f, "path"); ok && part(p.Requests, f.Requests) >= 0.9 {
		to = " to " + plain.Text(p.Value, 80)
	}
	usual := fmt.Sprintf("%s× the usual %s (%s)", strconv.FormatFloat(f.Factor(), 'f', factorDigits(f.Factor()), 64), thousands(int64(f.Usual.Requests)), f.Usual.From)
	if f.Usual.Requests < 1 {
		usual = fmt.Sprintf("where none are usual (%s)", f.Usual.From)
	}
	by := "rule " + f.Rule
	if len(same) > 1 {
		by = "rules " + ruleNames(same)
	}
	text := fmt.Sprintf("flood: %s requests%s in %s by %s, %s", thousands(f.Requests), to, short(f.Window), by, usual)
	for _, f := range same {
		switch {
		case f.Caught > 0 && len(same) == 1:
			text += fmt.Sprintf("; its offenders sent %s of them", percent(f.Caught, f.Requests))
		case f.Caught > 0:
			text += fmt.Sprintf("; the offenders of %s sent %s of them", f.Rule, percent(f.Caught, f.Requests))
		}
	}
	if f.Addresses > 0 {
		text += fmt.Sprintf("; %s addresses, the busiest has %s; blocking the top %d would stop %s", thousands(f.Addresses), thousands(f.MostOfOne), f.TopAddresses, percent(f.TopRequests, f.Requests))
	}
	if words := trustWords(f.Trust); len(words) > 0 {
		text += "; rows are not trusted: " + strings.Join(words, ", ")
	}
	return text
}

func factorDigits(f float64) int {
	if f < 10 {
		return 1
	}
	return 0
}

// clusterText is what a flood shares, largest first; a value that less than a twentieth share says nothing.
func clusterText(f detect.Flood) []string {
	var out []string
	for _, c := range f.Clusters {
		if c.Requests*20 < f.Requests {
			continue
		}
		text := fmt.Sprintf("%4s share %-6s %s: %s addresses, the busiest has %s", percent(c.Requests, f.Requests), c.By, clusterValue(c), thousands(c.Addresses), thousands(c.MostOfOne))
		if c.Addresses > detect.FloodTop {
			text += fmt.Sprintf("; blocking the top %d of them would stop %s of it", detect.FloodTop, percent(c.TopRequests, c.Requests))
		}
		out = append(out, text)
	}
	return out
}

func clusterValue(c detect.Cluster) string {
	switch c.By {
	case "asn":
		return "AS" + plain.Text(c.Value, 20)
	case "agent":
		return strconv.Quote(plain.Text(c.Value, 80))
	}
	return plain.Text(c.Value, 80)
}

// floodAdvice says what would help. Nothing of it is done by itself: what half of a flood shares many customers may share too.
func floodAdvice(f detect.Flood) string {
	half := func(n int64) bool { return 2*n >= f.Requests }
	if f.Addresses == 0 {
		return ""
	}
	if half(f.TopRequests) {
		return fmt.Sprintf("addresses would help: the top %d sent %s, but at least %d requests are needed for rule %s; lower its when, or try one with blocker suggest", f.TopAddresses, percent(f.TopRequests, f.Requests), f.Floor, f.Rule)
	}
	var prefixes int64
	for _, c := range f.Clusters {
		if c.By == "prefix" {
			prefixes += c.Requests
		}
	}
	if half(prefixes) {
		return fmt.Sprintf("no address stands out, but three prefixes sent %s: consider a rule with group: prefix", percent(prefixes, f.Requests))
	}
	for _, by := range []string{"ja4", "asn", "agent"} {
		if c, ok := largest(f, by); ok && half(c.Requests) {
			return fmt.Sprintf("no address rule helps here: consider to limit or challenge %s %s in VCL, after a look at how many of your usual clients share it, or rate limiting at the edge on the path", by, clusterValue(c))
		}
	}
	if c, ok := largest(f, "path"); ok && half(c.Requests) {
		return fmt.Sprintf("no address rule helps here: consider rate limiting or a challenge at the edge on %s", clusterValue(c))
	}
	return "no address rule helps here, and nothing is shared by half of it: consider caching or rate limiting at the edge for what the rule counts"
}

func largest(f detect.Flood, by string) (detect.Cluster, bool) {
	for _, c := range f.Clusters {
		if c.By == by {
			return c, true
		}
	}
	return detect.Cluster{}, false
}

// floodLines is everything said about a service's floods.
func floodLines(floods []detect.Flood) []string {
	var out []string
	for _, same := range alike(floods) {
		out = append(out, floodText(same))
		for _, line := range clusterText(same[0]) {
			out = append(out, "  "+line)
		}
		if a := floodAdvice(easiest(same)); a != "" {
			out = append(out, "  "+a)
		}
	}
	return out
}

// alike puts floods together that differ only in the rule that counted them: rules of one window and where see the same
// requests, and a person need not read thrice what these share.
func alike(floods []detect.Flood) (groups [][]detect.Flood) {
	counted := func(f detect.Flood) detect.Flood {
		f.Rule, f.Keys, f.Busiest, f.Caught, f.Floor = "", 0, 0, 0, 0 // the rule's own, by its group and when
		return f
	}
	for _, f := range floods {
		i := slices.IndexFunc(groups, func(g []detect.Flood) bool { return reflect.DeepEqual(counted(g[0]), counted(f)) })
		if i < 0 {
			groups = append(groups, []detect.Flood{f})
			continue
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// easiest is the flood of the rule that an address meets with the fewest requests.
func easiest(same []detect.Flood) detect.Flood {
	return slices.MinFunc(same, func(a, b detect.Flood) int { return cmp.Compare(a.Floor, b.Floor) })
}

func ruleNames(floods []detect.Flood) string {
	var names []string
	for _, f := range floods {
		names = append(names, f.Rule)
	}
	return strings.Join(names, ", ")
}
