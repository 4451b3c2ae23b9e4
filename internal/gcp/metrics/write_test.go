package metrics_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/monitoredres"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/gcp/metrics"
	"edgewarden/internal/gcp/metrics/metricstest"
)

var table = []metrics.Metric{
	{Type: "custom.googleapis.com/edgewarden/x/age_seconds", Name: "age", Help: "How old.", Unit: "s", Labels: []string{"service_id"}},
	{Type: "custom.googleapis.com/edgewarden/x/used_ratio", Name: "used", Help: "How full.", Unit: "1", Labels: []string{"service_id"}},
	{Type: "custom.googleapis.com/edgewarden/x/exit_code", Name: "code", Help: "How it ended.", Unit: "1"},
}

func options(s *metricstest.Server) metrics.Options {
	return metrics.Options{Project: "acme", Endpoint: s.Addr, Resource: &monitoredres.MonitoredResource{Type: "generic_task", Labels: map[string]string{
		"project_id": "acme", "location": "global", "namespace": "edgewarden", "job": "blocker", "task_id": "host"}}}
}

// points is one point for each of so many services, and one without labels.
func points(services int) []metrics.Point {
	all := []metrics.Point{{Type: table[2].Type, Value: 3}}
	for i := range services {
		all = append(all, metrics.Point{Type: table[0].Type, Labels: map[string]string{"service_id": fmt.Sprint("SVC", i)}, Value: float64(i) + 0.5})
	}
	return all
}

func TestDescriptorsComeFirstAndOnce(t *testing.T) {
	s := metricstest.Start(t)
	now := time.Now()
	for i := range 2 {
		if err := metrics.Write(t.Context(), options(s), table, points(1), now.Add(time.Duration(i)*5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	calls, created := s.Calls()
	if created != len(table) || !slices.Equal(calls, []int{2, 2}) {
		t.Errorf("%d descriptors made, calls %v", created, calls)
	}
	values := s.Values()
	if len(values) != 2 || !slices.ContainsFunc(values, func(v metricstest.Series) bool { return v.Value == 0.5 && v.Labels["service_id"] == "SVC0" }) {
		t.Errorf("%v", values)
	}
}

func TestACallCarriesAtMost200Series(t *testing.T) {
	s := metricstest.Start(t)
	if err := metrics.Write(t.Context(), options(s), table, points(450), time.Now()); err != nil {
		t.Fatal(err)
	}
	if calls, _ := s.Calls(); !slices.Equal(calls, []int{200, 200, 51}) {
		t.Errorf("calls %v", calls)
	}
}

func TestWhatIsRefusedIsAnErrorAndNotRepeated(t *testing.T) {
	s := metricstest.Start(t)
	now := time.Now()
	if err := metrics.Write(t.Context(), options(s), table, points(1), now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		points []metrics.Point
		at     time.Time
		want   string
	}{
		"too soon":                      {points(1), now.Add(time.Second), "more frequently"},
		"twice":                         {append(points(1), points(1)...), now.Add(time.Minute), "bug: two points"},
		"no such type":                  {[]metrics.Point{{Type: "custom.googleapis.com/edgewarden/x/other"}}, now.Add(time.Minute), "no descriptor"},
		"a label that is not described": {[]metrics.Point{{Type: table[2].Type, Labels: map[string]string{"x": "y"}}}, now.Add(time.Minute), "label x"},
	} {
		if err := metrics.Write(t.Context(), options(s), table, c.points, c.at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Deny = codes.PermissionDenied
	if err := metrics.Write(t.Context(), options(s), table, points(1), now.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "roles/monitoring.metricWriter") {
		t.Errorf("%v", err)
	}
	if calls, _ := s.Calls(); len(calls) != 1 {
		t.Errorf("calls %v", calls)
	}
}

func TestWriteEndsAtItsDeadline(t *testing.T) {
	s := metricstest.Start(t)
	s.Hang = make(chan struct{})
	defer close(s.Hang)
	o := options(s)
	o.Timeout = 100 * time.Millisecond
	if err := metrics.Write(t.Context(), o, table, points(1), time.Now()); err == nil {
		t.Error("no error")
	}
}

func TestNothingToWriteAsksNobody(t *testing.T) {
	if err := metrics.Write(t.Context(), metrics.Options{Project: "acme", Endpoint: "127.0.0.1:1"}, table, nil, time.Now()); err != nil {
		t.Error(err)
	}
}
