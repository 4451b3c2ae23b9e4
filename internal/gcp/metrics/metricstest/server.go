// Package metricstest is a stand-in for Cloud Monitoring, as strict as the real one where it can refuse.
package metricstest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"google.golang.org/genproto/googleapis/api/label"
	"google.golang.org/genproto/googleapis/api/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Series is the newest point of a series.
type Series struct {
	Type   string
	Labels map[string]string
	Value  float64
}

// Server holds what was written. Fields may be set before the first call.
type Server struct {
	monitoringpb.UnimplementedMetricServiceServer
	Addr string        // HOST:PORT
	Deny codes.Code    // answered to every write of points; OK: none
	Hang chan struct{} // calls wait until it is closed; nil: none does

	mu          sync.Mutex
	descriptors map[string]*metric.MetricDescriptor
	newest      map[string]time.Time
	values      map[string]Series
	calls       []int // series in each call
	created     int
}

// resources is which labels a resource has, all of them.
// https://cloud.google.com/monitoring/api/resources
var resources = map[string][]string{
	"k8s_container": {"cluster_name", "container_name", "location", "namespace_name", "pod_name", "project_id"},
	"generic_task":  {"job", "location", "namespace", "project_id", "task_id"},
}

var (
	typeForm  = regexp.MustCompile(`^custom\.googleapis\.com/[a-zA-Z0-9_/]{1,180}$`)
	labelForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	unitForm  = regexp.MustCompile(`^(1|s|By|\{[a-z_]+\})$`)
	filter    = regexp.MustCompile(`^metric\.type = starts_with\("([^"]+)"\)$`)
)

// Start serves on a port of its own until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), descriptors: map[string]*metric.MetricDescriptor{}, newest: map[string]time.Time{}, values: map[string]Series{}}
	g := grpc.NewServer()
	monitoringpb.RegisterMetricServiceServer(g, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); <-done })
	return s
}

func refuse(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// ListMetricDescriptors pages by two, so that a client that reads one page is found out.
func (s *Server) ListMetricDescriptors(ctx context.Context, r *monitoringpb.ListMetricDescriptorsRequest) (*monitoringpb.ListMetricDescriptorsResponse, error) {
	if s.Hang != nil {
		select {
		case <-s.Hang:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := filter.FindStringSubmatch(r.Filter)
	if !strings.HasPrefix(r.Name, "projects/") || m == nil {
		return nil, refuse("name %q, filter %q", r.Name, r.Filter)
	}
	var found []*metric.MetricDescriptor
	for _, name := range slices.Sorted(maps.Keys(s.descriptors)) {
		if strings.HasPrefix(name, m[1]) && name > r.PageToken {
			found = append(found, s.descriptors[name])
		}
	}
	out := &monitoringpb.ListMetricDescriptorsResponse{MetricDescriptors: found}
	if len(found) > 2 {
		out.MetricDescriptors, out.NextPageToken = found[:2], found[1].Type
	}
	return out, nil
}

// CreateMetricDescriptor refuses what has no description, unit or kind, and a change of kind.
func (s *Server) CreateMetricDescriptor(_ context.Context, r *monitoringpb.CreateMetricDescriptorRequest) (*metric.MetricDescriptor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := r.MetricDescriptor
	if d == nil || !typeForm.MatchString(d.Type) || d.Description == "" || !unitForm.MatchString(d.Unit) || len(d.Labels) > 30 ||
		d.MetricKind == metric.MetricDescriptor_METRIC_KIND_UNSPECIFIED || d.ValueType == metric.MetricDescriptor_VALUE_TYPE_UNSPECIFIED {
		return nil, refuse("descriptor %v", d)
	}
	for _, l := range d.Labels {
		if !labelForm.MatchString(l.Key) {
			return nil, refuse("label %q", l.Key)
		}
	}
	if old := s.descriptors[d.Type]; old != nil && (old.MetricKind != d.MetricKind || old.ValueType != d.ValueType) {
		return nil, refuse("the kind of %s cannot change", d.Type)
	}
	s.descriptors[d.Type] = d
	s.created++
	return d, nil
}

// CreateTimeSeries takes all of a call or nothing.
func (s *Server) CreateTimeSeries(_ context.Context, r *monitoringpb.CreateTimeSeriesRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Deny != codes.OK {
		return nil, status.Error(s.Deny, "not today")
	}
	if n := len(r.TimeSeries); n == 0 || n > 200 {
		return nil, refuse("%d series in a call, 200 are the most", n)
	}
	newest, values := map[string]time.Time{}, map[string]Series{}
	for _, ts := range r.TimeSeries {
		key, err := s.judge(ts, r.Name)
		if err != nil {
			return nil, err
		}
		if _, twice := newest[key]; twice {
			return nil, refuse("a series comes twice in a call: %s", key)
		}
		end := ts.Points[0].Interval.EndTime.AsTime()
		if last, ok := s.newest[key]; ok && end.Sub(last) < 5*time.Second {
			return nil, refuse("points were written more frequently than the maximum sampling period: %s", key)
		}
		newest[key] = end
		values[key] = Series{ts.Metric.Type, ts.Metric.Labels, ts.Points[0].Value.GetDoubleValue()}
	}
	maps.Copy(s.newest, newest)
	maps.Copy(s.values, values)
	s.calls = append(s.calls, len(r.TimeSeries))
	return &emptypb.Empty{}, nil
}

// judge says what is wrong with one series, and names it.
func (s *Server) judge(ts *monitoringpb.TimeSeries, project string) (string, error) {
	d := s.descriptors[ts.GetMetric().GetType()]
	if d == nil {
		return "", refuse("no descriptor of %q", ts.GetMetric().GetType()) // Google would make one, without unit and description
	}
	if ts.MetricKind != d.MetricKind || ts.ValueType != d.ValueType || len(ts.Points) != 1 {
		return "", refuse("kind, type or number of points of %s", d.Type)
	}
	p := ts.Points[0]
	if _, ok := p.GetValue().GetValue().(*monitoringpb.TypedValue_DoubleValue); !ok || d.ValueType != metric.MetricDescriptor_DOUBLE {
		return "", refuse("the value of %s is no number of its type", d.Type)
	}
	if end := p.GetInterval().GetEndTime(); end == nil || p.Interval.StartTime != nil && d.MetricKind == metric.MetricDescriptor_GAUGE || time.Until(end.AsTime()) > 5*time.Minute || time.Since(end.AsTime()) > 25*time.Hour {
		return "", refuse("the time of %s", d.Type)
	}
	for key, value := range ts.Metric.Labels {
		if !slices.ContainsFunc(d.Labels, func(l *label.LabelDescriptor) bool { return l.Key == key }) || len(value) > 1024 {
			return "", refuse("label %s of %s", key, d.Type)
		}
	}
	want, got := resources[ts.GetResource().GetType()], slices.Sorted(maps.Keys(ts.GetResource().GetLabels()))
	if want == nil || !slices.Equal(want, got) || "projects/"+ts.Resource.Labels["project_id"] != project {
		return "", refuse("resource %v", ts.Resource)
	}
	return fmt.Sprint(d.Type, ts.Metric.Labels, ts.Resource.Labels), nil // fmt sorts the keys of a map
}

// Values is the newest point of every series.
func (s *Server) Values() []Series {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.values))
}

// Calls is how many series each successful call carried; Created, how many descriptors were made.
func (s *Server) Calls() (calls []int, created int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls), s.created
}
