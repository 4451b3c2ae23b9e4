package detecttest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// ReferenceEvidence computes the evidence of one offender.
func ReferenceEvidence(q detect.Query, o detect.Offender, recs []record.Record) *detect.Evidence {
	i := slices.IndexFunc(q.Set.Rules(), func(r detect.Rule) bool { return r.Name == o.Rule })
	paths, agents, statuses, countries, asns := map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}
	var samples []string
	minutes := map[int64]int{}
	list := slices.DeleteFunc(matching(q, q.Set.Rules()[i], rowsOf(q, recs))[o.Trust][o.Key], func(r row) bool { return r.refused })
	window := q.Set.Rules()[i].Window
	step := 1
	for whole := int((window + time.Minute - 1) / time.Minute); (whole+step-1)/step > 60; {
		step++
	}
	rate := detect.Rate{Step: time.Duration(step) * time.Minute}
	for at := time.Duration(0); at < window; at += rate.Step {
		rate.Counts = append(rate.Counts, 0)
	}
	for _, r := range list {
		minutes[minute(q, r)]++
		rate.Counts[len(rate.Counts)-1-int(minute(q, r))/step]++
	}
	newer := func(r row) (n int) {
		for m, count := range minutes {
			if m < minute(q, r) {
				n += count
			}
		}
		return n
	}
	classes := map[detect.ClassCount]int64{}
	for _, r := range list {
		weight, class := q.Set.Weigh(r.Record)
		classes[detect.ClassCount{Class: class, Weight: weight}]++
		statuses[fmt.Sprint(status(r.Record))]++
		countries[r.ClientCountry]++
		if r.Has(record.ClientASN) {
			asns[fmt.Sprint(r.ClientASN)]++
		}
		if newer(r) >= 10_000 {
			continue
		}
		paths[cut(r.Path)]++
		agents[cut(r.UserAgent)]++
		samples = append(samples, fmt.Sprintf("%s %s %s %d", r.Timestamp.UTC().Format("2006-01-02T15:04:05.000000Z"), cut(r.Method), cut(r.Path), status(r.Record)))
	}
	delete(countries, "")
	delete(asns, "0")
	e := &detect.Evidence{Paths: top(paths, 5), Agents: top(agents, 3), Statuses: top(statuses, 5), Rate: rate}
	if q.Set.UsesWeight(o.Rule) && len(q.Set.Classes()) > 0 {
		for c, n := range classes {
			e.Classes = append(e.Classes, detect.ClassCount{Class: c.Class, Weight: c.Weight, N: n})
		}
		slices.SortFunc(e.Classes, func(a, b detect.ClassCount) int {
			return cmp.Or(cmp.Compare(b.N*b.Weight, a.N*a.Weight), cmp.Compare(b.N, a.N), strings.Compare(a.Class, b.Class))
		})
	}
	for _, c := range top(countries, 1) {
		e.Country = c.Value
	}
	for _, c := range top(asns, 1) {
		e.ASN, _ = strconv.ParseInt(c.Value, 10, 64)
	}
	slices.Sort(samples)
	samples = slices.Compact(samples)
	slices.Reverse(samples)
	e.Sample = samples[:min(len(samples), 5)]
	return e
}

func cut(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 256)])
}

func top(m map[string]int64, n int) []detect.Count {
	var out []detect.Count
	for v, c := range m {
		out = append(out, detect.Count{Value: v, N: c})
	}
	slices.SortFunc(out, func(a, b detect.Count) int { return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value)) })
	return out[:min(len(out), n)]
}
