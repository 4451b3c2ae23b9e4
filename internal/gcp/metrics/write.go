package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	monitoring "cloud.google.com/go/monitoring/apiv3/v2"
	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/genproto/googleapis/api/label"
	"google.golang.org/genproto/googleapis/api/metric"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxSeries is how many series one call may carry.
const maxSeries = 200

// defaultTimeout bounds all calls of one Write.
const defaultTimeout = 10 * time.Second

// Metric describes one metric. All are gauges of floating-point numbers.
type Metric struct {
	Type   string // custom.googleapis.com/…
	Name   string // for people
	Help   string
	Unit   string   // UCUM: s, By, 1, {blocks}
	Labels []string // keys
}

// Point is the present value of one series.
type Point struct {
	Type   string
	Labels map[string]string
	Value  float64
}

// Options says where to write.
type Options struct {
	Project       string
	Endpoint      string // HOST:PORT in place of Google's; without TLS and credentials on loopback
	ClientOptions []option.ClientOption
	Resource      *monitoredres.MonitoredResource // who writes; two writers must not share one
	Timeout       time.Duration                   // 0: 10 s
}

// Write makes missing descriptors and writes the points, all at the same time. Its error says how many were not written.
func Write(ctx context.Context, o Options, all []Metric, points []Point, at time.Time) error {
	if len(points) == 0 {
		return nil
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	series, err := o.series(points, at)
	if err != nil {
		return err
	}
	client, err := monitoring.NewMetricClient(ctx, o.client()...)
	if err != nil {
		return fmt.Errorf("opening the Cloud Monitoring client: %w", err)
	}
	defer client.Close()
	if err := o.describe(ctx, client, all); err != nil {
		return err
	}
	written := 0
	for chunk := range slices.Chunk(series, maxSeries) {
		if err := client.CreateTimeSeries(ctx, &monitoringpb.CreateTimeSeriesRequest{Name: "projects/" + o.Project, TimeSeries: chunk}); err != nil {
			return fmt.Errorf("writing %d of %d series to Cloud Monitoring: %w", len(series)-written, len(series), brief(err))
		}
		written += len(chunk)
	}
	return nil
}

// client is the options of the library's client.
func (o Options) client() []option.ClientOption {
	if o.Endpoint == "" {
		return o.ClientOptions
	}
	options := append(slices.Clone(o.ClientOptions), option.WithEndpoint(o.Endpoint))
	if Loopback(o.Endpoint) {
		options = append(options, option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	return options
}

// Loopback reports whether HOST:PORT is on this machine.
func Loopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// series is the points as the API takes them. Two points of one series would be refused, so they are a bug.
func (o Options) series(points []Point, at time.Time) ([]*monitoringpb.TimeSeries, error) {
	var all []*monitoringpb.TimeSeries
	seen := map[string]bool{}
	for _, p := range points {
		key := p.Type
		for _, k := range slices.Sorted(maps.Keys(p.Labels)) {
			key += "\x00" + k + "\x00" + p.Labels[k]
		}
		if seen[key] {
			return nil, fmt.Errorf("bug: two points for one series of %s", p.Type)
		}
		seen[key] = true
		all = append(all, &monitoringpb.TimeSeries{
			Metric:     &metric.Metric{Type: p.Type, Labels: p.Labels},
			Resource:   o.Resource,
			MetricKind: metric.MetricDescriptor_GAUGE,
			ValueType:  metric.MetricDescriptor_DOUBLE,
			Points: []*monitoringpb.Point{{
				Interval: &monitoringpb.TimeInterval{EndTime: timestamppb.New(at)},
				Value:    &monitoringpb.TypedValue{Value: &monitoringpb.TypedValue_DoubleValue{DoubleValue: p.Value}},
			}},
		})
	}
	return all, nil
}

// describe makes the descriptors that are missing. One made by the first point would have neither unit nor description.
func (o Options) describe(ctx context.Context, client *monitoring.MetricClient, all []Metric) error {
	have := map[string]*metric.MetricDescriptor{}
	it := client.ListMetricDescriptors(ctx, &monitoringpb.ListMetricDescriptorsRequest{
		Name: "projects/" + o.Project, Filter: fmt.Sprintf("metric.type = starts_with(%q)", prefix(all)),
	})
	for {
		d, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return fmt.Errorf("listing metric descriptors: %w", brief(err))
		}
		have[d.Type] = d
	}
	for _, m := range all {
		d, ok := have[m.Type]
		if ok && d.MetricKind == metric.MetricDescriptor_GAUGE && d.ValueType == metric.MetricDescriptor_DOUBLE && hasLabels(d, m.Labels) {
			continue
		}
		if _, err := client.CreateMetricDescriptor(ctx, &monitoringpb.CreateMetricDescriptorRequest{Name: "projects/" + o.Project, MetricDescriptor: m.descriptor()}); err != nil {
			return fmt.Errorf("creating the descriptor of %s: %w", m.Type, brief(err))
		}
	}
	return nil
}

func (m Metric) descriptor() *metric.MetricDescriptor {
	d := &metric.MetricDescriptor{
		Type: m.Type, MetricKind: metric.MetricDescriptor_GAUGE, ValueType: metric.MetricDescriptor_DOUBLE,
		Unit: m.Unit, Description: m.Help, DisplayName: m.Name,
	}
	for _, key := range m.Labels {
		d.Labels = append(d.Labels, &label.LabelDescriptor{Key: key, ValueType: label.LabelDescriptor_STRING})
	}
	return d
}

func hasLabels(d *metric.MetricDescriptor, keys []string) bool {
	for _, key := range keys {
		if !slices.ContainsFunc(d.Labels, func(l *label.LabelDescriptor) bool { return l.Key == key }) {
			return false
		}
	}
	return true
}

// prefix is what all types begin with, up to a slash.
func prefix(all []Metric) string {
	if len(all) == 0 {
		return "custom.googleapis.com/"
	}
	p := all[0].Type
	for _, m := range all {
		for !strings.HasPrefix(m.Type, p) {
			p = p[:len(p)-1]
		}
	}
	return p[:strings.LastIndex(p, "/")+1]
}

// brief is an error of the API in one line, with what to do where that is known.
func brief(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	text := s.Message()
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	if s.Code() == codes.PermissionDenied {
		text += "; it needs roles/monitoring.metricWriter on the project"
	}
	return fmt.Errorf("%s: %s", s.Code(), text)
}
