package logformat

import (
	"regexp"
	"strings"
)

// vclType is the type of a VCL value, with STRINGs told apart by what they can hold.
type vclType uint8

const (
	typeString vclType = iota
	typeDigits         // a STRING of digits that is always set, such as time.start.usec
	typeNumber         // INTEGER, FLOAT, RTIME: always printed as a number
	typeBool           // printed as 1 or 0
	typeOther          // IP, TIME: text without quotes and backslashes
)

// author is who decides what a value holds.
type author uint8

const (
	byEdge author = iota
	byOrigin
	byClient
)

// variableInfo says what lint has to know of a variable.
type variableInfo struct {
	typ    vclType
	author author
	short  bool // cannot be long, whoever chose it
}

// Types of variables by name. https://www.fastly.com/documentation/reference/vcl/variables/
var (
	digitNames  = regexp.MustCompile(`^(time\.(start|end|elapsed)\.(sec|msec|usec)(_frac)?|now\.sec)$`)
	numberNames = regexp.MustCompile(`^(client\.(as\.number|geo\.(latitude|longitude|metro_code|area_code|utc_offset|gmt_offset)|requests|port|display\.(height|width|ppi)|socket\..*)|(req|resp|bereq|beresp)\.(.*bytes_(read|written)|status|restarts|ttl|grace)|resp\.status|obj\.(status|hits|ttl|age|lastuse)|fastly\.ff\.visits_.*|fastly_info\.h2\.stream_id|time\.(elapsed|to_first_byte)|server\.port|req\.(restarts|vcl\.version|max_stale.*|header_.*)|transport\..*|quic\..*|segmented_caching\.(block_.*|obj\..*|rounded_req\..*|total_blocks|client_req\.range_.*)|math\..*)$`)
	boolNames   = regexp.MustCompile(`^(.*\.is_[a-z0-9_]+|fastly\.ddos_detected|client\.(class|platform)\..*|client\.display\.touchscreen|fastly_info\.(is_.*|.*_cacheable)|waf\.(executed|blocked|logged|passed)|resp\.(completed|stale.*)|req\.(enable_.*|hash_.*|is_.*|esi)|segmented_caching\.(autopurged|cancelled|completed|failed))$`)
	otherNames  = regexp.MustCompile(`^(client|server|beresp\.backend)\.ip$|^now$|^time\.(start|end)$`)
	clientNames = regexp.MustCompile(`(?i)^(req\.(url|http|body|postbody|method|request|cookie)|bereq\.(url|http|method|request)|tls\.client\.(servername|ciphers_list|tlsexts_list)|client\.identity$)`)
	originNames = regexp.MustCompile(`(?i)^(resp|beresp|obj)\.(http|response)`)
	shortNames  = regexp.MustCompile(`(?i)^(be)?req\.(method|request|http\.(Host|Fastly-.*))$`)
	// Headers that only our own VCL sets, after it has removed what the client sent.
	ownNames = regexp.MustCompile(`(?i)^req\.http\.X-Edgewarden-`)
)

func lookup(name string) variableInfo {
	info := variableInfo{short: shortNames.MatchString(name)}
	switch {
	case digitNames.MatchString(name):
		info.typ = typeDigits
	case boolNames.MatchString(name):
		info.typ = typeBool
	case numberNames.MatchString(name):
		info.typ = typeNumber
	case otherNames.MatchString(name):
		info.typ = typeOther
	}
	switch {
	case info.typ != typeString || ownNames.MatchString(name):
	case clientNames.MatchString(name):
		info.author = byClient
	case originNames.MatchString(name):
		info.author = byOrigin
	}
	return info
}

// header returns the name of the header that a variable is, and whether it is a cookie in it.
func header(name string) (string, bool) {
	lower := strings.ToLower(name)
	i := strings.Index(lower, ".http.")
	if i < 0 {
		return "", false
	}
	h, _, _ := strings.Cut(lower[i+len(".http."):], ":")
	return h, true
}

// forgeable are the headers that name a client address and that a client can send itself. Fastly keeps a
// Fastly-Client-IP that came with the request.
// https://www.fastly.com/documentation/reference/http/http-headers/Fastly-Client-IP/
var forgeable = map[string]bool{
	"fastly-client-ip": true, "x-forwarded-for": true, "x-real-ip": true, "true-client-ip": true, "client-ip": true, "cf-connecting-ip": true, "x-client-ip": true, "forwarded": true,
}

// secret matches names of headers and cookies that hold credentials.
var secret = regexp.MustCompile(`(?i)authori[sz]ation|token|secret|passw|api-?key|fastly-key|session|csrf|xsrf|x-auth|credential|signature`)

// Functions whose result has no character that JSON escapes, whatever goes in, and those that give a number.
var (
	safeFunctions   = regexp.MustCompile(`^(strftime|std\.(ip2str|itoa|strlen|count)|digest\.(hash|hmac)_.*|digest\.base64.*|bin\..*|urlencode|uuid\..*|randomstr|time\..*|fastly\.hash)$`)
	numberFunctions = regexp.MustCompile(`^(std\.(atoi|atof|strtol|strtof|strlen|count|itoa)|math\..*|randomint.*|utf8\.codepoint_count|time\.interval_elapsed_ratio|fastly\.hash)$`)
	boolFunctions   = regexp.MustCompile(`^(.*\.is_[a-z0-9]+|std\.(prefixof|suffixof)|table\.contains|randombool.*|http_status_matches|time\.is_after|ratelimit\.(check_rate.*|penaltybox_has))$`)
)
