package logformat

import (
	"fmt"

	"edgewarden/internal/record"
)

// value says how the edge writes one field.
type value struct {
	form form
	vcl  string // the VCL expression; its type must fit the form
	max  int    // bytes kept of a string; 0 keeps all
}

type form uint8

const (
	text      form = iota // a STRING: quoted, cut to max, escaped
	plain                 // never holds a character that JSON would escape: quoted only
	number                // an INTEGER, or a STRING of digits that is always set
	condition             // a BOOL: true or false
	instant               // time.start as RFC 3339 with microseconds, UTC
)

// Lengths in bytes of strings a client chooses. Together, and three times as long
// by escaping, they stay below the 16 KB at which Fastly cuts a line: a request
// must not be able to make its own log line unreadable. The longest that
// json.escape makes of a byte of a URL or header is three: a character above the
// BMP, four bytes, becomes two \uHHHH. (Neither can hold a control byte.)
const (
	maxPath    = 1536
	maxQuery   = 1024
	maxReferer = 768
	maxAgent   = 512
	maxHost    = 256 // a name has at most 253
	maxShort   = 48
)

// values is the VCL side of record.Fields. Variables:
// https://www.fastly.com/documentation/reference/vcl/variables/
var values = map[record.Field]value{
	record.Timestamp: {form: instant},
	record.ServiceID: {form: text, vcl: "req.service_id"},
	record.RequestID: {form: text, vcl: "req.http.X-Edgewarden-Request-Id", max: maxShort},
	record.POP:       {form: text, vcl: "server.datacenter"},
	// client.ip is an IP, which json.escape does not take. Fastly-Client-IP, which
	// default formats log, is whatever the client sends in that header.
	record.ClientIP:      {form: plain, vcl: "client.ip"},
	record.ClientASN:     {form: number, vcl: "client.as.number"},
	record.ClientCountry: {form: text, vcl: "client.geo.country_code"},
	record.Host:          {form: text, vcl: "req.http.Host", max: maxHost},
	record.Method:        {form: text, vcl: "req.method", max: maxShort},
	record.Path:          {form: text, vcl: "req.url.path", max: maxPath},
	record.Query:         {form: text, vcl: "req.url.qs", max: maxQuery},
	record.Protocol:      {form: text, vcl: "req.proto", max: maxShort},
	record.Status:        {form: number, vcl: "resp.status"},
	record.ResponseBytes: {form: number, vcl: "resp.bytes_written"},
	record.RequestBytes:  {form: number, vcl: "req.bytes_read"},
	record.ElapsedUsec:   {form: number, vcl: "time.elapsed.usec"},
	// An RTIME reads as seconds with three decimals. Without the point and with
	// three more digits it is microseconds; std.atoi takes the leading zeros, which
	// JSON forbids, and makes 0 of a time that was never set.
	record.TTFBUsec:  {form: number, vcl: `std.atoi(regsub("" time.to_first_byte, "[.]", "") "000")`},
	record.Cache:     {form: text, vcl: "fastly_info.state"},
	record.UserAgent: {form: text, vcl: "req.http.User-Agent", max: maxAgent},
	record.Referer:   {form: text, vcl: "req.http.Referer", max: maxReferer},

	record.TLSVersion: {form: text, vcl: "tls.client.protocol"},
	record.TLSCipher:  {form: text, vcl: "tls.client.cipher"},
	record.JA3:        {form: text, vcl: "tls.client.ja3_md5"},
	record.JA4:        {form: text, vcl: "tls.client.ja4"},
	// Not "&& req.restarts == 0": a request that was restarted still comes from the
	// client, and one that can provoke a restart must not vanish from detection.
	// A request served by segmented caching logs once more for each segment it was put
	// together from; counted, one download of a large file would look like a flood.
	// https://www.fastly.com/documentation/reference/vcl/variables/segmented-caching/segmented-caching-is-inner-req/
	record.FirstHop:   {form: condition, vcl: "fastly.ff.visits_this_service == 0 && !segmented_caching.is_inner_req"},
	record.BotName:    {form: text, vcl: "client.bot.name"},
	record.Blocked:    {form: condition, vcl: "req.http.X-Edgewarden-Blocked"},
	record.WouldBlock: {form: condition, vcl: "req.http.X-Edgewarden-Would-Block"},
	// Noted by recv.vcl before it puts client.ip in the header's place.
	record.ClaimsOtherIP: {form: condition, vcl: "req.http.X-Edgewarden-Claims-Other-IP"},
}

// expression is the VCL that gives the characters of v between its quotes, if it has any.
func (v value) expression() string {
	switch v.form {
	case text:
		if v.max > 0 {
			// json.escape gives nothing for a string that is not UTF-8, so one stray byte would hide a path from every
			// rule; then the bytes outside ASCII become underscores and the rest stays readable. (A question mark would
			// end the path for everyone who reads it.)
			// https://www.fastly.com/documentation/reference/vcl/functions/strings/json-escape/
			cut := fmt.Sprintf("substr(%s, 0, %d)", v.vcl, v.max)
			return fmt.Sprintf(`if(utf8.is_valid(%s), json.escape(%s), json.escape(regsuball(%s, "[^ -~]", "_")))`, cut, cut, cut)
		}
		return "json.escape(" + v.vcl + ")"
	case condition:
		return fmt.Sprintf(`if(%s, "true", "false")`, v.vcl)
	}
	return v.vcl
}

// quoted says whether the value is a JSON string.
func (v value) quoted() bool { return v.form == text || v.form == plain || v.form == instant }
