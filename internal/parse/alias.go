package parse

import "edgewarden/internal/record"

// reading says how a value is turned into a field.
type reading uint8

const (
	asField   reading = iota // as the field's type has it
	asAddress                // client address
	asTime                   // event time
	asOffset                 // zone of an event time that carries none
	asPath                   // path, or path and query
	asQuery                  // query, with or without its question mark
	asURL                    // path and query, maybe with scheme and host
	asRequest                // method, or method, URL and protocol
	asCountry                // two-letter code; a country's name is not one
	asServer                 // server.identity: ends in the POP
	asRole                   // edge or shield
	asMsec                   // milliseconds, to microseconds
	asSec                    // seconds, to microseconds
	asNested                 // an object whose keys are looked up with its own name in front
	asEvent                  // an object whose keys are looked up as they are
)

// target is what a key means. Of several keys for one field the lowest rank
// wins; rank 0 is the field's own name. The others go to extra.
type target struct {
	name  string
	field record.Field
	how   reading
	rank  uint8
}

// meaning is a target with what can be said of it beforehand.
type meaning struct {
	target
	plain bool // a string field under its own name
	form  form
}

// aliases are the keys of other log formats. Sources: the default format of
// Fastly's Terraform provider, the Datadog formats of PyPI, GOV.UK's S3 format,
// Splunk HEC, logz.io, NixOS and a widely copied gist.
var aliases = []target{
	{"client_addr", record.ClientIP, asAddress, 1},
	{"clientip", record.ClientIP, asAddress, 1},
	{"client", record.ClientIP, asAddress, 2},
	{"ip", record.ClientIP, asAddress, 1},
	{"remote_addr", record.ClientIP, asAddress, 1},
	{"remote_ip", record.ClientIP, asAddress, 1},
	{"fastly_client_ip", record.ClientIP, asAddress, 2},
	{"network.client.ip", record.ClientIP, asAddress, 1},

	{"time_start", record.Timestamp, asTime, 1},
	{"start_time", record.Timestamp, asTime, 1},
	{"request_received", record.Timestamp, asTime, 1},
	{"@timestamp", record.Timestamp, asTime, 2},
	{"time", record.Timestamp, asTime, 2},
	{"datetime", record.Timestamp, asTime, 2},
	{"date", record.Timestamp, asTime, 3},
	{"request_received_offset", record.Timestamp, asOffset, 1},
	{"timestamp_offset", record.Timestamp, asOffset, 1},

	{"request_method", record.Method, asField, 1},
	{"req_method", record.Method, asField, 1},
	{"http.method", record.Method, asField, 1},
	{"verb", record.Method, asField, 2},
	{"request", record.Method, asRequest, 3},

	{"url", record.Path, asURL, 1},
	{"request_url", record.Path, asURL, 1},
	{"req_url", record.Path, asURL, 1},
	{"request_uri", record.Path, asURL, 1},
	{"uri", record.Path, asURL, 1},
	{"http.url", record.Path, asURL, 1},
	{"url_path", record.Path, asPath, 1},
	{"query_string", record.Query, asQuery, 1},
	{"url_query", record.Query, asQuery, 1},

	{"request_host", record.Host, asField, 1},
	{"http_host", record.Host, asField, 1},
	{"req_host", record.Host, asField, 1},
	{"http.host", record.Host, asField, 1},

	{"request_protocol", record.Protocol, asField, 1},
	{"req_protocol", record.Protocol, asField, 1},
	{"http.protocol", record.Protocol, asField, 1},
	{"http_version", record.Protocol, asField, 2},

	{"response_status", record.Status, asField, 1},
	{"resp_status", record.Status, asField, 1},
	{"status_code", record.Status, asField, 1},
	{"http.status_code", record.Status, asField, 1},

	{"response_body_size", record.ResponseBytes, asField, 2},
	{"bytes", record.ResponseBytes, asField, 1},
	{"bytes_written", record.ResponseBytes, asField, 1},
	{"resp_bytes", record.ResponseBytes, asField, 1},
	{"resp_bytes_written", record.ResponseBytes, asField, 1},
	{"response_size", record.ResponseBytes, asField, 1},
	{"bytes_read", record.RequestBytes, asField, 1},
	{"req_bytes", record.RequestBytes, asField, 1},
	{"req_bytes_read", record.RequestBytes, asField, 1},

	{"time_elapsed", record.ElapsedUsec, asField, 1}, // %D, microseconds
	{"time_elapsed_usec", record.ElapsedUsec, asField, 1},
	{"time_elapsed_msec", record.ElapsedUsec, asMsec, 2},
	{"elapsed_msec", record.ElapsedUsec, asMsec, 2},
	{"http.request_time_ms", record.ElapsedUsec, asMsec, 1},
	{"request_time", record.ElapsedUsec, asSec, 2},
	{"time_to_first_byte", record.TTFBUsec, asSec, 1}, // an RTIME
	{"time_to_generate_response", record.TTFBUsec, asSec, 1},
	{"ttfb", record.TTFBUsec, asSec, 1},

	{"response_state", record.Cache, asField, 1},
	{"fastly_state", record.Cache, asField, 1},
	{"fastly_info_state", record.Cache, asField, 1},
	{"cache_status", record.Cache, asField, 1},
	{"cache_response", record.Cache, asField, 1},
	{"x_cache", record.Cache, asField, 2},

	{"request_user_agent", record.UserAgent, asField, 1},
	{"req_user_agent", record.UserAgent, asField, 1},
	{"http_user_agent", record.UserAgent, asField, 1},
	{"useragent", record.UserAgent, asField, 1},
	{"ua", record.UserAgent, asField, 1},
	{"http.useragent", record.UserAgent, asField, 1},
	{"request_referer", record.Referer, asField, 1},
	{"req_referer", record.Referer, asField, 1},
	{"http_referer", record.Referer, asField, 1},
	{"referrer", record.Referer, asField, 1},
	{"http.referer", record.Referer, asField, 1},

	{"tls_client_protocol", record.TLSVersion, asField, 1},
	{"tls_protocol", record.TLSVersion, asField, 1},
	{"tls_client_cipher", record.TLSCipher, asField, 1},
	{"client_ja3", record.JA3, asField, 1},
	{"tls_client_ja3_md5", record.JA3, asField, 1},
	{"ja3_md5", record.JA3, asField, 1},
	{"client_ja4", record.JA4, asField, 1},
	{"tls_client_ja4", record.JA4, asField, 1},

	{"server_datacenter", record.POP, asField, 1},
	{"data_centre", record.POP, asField, 1},
	{"datacenter", record.POP, asField, 1},
	{"fastly_pop", record.POP, asField, 1},
	{"fastly_server", record.POP, asServer, 2},
	{"server_identity", record.POP, asServer, 2},

	{"asn", record.ClientASN, asField, 1},
	{"client_as_number", record.ClientASN, asField, 1},
	{"geo_asn", record.ClientASN, asField, 1},
	{"network.client.number", record.ClientASN, asField, 1},
	{"geo_country_code", record.ClientCountry, asCountry, 1},
	{"client_geo_country_code", record.ClientCountry, asCountry, 1},
	{"country_code", record.ClientCountry, asCountry, 1},
	{"country", record.ClientCountry, asCountry, 2},
	{"geo_country", record.ClientCountry, asCountry, 2},
	{"geoip.country_code", record.ClientCountry, asCountry, 1},
	{"geoip.country_code2", record.ClientCountry, asCountry, 1},

	{"fastly_service_id", record.ServiceID, asField, 1},
	{"req_service_id", record.ServiceID, asField, 1},
	{"req_id", record.RequestID, asField, 1},
	{"x_request_id", record.RequestID, asField, 2},
	{"fastly_is_edge", record.FirstHop, asField, 1},
	{"is_edge", record.FirstHop, asField, 1},
	{"node", record.FirstHop, asRole, 2},
	{"client_bot_name", record.BotName, asField, 1},

	{"http", 0, asNested, 1},
	{"network", 0, asNested, 1},
	{"network.client", 0, asNested, 1},
	{"geoip", 0, asNested, 1},
	{"event", 0, asEvent, 1},
}

// targets are all keys that mean something; keyOf finds one by name. A key that
// ingest fills itself (kind, sender, position …) is not among them: a line
// cannot set it.
var targets, keyOf = func() ([]meaning, map[string]int16) {
	var all []meaning
	for f, info := range record.Fields {
		if info.Origin == record.FromLine {
			t := target{info.Name, record.Field(f), ownReading(record.Field(f)), 0}
			all = append(all, meaning{t, info.Type == record.String && t.how == asField, formOf(&t)})
		}
	}
	for _, t := range aliases {
		all = append(all, meaning{target: t})
	}
	byName := make(map[string]int16, len(all))
	for i, t := range all {
		if _, twice := byName[t.name]; twice {
			panic("parse: bug: two meanings of key " + t.name)
		}
		byName[t.name] = int16(i)
	}
	if len(all) > 64*len(keySet{}) {
		panic("parse: bug: keySet is too small")
	}
	return all, byName
}()

// firstHop is the one key that says a line is of our own format.
var firstHop = keyOf[record.Fields[record.FirstHop].Name]

func ownReading(f record.Field) reading {
	switch f {
	case record.Timestamp:
		return asTime
	case record.ClientIP:
		return asAddress
	case record.Path:
		return asPath
	case record.Query:
		return asQuery
	case record.ClientCountry:
		return asCountry
	}
	return asField
}

// keySet is a set of indices into targets.
type keySet [3]uint64

func (s *keySet) has(k int16) bool { return s[k>>6]&(1<<(k&63)) != 0 }

func (s *keySet) add(k int16) (had bool) {
	word, bit := &s[uint16(k)/64], uint64(1)<<(uint16(k)%64)
	had = *word&bit != 0
	*word |= bit
	return had
}
