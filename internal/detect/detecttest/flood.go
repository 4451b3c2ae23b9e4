package detecttest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// Distributed are n login attempts of a crowd, three to six of each address, most with one fingerprint and from one network,
// within the two minutes before T; a few of them are another sender's.
func Distributed(n int) []record.Record {
	recs := make([]record.Record, 0, n)
	for i := range n {
		host := i * 7 % (n/4 + 1)
		at := T.Add(-time.Duration(i+1) * 2 * time.Minute / time.Duration(n+1)).Truncate(time.Microsecond)
		recs = append(recs, Request(at, fmt.Sprintf("198.51.%d.%d", 100+host/250, host%250), "/login", 401, func(r *record.Record) {
			r.Method, r.UserAgent, r.JA4 = "POST", "python-requests/2.32", "t13d190900_9dc949149365_97f8aa674fd9"
			r.SetInt(record.ClientASN, int64(64500+host%3/2))
			switch i % 11 {
			case 0:
				r.JA4, r.UserAgent = "", "Mozilla/5.0"
				r.Present &^= 1 << record.ClientASN
			case 1:
				r.Path = "/login/" + strings.Repeat("☃", 300)
			case 2:
				SetAddress(r, fmt.Sprintf("2001:db8:1:%x::1", host))
			case 3:
				r.Sender = record.SenderNone
			case 4:
				r.SetBool(record.Blocked, i%2 == 0)
			case 5: // the busiest
				SetAddress(r, "198.51.100.7")
			}
			r.Position = fmt.Sprintf("ffeeddccbbaa9988-%016x", i)
		}))
	}
	return recs
}

// floodsOf is a flood for every volume of the answer, whether it is one or not.
func floodsOf(res detect.Result) []detect.Flood {
	var out []detect.Flood
	for _, v := range res.Volumes {
		out = append(out, detect.Flood{Rule: v.Rule, Trust: v.Trust})
	}
	return out
}

// ReferenceFlood takes one flood apart.
func ReferenceFlood(q detect.Query, f detect.Flood, recs []record.Record) detect.Flood {
	i := slices.IndexFunc(q.Set.Rules(), func(r detect.Rule) bool { return r.Name == f.Rule })
	var list []row
	for _, of := range matching(q, q.Set.Rules()[i], rowsOf(q, recs))[f.Trust] {
		for _, r := range of {
			if !r.refused {
				list = append(list, r)
			}
		}
	}
	whole := clusters("", list, func(row) string { return "all" })
	if len(whole) > 0 {
		f.Addresses, f.MostOfOne, f.TopRequests = whole[0].Addresses, whole[0].MostOfOne, whole[0].TopRequests
		f.TopAddresses = min(f.Addresses, 100)
	}
	f.Clusters = slices.Concat(
		clusters("prefix", list, func(r row) string { return r.ClientPrefix }),
		clusters("asn", list, func(r row) string { return keyOf(detect.ByASN, r.Record) }),
		clusters("ja4", list, func(r row) string { return cut(r.JA4) }),
		clusters("agent", list, func(r row) string { return cut(r.UserAgent) }),
		clusters("path", list, func(r row) string { return cut(r.Method + " " + r.Path) }),
	)
	return f
}

func clusters(by string, list []row, value func(row) string) []detect.Cluster {
	counts := map[string]map[string]int64{}
	for _, r := range list {
		v := value(r)
		if v == "" || v == "0" {
			continue
		}
		if counts[v] == nil {
			counts[v] = map[string]int64{}
		}
		counts[v][r.ClientKey]++
	}
	var out []detect.Cluster
	for v, addresses := range counts {
		c := detect.Cluster{By: by, Value: v, Addresses: int64(len(addresses))}
		var each []int64
		for _, n := range addresses {
			c.Requests += n
			each = append(each, n)
		}
		slices.Sort(each)
		slices.Reverse(each)
		c.MostOfOne = each[0]
		for _, n := range each[:min(len(each), 100)] {
			c.TopRequests += n
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b detect.Cluster) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), 3)]
}
