package record

import (
	"time"
	"unsafe"
)

// Type is the one type a field has, always.
type Type uint8

// The types a field can have.
const (
	String Type = iota
	Int         // signed 64-bit
	Bool
	Time // UTC, microsecond resolution
)

// String returns the type's name as it is shown in documentation and errors.
func (t Type) String() string { return [...]string{"string", "int", "bool", "time"}[t] }

// Origin says who fills a field.
type Origin uint8

// The origins a field can have.
const (
	FromLine Origin = iota // written by the edge into the line
	ByIngest               // added by ingest from the connection, the prefix or the clock
	Computed               // computed at parse from other fields
)

// Field names one field; it indexes [Fields].
type Field uint8

// The fields, in the order of [Fields].
const (
	Timestamp Field = iota
	ServiceID
	RequestID
	POP
	ClientIP
	ClientASN
	ClientCountry
	Host
	Method
	Path
	Query
	Protocol
	Status
	ResponseBytes
	RequestBytes
	ElapsedUsec
	TTFBUsec
	Cache
	UserAgent
	Referer
	TLSVersion
	TLSCipher
	JA3
	JA4
	FirstHop
	BotName
	Blocked
	WouldBlock
	ClaimsOtherIP
	Kind
	Text
	Received
	Position
	Node
	Endpoint
	Sender
	AddressSource
	TimeSource
	Problem
	ClientKey
	ClientPrefix
	Extra
	NumFields // how many fields there are; not a field
)

// Info describes one field.
type Info struct {
	Name     string // the column, log key and rule name
	Type     Type
	Unit     string // "bytes", "us"; empty when the value has none
	Origin   Origin
	Optional bool // a line of our own format may leave it out
	Meaning  string
}

// Fields is the table of fields, indexed by [Field].
var Fields = [NumFields]Info{
	Timestamp:     {"timestamp", Time, "", FromLine, false, "when the request began at the edge (time.start)"},
	ServiceID:     {"service_id", String, "", FromLine, false, "Fastly service that served the request"},
	RequestID:     {"request_id", String, "", FromLine, true, "id given to the request at the first hop; shown on the block page"},
	POP:           {"pop", String, "", FromLine, false, "Fastly point of presence, such as AMS"},
	ClientIP:      {"client_ip", String, "", FromLine, false, "client address; client.ip at the first hop in our format"},
	ClientASN:     {"client_asn", Int, "", FromLine, true, "autonomous system number of the client address"},
	ClientCountry: {"client_country", String, "", FromLine, true, "two-letter country code of the client address"},
	Host:          {"host", String, "", FromLine, false, "Host header"},
	Method:        {"method", String, "", FromLine, false, "request method"},
	Path:          {"path", String, "", FromLine, false, "URL path without query"},
	Query:         {"query", String, "", FromLine, true, "URL query without the question mark"},
	Protocol:      {"protocol", String, "", FromLine, true, "request protocol, such as HTTP/2"},
	Status:        {"status", Int, "", FromLine, false, "status code sent to the client"},
	ResponseBytes: {"response_bytes", Int, "bytes", FromLine, true, "bytes written to the client, headers included"},
	RequestBytes:  {"request_bytes", Int, "bytes", FromLine, true, "bytes read from the client"},
	ElapsedUsec:   {"elapsed_usec", Int, "us", FromLine, true, "time from the request's start to its end"},
	TTFBUsec:      {"ttfb_usec", Int, "us", FromLine, true, "time from the request's start to the first byte of the answer"},
	Cache:         {"cache", String, "", FromLine, true, "fastly_info.state: HIT, MISS, PASS, ERROR, SYNTH with suffixes"},
	UserAgent:     {"user_agent", String, "", FromLine, true, "User-Agent header"},
	Referer:       {"referer", String, "", FromLine, true, "Referer header"},
	TLSVersion:    {"tls_version", String, "", FromLine, true, "TLS protocol, such as TLSv1.3"},
	TLSCipher:     {"tls_cipher", String, "", FromLine, true, "TLS cipher suite"},
	JA3:           {"ja3", String, "", FromLine, true, "JA3 fingerprint of the TLS client hello, MD5 hex"},
	JA4:           {"ja4", String, "", FromLine, true, "JA4 fingerprint of the TLS client hello"},
	FirstHop:      {"first_hop", Bool, "", FromLine, false, "true where the client connected; false at a shield"},
	BotName:       {"bot_name", String, "", FromLine, true, "name of a bot recognised by Fastly"},
	Blocked:       {"blocked", Bool, "", FromLine, true, "refused by our block ACL"},
	WouldBlock:    {"would_block", Bool, "", FromLine, true, "matched the shadow ACL; nothing was refused for it"},
	ClaimsOtherIP: {"claims_other_ip", Bool, "", FromLine, true, "the client sent a Fastly-Client-IP other than its own address; so does a proxy in front of Fastly"},

	Kind:     {"kind", String, "", ByIngest, false, "request, heartbeat or text"},
	Text:     {"text", String, "", ByIngest, true, "the redacted line, when it was not understood"},
	Received: {"received", Time, "", ByIngest, false, "when ingest read the line"},
	Position: {"position", String, "", ByIngest, false, "spool id and position, unique and ordered; also the Cloud Logging insert_id"},
	Node:     {"node", String, "", ByIngest, true, "cache node named in the syslog prefix"},
	Endpoint: {"endpoint", String, "", ByIngest, true, "logging endpoint named in the syslog prefix"},

	Sender:        {"sender", String, "", ByIngest, false, "how the line was authenticated: mtls, token, import or none"},
	AddressSource: {"address_source", String, "", ByIngest, true, "edge: client.ip in our format; header: forgeable by a client"},
	TimeSource:    {"time_source", String, "", ByIngest, false, "where timestamp was found: message, prefix or received"},
	Problem:       {"problem", String, "", ByIngest, true, "why the line is text, or what in it was cut or repaired"},

	ClientKey:    {"client_key", String, "", Computed, true, "what one client is: the IPv4 host, or the IPv6 /64"},
	ClientPrefix: {"client_prefix", String, "", Computed, true, "the client's neighbourhood: IPv4 /24, IPv6 /56"},
	Extra:        {"extra", String, "", Computed, true, "JSON object of the keys this table does not have"},
}

// ByName returns the field with the given name.
func ByName(name string) (Field, bool) {
	f, ok := byName[name]
	return f, ok
}

var byName = func() map[string]Field {
	m := make(map[string]Field, NumFields)
	for f := Field(0); f < NumFields; f++ {
		m[Fields[f].Name] = f
	}
	return m
}()

// place is where a field stands in a [Record], and what stands there.
type place struct {
	at uint16
	is Type
}

// places has the place of each field. A table, because it is asked some sixty times a line.
var places = func() (ps [NumFields]place) {
	for f, at := range offsets {
		ps[f] = place{uint16(at), Fields[f].Type}
	}
	return ps
}()

var offsets = [NumFields]uintptr{
	Timestamp:     unsafe.Offsetof(Record{}.Timestamp),
	ServiceID:     unsafe.Offsetof(Record{}.ServiceID),
	RequestID:     unsafe.Offsetof(Record{}.RequestID),
	POP:           unsafe.Offsetof(Record{}.POP),
	ClientIP:      unsafe.Offsetof(Record{}.ClientIP),
	ClientASN:     unsafe.Offsetof(Record{}.ClientASN),
	ClientCountry: unsafe.Offsetof(Record{}.ClientCountry),
	Host:          unsafe.Offsetof(Record{}.Host),
	Method:        unsafe.Offsetof(Record{}.Method),
	Path:          unsafe.Offsetof(Record{}.Path),
	Query:         unsafe.Offsetof(Record{}.Query),
	Protocol:      unsafe.Offsetof(Record{}.Protocol),
	Status:        unsafe.Offsetof(Record{}.Status),
	ResponseBytes: unsafe.Offsetof(Record{}.ResponseBytes),
	RequestBytes:  unsafe.Offsetof(Record{}.RequestBytes),
	ElapsedUsec:   unsafe.Offsetof(Record{}.ElapsedUsec),
	TTFBUsec:      unsafe.Offsetof(Record{}.TTFBUsec),
	Cache:         unsafe.Offsetof(Record{}.Cache),
	UserAgent:     unsafe.Offsetof(Record{}.UserAgent),
	Referer:       unsafe.Offsetof(Record{}.Referer),
	TLSVersion:    unsafe.Offsetof(Record{}.TLSVersion),
	TLSCipher:     unsafe.Offsetof(Record{}.TLSCipher),
	JA3:           unsafe.Offsetof(Record{}.JA3),
	JA4:           unsafe.Offsetof(Record{}.JA4),
	FirstHop:      unsafe.Offsetof(Record{}.FirstHop),
	BotName:       unsafe.Offsetof(Record{}.BotName),
	Blocked:       unsafe.Offsetof(Record{}.Blocked),
	WouldBlock:    unsafe.Offsetof(Record{}.WouldBlock),
	ClaimsOtherIP: unsafe.Offsetof(Record{}.ClaimsOtherIP),
	Kind:          unsafe.Offsetof(Record{}.Kind),
	Text:          unsafe.Offsetof(Record{}.Text),
	Received:      unsafe.Offsetof(Record{}.Received),
	Position:      unsafe.Offsetof(Record{}.Position),
	Node:          unsafe.Offsetof(Record{}.Node),
	Endpoint:      unsafe.Offsetof(Record{}.Endpoint),
	Sender:        unsafe.Offsetof(Record{}.Sender),
	AddressSource: unsafe.Offsetof(Record{}.AddressSource),
	TimeSource:    unsafe.Offsetof(Record{}.TimeSource),
	Problem:       unsafe.Offsetof(Record{}.Problem),
	ClientKey:     unsafe.Offsetof(Record{}.ClientKey),
	ClientPrefix:  unsafe.Offsetof(Record{}.ClientPrefix),
	Extra:         unsafe.Offsetof(Record{}.Extra),
}

// field is where field f stands in r; it panics when f is not of type t.
func (r *Record) field(f Field, t Type) unsafe.Pointer {
	p := places[f]
	if p.is != t {
		wrongType(f, t)
	}
	return unsafe.Add(unsafe.Pointer(r), p.at)
}

func wrongType(f Field, t Type) {
	panic("record: bug: " + Fields[f].Name + " is not of type " + t.String())
}

// Str returns the address of a string field, to read or set it; it panics when
// f is of another type.
func (r *Record) Str(f Field) *string { return (*string)(r.field(f, String)) }

// Int returns the address of a number field; setting it needs [Record.Present]
// set as well. It panics when f is of another type.
func (r *Record) Int(f Field) *int64 { return (*int64)(r.field(f, Int)) }

// Bool returns the address of a boolean field; setting it needs
// [Record.Present] set as well. It panics when f is of another type.
func (r *Record) Bool(f Field) *bool { return (*bool)(r.field(f, Bool)) }

// Time returns the address of a time field; setting it needs [Record.Present]
// set as well. It panics when f is of another type.
func (r *Record) Time(f Field) *time.Time { return (*time.Time)(r.field(f, Time)) }

// SetInt sets a number field and marks it present.
func (r *Record) SetInt(f Field, v int64) { *r.Int(f) = v; r.Present = r.Present.With(f) }

// SetBool sets a boolean field and marks it present.
func (r *Record) SetBool(f Field, v bool) { *r.Bool(f) = v; r.Present = r.Present.With(f) }

// SetTime sets a time field and marks it present.
func (r *Record) SetTime(f Field, v time.Time) { *r.Time(f) = v; r.Present = r.Present.With(f) }
