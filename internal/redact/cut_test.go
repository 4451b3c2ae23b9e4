package redact_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// Wherever a line is cut, six digits are left of a card number at its end, even
// when what is left is a valid number itself.
func TestALineCutInACardNumberKeepsNoMoreThanItsBeginning(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	r := redact.New()
	for i, n := range corpus(rng) {
		for k, e := range encodings {
			if (i+k)%6 > 0 {
				continue
			}
			written := e.write(rng, n)
			for _, p := range []string{`{"status":200,"query":"a=12\u0026card=%s`, `{"status":200,"pan":%s`, `GET /pay?card=%s`, `VISA%s`, `%s`} {
				if strings.HasPrefix(p, "VISA") && grouped(e.name) || e.json && p[0] != '{' || e.name != "plain" && strings.HasSuffix(p, ":%s") {
					continue
				}
				whole := fmt.Sprintf(p, written)
				for end := len(whole) - len(written) + 1; end < len(whole); end += 1 + rng.IntN(3) {
					b := []byte(whole[:end])
					if p[0] == '{' {
						r.Line(b) // sees by itself that the JSON ends too early
					} else {
						r.Cut(b)
					}
					left := string(b[len(whole)-len(written):])
					got := shown(left)
					if strings.HasSuffix(p, ":%s") && len(got) > 6 { // zeros are the mask
						got = got[:6] + strings.Trim(got[6:], "0")
					}
					if torn := strings.LastIndexAny(left, `%\`); torn >= 0 && len(left)-torn < 8 {
						got = shown(left[:torn]) // an escape that was cut says nothing
					}
					if len(got) > 6 {
						t.Fatalf("%s of %s cut: still %s in\n     %s\n was %s", e.name, n, got, b, whole[:end])
					}
					twice := string(b)
					if c := r.Cut(b); c != (redact.Counts{}) || string(b) != twice {
						t.Fatalf("not idempotent: %s became %s", twice, b)
					}
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"a card number", "card=4111111111", "card=411111xxxx"},
		{"a piece that looks like a whole one", "6221 2631 2289 6834 72", "6221 26xx xxxx xxxx xx"},
		{"in groups", "No 12 4111 1111 11", "No 12 4111 11xx xx"},
		{"before its last digit", "4111 1111 1111 111", "4111 11xx xxxx xxx"},
		{"no more than six digits", "4111 11", "4111 11"},
		{"in an escape", `4111\u00311111\u003`, `4111\u00311xxx\u003`},
		{"in a percent escape", "%34%31%31%31%31%31%31%3", "%34%31%31%31%31%31%78%3"},
		{"behind a separator", "4111-1111-", "4111-11xx-"},
		{"a time", "t=1935990489123", "t=1935990489123"},
		{"no issuer", "id=9911111111111", "id=9911111111111"},
		{"a whole number that is none", "411111111111111111112", "411111111111111111112"},
		{"the beginning of a configured secret", "a s3cr3tT", "a xxxxxxx"},
		{"a password", "password=hunt", "password=xxxx"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := []byte(tc.in)
			c := redact.New([]byte("s3cr3tTok")).Cut(b)
			if string(b) != tc.want || (c == redact.Counts{}) != (tc.in == tc.want) {
				t.Errorf("%+v\n in  %s\n got %s\nwant %s", c, tc.in, b, tc.want)
			}
		})
	}
}

// A line that is whole keeps the number at its end, when it is no card number.
func TestALineThatEndsInDigitsIsNotTakenForOneThatWasCut(t *testing.T) {
	for _, in := range []string{"GET / 200 4111111", "4111111", `{"a":1} 4111111`, `{"a":"4111111"}`, `{"a":{"b":4111111}}`} {
		if got, c := mask(in); got != in || c != (redact.Counts{}) {
			t.Errorf("%+v: %s became %s", c, in, got)
		}
	}
}

func TestMaskingDoesNotAllocate(t *testing.T) {
	r := redact.New([]byte("s3cr3tTok"))
	for _, in := range []string{line861, "VISA4111111111111111 cc4111111111111111 9be4111111111111111f", `{"password":{"a":["` + strings.Repeat("b", 100) + `",1]},"n":41111111`,
		"next=%2Fpay%253Fcvv%253D" + strings.Repeat("9", 100) + "%2526a%253D1", "4111 1111 1111 11", "v4111.1111.1111.1111b"} {
		b := make([]byte, len(in))
		if n := testing.AllocsPerRun(100, func() { r.Cut(append(b[:0], in...)) }); n > 0 {
			t.Errorf("%v allocations for %s", n, in)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
		f.Add([]byte(s[:len(s)-3]))
		f.Add([]byte("0X0X4242 4242 424284242 0000010000000"))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := redact.New([]byte("s3cr3tTok"))
		once := append([]byte(nil), in...)
		c := r.Cut(once)
		if len(once) != len(in) || (c == redact.Counts{}) != (string(once) == string(in)) {
			t.Fatalf("counts %+v, but\n in  %q\n out %q", c, in, once)
		}
		twice := append([]byte(nil), once...)
		if c := r.Cut(twice); c != (redact.Counts{}) || string(twice) != string(once) {
			t.Errorf("not idempotent:\n in    %q\n once  %q\n twice %q", in, once, twice)
		}
	})
}
