package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// values are what log lines hold that looks like card numbers to a careless eye.
// stays means that none is ever masked, whatever its digits.
var values = []struct {
	name  string
	stays bool
	make  func(rng *rand.Rand) string
}{
	{"time, s", true, func(r *rand.Rand) string { return fmt.Sprint(seconds(r)) }},
	{"time, ms", true, func(r *rand.Rand) string { return fmt.Sprint(seconds(r)*1e3 + r.Int64N(1e3)) }},
	{"time, µs", true, func(r *rand.Rand) string { return fmt.Sprint(seconds(r)*1e6 + r.Int64N(1e6)) }},
	{"time, ns", true, func(r *rand.Rand) string { return fmt.Sprint(seconds(r)*1e9 + r.Int64N(1e9)) }},
	{"time, s with a fraction", true, func(r *rand.Rand) string { return fmt.Sprintf("%d.%09d", seconds(r), r.IntN(1e9)) }},
	{"date and time, 17 digits", true, func(r *rand.Rand) string {
		return fmt.Sprintf("20%02d%02d%02d%02d%02d%02d%03d", 24+r.IntN(6), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000))
	}},
	{"UUID, version 4", true, func(r *rand.Rand) string {
		return fmt.Sprintf("%s-%s-4%s-a%s-%s", hex(r, 8), hex(r, 4), hex(r, 3), hex(r, 3), hex(r, 12))
	}},
	{"UUID, version 7", true, func(r *rand.Rand) string {
		t := fmt.Sprintf("%012x", seconds(r)*1e3)
		return fmt.Sprintf("%s-%s-7%s-8%s-%s", t[:8], t[8:], hex(r, 3), hex(r, 3), hex(r, 12))
	}},
	{"UUID without dashes", true, func(r *rand.Rand) string { return hex(r, 32) }},
	{"ULID", false, func(r *rand.Rand) string { return "01" + from(r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24) }},
	{"SHA-256", true, func(r *rand.Rand) string { return hex(r, 64) }},
	{"SHA-1", true, func(r *rand.Rand) string { return hex(r, 40) }},
	{"span id, hexadecimal", false, func(r *rand.Rand) string { return hex(r, 16) }},
	{"traceparent", false, func(r *rand.Rand) string { return "00-" + hex(r, 32) + "-" + hex(r, 16) + "-01" }},
	{"trace id of AWS", false, func(r *rand.Rand) string { return "1-" + fmt.Sprintf("%x", seconds(r)) + "-" + hex(r, 24) }},
	{"resource id of AWS", true, func(r *rand.Rand) string { return "i-0" + hex(r, 16) }},
	{"ObjectId", true, func(r *rand.Rand) string { return fmt.Sprintf("%x", seconds(r)) + hex(r, 16) }},
	{"JA4", true, func(r *rand.Rand) string { return "t13d1516h2_" + hex(r, 12) + "_" + hex(r, 12) }},
	{"ETag", false, func(r *rand.Rand) string { return hex(r, 8) + "-" + hex(r, 5) }},
	{"id of 64 bits, decimal", false, func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) }},
	{"snowflake", false, func(r *rand.Rand) string { return fmt.Sprint(1e18 + r.Int64N(9e17)) }},
	{"cookie of Google Analytics", false, func(r *rand.Rand) string { return fmt.Sprintf("GA1.2.%d.%d", r.IntN(1<<31), seconds(r)) }},
	{"cookie of Facebook", false, func(r *rand.Rand) string { return fmt.Sprintf("fb.1.%d.%d", seconds(r)*1e3, r.IntN(1<<31)) }},
	{"id of Facebook, 15 digits from 1", false, func(r *rand.Rand) string { return "1" + digits(r, 14) }},
	{"order number, 10 digits", true, func(r *rand.Rand) string { return digits(r, 10) }},
	{"order number, 3-7-7 digits", false, func(r *rand.Rand) string { return digits(r, 3) + "-" + digits(r, 7) + "-" + digits(r, 7) }},
	{"order number, date and 6 digits", true, func(r *rand.Rand) string {
		return fmt.Sprintf("20%02d%02d%02d%s", 24+r.IntN(6), 1+r.IntN(12), 1+r.IntN(28), digits(r, 6))
	}},
	{"order number, letters and 16 digits", false, func(r *rand.Rand) string { return "ORD" + digits(r, 16) }},
	{"16 random digits", false, func(r *rand.Rand) string { return digits(r, 16) }},
	{"UPS", false, func(r *rand.Rand) string {
		return "1Z" + from(r, "0123456789ABCDEFGHJKLMNPRSTUVWXY", 6) + digits(r, 10)
	}},
	{"UPS, digits only", false, func(r *rand.Rand) string { return "1Z" + digits(r, 16) }},
	{"FedEx, 12 digits", true, func(r *rand.Rand) string { return digits(r, 12) }},
	{"FedEx, 15 digits", false, func(r *rand.Rand) string { return digits(r, 15) }},
	{"DHL", true, func(r *rand.Rand) string { return "JD0146" + digits(r, 14) }},
	{"USPS", true, func(r *rand.Rand) string { return "94" + digits(r, 20) }},
	{"USPS, in groups", false, func(r *rand.Rand) string { return groupsOf(4, "9400"+digits(r, 18)) }},
	{"ISBN-13", true, func(r *rand.Rand) string { return "978" + digits(r, 10) }},
	{"EAN-13", false, func(r *rand.Rand) string { return digits(r, 13) }},
	{"EAN-13 of Germany and Japan", false, func(r *rand.Rand) string { return "4" + digits(r, 12) }},
	{"phone number", false, func(r *rand.Rand) string {
		return pick(r, "+49", "+44", "+1", "+33", "+55", "+86", "+91", "+62", "+234") + digits(r, 10)
	}},
	{"phone number, in groups", false, func(r *rand.Rand) string {
		return pick(r, "+49", "+44", "+33", "+62") + " " + digits(r, 3) + " " + digits(r, 4) + "-" + digits(r, 4)
	}},
	{"IMEI", true, func(r *rand.Rand) string { return withCheckDigit(r, pick(r, "35", "86", "01", "99"), 15) }},
	{"IBAN of Germany", true, func(r *rand.Rand) string { return "DE" + digits(r, 20) }},
	{"IBAN of Denmark", false, func(r *rand.Rand) string { return "DK" + digits(r, 16) }},
	{"list of addresses", true, func(r *rand.Rand) string { return ip(r) + ", " + ip(r) + ", " + ip(r) }},
	{"list of addresses, encoded", true, func(r *rand.Rand) string { return ip(r) + "%2C%20" + ip(r) + "%2C%20" + ip(r) }},
	{"fraction", true, func(r *rand.Rand) string { return fmt.Sprint(r.Float64()) }},
	{"floating point", false, func(r *rand.Rand) string { return fmt.Sprint(r.Float64() * 1e6) }},
	{"coordinates", true, func(r *rand.Rand) string { return fmt.Sprintf("%.7f,%.7f", r.Float64()*90, r.Float64()*180) }},
	{"version", true, func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%d.%d.%d", r.IntN(200), r.IntN(10), r.IntN(10000), r.IntN(1000))
	}},
	{"base64", false, func(r *rand.Rand) string { return base64.StdEncoding.EncodeToString(bytes(r, 32)) }},
	{"base64url", false, func(r *rand.Rand) string { return base64.RawURLEncoding.EncodeToString(bytes(r, 48)) }},
	{"sizes", true, func(r *rand.Rand) string { return fmt.Sprintf("%d,%d,%d", r.IntN(1e4), r.IntN(1e6), r.IntN(1e7)) }},
	{"range of bytes", false, func(r *rand.Rand) string { return fmt.Sprintf("bytes=%d-%d", r.IntN(1e7), r.IntN(1e9)) }},
}

func seconds(r *rand.Rand) int64              { return 1_700_000_000 + r.Int64N(290_000_000) }
func digits(r *rand.Rand, n int) string       { return from(r, "0123456789", n) }
func hex(r *rand.Rand, n int) string          { return from(r, "0123456789abcdef", n) }
func pick(r *rand.Rand, all ...string) string { return all[r.IntN(len(all))] }
func from(r *rand.Rand, set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[r.IntN(len(set))]
	}
	return string(b)
}

func bytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func groupsOf(n int, s string) string {
	var parts []string
	for part := range slices.Chunk([]byte(s), n) {
		parts = append(parts, string(part))
	}
	return strings.Join(parts, " ")
}

func ip(r *rand.Rand) string {
	return fmt.Sprintf("%d.%d.%d.%d", 1+r.IntN(223), r.IntN(256), r.IntN(256), 1+r.IntN(254))
}

// maskedNumbers returns the digits of every number that was masked: what changed,
// the six digits before and the four after.
func maskedNumbers(in, out string) (numbers []string) {
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	for i := 0; i < len(in); i++ {
		if in[i] == out[i] {
			continue
		}
		from, to := i, i
		for j := i; j < len(in) && j-to <= 3; j++ {
			if in[j] != out[j] {
				to = j
			}
		}
		n := ""
		for j := from; j <= to; j++ {
			if isDigit(in[j]) {
				n += in[j : j+1]
			}
		}
		before, after := "", ""
		for j := from - 1; j >= 0 && len(before) < 6; j-- {
			if isDigit(in[j]) {
				before = in[j:j+1] + before
			}
		}
		for j := to + 1; j < len(in) && len(after) < 4; j++ {
			if isDigit(in[j]) {
				after += in[j : j+1]
			}
		}
		numbers = append(numbers, before+n+after)
		i = to
	}
	return numbers
}

// Among realistic lines without a card number, nothing is masked that is not a
// valid number of an issuer and its length, and what stays by design stays.
// EDGEWARDEN_CARDS_LINES sets how many lines; `make cards` prints the shares of
// docs/card-data.md.
func TestPrecision(t *testing.T) {
	lines := 30_000
	if v := os.Getenv("EDGEWARDEN_CARDS_LINES"); v != "" {
		var err error
		if lines, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(15, 16))
	r := redact.New([]byte("s3cr3tTok"))
	seen, hits := make([]int, len(values)), make([]int, len(values))
	kinds := make([]int, 3)
	touched, base64s := 0, 0
	for i := range lines {
		made := make([]string, len(kinds))
		for k := range kinds {
			kinds[k] = (i*len(kinds) + k*17 + rng.IntN(3)) % len(values)
			made[k] = values[kinds[k]].make(rng)
		}
		in := fmt.Sprintf(`<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {"timestamp":"2031-05-06T07:08:08.%06dZ","request_id":"%s","client_ip":"%s","client_asn":%d,"path":"/p/%s/item-%d.html","query":"t=%d\u0026id=%s","status":200,"response_bytes":%d,"user_agent":"Mozilla/5.0 (Linux; Android 14) Chrome/126.0.%d.%d","x_id":"%s"}`,
			rng.IntN(1e6), hex(rng, 8)+"-"+hex(rng, 4)+"-4"+hex(rng, 3)+"-a"+hex(rng, 3)+"-"+hex(rng, 12), ip(rng), rng.IntN(400000), made[0], rng.IntN(1e7), seconds(rng), made[1], rng.IntN(1<<24), rng.IntN(7000), rng.IntN(200), made[2])
		b := []byte(in)
		c := r.Line(b)
		out := string(b)
		if c.Secrets > 0 { // base64 that ends in "cvc=", and the like
			if base64s++; !strings.Contains(in, "=/item-") && !strings.Contains(in, `="`) {
				t.Fatalf("counts %+v\n in  %s\n out %s", c, in, out)
			}
			continue
		}
		if (c.Cards > 0) != (in != out) {
			t.Fatalf("counts %+v\n in  %s\n out %s", c, in, out)
		}
		if from := strings.IndexByte(in, '{'); !json.Valid(b[from:]) {
			t.Fatalf("no JSON: %s", b)
		}
		for _, n := range maskedNumbers(in, out) {
			if !isCard(n) {
				t.Fatalf("%s was masked and is no card number:\n in  %s\n out %s", n, in, out)
			}
		}
		if in != out {
			touched++
		}
		at := 0
		for k, kind := range kinds {
			seen[kind]++
			from := at + strings.Index(in[at:], made[k])
			if at = from + len(made[k]); in[from:at] != out[from:at] {
				hits[kind]++
				if values[kind].stays {
					t.Fatalf("%s %s became %s", values[kind].name, in[from:at], out[from:at])
				}
			}
		}
	}
	for k, v := range values {
		t.Logf("| %s | `%s` | %d of %d | %.3f %% |", v.name, v.make(rng), hits[k], seen[k], 100*float64(hits[k])/float64(seen[k]))
	}
	t.Logf("%d of %d lines changed by a number, %d by base64 that ends like a secret key", touched, lines, base64s)
}
