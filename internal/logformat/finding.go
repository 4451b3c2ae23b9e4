package logformat

import (
	"fmt"
	"strings"
)

// Code names a kind of finding.
type Code string

// The kinds of findings of [Lint].
const (
	Syntax           Code = "syntax"            // a directive that Fastly, or this program, cannot read
	InvalidJSON      Code = "invalid-json"      // the template is no JSON, whatever the values
	NotUnderstood    Code = "not-understood"    // neither JSON nor an access log
	MultiLine        Code = "multi-line"        // a line break inside the format
	TooLong          Code = "too-long"          // more characters than Fastly takes
	DoubledPercent   Code = "doubled-percent"   // %%{…} prints itself
	DuplicateKey     Code = "duplicate-key"     // the same JSON key twice
	Unescaped        Code = "unescaped"         // a client or an origin can end the string
	CEscape          Code = "c-escape"          // cstr_escape writes \xNN, which is no JSON
	EscapedTwice     Code = "escaped-twice"     // json.escape of what cstr_escape has escaped
	NotUTF8          Code = "not-utf8"          // a byte that is no UTF-8 empties the value
	Unbounded        Code = "unbounded"         // a client decides how long the line is
	UnsetNumber      Code = "unset-number"      // a value that can be empty or no number, without quotes
	BoolAsNumber     Code = "bool-as-number"    // a BOOL prints as 1 or 0
	ForgeableAddress Code = "forgeable-address" // an address that the client can choose
	NoShieldGuard    Code = "no-shield-guard"   // lines of the shield look like requests of a client
	UntrustedAddress Code = "untrusted-address" // client.ip, but without the key first_hop
	Cookie           Code = "cookie"            // cookies are credentials
	Secret           Code = "secret"            // a header that holds credentials
	NoTimestamp      Code = "no-timestamp"
	NoService        Code = "no-service"
	NoAddress        Code = "no-address"
	NoStatus         Code = "no-status"
	NoMethod         Code = "no-method"
	NoPath           Code = "no-path"
	NoHost           Code = "no-host"
)

// Finding is one fault of a log format.
type Finding struct {
	Code   Code   `json:"code"`
	Line   int    `json:"line"`           // from 1
	Column int    `json:"column"`         // from 1, in bytes
	Text   string `json:"text,omitempty"` // the part of the format; empty when the whole is meant
	Why    string `json:"why"`            // what goes wrong
	Fix    string `json:"fix"`            // what to write instead
	Offset int    `json:"-"`              // in the format, in bytes
}

// String is the finding as a compiler would print it, without the file's name.
func (f Finding) String() string {
	return fmt.Sprintf("%d:%d: %s: %s\n\tfix: %s", f.Line, f.Column, f.Code, f.Why, f.Fix)
}

// firstHopMember is the member that says a line is of our format; inside advice, so percent signs are doubled.
const firstHopMember = `"first_hop":%%{if(fastly.ff.visits_this_service == 0 && !segmented_caching.is_inner_req, "true", "false")}V`

// advice is what is said of a finding of each kind; %[1]s is the directive, %[2]s an expression to be written in its place.
var advice = map[Code]struct{ why, fix string }{
	Syntax:           {"%[1]s cannot be read: %[2]s", "correct it; a quote inside %%{…}V may be written %%22"},
	InvalidJSON:      {"the template is no JSON: %[2]s; every line becomes text that no rule counts", "correct it, or take the output of ingest logformat"},
	NotUnderstood:    {"neither a JSON object nor an access log (%%h %%l %%u %%t \"%%r\" %%>s %%b …): every line is kept as text that no rule counts", "take the output of ingest logformat"},
	MultiLine:        {"a line break in the format; where it reaches the log, each part is a line of its own and none is understood", "write the format on one line"},
	TooLong:          {"more than 8,000 characters; Fastly does not take it", "leave out what nobody reads"},
	DoubledPercent:   {"%[1]s prints one percent sign and then the text after it, not a value", "write a single %%; where Terraform needs %%%%{, read the format with file() instead"},
	DuplicateKey:     {"the key %[1]s is there twice; a line with a duplicate key may be a client's work, so it is kept as text and never counted", "rename or remove one of them"},
	Unescaped:        {"%[1]s is not escaped: a quote in it ends the string, and what follows can be keys and values of a client's choosing, another address among them", "%[2]s"},
	CEscape:          {"%[1]s escapes as C does: \\xNN and \\' are no JSON, so a client that sends such a byte makes its lines unreadable, and invisible to every rule", "%[2]s"},
	EscapedTwice:     {"%[1]s escapes twice: the log holds \\\\x22 where the request had a quote, so rules and people see other text than the origin did", "%[2]s"},
	NotUTF8:          {"json.escape gives an empty string for anything that is not UTF-8: one stray byte in %[1]s hides it from every rule", "%[2]s"},
	Unbounded:        {"%[1]s can be so long that the line passes 16 KB, where Fastly cuts it: the JSON breaks and the request is never counted", "%[2]s"},
	UnsetNumber:      {"%[1]s stands where JSON wants a number, and prints nothing, a dash or text when it is unset: the line is no JSON then", "put quotes around it, or use a value that is always a number%[2]s"},
	BoolAsNumber:     {"%[1]s is a BOOL and prints as 1 or 0", "%[2]s"},
	ForgeableAddress: {"%[1]s is an address that a client can send itself, so that it can have others blocked in its place", "%%{client.ip}V, in a line that also carries " + firstHopMember},
	NoShieldGuard:    {"nothing tells a line of the first hop from one of a shield: with shielding a request counts twice, the second time under the address of a Fastly node", "add " + firstHopMember},
	UntrustedAddress: {"%[1]s is the real address, but without the key first_hop the line does not say so: its addresses are shown and not blocked", "add " + firstHopMember},
	Cookie:           {"%[1]s puts cookies into the log; whoever reads it can take over sessions", "leave it out, or log digest.hash_sha256 of it"},
	Secret:           {"%[1]s puts credentials into the log", "leave it out, or log digest.hash_sha256 of it"},
	NoTimestamp:      {"no time of the request in a key that ingest knows: the time at which the line was sent, or received, stands in", "add \"timestamp\":\"%%{begin:%%Y-%%m-%%dT%%H:%%M:%%S}t.%%{time.start.usec_frac}VZ\""},
	NoService:        {"no service: lines of several services cannot be told apart, and rules count none of them", "add \"service_id\":\"%%{req.service_id}V\", or stamp the port with --service-id"},
	NoAddress:        {"no client address in a key that ingest knows", "add \"client_ip\":\"%%{client.ip}V\""},
	NoStatus:         {"no status code in a key that ingest knows", "add \"status\":%%{resp.status}V"},
	NoMethod:         {"no request method in a key that ingest knows", "add the key method as ingest logformat writes it"},
	NoPath:           {"no path in a key that ingest knows", "add the key path as ingest logformat writes it"},
	NoHost:           {"no host in a key that ingest knows", "add the key host as ingest logformat writes it"},
}

// Codes lists every kind of finding, in the order of their declaration.
func Codes() []Code {
	return []Code{
		Syntax, InvalidJSON, NotUnderstood, MultiLine, TooLong, DoubledPercent, DuplicateKey, Unescaped, CEscape, EscapedTwice, NotUTF8, Unbounded, UnsetNumber,
		BoolAsNumber, ForgeableAddress, NoShieldGuard, UntrustedAddress, Cookie, Secret, NoTimestamp, NoService, NoAddress, NoStatus, NoMethod, NoPath, NoHost,
	}
}

// Advice says of a kind of finding what goes wrong and what to do, in general terms.
func Advice(c Code) (why, fix string) {
	a := advice[c]
	why = strings.TrimPrefix(fill(a.why, "…", "…"), "… ")
	if a.fix == "%[2]s" {
		return why, "write the expression that the finding shows: checked, cut and escaped as ingest logformat does"
	}
	return why, fill(a.fix, "…", "")
}

// finding makes a Finding of a part of the format; detail fills %[2]s of its advice.
func (l *linter) finding(code Code, from, end int, detail string) {
	text := l.format[from:end]
	a, ok := advice[code]
	if !ok {
		panic("logformat: bug: no advice for " + string(code))
	}
	line := 1 + strings.Count(l.format[:from], "\n")
	l.found = append(l.found, Finding{
		Code: code, Line: line, Column: from - strings.LastIndexByte(l.format[:from], '\n'), Text: text, Offset: from,
		Why: fill(a.why, text, detail), Fix: fill(a.fix, text, detail),
	})
}

// fill is Sprintf with indexed arguments that a template need not use.
func fill(template, text, detail string) string {
	return strings.NewReplacer("%[1]s", text, "%[2]s", detail, "%%", "%").Replace(template)
}
