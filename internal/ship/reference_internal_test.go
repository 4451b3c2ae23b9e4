package ship

import (
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	logtype "google.golang.org/genproto/googleapis/logging/type"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"edgewarden/internal/record"
)

// slowBuilder makes log entries of records with the official types. It is what
// the encoder is checked against, entry by entry.
type slowBuilder struct {
	heartbeatLog string // log name of heartbeats
	retention    time.Duration
}

// entry returns the entry of a record and its size in bytes.
//
// A request is a jsonPayload with the record's fields under their names, the
// absent ones left out, timestamp and position too, since they are the entry's
// own timestamp and insertId. Numbers are float64 there (a Struct knows no
// other), exact up to 2^53. A line that was not understood is a textPayload
// with what is known of it as labels.
func (b *slowBuilder) entry(r *record.Record, now time.Time) (*loggingpb.LogEntry, int) {
	c := *r
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Type == record.String {
			*c.Str(f) = valid(*c.Str(f))
		}
	}
	r = &c
	e := b.build(r, now)
	size := proto.Size(e)
	if size <= maxEntryBytes {
		return e, size
	}
	return b.cut(r, now, size)
}

func (b *slowBuilder) build(r *record.Record, now time.Time) *loggingpb.LogEntry {
	at, clamped := b.timestamp(r, now)
	e := &loggingpb.LogEntry{
		InsertId:  valid(r.Position),
		Timestamp: timestamppb.New(at),
	}
	original := ""
	if clamped {
		original = r.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	switch r.Kind {
	case record.KindText:
		e.Severity = logtype.LogSeverity_NOTICE
		e.Payload = &loggingpb.LogEntry_TextPayload{TextPayload: valid(r.Text)}
		e.Labels = labels(r, original)
		return e
	case record.KindHeartbeat:
		e.LogName = b.heartbeatLog
		e.Severity = logtype.LogSeverity_INFO
	default:
		e.Severity = slowSeverity(r)
		e.HttpRequest = httpRequest(r)
	}
	e.Payload = &loggingpb.LogEntry_JsonPayload{JsonPayload: payload(r, original)}
	return e
}

// timestamp returns the event time, or the time of arrival when Cloud Logging
// would not keep the former: it refuses what lies over 24 h ahead, and takes
// but does not store what is older than the retention of its bucket. Both are
// compared with the arrival, not with now, so that a retry has the same
// timestamp and is recognised. Only a line that waited in the spool for longer
// than the retention is moved to the beginning of this day.
func (b *slowBuilder) timestamp(r *record.Record, now time.Time) (at time.Time, clamped bool) {
	arrived := r.Received
	if arrived.IsZero() || arrived.After(now) {
		arrived = now
	}
	if now.Sub(arrived) >= b.retention {
		arrived = now.UTC().Truncate(24 * time.Hour)
	}
	if !r.Has(record.Timestamp) {
		return arrived, false
	}
	t := r.Timestamp
	if t.After(arrived.Add(maxAhead)) || !t.After(arrived.Add(-b.retention)) {
		return arrived, true
	}
	return t, false
}

// severity: 5xx is an error, 4xx a warning, everything else information.
func slowSeverity(r *record.Record) logtype.LogSeverity {
	switch {
	case r.Status >= 500:
		return logtype.LogSeverity_ERROR
	case r.Status >= 400:
		return logtype.LogSeverity_WARNING
	}
	return logtype.LogSeverity_INFO
}

// httpRequest fills the part that Logs Explorer shows as the summary.
func httpRequest(r *record.Record) *logtype.HttpRequest {
	h := &logtype.HttpRequest{
		RequestMethod: valid(r.Method),
		RequestUrl:    valid(requestURL(r)),
		RequestSize:   max(0, r.RequestBytes),
		Status:        int32(min(max(0, r.Status), 1<<15)),
		ResponseSize:  max(0, r.ResponseBytes),
		UserAgent:     valid(r.UserAgent),
		RemoteIp:      valid(r.ClientIP),
		Referer:       valid(r.Referer),
		CacheHit:      strings.HasPrefix(r.Cache, "HIT"),
		CacheLookup:   strings.HasPrefix(r.Cache, "HIT") || strings.HasPrefix(r.Cache, "MISS"),
		Protocol:      valid(r.Protocol),
	}
	if r.Has(record.ElapsedUsec) && r.ElapsedUsec >= 0 {
		h.Latency = &durationpb.Duration{Seconds: r.ElapsedUsec / 1e6, Nanos: int32(r.ElapsedUsec%1e6) * 1000}
	}
	return h
}

// requestURL is scheme, host, path and query. The scheme is left out when the
// line does not tell it: only our own format says that there was no TLS.
func requestURL(r *record.Record) string {
	var u strings.Builder
	u.Grow(len("https://") + len(r.Host) + len(r.Path) + 1 + len(r.Query))
	if r.Host != "" {
		switch {
		case r.TLSVersion != "":
			u.WriteString("https:")
		case r.Has(record.FirstHop):
			u.WriteString("http:")
		}
		u.WriteString("//")
		u.WriteString(r.Host)
	}
	u.WriteString(r.Path)
	if r.Query != "" {
		u.WriteByte('?')
		u.WriteString(r.Query)
	}
	return u.String()
}

// payload is the record as a Struct.
func payload(r *record.Record, original string) *structpb.Struct {
	fields := make(map[string]*structpb.Value, record.NumFields)
	for f := record.Field(0); f < record.NumFields; f++ {
		if f == record.Timestamp || f == record.Position || !r.Has(f) {
			continue
		}
		fields[record.Fields[f].Name] = payloadValue(r, f)
	}
	if original != "" {
		fields[OriginalTimestamp] = structpb.NewStringValue(original)
	}
	return &structpb.Struct{Fields: fields}
}

func payloadValue(r *record.Record, f record.Field) *structpb.Value {
	switch record.Fields[f].Type {
	case record.Int:
		return structpb.NewNumberValue(float64(*r.Int(f)))
	case record.Bool:
		return structpb.NewBoolValue(*r.Bool(f))
	case record.Time:
		return structpb.NewStringValue(r.Time(f).UTC().Format(time.RFC3339Nano))
	}
	return structpb.NewStringValue(valid(*r.Str(f)))
}

// labels are what is known of a line that was not understood.
func labels(r *record.Record, original string) map[string]string {
	l := make(map[string]string)
	for f := record.Field(0); f < record.NumFields; f++ {
		if f == record.Timestamp || f == record.Position || f == record.Text || !r.Has(f) {
			continue
		}
		switch record.Fields[f].Type {
		case record.String:
			l[record.Fields[f].Name] = shortLabel(valid(*r.Str(f)))
		case record.Time:
			l[record.Fields[f].Name] = r.Time(f).UTC().Format(time.RFC3339Nano)
		}
	}
	if original != "" {
		l[OriginalTimestamp] = original
	}
	return l
}

// valid makes a string that protobuf takes; it returns s itself when it is.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// cut returns the entry with its longest fields shortened until it fits. Each
// of them ends in a mark with its original length.
func (b *slowBuilder) cut(r *record.Record, now time.Time, size int) (*loggingpb.LogEntry, int) {
	c := *r
	whole := strconv.Itoa(size)
	lengths := make(map[record.Field]int) // original lengths of the cut fields
	for range 4 * int(record.NumFields) {
		f := longest(&c)
		s := c.Str(f)
		if _, again := lengths[f]; !again {
			lengths[f] = len(*s)
		}
		// A field may be in the entry twice, so more than the excess may go;
		// the next round takes what is still too much.
		keep := max(0, min(len(*s)-1, len(*s)-(size-maxEntryBytes)/2-128))
		*s = cutString(valid(*s), keep) + cutMark(lengths[f])
		e := b.build(&c, now)
		if e.Labels == nil {
			e.Labels = make(map[string]string, 1)
		}
		e.Labels[CutLabel] = whole
		if size = proto.Size(e); size <= maxEntryBytes {
			return e, size
		}
	}
	// Not reached with the field table: 41 short strings fit. The server has
	// the last word on whatever this is.
	return b.build(&c, now), size
}
