package redact_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

func mask(line string, secrets ...[]byte) (string, redact.Counts) {
	b := []byte(line)
	c := redact.New(secrets...).Line(b)
	return string(b), c
}

func TestCardNumbers(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "pan=4111111111111111&x=1", "pan=411111xxxxxx1111&x=1"},
		{"at the beginning and the end of the line", "4111111111111111", "411111xxxxxx1111"},
		{"two beside each other", "4111111111111111,5555555555554444", "411111xxxxxx1111,555555xxxxxx4444"},
		{"spaces", "a 4111 1111 1111 1111 b", "a 4111 11xx xxxx 1111 b"},
		{"dashes", "4111-1111-1111-1111", "4111-11xx-xxxx-1111"},
		{"a plus for a space", "q=4111+1111+1111+1111", "q=4111+11xx+xxxx+1111"},
		{"mixed separators", "4111 1111-1111+1111", "4111 11xx-xxxx+1111"},
		{"%20", "q=4111%201111%201111%201111", "q=4111%2011xx%20xxxx%201111"},
		{"%2D in either case", "q=4111%2D1111%2d1111%2D1111", "q=4111%2D11xx%2dxxxx%2D1111"},
		{"%20 encoded twice", "q=4111%25201111%25201111%25201111", "q=4111%252011xx%2520xxxx%25201111"},
		{"digits encoded as %3N", "q=%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31", "q=%34%31%31%31%31%31%78%78%78%78%78%78%31%31%31%31"},
		{"some digits encoded", "q=411%311111111%311111", "q=411%3111xxxxx%781111"},
		{"digits encoded twice", "q=411%25311111111%25311111", "q=411%253111xxxxx%25781111"},
		{`\u0020`, `{"q":"4111\u00201111\u00201111\u00201111"}`, `{"q":"4111\u002011xx\u0020xxxx\u00201111"}`},
		{`\u002d`, `{"q":"4111\u002d1111\u002D1111\u002d1111"}`, `{"q":"4111\u002d11xx\u002Dxxxx\u002d1111"}`},
		{`doubled \\u002d`, `{"q":"4111\\u002d1111\\u002d1111\\u002d1111"}`, `{"q":"4111\\u002d11xx\\u002dxxxx\\u002d1111"}`},
		{`digits as \u003N`, `{"q":"411\u00311111111\u00311111"}`, `{"q":"411\u003111xxxxx\u00781111"}`},
		{`digits as \\u003N`, `{"q":"\\u003411111\\u00311111\\u00311111"}`, `{"q":"\\u003411111\\u0078xxxx\\u00781111"}`},
		{`digits as \\x3N, as cstr_escape writes them`, `{"q":"\\x34111 11\\x311 1111 1111"}`, `{"q":"\\x34111 11\\x78x xxxx 1111"}`},
		{"an unquoted number becomes zeros", `{"pan":4111111111111111,"a":[5555555555554444]}`, `{"pan":4111110000001111,"a":[5555550000004444]}`},
		{"a quoted number becomes x", `{"a":{"pan":"4111111111111111"}}`, `{"a":{"pan":"411111xxxxxx1111"}}`},
		{"behind a syslog header", `<134>2031-05-06T07:08:09Z cache-a b[1]: {"pan":4111111111111111}`, `<134>2031-05-06T07:08:09Z cache-a b[1]: {"pan":4111110000001111}`},
		{"braces in an access line are no JSON", `"GET /{4111111111111111}" 200`, `"GET /{411111xxxxxx1111}" 200`},
		{"after an encoded quote", "%224111111111111111%22", "%22411111xxxxxx1111%22"},
		{"after an encoded equals sign", "pan%3D4111111111111111%26", "pan%3D411111xxxxxx1111%26"},
		{"after an encoded colon", "%3A4111111111111111", "%3A411111xxxxxx1111"},
		{"after an escaped line feed", `{"q":"a\n4111111111111111\n"}`, `{"q":"a\n411111xxxxxx1111\n"}`},
		{"after a doubly escaped line feed", `{"q":"a\\n4111111111111111"}`, `{"q":"a\\n411111xxxxxx1111"}`},
		{`after \u0026`, `{"q":"a=b\u00264111111111111111"}`, `{"q":"a=b\u0026411111xxxxxx1111"}`},
		{"after a letter of another alphabet", "ä4111111111111111é", "ä411111xxxxxx1111é"},
		{"after an underscore or dash", "id_4111111111111111 no-4111111111111111", "id_411111xxxxxx1111 no-411111xxxxxx1111"},
		{"with expiry and code after it", "4111 1111 1111 1111 12/27", "4111 11xx xxxx 1111 12/27"},
		{"with a date before it", "2031-05-06 4111-1111-1111-1111", "2031-05-06 4111-11xx-xxxx-1111"},
		{"American Express in its groups", "3782 822463 10005", "3782 82xxxx x0005"},
		{"Diners in its groups", "3056 930902 5904", "3056 93xxxx 5904"},
		{"Visa of 13", "4222222222222", "422222xxx2222"},
		{"Mastercard, 2-series", "2223003122003222", "222300xxxxxx3222"},
		{"Discover", "6011000990139424", "601100xxxxxx9424"},
		{"JCB", "3530111333300000", "353011xxxxxx0000"},
		{"UnionPay of 19", "6205500000000000004", "620550xxxxxxxxx0004"},
		{"Maestro of 13", "6759649826430", ""},
		{"Mir", "2200000000000004", ""},
		{"two spaces", "a 4111  1111  1111  1111.", "a 4111  11xx  xxxx  1111."},
		{"dots", "nr 4111.1111.1111.1111, 3782.822463.10005", "nr 4111.11xx.xxxx.1111, 3782.82xxxx.x0005"},
		{"dots, in JSON", `{"q":"4111.1111.1111.1111"}`, `{"q":"4111.11xx.xxxx.1111"}`},
		{"two encoded spaces", "q=4111%20%201111%20%201111%20%201111", "q=4111%20%2011xx%20%20xxxx%20%201111"},
		{"at the end of a sentence before a number", "4111111111111111.5", "411111xxxxxx1111.5"},
		{"after a sentence that ends in a number", "No 12. 4111 1111 1111 1111", "No 12. 4111 11xx xxxx 1111"},
		{"after a percent sign that encodes nothing", "100%4111111111111111 %4111-1111-1111-1111", "100%411111xxxxxx1111 %4111-11xx-xxxx-1111"},
		{"a word before", "VISA4111111111111111 pan4111-1111-1111-1111 Visa4111 1111 1111 1111", "VISA411111xxxxxx1111 pan4111-11xx-xxxx-1111 Visa4111 11xx xxxx 1111"},
		{"a word after", "4111111111111111USD 4111 1111 1111 1111and", "411111xxxxxx1111USD 4111 11xx xxxx 1111and"},
		{"words on both sides", "card4111111111111111exp v4111.1111.1111.1111b", "card411111xxxxxx1111exp v4111.11xx.xxxx.1111b"},
		{"a word of hexadecimal letters", "cc4111111111111111 4111111111111111c cc4111 1111 1111 1111", "cc411111xxxxxx1111 411111xxxxxx1111c cc4111 11xx xxxx 1111"},
		{"a letter before, encoded", "%614111111111111111 %564111111111111111 \\u00614111111111111111", "%61411111xxxxxx1111 %56411111xxxxxx1111 \\u0061411111xxxxxx1111"},
		{"a word before encoded digits", "card41%31111111111%31111", "card41%31111xxxxxx%31111"},
		{"digits one by one with nothing beside them", "(4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1)", "(4 1 1 1 1 1 x x x x x x 1 1 1 1)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, c := mask(tc.in)
			if tc.want == "" {
				tc.want = tc.in[:6] + strings.Repeat("x", len(tc.in)-10) + tc.in[len(tc.in)-4:]
			}
			if got != tc.want {
				t.Errorf("\n in  %s\n got %s\nwant %s", tc.in, got, tc.want)
			}
			if c.Cards < 1 || c.Secrets != 0 {
				t.Errorf("counts %+v", c)
			}
			if tc.in[0] == '{' && json.Valid([]byte(tc.in)) && !json.Valid([]byte(got)) {
				t.Errorf("no JSON any more: %s", got)
			}
		})
	}
}

func TestWhatIsNoCardNumberStays(t *testing.T) {
	for name, in := range map[string]string{
		"wrong check digit":                   "4111111111111112",
		"no issuer":                           "9111111111111119",
		"right by Luhn but of a wrong length": "41111111111111", // 14 digits
		"the end of a hexadecimal id":         "9be4111111111111111 deadbeef4111111111111111",
		"the beginning of one":                "4111111111111111bead0 4222222222222bea",
		"the middle of one":                   "a4111111111111111b 0a4111111111111111 e4222222222222",
		"20 digits":                           "41111111111111111111",
		"part of a longer number":             "94111111111111111",
		"hexadecimal":                         "0x4111111111111111 0X4111111111111111 %2Cdeadbeef4111111111111111",
		"small groups behind a word":          "Room4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 a411 1111 1111 11111",
		"a hexadecimal id and a group":        "00-b7ad617169203331-01 d4111-111111111111",
		"a fraction":                          `{"r":0.4111111111111111}`,
		"seconds":                             "1935990489",
		"milliseconds":                        "1935990489123 1935990489128",
		"microseconds":                        `{"t":1935990489123456}`,
		"nanoseconds":                         "1935990489123456789",
		"a UUID":                              "0f8fad5b-d9cb-469f-a165-70867728950e",
		"a UUID of digits that holds a card":  "00000000-0000-4111-1111-111111111111",
		"addresses and sizes":                 `198.51.100.7 - - [06/May/2031:07:08:08 +0000] "GET / HTTP/1.1" 200 1234`,
		"a list of small numbers":             "d=40 10 22 33 44 55 66 77 88 99 11 23 35",
		"digits parted by three spaces":       "4111   1111   1111   1111",
		"unusual groups parted by dots":       "411.1111.1111.11111 41.111111.11.111111",
		"part of a longer row with dots":      "1.4111.1111.1111.1111 4111.1111.1111.1111.2",
		"a fraction with an exponent":         "0.4111111111111111e5",
		"version numbers and addresses":       "Chrome/126.0.6478.182 198.151.100.117 10.4111.1111 5.15.0-1034",
		"a percent sign before a long number": "%94111111111111111 %411111111111111111111",
	} {
		t.Run(name, func(t *testing.T) {
			if got, c := mask(in); got != in || c != (redact.Counts{}) {
				t.Errorf("\n in  %s\n got %s (%+v)", in, got, c)
			}
		})
	}
}

// Times since 1970 of the years around the design's life stay, in every unit and
// whatever their check digit.
func TestTimesStay(t *testing.T) {
	r := redact.New()
	for _, unit := range []int64{1, 1e3, 1e6, 1e9} {
		for s := int64(1_000_000_000); s < 2_000_000_000; s += 9_999_991 {
			for extra := int64(0); extra < 11; extra++ {
				in := fmt.Sprintf(`{"t":%d,"u":"%d"}`, s*unit+extra, s*unit+extra)
				b := []byte(in)
				if r.Line(b); string(b) != in {
					t.Fatalf("%s became %s", in, b)
				}
			}
		}
	}
}

func TestSecrets(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"query", "/pay?cvv=123&a=1", "/pay?cvv=xxx&a=1"},
		{"query at the end of a request line", `"GET /?pin=1234 HTTP/1.1" 200`, `"GET /?pin=xxxx HTTP/1.1" 200`},
		{"query in JSON with an escaped ampersand", `{"q":"password=hun%26ter\u0026a=1"}`, `{"q":"password=xxxxxxxxx\u0026a=1"}`},
		{"JSON string", `{"password":"hunter2","a":"b"}`, `{"password":"xxxxxxx","a":"b"}`},
		{"JSON string with escapes", `{"password":"a\"b\\","a":"b"}`, `{"password":"xxxxxx","a":"b"}`},
		{"JSON with spaces", `{"passwd" : "hunter2" }`, `{"passwd" : "xxxxxxx" }`},
		{"JSON number", `{"cvv2":123,"pin":-1}`, `{"cvv2":  0,"pin": 0}`},
		{"JSON array", `{"Authorization":["Bearer abc","x"],"cvc":[12,3]}`, `{"Authorization":["Bearer xxx","x"],"cvc":[ 0,0]}`},
		{"an object", `{"password":{"value":"hunter2","n":[1,"b",{"c":-2.5e3}],"t":true,"o":null},"a":"b"}`, `{"password":{"value":"xxxxxxx","n":[0,"x",{"c":     0}],"t":true,"o":null},"a":"b"}`},
		{"lists in a list", `{"cvv":[["12",3],[]],"a":["b",1]}`, `{"cvv":[["xx",0],[]],"a":["b",1]}`},
		{"an object within JSON within JSON", `{"b":"{\"cvv\":{\"a\":\"123\"},\"c\":\"d\"}","e":"f"}`, `{"b":"{\"cvv\":{\"a\":\"xxx\"},\"c\":\"d\"}","e":"f"}`},
		{"an object that is cut off by its string", `{"b":"{\"cvv\":{\"a\":","e":"f"}`, ""},
		{"an object, percent-encoded", "b=%7B%22cvv%22%3A%7B%22a%22%3A%22123%22%7D%7D&c=d", "b=%7B%22cvv%22%3Axxxxxxxxxxxxxxxxxxxxxxxxxxxx&c=d"},
		{"query encoded twice", "next=%2Fpay%253Fcvv%253D123%2526a%253D1%26b=1", "next=%2Fpay%253Fcvv%253Dxxx%2526a%253D1%26b=1"},
		{"a value that holds an encoded ampersand, twice", "password%253Da%25252526b%2526c", "password%253Dxxxxxxxxxxx%2526c"},
		{"an encoded value that holds an ampersand", "password%3Da%2526b%26c", "password%3Dxxxxxxx%26c"},
		{"JSON, percent-encoded twice", "b=%257B%2522password%2522%253A%2522hunter2%2522%252C%2522cvv%2522%253A123%257D", "b=%257B%2522password%2522%253A%2522xxxxxxx%2522%252C%2522cvv%2522%253Axxx%257D"},
		{"key in brackets, encoded twice", "user%255Bpassword%255D%253Dabc%2526d", "user%255Bpassword%255D%253Dxxx%2526d"},
		{"JSON within JSON", `{"b":"{\"password\":\"a\\\"b\",\"c\":\"d\"}"}`, `{"b":"{\"password\":\"xxxxxx\",\"c\":\"d\"}"}`},
		{"JSON within JSON, number", `{"b":"{\"cvv\":123}"}`, `{"b":"{\"cvv\":  0}"}`},
		{"an empty value at the end of a string", `{"u":"/?password=","b":"c","d":"pin:"}`, ""},
		{"an empty value at the end of inner JSON", `{"u":"\"password\":","b":"c"}`, ""},
		{"an inner value cut off by the outer string", `{"u":"{\"password\":\"abc","b":"c"}`, `{"u":"{\"password\":\"xxx","b":"c"}`},
		{"no value", `{"password":null,"cvv":"","pin":"-","authorization":"(null)"}`, ""},
		{"header", "Authorization: Bearer abc.def-ghi next", "Authorization: Bearer xxxxxxxxxxx next"},
		{"header without scheme", "proxy-authorization: abc next", "proxy-authorization: xxx next"},
		{"header with a list", "authorization: Digest a=1, b=2 next", "authorization: Digest xxxxxxxx next"},
		{"header, percent-encoded", "h=Authorization%3A%20Basic%20YWJj&x", "h=Authorization%3A%20Basic%20xxxx&x"},
		{"form, percent-encoded", "body=user%3Da%26password%3Dhunter2%26c%3Dd", "body=user%3Da%26password%3Dxxxxxxx%26c%3Dd"},
		{"JSON, percent-encoded", "b=%7B%22password%22%3A%22hunter2%22%2C%22cvv%22%3A123%7D", "b=%7B%22password%22%3A%22xxxxxxx%22%2C%22cvv%22%3Axxx%7D"},
		{"key of a form in brackets", "user[password]=abc&user%5Bpassword%5D=abc", "user[password]=xxx&user%5Bpassword%5D=xxx"},
		{"key within a key", "card_pin=1 cardPin=1 new-password=a password_confirmation=a CVV2=1", "card_pin=x cardPin=x new-password=x password_confirmation=x CVV2=x"},
		{"words that end like a key", "shipping=a spin=b topsecret=c bypass=d mypwd=e", ""},
		{"quoted value", `password="hunter 2" password='hunter 2'`, `password="xxxxxxxx" password='xxxxxxxx'`},
		{"key after an escape", `{"a":"x\npin=1\u0026pin=2"}`, `{"a":"x\npin=x\u0026pin=x"}`},
		{"multi-byte value", `{"password":"pässwörd"}`, `{"password":"xxxxxxxxxx"}`},
		{"a value of three letters", "pwd=abc", "pwd=xxx"},
		{"password in a URL", `{"referer":"https://joe:hunter2@example.com/a?b=c@d"}`, `{"referer":"https://joe:xxxxxxx@example.com/a?b=c@d"}`},
		{"password in a URL without user", "redis://:hunter2@cache/0", "redis://:xxxxxxx@cache/0"},
		{"password in a URL, encoded", "u=https%3A%2F%2Fjoe%3Ahunter2%40example.com%2F", "u=https%3A%2F%2Fjoe%3Axxxxxxx%40example.com%2F"},
		{"password in a URL, escaped slashes", `{"u":"https:\/\/joe:hunter2@example.com"}`, `{"u":"https:\/\/joe:xxxxxxx@example.com"}`},
		{"password in a URL with an at sign in it", "ftp://joe:a@b@example.com", "ftp://joe:xxx@example.com"},
		{"no password in a URL", "https://joe@example.com:443/a:b@c mailto:joe@example.com https://example.com:443/@1:2 //a:b@c", ""},
		{"Digest with its quotes", `Authorization: Digest username="joe x", realm="a", uri="/b", nc=1, response="c" next`, `Authorization: Digest ` + strings.Repeat("x", 57) + ` next`},
		{"Digest with its quotes in JSON", `{"h":"authorization: Digest username=\"joe\", response=\"c\" next","b":"c"}`, `{"h":"authorization: Digest xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx next","b":"c"}`},
		{"Digest cut off at the end of its string", `{"h":"authorization: Digest username=","b":"c"}`, `{"h":"authorization: Digest xxxxxxxxx","b":"c"}`},
		{"Digest cut off inside a quote", `{"h":"authorization: Digest username=\"jo","b":"c"}`, `{"h":"authorization: Digest xxxxxxxxxxxxx","b":"c"}`},
		{"Digest in an access line", `"GET /?authorization=Digest username=" 200 1 "x"`, `"GET /?authorization=Digest xxxxxxxxx" 200 1 "x"`},
		{"track 1", "t=%B4111111111111111^DOE/JOHN^2512101000000000000?", "t=%B411111xxxxxx1111^xxxxxxxx^xxxxxxxxxxxxxxxxxxx?"},
		{"track 1, percent-encoded", "t=%25B4111111111111111%5EDOE%2FJOHN%5E2512101000000%3F", "t=%25B411111xxxxxx1111%5Exxxxxxxxxx%5Exxxxxxxxxxxxx%3F"},
		{"track 1 that ends with an inner string", `{"b":"{\"t\":\"%B4111111111111111^DOE/JOHN^2512101000\"}"}`, `{"b":"{\"t\":\"%B411111xxxxxx1111^xxxxxxxx^xxxxxxxxxx\"}"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.want == "" {
				tc.want = tc.in
			}
			got, c := mask(tc.in)
			if got != tc.want {
				t.Errorf("\n in  %s\n got %s\nwant %s", tc.in, got, tc.want)
			}
			if (c.Secrets > 0) != (tc.in != tc.want) {
				t.Errorf("counts %+v", c)
			}
			if tc.in[0] == '{' && json.Valid([]byte(tc.in)) && !json.Valid([]byte(got)) {
				t.Errorf("no JSON any more: %s", got)
			}
		})
	}
}

func TestTrack2IsMaskedBesideItsCardNumber(t *testing.T) {
	for in, want := range map[string]string{
		";4111111111111111=25121010000000000000?":       ";411111xxxxxx1111=xxxxxxxxxxxxxxxxxxxx?",
		"%3B4111111111111111%3D25121010000000000000%3F": "%3B411111xxxxxx1111%3Dxxxxxxxxxxxxxxxxxxxx%3F",
		"57=4111111111111111D25121010000000000000":      "57=411111xxxxxx1111Dxxxxxxxxxxxxxxxxxxxx",
	} {
		got, c := mask(in)
		if got != want || c != (redact.Counts{Cards: 1, Secrets: 1}) {
			t.Errorf("\n in  %s\n got %s (%+v)\nwant %s", in, got, c, want)
		}
	}
}

func TestConfiguredSecretsAreMaskedInEverySpelling(t *testing.T) {
	secret := []byte(`tok/en "1`)
	got, c := mask(`a tok/en "1 b tok%2Fen+%221 c {"x":"tok/en \"1"} tok%2Fen%20%221`, secret)
	want := `a xxxxxxx"x b xxxxxxxxxxxxx c {"x":"xxxxxxx\"x"} xxxxxxxxxxxxxxx`
	if got != want || c.Secrets != 4 {
		t.Errorf("\n got %s (%+v)\nwant %s", got, c, want)
	}
	if got, _ := mask("abc", []byte("abc")); got != "abc" {
		t.Errorf("a secret of three bytes was searched for: %s", got)
	}
	if got, _ := mask(`{"n":12345678}`, []byte("123456")); got != `{"n":11111178}` {
		t.Errorf("in a number: %s", got)
	}
	if got, _ := mask(`{"n":"\n123"}`, []byte("n123")); !json.Valid([]byte(got)) {
		t.Errorf("behind a backslash: %s", got)
	}
}

var seeds = []string{
	"4111111111111111", `{"a":4111111111111111,"b":"5555 5555 5555 4444"}`, `{"q":"4111\u00201111\u00201111\u00201111"}`,
	`{"q":"\\u003411111\\u0031111111\\u00311111"}`, "q=%34%31%31%31111111111111", "cvv=123&password=%22a",
	`{"password":"a\"b","authorization":["Bearer x"]}`, `{"b":"{\"password\":\"a\\\"b\",\"cvv\":1}"}`, `{"a":"\\","password":"\\\\"}`,
	"t=%B4111111111111111^DOE/JOHN^2512101000000000000?", ";4111111111111111=25121010000000000000?", "4242 4242 4242 4242 4242 4242 4242",
	`{"password=":"a","x":"pin='\\"}`, `{"x":"password=\\","y":"z"}`, `{"x":"password%3A%22","y":"z"}`, "s3cr3tTok4111",
}

func FuzzLine(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := redact.New([]byte("s3cr3tTok"))
		once := append([]byte(nil), in...)
		c := r.Line(once)
		if len(once) != len(in) {
			t.Fatalf("length %d became %d", len(in), len(once))
		}
		if (c == redact.Counts{}) != (string(once) == string(in)) {
			t.Errorf("counts %+v, but\n in  %q\n out %q", c, in, once)
		}
		if json.Valid(in) && in[0] == '{' && !json.Valid(once) {
			t.Errorf("JSON broken:\n in  %s\n out %s", in, once)
		}
		twice := append([]byte(nil), once...)
		if c := r.Line(twice); c != (redact.Counts{}) || string(twice) != string(once) {
			t.Errorf("not idempotent:\n in    %q\n once  %q\n twice %q", in, once, twice)
		}
	})
}

// Lines in which no digits stand close enough to be a card number, and no key
// has a value, come out as they went in.
func FuzzLinesWithoutCardsAreUntouched(f *testing.F) {
	f.Add("abc 123", uint8(1))
	f.Add("0f8fad5b-d9cb-469f-a165-70867728950e", uint8(0))
	f.Fuzz(func(t *testing.T, s string, digit uint8) {
		// Every twelfth digit is followed by a letter.
		var b []byte
		n := 0
		for _, c := range []byte(s) {
			if c == '=' || c == ':' || c == '%' || c == '^' || c == '\\' {
				continue
			}
			if c >= '0' && c <= '9' {
				if n++; n%12 == 0 {
					b = append(b, 'z')
				}
			}
			b = append(b, c)
		}
		if got, c := mask(string(b)); got != string(b) || c != (redact.Counts{}) {
			t.Errorf("\n in  %q\n out %q", b, got)
		}
	})
}

const line861 = `<134>2031-05-06T07:08:09Z cache-abc12345 edgewarden[246810]: {"timestamp":"2031-05-06T07:08:08.123456Z","service_id":"SSSSSSSSSSSSSSSSSSSSS1","request_id":"0f8fad5b-d9cb-469f-a165-70867728950e","pop":"AMS","client_ip":"198.51.100.7","client_asn":64500,"client_country":"NL","host":"www.example.com","method":"GET","path":"/catalogue/shoes/running/item-123456.html","query":"colour=blue\u0026size=42&ref=newsletter","protocol":"HTTP/2","status":200,"response_bytes":18234,"request_bytes":612,"elapsed_usec":1834,"ttfb_usec":911,"cache":"HIT-CLUSTER","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36","referer":"https://www.example.com/catalogue/shoes","tls_version":"TLSv1.3","tls_cipher":"TLS_AES_128_GCM_SHA256","ja3":"e7d705a3286e19ea42f587b344ee6865","ja4":"t13d1516h2_8daaf6152771_b186095e22b6","first_hop":true,"bot_name":"","blocked":false,"would_block":false}`

func TestOrdinaryLineStays(t *testing.T) {
	if got, c := mask(line861, []byte("s3cr3tTok")); got != line861 || c != (redact.Counts{}) {
		t.Errorf("%+v: %s", c, got)
	}
}

func BenchmarkLine(b *testing.B) {
	for name, secrets := range map[string][][]byte{"no token": nil, "two tokens": {[]byte("s3cr3tTok-one-0123456789"), []byte("s3cr3tTok-two-0123456789")}} {
		b.Run(name, func(b *testing.B) {
			r := redact.New(secrets...)
			line := []byte(line861)
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				r.Line(line)
			}
		})
	}
}
