package ship

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	logging "cloud.google.com/go/logging/apiv2"
	"google.golang.org/api/option"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// CloudLoggingName is Cloud Logging's name as a sink.
const CloudLoggingName = "cloudlogging"

// HeartbeatSuffix is appended to the log id for the log of heartbeats.
const HeartbeatSuffix = "_heartbeat"

// maxRequestBytes keeps a request under Google's 10 MB with room for what is
// not entries. https://cloud.google.com/logging/quotas
const maxRequestBytes = 9 << 20

// CloudLoggingOptions configure [NewCloudLogging].
type CloudLoggingOptions struct {
	Project string // project id
	LogID   string // letters, digits and /_-. ; heartbeats go to <LogID>_heartbeat

	// Endpoint is another host:port than Google's. Insecure talks to it
	// without TLS and without credentials; ClientOptions are ignored then.
	// CAFile holds the PEM certificates that sign it.
	Endpoint string
	Insecure bool
	CAFile   string

	// ClientOptions carry the credentials; without any, the default ones are
	// used at Google's endpoint and none at another, which must not see them.
	ClientOptions []option.ClientOption

	Resource  *monitoredres.MonitoredResource // nil means global
	Retention time.Duration                   // of the log bucket; 0 means 30 days
	Timeout   time.Duration                   // of one call; 0 means 30 s
	Now       func() time.Time                // nil means time.Now
}

var (
	projectID = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]*$`)
	logIDForm = regexp.MustCompile(`^[A-Za-z0-9/_.-]+$`)
)

func (o *CloudLoggingOptions) validate() error {
	var errs []error
	if !projectID.MatchString(o.Project) {
		errs = append(errs, fmt.Errorf("project %q is no project id", o.Project))
	}
	// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
	if !logIDForm.MatchString(o.LogID) || len(o.LogID)+len(HeartbeatSuffix) >= 512 {
		errs = append(errs, fmt.Errorf("log id %q: use letters, digits and / _ - . , fewer than %d of them", o.LogID, 512-len(HeartbeatSuffix)))
	}
	if o.Insecure && o.Endpoint == "" {
		errs = append(errs, errors.New("a connection without TLS needs an endpoint of its own; Google's does not offer it"))
	}
	if o.Insecure && o.CAFile != "" {
		errs = append(errs, errors.New("a CA file makes no sense without TLS; give one or the other"))
	}
	if o.Retention < 0 || o.Timeout < 0 {
		errs = append(errs, errors.New("retention and timeout must not be negative"))
	}
	o.Retention = orDefault(o.Retention, 30*24*time.Hour)
	o.Timeout = orDefault(o.Timeout, 30*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Resource == nil {
		o.Resource = &monitoredres.MonitoredResource{Type: "global", Labels: map[string]string{"project_id": o.Project}}
	}
	return errors.Join(errs...)
}

// clientOptions are the options of the library's client.
func (o *CloudLoggingOptions) clientOptions() ([]option.ClientOption, error) {
	opts := []option.ClientOption{option.WithTelemetryDisabled(), option.WithUserAgent("edgewarden")}
	if o.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(o.Endpoint))
	}
	if o.Insecure {
		return append(opts, option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))), nil
	}
	if o.CAFile != "" {
		pool, err := readPool(o.CAFile)
		if err != nil {
			return nil, err
		}
		tlsCreds := credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
		opts = append(opts, option.WithGRPCDialOption(grpc.WithTransportCredentials(tlsCreds)))
	}
	if o.Endpoint != "" && len(o.ClientOptions) == 0 && !googleHost.MatchString(o.Endpoint) {
		opts = append(opts, option.WithoutAuthentication())
	}
	return append(opts, o.ClientOptions...), nil
}

// googleHost matches Google's own endpoints, the regional ones and those of
// Private Service Connect too.
var googleHost = regexp.MustCompile(`^([a-z0-9-]+\.)*googleapis\.com(:[0-9]+)?$`)

func readPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %s: it holds no PEM certificate", path)
	}
	return pool, nil
}

// CloudLogging is Cloud Logging as a [Sink]. It writes with the low-level
// client, one call at a time for each Write, and leaves every retry to the
// [Shipper], which knows what is at stake. Entries never exist as Go values:
// the encoder makes their bytes, and the codec puts them on the connection.
type CloudLogging struct {
	o      CloudLoggingOptions
	client *logging.Client
	codec  *codec
	log    string

	heartbeatLog string
	packers      sync.Pool // of *packer: as many as there are writes at a time
	usual        atomic.Int64

	// known is the bytes of an entry that the API took; see [sending.name].
	known atomic.Pointer[[]byte]
}

// connections is how many there are to the API. Two, because one of them is
// bounded by what HTTP/2 lets be under way on it.
const connections = 2

// A connection that a middlebox forgot in silence must not take a call's whole
// deadline again and again until TCP gives up, which is a quarter of an hour.
// Pings are rare, since servers refuse too many; on Linux the timeout also
// bounds how long sent bytes may go unacknowledged.
const (
	pingAfter   = 2 * time.Minute
	pingTimeout = 20 * time.Second
)

// The shipper backs off by itself. gRPC's own backoff on top of it, up to two
// minutes, would keep a backlog waiting long after the API is back.
var reconnect = grpcbackoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}

const connectTimeout = 5 * time.Second

// NewCloudLogging returns the sink. It does not connect: an endpoint that does
// not answer shows at the first Write. ctx is used for the credentials.
func NewCloudLogging(ctx context.Context, o CloudLoggingOptions) (*CloudLogging, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("set up Cloud Logging: %w", err)
	}
	opts, err := o.clientOptions()
	if err != nil {
		return nil, fmt.Errorf("set up Cloud Logging: %w", err)
	}
	codec := newCodec()
	opts = append(opts, option.WithGRPCConnectionPool(connections),
		option.WithGRPCDialOption(grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec))),
		option.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: connectTimeout})),
		option.WithGRPCDialOption(grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout})))
	client, err := logging.NewClient(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("set up Cloud Logging: %w", err)
	}
	return &CloudLogging{
		o:            o,
		client:       client,
		codec:        codec,
		log:          logName(o.Project, o.LogID),
		heartbeatLog: logName(o.Project, o.LogID+HeartbeatSuffix),
	}, nil
}

// Name returns "cloudlogging".
func (*CloudLogging) Name() string { return CloudLoggingName }

// Close ends the connections.
func (c *CloudLogging) Close() error { return c.client.Close() }

// Write stores the batch in as many requests as its bytes need. Entries the
// API will never take are returned as refused.
func (c *CloudLogging) Write(ctx context.Context, b *Batch) ([]Refusal, error) {
	p := c.packer()
	defer c.packers.Put(p)
	now := c.o.Now()
	to := sending{CloudLogging: c}
	var refused []Refusal
	flush := func() error {
		r, err := to.send(ctx, p.part)
		refused = append(refused, r...)
		p.sent(err == nil && len(r) == 0)
		return err
	}
	for i, r := range b.Records {
		if p.add(i, r, now) {
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
		p.add(i, r, now)
	}
	if len(p.part.entries) == 0 {
		return refused, nil
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return refused, nil
}

// packer returns an empty packer.
func (c *CloudLogging) packer() *packer {
	if p, ok := c.packers.Get().(*packer); ok {
		return p
	}
	return &packer{encoder: encoder{heartbeatLog: c.heartbeatLog, retention: c.o.Retention}, usual: &c.usual}
}
