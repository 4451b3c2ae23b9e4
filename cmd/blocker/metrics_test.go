package main

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/acl"
	"edgewarden/internal/gcp/metrics/metricstest"
)

// written is the values of a stand-in by name and labels.
func written(s *metricstest.Server) map[string]float64 {
	all := map[string]float64{}
	for _, v := range s.Values() {
		name := strings.TrimPrefix(v.Type, "custom.googleapis.com/edgewarden/blocker/")
		all[strings.TrimSpace(name+" "+v.Labels["service_id"]+" "+v.Labels["code"])] = v.Value
	}
	return all
}

func TestTheNumbersOfARunAreInCloudMonitoring(t *testing.T) {
	s := metricstest.Start(t)
	w := flooded(t)
	config := w.file("edgewarden.yaml", "monitoring: {project: my-project, endpoint: \""+s.Addr+"\"}\n")
	w.want(w.run("--config", config, "--dry-run"), exitOK)
	if got := written(s); len(got) != 0 {
		t.Errorf("a dry run writes %v", got)
	}
	w.want(w.run("--config", config), exitOK)
	got := written(s)
	for name, want := range map[string]float64{
		"blocks_present SVC1": 1, "blocks_written SVC1": 1, "blocks_released SVC1": 0, "blocks_extended SVC1": 0, "guard_passed SVC1": 1, "last_run_exit_code": 0,
		"acl_used_ratio SVC1": 0.0005, "data_age_seconds SVC1": 10, "not_enforced SVC1": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v %v, want %v", name, v, ok, want)
		}
	}
	if age := float64(time.Now().Unix()) - got["last_success_timestamp_seconds"]; age < 0 || age > 600 {
		t.Errorf("the last success was %v s ago", age)
	}
	if _, created := s.Calls(); created != len(runMetrics) {
		t.Errorf("%d descriptors of %d", created, len(runMetrics))
	}
	s.Deny = codes.PermissionDenied
	o := w.want(w.run("--config", config), exitOK)
	if !strings.Contains(o.stdout, "ALERT: no metrics for this run: Cloud Monitoring: writing") || !strings.Contains(o.stdout, "roles/monitoring.metricWriter") {
		t.Errorf("%s", o.stdout)
	}
}

func TestTheNumbersOfAFailedRunAreThoseItGotTo(t *testing.T) {
	s := metricstest.Start(t)
	w := newWorld(t)
	config := w.file("edgewarden.yaml", "monitoring: {project: my-project, endpoint: \""+s.Addr+"\"}\n")
	w.want(w.run("--config", config), exitFailed) // there is no lake
	got := written(s)
	if got["last_run_exit_code"] != exitFailed || got["last_run_timestamp_seconds"] == 0 {
		t.Errorf("%v", got)
	}
	if _, ok := got["last_success_timestamp_seconds"]; ok {
		t.Error("it counts as a success")
	}
	if _, ok := got["data_age_seconds SVC1"]; ok {
		t.Error("it knows how old the data is")
	}
}

// The operator's port says what Cloud Monitoring is told, and keeps the time of the last success.
func TestTheOperatorsPortHasTheSameNumbers(t *testing.T) {
	var l lastRun
	gather := func() map[string]float64 {
		t.Helper()
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(&l)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				all[f.GetName()] = m.GetGauge().GetValue()
			}
		}
		return all
	}
	if got := gather(); len(got) != 1 || got[lastSuccess] != 0 {
		t.Errorf("before the first run: %v", got)
	}
	good := &report{DryRun: true, Services: []*serviceReport{{Plan: &acl.Plan{}, Snapshot: acl.EmptySnapshot(acl.Target{})}}}
	good.Services[0].Service.ID = "SVC1"
	l.set(good.values(0, 1000, time.Unix(1000, 0)))
	l.set((&report{Services: []*serviceReport{{Error: "x"}}}).values(1, 1000, time.Unix(2000, 0)))
	if got := gather(); got[lastSuccess] != 1000 || got["edgewarden_blocker_last_run_timestamp_seconds"] != 2000 || got["edgewarden_blocker_last_run_exit_code"] != 1 {
		t.Errorf("%v", got)
	}
}

// Every row of the table has all that its three readers need, and every number is of a row.
func TestTheTableOfMetricsIsWhole(t *testing.T) {
	labels := map[string]int{}
	for _, m := range runMetrics {
		if !strings.HasPrefix(m.Name, "edgewarden_blocker_") || m.Help == "" || m.Unit == "" || m.UCUM == "" || labels[m.Name] != 0 {
			t.Errorf("%+v", m)
		}
		labels[m.Name] = len(m.Labels) + 1
	}
	if labels[lastSuccess] == 0 {
		t.Error("the last success has no row")
	}
	r := &report{Services: []*serviceReport{{Plan: &acl.Plan{}, Snapshot: acl.EmptySnapshot(acl.Target{})}}}
	r.Services[0].Service.ID = "SVC1"
	for _, v := range r.values(0, 1000, time.Unix(1000, 0)) {
		if labels[v.name] != len(v.labels)+1 {
			t.Errorf("%s has labels %q", v.name, v.labels)
		}
	}
}
