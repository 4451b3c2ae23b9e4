package redact_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// Whoever writes a line decides how often it is read, and must not be able to make that a thousand times.
func TestNoLineIsReadManyTimes(t *testing.T) {
	r := redact.New([]byte("s3cr3tTok"))
	rng := rand.New(rand.NewPCG(21, 22))
	pick := func(most int) (s string) {
		for range rng.IntN(most) {
			s += pieces[rng.IntN(len(pieces))]
		}
		return s
	}
	const enough = 24
	check := func(before, again, after string) {
		line := before + strings.Repeat(again, 4096/len(again)) + after
		if n := r.Passes([]byte(line)); n > enough {
			t.Errorf("read %d times: %q, %d times %q, %q", n, before, 4096/len(again), again, after)
		}
	}
	for _, again := range []string{"e4111111111111111", "D4111111111111111", "4111-1111-1111-1111-e", "e4111111111111111-", "ab4111-1111-1111-111111111111"} {
		check("", again, "")
		check(`{"q":"`, again, "") // JSON that ends too early
		check("", again, "-4111-1111-1111-xyz")
	}
	check("5555", "%BB4111111111111111^", "^2512101")
	check(`{"q":"`, "B4111111111111111^12&", "^2512101D")
	check(`{"q":"D`, `4\u00e9B4111111111111111^`, "^2512101%31%31")
	for range 3000 {
		check(pick(3), pick(4)+"a", pick(3))
	}
}
