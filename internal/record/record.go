// Package record defines what one Fastly request is: [Record], and the one
// table of its fields, [Fields]. The log format, the lake's columns, the Cloud
// Logging payload, the BigQuery schema and the rule environment are all made
// from that table, so that a renamed field cannot drift between them.
//
// The package holds no behaviour beyond access by field: it imports the
// standard library only and knows neither where a record comes from nor where
// it goes.
package record

import "time"

// Values of [Record.Kind].
const (
	KindRequest   = "request"   // one HTTP request served or refused at the edge
	KindHeartbeat = "heartbeat" // ingest's own counters, once a minute; counters are in Extra
	KindText      = "text"      // a line that was not understood; the line is in Text, why in Problem
)

// Values of [Record.Sender]: how the connection or line that brought the
// record was authenticated.
const (
	SenderMTLS   = "mtls"   // a client certificate signed by the configured client CA
	SenderToken  = "token"  // the configured token stood before the line
	SenderImport = "import" // read from a file by `ingest import`
	SenderNone   = "none"   // nothing authenticated it
)

// Values of [Record.AddressSource]: how far ClientIP can be trusted.
const (
	// AddressEdge: the line carries the literal key first_hop and it is true,
	// so it is our own format and ClientIP is Fastly's client.ip at the first hop.
	AddressEdge = "edge"
	// AddressHeader: anything else (%h, a default client_ip, an alias); a client
	// can forge it by sending a Fastly-Client-IP header.
	// https://www.fastly.com/documentation/reference/http/http-headers/Fastly-Client-IP/
	AddressHeader = "header"
)

// Values of [Record.TimeSource]: where Timestamp was found.
const (
	TimeMessage  = "message"  // in the message itself: the request's own time
	TimePrefix   = "prefix"   // in the syslog prefix: when Fastly sent the line
	TimeReceived = "received" // nowhere: the time ingest read the line; never counted by detection
)

// Record is one parsed line. A string field is absent when it is empty; a
// number, boolean or time is absent unless its bit is set in Present. The zero
// Record is a valid empty one.
type Record struct {
	Present Set  // which non-string fields were set
	UTF8    bool // whoever made the record made sure that all its strings are valid UTF-8; false: nobody did

	Timestamp time.Time // event time, UTC, microseconds

	ServiceID     string
	RequestID     string
	POP           string
	ClientIP      string // canonical text, IPv4-mapped addresses unmapped
	ClientASN     int64
	ClientCountry string
	Host          string
	Method        string
	Path          string
	Query         string
	Protocol      string
	Status        int64
	ResponseBytes int64
	RequestBytes  int64
	ElapsedUsec   int64
	TTFBUsec      int64
	Cache         string
	UserAgent     string
	Referer       string
	TLSVersion    string
	TLSCipher     string
	JA3           string
	JA4           string
	FirstHop      bool
	BotName       string
	Blocked       bool
	WouldBlock    bool
	ClaimsOtherIP bool

	Kind     string
	Text     string
	Received time.Time
	Position string
	Node     string
	Endpoint string

	Sender        string
	AddressSource string
	TimeSource    string
	Problem       string

	ClientKey    string
	ClientPrefix string
	Extra        string // JSON object of keys not in the table; empty when there are none
}

// Set is a set of fields.
type Set uint64

// Has reports whether f is in the set.
func (s Set) Has(f Field) bool { return s&(1<<f) != 0 }

// With returns the set with f added.
func (s Set) With(f Field) Set { return s | 1<<f }

// Has reports whether the record carries field f.
func (r *Record) Has(f Field) bool {
	if Fields[f].Type == String {
		return *r.Str(f) != ""
	}
	return r.Present.Has(f)
}
