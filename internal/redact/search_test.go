package redact_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// The search looks at every thirteenth byte only; no place is out of its sight.
func TestCardIsFoundAtEveryPlace(t *testing.T) {
	r := redact.New()
	for _, card := range []string{"4222222222222", "4111 1111 1111 1111", "6205500000000000004", "%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31"} {
		for _, filler := range []string{"a", ".", "1.", "d:", "-.", `\u00e9`, "%2F", "4242,", "12 34,"} {
			for before := range 45 {
				line := strings.Repeat(filler, before) + "|" + card + "|" + strings.Repeat(filler, before%7)
				b := []byte(line)
				if c := r.Line(b); c.Cards != 1 || len(b) != len(line) {
					t.Fatalf("%+v: %s became %s", c, line, b)
				}
			}
		}
	}
}

// luhn and ranges are written down a second time here, as a table of the usual
// text, to check the one in use.
func isCard(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			d = d/5 + d*2%10
		}
		sum += d
	}
	if sum%10 != 0 {
		return false
	}
	n := len(s)
	in := func(low, high string) bool { p := s[:len(low)]; return p >= low && p <= high }
	long := n >= 16 && n <= 19
	switch {
	case in("4", "4"):
		return n == 13 || n == 16 || n == 18 || n == 19
	case in("51", "55"), in("2221", "2720"), in("637", "638"), in("8600", "8600"), in("2205", "2205"), in("9682", "9682"), in("9792", "9792"), in("9860", "9860"):
		return n == 16
	case in("9704", "9704"):
		return n == 16 || n == 19
	case in("34", "34"), in("37", "37"), in("1800", "1800"), in("2131", "2131"):
		return n == 15
	case in("300", "305"), in("3095", "3095"), in("36", "36"), in("38", "39"):
		return n >= 14 && n <= 19
	case in("50", "50"), in("56", "58"), in("6304", "6304"), in("639", "639"), in("67", "67"):
		return n >= 13 && n <= 19
	case in("633110", "633110"), in("6333", "6334"):
		return n == 16 || n == 18 || n == 19
	case in("2200", "2204"), in("3528", "3589"), in("60", "60"), in("62", "62"), in("636", "636"), in("644", "659"), in("81", "82"):
		return long
	}
	return false
}

func TestRandomNumbersAreJudgedByRangeLengthAndCheckDigit(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	prefixes := []string{"", "4", "51", "2221", "2720", "2721", "34", "37", "300", "305", "306", "3095", "36", "3528", "3589", "3590", "50", "56", "59", "60", "62", "61", "6304", "633110", "6334", "636", "637", "639", "644", "643", "659", "67", "81", "83", "2204", "2205", "1800", "2131", "8600", "9682", "9704", "9792", "9860", "1"}
	r := redact.New()
	cards := 0
	for range 100_000 {
		b := []byte(prefixes[rng.IntN(len(prefixes))])
		for n := 11 + rng.IntN(11); len(b) < n; {
			b = append(b, byte('0'+rng.IntN(10)))
		}
		s := string(b)
		want := len(s) >= 13 && isCard(s)
		if c := r.Line(b); (c.Cards == 1) != want {
			t.Fatalf("%s: %+v, want a card: %v", s, c, want)
		}
		if want {
			cards++
			if string(b) != s[:6]+strings.Repeat("x", len(s)-10)+s[len(s)-4:] {
				t.Fatalf("%s became %s", s, b)
			}
		} else if string(b) != s {
			t.Fatalf("%s became %s", s, b)
		}
	}
	if cards < 1000 {
		t.Errorf("only %d cards", cards)
	}
}
