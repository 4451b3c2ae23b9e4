package detecttest

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// row is a record that the query looks at.
type row struct {
	*record.Record
	trust   detect.Trust
	base    bool // neither shield nor of received time
	refused bool
}

// rowsOf are the request rows of the service, the future included.
func rowsOf(q detect.Query, recs []record.Record) []row {
	var out []row
	for i := range recs {
		r := &recs[i]
		if r.Kind != record.KindRequest || q.ServiceID != "" && r.ServiceID != q.ServiceID || r.Timestamp.Before(q.From()) {
			continue
		}
		out = append(out, row{
			Record: r,
			trust: detect.Trust{
				Forgeable:       r.AddressSource != record.AddressEdge && !q.TrustForgeable,
				Unauthenticated: r.Sender != record.SenderMTLS && r.Sender != record.SenderToken && !q.TrustUnauthenticated,
			},
			base:    !isShield(r) && r.TimeSource != record.TimeReceived,
			refused: r.Has(record.Blocked) && r.Blocked,
		})
	}
	return out
}

func isShield(r *record.Record) bool { return r.Has(record.FirstHop) && !r.FirstHop }

func status(r *record.Record) int64 {
	if r.Has(record.Status) {
		return r.Status
	}
	return 0
}

func keyOf(g detect.Group, r *record.Record) string {
	switch g {
	case detect.ByPrefix:
		return r.ClientPrefix
	case detect.ByASN:
		if r.Has(record.ClientASN) && r.ClientASN > 0 {
			return fmt.Sprint(r.ClientASN)
		}
		return ""
	case detect.ByJA4:
		return r.JA4
	}
	return r.ClientKey
}

// Reference computes the answer to q over recs by going through them rule by
// rule. SQL and BytesScanned are left empty.
func Reference(q detect.Query, recs []record.Record) detect.Result {
	rows := rowsOf(q, recs)
	res := detect.Result{Health: health(q, rows), Population: map[string]int64{}}
	beats := heartbeatsOf(q, recs)
	res.Health.Loss, res.Health.LossKnown = detect.Loss(beats)
	res.Heartbeats = detect.Latest(beats)
	for _, rule := range q.Set.Rules() {
		found, asked, population, volumes := offenders(q, rule, rows)
		res.Offenders = append(res.Offenders, found...)
		res.Asked = append(res.Asked, asked...)
		res.Population[rule.Name] = population
		res.Volumes = append(res.Volumes, volumes...)
	}
	for _, p := range q.Present {
		if i := slices.IndexFunc(q.Set.Rules(), func(r detect.Rule) bool { return r.Name == p.Rule }); i >= 0 {
			res.After = append(res.After, after(q, q.Set.Rules()[i], p, rows))
		}
	}
	return res
}

// matching are the rows a rule looks at, refused or not, by trust and key.
func matching(q detect.Query, rule detect.Rule, rows []row) map[detect.Trust]map[string][]row {
	out := map[detect.Trust]map[string][]row{}
	for _, r := range rows {
		ok, err := q.Set.Matches(rule.Name, r.Record)
		if err != nil {
			panic("detecttest: bug: " + err.Error())
		}
		key := keyOf(rule.Group, r.Record)
		if !ok || !r.base || key == "" || !r.Timestamp.Before(q.To) || r.Timestamp.Before(q.To.Add(-rule.Window)) {
			continue
		}
		if out[r.trust] == nil {
			out[r.trust] = map[string][]row{}
		}
		out[r.trust][key] = append(out[r.trust][key], r)
	}
	return out
}

func offenders(q detect.Query, rule detect.Rule, rows []row) (found, asked []detect.Offender, population int64, volumes []detect.Volume) {
	for trust, keys := range matching(q, rule, rows) {
		measured := map[string]detect.Measures{}
		var total, older, busiest int64
		var logs []float64
		for key, list := range keys {
			if m := measureOf(q, rule, list); m.Requests > 0 {
				measured[key] = m
				total += m.Requests
				busiest = max(busiest, m.Requests)
				for _, r := range list {
					// The older half of the window in whole minutes back from T.
					if !r.refused && 2*(minute(q, r)*time.Minute.Nanoseconds()) >= rule.Window.Nanoseconds() {
						older++
					}
				}
				logs = append(logs, math.Log(float64(m.Requests)))
			}
		}
		population += int64(len(measured))
		med := median(logs)
		dev := make([]float64, len(logs))
		for i, l := range logs {
			dev[i] = math.Abs(l - med)
		}
		scale := max(1.4826*median(dev), 0.1)
		baseline, known := q.Baselines[rule.Name]
		if total > 0 {
			volumes = append(volumes, detect.Volume{Rule: rule.Name, Trust: trust, Requests: total, Older: older, Keys: int64(len(measured)),
				Busiest: busiest, Median: med, Scale: 1.4826 * median(dev)})
		}
		for key, m := range measured {
			m.Share = float64(m.Requests) / float64(total)
			m.Score = (math.Log(float64(m.Requests)) - med) / scale
			if known {
				m.BaselineKnown = true
				m.BaselineScore = (math.Log(float64(m.Requests)) - baseline.Median) / max(baseline.Scale, 0.1)
				m.BaselineRatio = float64(total) / baseline.Requests
			}
			met, err := q.Set.Met(rule.Name, m)
			if err != nil {
				panic("detecttest: bug: " + err.Error())
			}
			o := detect.Offender{Key: key, Group: rule.Group, Rule: rule.Name, Trust: trust, Measures: m}
			if met {
				found = append(found, o)
			}
			if slices.Contains(q.About, detect.Keyed{Group: rule.Group, Key: key}) {
				asked = append(asked, o)
			}
		}
	}
	for _, list := range [][]detect.Offender{found, asked} {
		slices.SortFunc(list, func(a, b detect.Offender) int {
			return cmp.Or(cmp.Compare(b.Measures.Requests, a.Measures.Requests), strings.Compare(a.Key, b.Key), cmp.Compare(order(a.Trust), order(b.Trust)))
		})
	}
	slices.SortFunc(volumes, func(a, b detect.Volume) int { return cmp.Compare(order(a.Trust), order(b.Trust)) })
	return found, asked, population, volumes
}

func order(t detect.Trust) int {
	n := 0
	if t.Forgeable {
		n++
	}
	if t.Unauthenticated {
		n += 2
	}
	return n
}

func weightOf(s *detect.Set, r row) int64 {
	weight, _ := s.Weigh(r.Record)
	return weight
}

// measureOf is measure as the rule sees it.
func measureOf(q detect.Query, rule detect.Rule, list []row) detect.Measures {
	m := measure(q, list)
	if m.Weighed = q.Set.UsesWeight(rule.Name); !m.Weighed {
		m.Weight = 0
	}
	return m
}

func measure(q detect.Query, list []row) (m detect.Measures) {
	paths, addresses, okAddresses, ja4s := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	minutes := map[int64]int64{}
	for _, r := range list {
		if r.refused {
			continue
		}
		m.Requests++
		m.Weight += weightOf(q.Set, r)
		ok := status(r.Record) >= 1 && status(r.Record) < 400
		if ok {
			m.OK++
		}
		if status(r.Record) >= 400 {
			m.Errors++
		}
		paths[r.Path] = true
		addresses[r.ClientKey] = true
		if ok {
			okAddresses[r.ClientKey] = true
		}
		ja4s[r.JA4] = true
		minutes[minute(q, r)]++
		if m.FirstSeen.IsZero() || r.Timestamp.Before(m.FirstSeen) {
			m.FirstSeen = r.Timestamp
		}
		if r.Timestamp.After(m.LastSeen) {
			m.LastSeen = r.Timestamp
		}
	}
	for _, n := range minutes {
		m.PeakPerMinute = max(m.PeakPerMinute, n)
	}
	delete(addresses, "")
	delete(okAddresses, "")
	delete(ja4s, "")
	m.DistinctPaths, m.Addresses, m.OKAddresses, m.JA4s = int64(len(paths)), int64(len(addresses)), int64(len(okAddresses)), int64(len(ja4s))
	return m
}

// minute counts back from T.
func minute(q detect.Query, r row) int64 {
	return (q.To.UnixMicro() - 1 - r.Timestamp.UnixMicro()) / 60_000_000
}

// median is the middle of the sorted values, or the mean of the two middle ones.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	sort.Float64s(s)
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func after(q detect.Query, rule detect.Rule, p detect.Present, rows []row) detect.After {
	from := p.From
	for _, other := range q.Present {
		if other.Key == p.Key && other.Rule == p.Rule && other.From.After(from) {
			from = other.From
		}
	}
	a := detect.After{Present: p}
	for _, r := range matching(q, rule, rows)[detect.Trust{}][p.Key] {
		if r.Timestamp.Before(from) {
			continue
		}
		a.Requests++
		if q.Set.UsesWeight(p.Rule) {
			a.Weight += weightOf(q.Set, r)
		}
		if r.refused {
			a.Refused++
		} else {
			a.Passed++
			if s := status(r.Record); s >= 1 && s < 400 {
				a.OK++
			}
		}
		if r.Timestamp.After(a.LastSeen) {
			a.LastSeen = r.Timestamp
		}
	}
	return a
}

func health(q detect.Query, rows []row) (h detect.Health) {
	okAddresses := map[string]bool{}
	add := func(n *int64, when bool) {
		if when {
			*n++
		}
	}
	for _, r := range rows {
		// A row of an authenticated sender is trusted without an address too: there
		// is none to forge.
		trusted := r.base && !r.trust.Unauthenticated && (!r.trust.Forgeable || r.ClientKey == "")
		if !r.Timestamp.Before(q.To) {
			near := q.Now.Sub(q.To).Abs() <= time.Hour
			add(&h.Ahead, near && trusted && r.Timestamp.Sub(q.Now) > 2*time.Minute && r.Timestamp.Sub(q.Now) < 25*time.Hour)
			continue
		}
		add(&h.Rows, true)
		add(&h.Trusted, trusted)
		add(&h.NoAddress, r.ClientKey == "")
		add(&h.NoFirstHop, !r.Has(record.FirstHop))
		add(&h.Shield, isShield(r.Record))
		add(&h.ReceivedTime, r.TimeSource == record.TimeReceived)
		add(&h.Forgeable, r.base && r.trust.Forgeable && r.ClientKey != "")
		add(&h.TrustedClaims, trusted && r.Has(record.ClaimsOtherIP) && r.ClaimsOtherIP)
		add(&h.TrustedNotClient, trusted && notClient(q, r.ClientKey))
		if r.base && r.Timestamp.After(h.Newest) {
			h.Newest = r.Timestamp
		}
		if r.base && (h.Oldest.IsZero() || r.Timestamp.Before(h.Oldest)) {
			h.Oldest = r.Timestamp
		}
		add(&h.TrustedNoAddress, trusted && r.ClientKey == "")
		if trusted && r.Timestamp.After(h.TrustedNewest) {
			h.TrustedNewest = r.Timestamp
		}
		if r.base && r.trust == (detect.Trust{}) && !r.refused && status(r.Record) >= 1 && status(r.Record) < 400 {
			h.OKRequests++
			if r.ClientKey != "" {
				okAddresses[r.ClientKey] = true
			}
		}
	}
	h.OKAddresses = int64(len(okAddresses))
	return h
}

// notClient reports whether a key overlaps a range that no client comes from.
func notClient(q detect.Query, key string) bool {
	p, err := netip.ParsePrefix(key)
	if err != nil {
		a, err := netip.ParseAddr(key)
		if err != nil {
			return false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return slices.ContainsFunc(q.NotClients, func(no netip.Prefix) bool { return no.Overlaps(p) })
}

func heartbeatsOf(q detect.Query, recs []record.Record) []detect.Heartbeat {
	from := q.From()
	if t := q.To.Add(-detect.HeartbeatReach); t.Before(from) {
		from = t
	}
	var beats []detect.Heartbeat
	for _, r := range recs {
		if r.Kind != record.KindHeartbeat || r.Timestamp.Before(from) || !r.Timestamp.Before(q.To) {
			continue
		}
		if b, err := detect.ParseHeartbeat(r.Position, r.Timestamp, r.Extra); err == nil {
			beats = append(beats, b)
		}
	}
	return beats
}
