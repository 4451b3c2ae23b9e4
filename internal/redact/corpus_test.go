package redact_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// brands are the networks that issue cards, where their numbers begin and how
// long they are: the table of https://en.wikipedia.org/wiki/Payment_card_number,
// with braintree's credit-card-type for JCB and Hiper, and the test numbers that
// the networks publish where they do. Written down apart from the ranges in use.
var brands = []struct {
	name    string
	begin   []string // from the first to the last of a range when two are joined by "-"
	lengths []int
}{
	{"Visa", []string{"4"}, []int{13, 16, 18, 19}},
	{"Visa Electron", []string{"4026", "417500", "4508", "4844", "4913", "4917"}, []int{16}},
	{"Mastercard", []string{"51-55", "2221-2720"}, []int{16}},
	{"American Express", []string{"34", "37"}, []int{15}},
	{"Discover", []string{"6011", "622126-622925", "644-649", "65"}, []int{16, 17, 18, 19}},
	{"JCB", []string{"3528-3589"}, []int{16, 17, 18, 19}},
	{"JCB of 15", []string{"2131", "1800"}, []int{15}},
	{"Diners Club", []string{"300-305", "3095", "36", "38-39"}, []int{14, 15, 16, 17, 18, 19}},
	{"Diners Club North America", []string{"54-55"}, []int{16}},
	{"UnionPay", []string{"62", "81"}, []int{16, 17, 18, 19}},
	{"Maestro", []string{"5018", "5020", "5038", "5893", "6304", "6759", "6761", "6762", "6763"}, []int{13, 14, 15, 16, 17, 18, 19}},
	{"Maestro UK", []string{"6759", "676770", "676774"}, []int{13, 14, 15, 16, 17, 18, 19}},
	{"Switch", []string{"4903", "4905", "4911", "4936", "564182", "633110", "6333", "6759"}, []int{16, 18, 19}},
	{"Solo", []string{"6334", "6767"}, []int{16, 18, 19}},
	{"Laser", []string{"6304", "6706", "6709", "6771"}, []int{16, 17, 18, 19}},
	{"Bankcard", []string{"5610", "560221-560225"}, []int{16}},
	{"Dankort", []string{"5019", "4571"}, []int{16}},
	{"RuPay", []string{"60", "65", "81", "82", "508"}, []int{16}},
	{"RuPay with JCB", []string{"353", "356"}, []int{16}},
	{"Mir", []string{"2200-2204"}, []int{16, 17, 18, 19}},
	{"BORICA", []string{"2205"}, []int{16}},
	{"Elo", []string{"401178", "401179", "431274", "438935", "451416", "457393", "457631", "457632", "504175", "506699-506778", "509000-509999", "627780", "636297", "636368", "650031-650033", "650405-650439", "655000-655058"}, []int{16}},
	{"Hipercard", []string{"606282", "3841"}, []int{16, 19}},
	{"Hiper", []string{"637095", "637568", "637599", "637609", "637612"}, []int{16}},
	{"Aura", []string{"50"}, []int{16}},
	{"Verve", []string{"506099-506198", "507865-507964", "650002-650027"}, []int{16, 18, 19}},
	{"Troy", []string{"65", "9792"}, []int{16}},
	{"UkrCard", []string{"60400100-60420099"}, []int{16, 17, 18, 19}},
	{"LankaPay", []string{"357111"}, []int{16}},
	{"InterPayment", []string{"636"}, []int{16, 17, 18, 19}},
	{"InstaPayment", []string{"637-639"}, []int{16}},
	{"Uzcard", []string{"8600", "5614"}, []int{16}},
	{"Humo", []string{"9860"}, []int{16}},
	{"NAPAS", []string{"9704"}, []int{16, 19}},
	{"mada", []string{"968201-968211"}, []int{16}},
	{"Meeza", []string{"5078"}, []int{16}},
}

// withCheckDigit completes a number of n digits that begins with begin.
func withCheckDigit(rng *rand.Rand, begin string, n int) string {
	for len(begin) < n-1 {
		begin += string(byte('0' + rng.IntN(10)))
	}
	sum := 0
	for i := range len(begin) {
		d := int(begin[len(begin)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return begin + string(byte('0'+(10-sum%10)%10))
}

// corpus returns numbers of every brand, length and end of a range, and one from
// inside it.
func corpus(rng *rand.Rand) (numbers []string) {
	for _, b := range brands {
		for _, span := range b.begin {
			low, high, _ := strings.Cut(span, "-")
			begins := []string{low}
			if high != "" {
				var l, h int
				fmt.Sscan(low, &l)
				fmt.Sscan(high, &h)
				begins = append(begins, high, fmt.Sprint(l+rng.IntN(h-l+1)))
			}
			for _, begin := range begins {
				for _, n := range b.lengths {
					numbers = append(numbers, withCheckDigit(rng, begin, n))
				}
			}
		}
	}
	return numbers
}

// groups parts a number as it is printed.
func groups(n, sep string) string {
	sizes := []int{4, 4, 4, 4, 3}
	switch len(n) {
	case 14:
		sizes = []int{4, 6, 4}
	case 15:
		sizes = []int{4, 6, 5}
	}
	var parts []string
	for _, size := range sizes {
		if size = min(size, len(n)); size > 0 {
			parts, n = append(parts, n[:size]), n[size:]
		}
	}
	return strings.Join(parts, sep)
}

// each writes every character of s with the given verb for its code.
func each(verb, s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, verb, c)
	}
	return b.String()
}

// some writes some digits of n with the verb, chosen at random.
func some(rng *rand.Rand, verb, n string) string {
	var b strings.Builder
	for _, c := range []byte(n) {
		if rng.IntN(3) == 0 && c >= '0' && c <= '9' {
			fmt.Fprintf(&b, verb, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// encodings are the ways of writing a number that a log line holds.
var encodings = []struct {
	name  string
	json  bool // its backslashes are escapes of JSON: in a string of JSON only
	write func(rng *rand.Rand, n string) string
}{
	{"plain", false, func(_ *rand.Rand, n string) string { return n }},
	{"spaces", false, func(_ *rand.Rand, n string) string { return groups(n, " ") }},
	{"dashes", false, func(_ *rand.Rand, n string) string { return groups(n, "-") }},
	{"plus", false, func(_ *rand.Rand, n string) string { return groups(n, "+") }},
	{"%20", false, func(_ *rand.Rand, n string) string { return groups(n, "%20") }},
	{"%2D", false, func(_ *rand.Rand, n string) string { return groups(n, "%2D") }},
	{"%2520", false, func(_ *rand.Rand, n string) string { return groups(n, "%2520") }},
	{"%252d", false, func(_ *rand.Rand, n string) string { return groups(n, "%252d") }},
	{"digits %3N", false, func(_ *rand.Rand, n string) string { return each("%%%02X", n) }},
	{"digits %253N", false, func(_ *rand.Rand, n string) string { return each("%%25%02x", n) }},
	{"digits %25253N", false, func(_ *rand.Rand, n string) string { return each("%%2525%02x", n) }},
	{"some digits %3N", false, func(r *rand.Rand, n string) string { return some(r, "%%%02x", n) }},
	{"groups, some digits %3N", false, func(r *rand.Rand, n string) string { return some(r, "%%%02x", groups(n, "-")) }},
	{"groups all %XX", false, func(_ *rand.Rand, n string) string { return each("%%%02X", groups(n, " ")) }},
	{`digits \u003N`, true, func(_ *rand.Rand, n string) string { return each(`\u%04x`, n) }},
	{`digits \\u003N`, true, func(_ *rand.Rand, n string) string { return each(`\\u%04x`, n) }},
	{`digits \\\\u003N`, true, func(_ *rand.Rand, n string) string { return each(`\\\\u%04X`, n) }},
	{`some digits \u003N`, true, func(r *rand.Rand, n string) string { return some(r, `\u%04x`, n) }},
	{`digits \\x3N`, true, func(_ *rand.Rand, n string) string { return each(`\\x%02x`, n) }},
	{`\u0020`, true, func(_ *rand.Rand, n string) string { return groups(n, `\u0020`) }},
	{`\u002d`, true, func(_ *rand.Rand, n string) string { return groups(n, `\u002d`) }},
	{`\\u0020`, true, func(_ *rand.Rand, n string) string { return groups(n, `\\u0020`) }},
	{`\\x2d`, true, func(_ *rand.Rand, n string) string { return groups(n, `\\x2d`) }},
	{`\u0020 and %3N`, true, func(r *rand.Rand, n string) string {
		return strings.ReplaceAll(some(r, "%%%02x", groups(n, "|")), "|", `\u0020`)
	}},
	{"mixed separators", false, func(r *rand.Rand, n string) string {
		s := groups(n, "|")
		for strings.Contains(s, "|") {
			s = strings.Replace(s, "|", []string{" ", "-", "+", "%20", "%2D", "%2520"}[r.IntN(6)], 1)
		}
		return s
	}},
	{"dots", false, func(_ *rand.Rand, n string) string { return groups(n, ".") }},
	{"two spaces", false, func(_ *rand.Rand, n string) string { return groups(n, "  ") }},
	{"two %20", false, func(_ *rand.Rand, n string) string { return groups(n, "%20%20") }},
}

// usual reports whether a number is printed in groups that count with dots.
func usual(n string) bool {
	return len(n) == 14 || len(n) == 15 || len(n) == 16 || len(n) == 19
}

// grouped reports whether an encoding parts a number into groups.
func grouped(encoding string) bool {
	return strings.Contains("spaces dashes plus %20 %2D %2520 %252d mixed separators dots two spaces two %20", encoding) ||
		strings.HasPrefix(encoding, "groups") || strings.Contains(encoding, "20") || strings.Contains(encoding, "2d")
}

// places are where in a line a number may stand; %s is the number.
var places = []struct {
	name string
	json bool
	line string
}{
	{"path", true, `{"path":"/pay/%s/done","status":200}`},
	{"query", true, `{"path":"/pay","query":"a=1\u0026card=%s\u0026b=2","status":200}`},
	{"query, last", true, `{"query":"card=%s","status":200}`},
	{"query, encoded key", true, `{"query":"next=%%2Fpay%%3Fcard%%3D%s%%26b%%3D2","status":200}`},
	{"referer", true, `{"referer":"https://shop.example/pay?card=%s#top"}`},
	{"user_agent", true, `{"user_agent":"Mozilla/5.0 (%s) x"}`},
	{"host", true, `{"host":"%s.shop.example"}`},
	{"request id", true, `{"request_id":"%s"}`},
	{"unknown key", true, `{"x_note":"card %s, thanks"}`},
	{"nested object", true, `{"status":200,"order":{"a":[{"pan":"%s"}]}}`},
	{"JSON in a string", true, `{"body":"{\"pan\":\"%s\",\"c\":1}"}`},
	{"JSON in JSON in a string", true, `{"body":"{\"a\":\"{\\\"pan\\\":\\\"%s\\\"}\"}"}`},
	{"a word before", true, `{"query":"VISA%s"}`},
	{"a word after", true, `{"query":"%sUSD\u0026b=1"}`},
	{"behind a syslog header", true, `<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {"query":"%s"}`},
	{"text", false, `no JSON at all: %s, is it?`},
	{"the whole line", false, `%s`},
	{"syslog header", false, `<134>1 2031-05-06T07:08:09Z host %s 12 - - text`},
	{"structured data", false, `<134>1 2031-05-06T07:08:09Z host app 12 - [x@41058 pan="%s"] text`},
	{"combined log, request", false, `198.51.100.8 - - [17/May/2031:10:05:43 +0000] "GET /b?card=%s HTTP/1.1" 200 171 "-" "agent/1.0"`},
	{"combined log, referer", false, `198.51.100.8 - - [17/May/2031:10:05:43 +0000] "GET /b HTTP/1.1" 200 171 "https://a.example/?c=%s" "agent/1.0"`},
	{"combined log, user", false, `198.51.100.8 - %s [17/May/2031:10:05:43 +0000] "GET /b HTTP/1.1" 200 171 "-" "-"`},
}

// shown returns the digits of a number that a reader of the text would make out,
// whatever the encoding: what is masked is no digit.
func shown(text string) string {
	text = strings.NewReplacer("%2525", "%", "%25", "%", `\\\\u00`, "%", `\\u00`, "%", `\u00`, "%", `\\x`, "%").Replace(text)
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' && i+2 < len(text) {
			var x byte
			if _, err := fmt.Sscanf(text[i+1:i+3], "%02x", &x); err == nil {
				c = x
				i += 2
			}
		}
		if c >= '0' && c <= '9' {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Every number of every brand is masked to its first six and last four digits,
// in every listed encoding, wherever it stands.
func TestCorpus(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	ways := []*redact.Redactor{redact.New([]byte("s3cr3tTok")), redact.New().WithoutVectors()}
	r := ways[0]
	lines, numbers := 0, corpus(rng)
	check := func(what, n, written, line string) {
		t.Helper()
		lines++
		b := []byte(line)
		c := r.Line(b)
		before, after, _ := strings.Cut(line, written)
		if len(b) != len(line) || !strings.HasPrefix(string(b), before) || !strings.HasSuffix(string(b), after) {
			t.Fatalf("%s: more than the number changed:\n in  %s\n out %s", what, line, b)
		}
		if got := shown(string(b[len(before) : len(b)-len(after)])); c.Cards != 1 || got != n[:6]+n[len(n)-4:] {
			t.Fatalf("%s: %+v, %s still shows %s:\n in  %s\n out %s", what, c, n, got, line, b)
		}
		if line[0] == '{' && json.Valid([]byte(line)) && !json.Valid(b) {
			t.Fatalf("%s: no JSON any more:\n in  %s\n out %s", what, line, b)
		}
	}
	for i, n := range numbers {
		for _, e := range encodings {
			if strings.Contains("dots, two spaces, two %20", e.name) && !usual(n) {
				continue
			}
			for k, p := range places {
				if i%4 > 0 && (i+k)%4 > 0 {
					continue // every place for one number in four, and every fourth place for the others
				}
				if e.json && !p.json || e.name == "dots" && p.name == "host" {
					continue // a number in dots that goes on with a dot is an address or a version
				}
				written := e.write(rng, n)
				if strings.HasPrefix(p.name, "a word") && !usual(n) && grouped(e.name) {
					continue // beside a letter only the usual groups count
				}
				check(p.name+", "+e.name, n, written, fmt.Sprintf(p.line, written))
			}
		}
		bare := fmt.Sprintf(`{"status":200,"pan":%s,"a":[%[1]s]}`, n)
		b := []byte(bare)
		masked := n[:6] + strings.Repeat("0", len(n)-10) + n[len(n)-4:]
		if c := r.Line(b); c.Cards == 0 || string(b) != strings.ReplaceAll(bare, n, masked) {
			// A number that is all zeros between the six and the four looks masked.
			if n != masked {
				t.Fatalf("an unquoted number: %+v:\n in  %s\n out %s", c, bare, b)
			}
		}
	}
	t.Logf("%d numbers, %d lines", len(numbers), lines)
}
