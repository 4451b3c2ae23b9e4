package redact_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// Pieces that meet each other in hostile lines. Put together at random they
// reach combinations that mutation of bytes seldom does.
var pieces = []string{
	"4111111111111111", "4111 1111 1111 1111", "4242", "4242 4242", "5555-5555", "5555-4444", "411", "1111", "%34", "%31%31", `\u0031`, `\\u0034111`, "%2531",
	" ", "-", "+", "%20", "%2D", `\u0020`, `\\u002d`, "%2520", "x", "D", "2512101", "25121010000", "=", "%3D", ":", "%3A", ";", "^", "%5E", "%B4111111111111111^A/B^2512101?", "%B4111111111111111^A/B^2512101", "B4111111111111111^", "^2512101",
	`"`, `\"`, `\\`, `\\\"`, `\\\\`, "%22", "'", `\n`, `\u0026`, "&", "%26", ",", "{", "}", "[", "]", ", ", ".", "0.", "é", `\u00e9`,
	"password", "cvv", "pin", "cardPin", "authorization", "Bearer ", "Digest a,", "cvv2", "null", "(null)", "s3cr3tTok", "1", "12", "abc", "_", "|", "://", "%3A%2F%2F", "u:p@", "@", "%40", "/", "Digest ", `="a"`, `=\"a\",`, "4111.1111.", "  ", "%4111111111111111",
}

func TestRandomLines(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := redact.New([]byte("s3cr3tTok"), []byte(`a"b\c`))
	inner := func(n int) string {
		var b strings.Builder
		for range rng.IntN(n) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		return b.String()
	}
	quoted := func(s string) string {
		q, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(q)
	}
	value := func() string {
		switch rng.IntN(7) {
		case 0:
			return "4111111111111111"
		case 1:
			return "-123.5e+7"
		case 2:
			return "[" + quoted(inner(4)) + ",12, " + quoted(inner(4)) + "]"
		case 3:
			return quoted(`{"password":` + quoted(inner(6)) + `,"cvv":12,"x":` + quoted(`{"pin":`+quoted(inner(5))+"}") + "}")
		}
		if s := inner(8); json.Valid([]byte(`"` + s + `"`)) {
			return `"` + s + `"`
		}
		return quoted(inner(10))
	}
	valid := 0
	for range 30_000 {
		var b strings.Builder
		b.WriteByte('{')
		for k := range rng.IntN(4) {
			if k > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quoted(inner(3)) + ":" + value())
		}
		b.WriteByte('}')
		in := b.String()
		if rng.IntN(4) == 0 {
			in = inner(14)
		}
		once := []byte(in)
		c := r.Line(once)
		if (c == redact.Counts{}) != (string(once) == in) {
			t.Fatalf("counts %+v\n in  %s\n out %s", c, in, once)
		}
		if in != "" && in[0] == '{' && json.Valid([]byte(in)) {
			valid++
			if !json.Valid(once) {
				t.Fatalf("JSON broken:\n in  %s\n out %s", in, once)
			}
		}
		twice := append([]byte(nil), once...)
		if r.Line(twice); string(twice) != string(once) {
			t.Fatalf("not idempotent:\n in    %s\n once  %s\n twice %s", in, once, twice)
		}
	}
	if valid < 15_000 {
		t.Errorf("only %d lines were JSON", valid)
	}
}
