package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/acl"
	"edgewarden/internal/gcp"
	"edgewarden/internal/gcp/metrics"
	"edgewarden/internal/policy"
)

// runMetric is a number of the last run. One table feeds the operator's port of a scheduled blocker, Cloud Monitoring and
// docs/metrics.md, so that a name means the same everywhere.
type runMetric struct {
	Name   string // of Prometheus; see cloudType for the other
	Help   string
	Unit   string // for people
	UCUM   string // for Cloud Monitoring
	Labels []string
	Alert  string // when to wake somebody; empty is for looking at
}

const lastSuccess = "edgewarden_blocker_last_success_timestamp_seconds"

// runMetrics is the table. docs/metrics.md is made from this source, so the values are literals.
var runMetrics = []runMetric{
	{Name: "edgewarden_blocker_last_success_timestamp_seconds", Unit: "unix seconds", UCUM: "s", Alert: "older than two periods",
		Help: "When a run last moved the lease of every service (or, dry, failed on none); 0 before the first."},
	{Name: "edgewarden_blocker_last_run_timestamp_seconds", Unit: "unix seconds", UCUM: "s", Alert: "older than two periods: nothing starts the runs",
		Help: "When the last run ended, however it did."},
	{Name: "edgewarden_blocker_last_run_exit_code", Unit: "exit code", UCUM: "1", Alert: "1 or 4 in three runs; 3: the guard refused, or somebody pulled the kill switch",
		Help: "Exit code of the last run."},
	{Name: "edgewarden_blocker_blocks_present", Unit: "entries", UCUM: "{entries}", Labels: []string{"service_id"}, Alert: "",
		Help: "Entries of ours in the block ACLs after the last run."},
	{Name: "edgewarden_blocker_blocks_written", Unit: "entries", UCUM: "{entries}", Labels: []string{"service_id"}, Alert: "far more than usual",
		Help: "Blocks the last run wrote."},
	{Name: "edgewarden_blocker_blocks_extended", Unit: "entries", UCUM: "{entries}", Labels: []string{"service_id"}, Alert: "",
		Help: "Blocks the last run extended."},
	{Name: "edgewarden_blocker_blocks_released", Unit: "entries", UCUM: "{entries}", Labels: []string{"service_id"}, Alert: "",
		Help: "Blocks the last run released."},
	{Name: "edgewarden_blocker_refusals", Unit: "decisions", UCUM: "{decisions}", Labels: []string{"service_id", "code"}, Alert: "",
		Help: "Decisions the last run refused, by the code that the report names."},
	{Name: "edgewarden_blocker_guard_passed", Unit: "0 or 1", UCUM: "1", Labels: []string{"service_id"}, Alert: "0",
		Help: "0 when the guard refused a class of changes in the last run, or the kill switch is pulled; absent when it was not asked."},
	{Name: "edgewarden_blocker_acl_used_ratio", Unit: "0 to 1", UCUM: "1", Labels: []string{"service_id"}, Alert: "more than 0.9",
		Help: "Share of the places in the block ACLs that are taken, by anybody's entries, after the last run."},
	{Name: "edgewarden_blocker_data_age_seconds", Unit: "seconds", UCUM: "s", Labels: []string{"service_id"}, Alert: "more than 600; absent when the last run saw no rows",
		Help: "How old the newest row was that the last run decided from."},
	{Name: "edgewarden_blocker_loss_ratio", Unit: "0 to 1", UCUM: "1", Labels: []string{"service_id"}, Alert: "more than 0.05",
		Help: "Share of the lines that were lost on the way, by ingest's heartbeats; absent when they do not tell."},
	{Name: "edgewarden_blocker_claims_other_ip_ratio", Unit: "0 to 1", UCUM: "1", Labels: []string{"service_id"}, Alert: "",
		Help: "Share of the trusted rows whose client sent a Fastly-Client-IP other than its own address; absent when the last run saw no trusted rows."},
	{Name: "edgewarden_blocker_repeated_ids_ratio", Unit: "0 to 1", UCUM: "1", Labels: []string{"service_id"}, Alert: "more than 0.05: a shield logs each request again, and it counts twice, or clients send the id",
		Help: "Share of the rows of a minute that repeat a request id, 0 while fewer than ten do; absent where lines say first_hop, since the last run did not look."},
	{Name: "edgewarden_blocker_scanned_bytes", Unit: "bytes", UCUM: "By", Labels: []string{"service_id"}, Alert: "",
		Help: "Bytes the last run read from the store."},
	{Name: "edgewarden_blocker_lease_remaining_seconds", Unit: "seconds", UCUM: "s", Labels: []string{"service_id"}, Alert: "0; less than half of `--lease`: runs fail, and the edge will stop enforcing",
		Help: "How long the edge goes on enforcing, from the end of the last run; 0 when it does not."},
	{Name: "edgewarden_blocker_not_enforced", Unit: "findings", UCUM: "{findings}", Labels: []string{"service_id"}, Alert: "more than 0 in two runs",
		Help: "What the last run found that shows that blocks do not act: an ACL that no VCL names, or a blocked address that passes."},
}

// value is the number of one series.
type value struct {
	name   string
	labels []string // in the order of the table
	v      float64
}

// values is every number of a run. What a run did not get to has none.
func (r *report) values(code, capacity int, now time.Time) []value {
	unix := float64(now.Unix())
	all := []value{{"edgewarden_blocker_last_run_timestamp_seconds", nil, unix}, {"edgewarden_blocker_last_run_exit_code", nil, float64(code)}}
	if r.healthy() {
		all = append(all, value{lastSuccess, nil, unix})
	}
	for _, s := range r.Services {
		if s.Service.ID != "" {
			all = append(all, s.values(capacity, now)...)
		}
	}
	return all
}

func (s *serviceReport) values(capacity int, now time.Time) []value {
	var all []value
	add := func(name string, v float64, more ...string) {
		all = append(all, value{"edgewarden_blocker_" + name, append([]string{s.Service.ID}, more...), v})
	}
	if s.Plan != nil || s.Refused != "" { // else nobody was asked
		passed := s.Refused == "" && s.Plan.Verdict.Verdict != acl.VerdictRefused
		add("guard_passed", map[bool]float64{true: 1}[passed])
	}
	add("not_enforced", float64(len(s.NotEnforced)))
	add("scanned_bytes", float64(s.Found.Health.BytesScanned+s.FloodBytes))
	if h := s.Found.Health; !h.Newest.IsZero() {
		add("data_age_seconds", s.To.Sub(h.Newest).Seconds())
		if h.LossKnown {
			add("loss_ratio", h.Loss)
		}
		if h.Trusted > 0 {
			add("claims_other_ip_ratio", part(h.TrustedClaims, h.Trusted))
		}
		if r := h.Repeats; r.Rows > 0 {
			add("repeated_ids_ratio", acl.Limits{}.CheckRepeats(r).Value)
		}
	}
	if s.Snapshot == nil || s.Plan == nil {
		return all
	}
	done := map[acl.Op]int{}
	after := s.Snapshot
	if s.Applied != nil {
		after = cmp.Or(s.Applied.After, after)
		for _, ch := range s.Plan.Changes {
			if ch.Mark.Kind == policy.KindBlock && !slices.ContainsFunc(s.Applied.Failed, func(f acl.Change) bool { return f.Op == ch.Op && f.ACL == ch.ACL && f.Prefix == ch.Prefix }) {
				done[ch.Op]++
			}
		}
	}
	add("blocks_written", float64(done[acl.Create]))
	add("blocks_extended", float64(done[acl.Update]))
	add("blocks_released", float64(done[acl.Delete]))
	refusals := map[string]int{}
	for _, d := range s.Plan.Refusals {
		refusals[d.Code]++
	}
	for _, code := range slices.Sorted(maps.Keys(refusals)) {
		add("refusals", float64(refusals[code]), code)
	}
	u := after.Usage(capacity)
	add("blocks_present", float64(u.Ours))
	if u.Capacity > 0 {
		add("acl_used_ratio", float64(u.Ours+u.Foreign)/float64(u.Capacity))
	}
	until := s.Snapshot.EnforceUntil
	if !s.LeaseUntil.IsZero() {
		until = s.LeaseUntil
	}
	if s.Snapshot.Stopped != "" {
		until = time.Time{}
	}
	add("lease_remaining_seconds", max(0, until.Sub(now).Seconds()))
	return all
}

// lastRun exports the numbers of the last run; the zero value, those of none.
type lastRun struct {
	mu      sync.Mutex
	values  []value
	success float64
}

// set takes the numbers of a run. When none succeeded, the time of the last that did stays.
func (l *lastRun) set(values []value) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values = slices.DeleteFunc(values, func(v value) bool {
		if v.name == lastSuccess {
			l.success = v.v
		}
		return v.name == lastSuccess
	})
}

// Describe implements prometheus.Collector.
func (l *lastRun) Describe(out chan<- *prometheus.Desc) {
	for _, m := range runMetrics {
		out <- m.desc()
	}
}

// Collect implements prometheus.Collector.
func (l *lastRun) Collect(out chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range runMetrics {
		if m.Name == lastSuccess {
			out <- prometheus.MustNewConstMetric(m.desc(), prometheus.GaugeValue, l.success)
		}
		for _, v := range l.values {
			if v.name == m.Name {
				out <- prometheus.MustNewConstMetric(m.desc(), prometheus.GaugeValue, v.v, v.labels...)
			}
		}
	}
}

func (m runMetric) desc() *prometheus.Desc { return prometheus.NewDesc(m.Name, m.Help, m.Labels, nil) }

// cloudType is the metric's type in Cloud Monitoring.
func cloudType(name string) string {
	return "custom.googleapis.com/edgewarden/blocker/" + strings.TrimPrefix(name, "edgewarden_blocker_")
}

// export writes the numbers of a run to Cloud Monitoring, if a project is given for them. It comes when all is done and changes no
// exit code; what goes wrong with it is an alert.
func (c *cycle) export(ctx context.Context, rep *report) {
	if c.dry || c.review != nil || c.Monitoring.Project == "" {
		return
	}
	if err := c.writeMetrics(ctx, rep); err != nil {
		c.log.Error("metrics not written", "err", err)
		if len(rep.Services) > 0 {
			rep.Services[0].Alerts = append(rep.Services[0].Alerts, "no metrics for this run: "+err.Error())
		}
	}
}

func (c *cycle) writeMetrics(ctx context.Context, rep *report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportTimeout) // a run that was told to end still counts
	defer cancel()
	o := metrics.Options{Project: c.Monitoring.Project, Endpoint: c.Monitoring.Endpoint, Resource: gcp.Resource(ctx, c.Monitoring.Project, "blocker", c.getenv)}
	if !metrics.Loopback(o.Endpoint) {
		var err error
		if o.ClientOptions, err = gcp.ClientOptions(c.getenv); err != nil {
			return err
		}
	}
	all, labels := make([]metrics.Metric, 0, len(runMetrics)), map[string][]string{}
	for _, m := range runMetrics {
		all = append(all, metrics.Metric{Type: cloudType(m.Name), Name: m.Name, Help: m.Help, Unit: m.UCUM, Labels: m.Labels})
		labels[m.Name] = m.Labels
	}
	now := time.Now()
	var points []metrics.Point
	for _, v := range rep.values(rep.exitCode(false), c.Capacity, now) {
		p := metrics.Point{Type: cloudType(v.name), Value: v.v, Labels: map[string]string{}}
		for i, text := range v.labels {
			p.Labels[labels[v.name][i]] = text
		}
		points = append(points, p)
	}
	if err := metrics.Write(ctx, o, all, points, now); err != nil {
		return fmt.Errorf("Cloud Monitoring: %w", err)
	}
	return nil
}

// exportTimeout bounds the questions to the metadata server and all calls.
const exportTimeout = 15 * time.Second
