package redact_test

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/redact"
)

// No line takes much longer than its length warrants, however it is made: the
// work per byte of a long line stays within a factor of that of a short one.
func TestHostileLinesCostNoMoreThanTheirLength(t *testing.T) {
	for name, piece := range map[string]string{
		"keys":              "password=",
		"keys in JSON":      `"password":"",`,
		"inner keys":        `\"pin\":\"`,
		"open lists":        `"pin":[1,`,
		"encoded keys":      "pin%3D%22",
		"headers":           "Authorization: Digest a, ",
		"cards":             "4111111111111111 ",
		"cards in numbers":  `{"a":4111111111111111},`,
		"overlapping cards": "4242 4242 4242 4242 ",
		"digits":            "4",
		"small groups":      "4 ",
		"groups":            "4111 ",
		"tracks":            "B4111111111111111^A/B^",
		"second tracks":     "4111111111111111=2512",
		"backslashes":       `\`,
		"percent signs":     "%25",
		"spaced colons":     "pin      :",
		"users of URLs":     "://a:b@",
		"at signs":          "@",
		"long users":        "://:" + strings.Repeat("a", 250) + "@",
		"percent in digits": "%41",
		"open parameters":   `authorization=Digest a="`,
		"parameters":        `{"h":"authorization: Digest a=\"b\",`,
		"dotted groups":     "4111.",
		"UUIDs":             "41111111-1111-1111-1111-111111111111-",
	} {
		t.Run(name, func(t *testing.T) {
			r := redact.New([]byte("s3cr3tTok"))
			cost := func(size int) time.Duration {
				line := strings.Repeat(piece, size/len(piece)+1)[:size]
				best := time.Hour
				for range 5 {
					b := []byte(line)
					start := time.Now()
					r.Line(b)
					best = min(best, time.Since(start))
				}
				return best
			}
			short, long := cost(4<<10), cost(64<<10)
			if long > 16*8*short+20*time.Millisecond {
				t.Errorf("64 KiB took %v, 4 KiB %v", long, short)
			}
			t.Logf("4 KiB %v, 64 KiB %v", short, long)
		})
	}
}
