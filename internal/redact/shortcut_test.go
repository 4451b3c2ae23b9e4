package redact_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"edgewarden/internal/redact"
)

// checkShortCuts compares what a search that skips most of a line finds with
// what one finds that skips nothing.
func checkShortCuts(t *testing.T, in string) {
	t.Helper()
	r := redact.New([]byte("s3cr3tTok"), []byte(`a"b\c`))
	slow := []byte(in)
	s := r.LineSlowly(slow)
	for range 2 { // with vectors where there are any, and without
		quick := []byte(in)
		if q := r.Line(quick); string(quick) != string(slow) || q != s {
			t.Errorf("not as without short cuts:\n in   %q\n got  %q %+v\n want %q %+v", in, quick, q, slow, s)
		}
		r.WithoutVectors()
	}
}

func FuzzShortCuts(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
		f.Add(line861 + s + line861)
	}
	f.Fuzz(checkShortCuts)
}

func TestShortCutsFindTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 30_000 {
		var b strings.Builder
		for range rng.IntN(30) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		if checkShortCuts(t, b.String()); t.Failed() {
			return
		}
	}
}

// A secret is found wherever it stands, whatever it is called and written, in
// long lines and in short ones.
func TestSecretIsFoundAtEveryPlace(t *testing.T) {
	r := redact.New()
	for _, pair := range []string{`"password":"Secr3t"`, "CVV=Secr3t", "cvv2=Secr3t", "user%5Bpassword%5D=Secr3t", "x[pin]=Secr3t", `\"passwd\" : \"Secr3t\"`, "pin12:Secr3t", `"pin12":"Secr3t"`, "Api-Key: Secr3t", "pwd%3DSecr3t", "'pass': 'Secr3t'"} {
		for before := range 80 {
			for _, after := range []int{0, 1, 40} {
				line := strings.Repeat(".", before) + pair + strings.Repeat(".", after)
				b := []byte(line)
				if c := r.Line(b); c.Secrets != 1 || strings.Contains(string(b), "Secr3t") {
					t.Fatalf("%+v: %s became %s", c, line, b)
				}
			}
		}
	}
}

func TestEverySecretKeyIsKnown(t *testing.T) {
	names := redact.SecretKeyNames()
	if len(names) < 30 {
		t.Fatalf("only %d keys", len(names))
	}
	r := redact.New()
	for _, name := range names {
		for _, key := range []string{name, strings.ToUpper(name), strings.ReplaceAll(name, "_", "-"), "my_" + name, name + "2", name + "34"} {
			for _, form := range []string{`{"a":"0123456789","%s":"Secr3t"}`, "/0123456789?%s=Secr3t", "0123456789 %s: Secr3t", "a%%3D0123456789%%26%s%%3DSecr3t", "/0123456789?x[%s]=Secr3t"} {
				line := fmt.Sprintf(form, key)
				b := []byte(line)
				if c := r.Line(b); c.Secrets != 1 || strings.Contains(string(b), "Secr3t") {
					t.Errorf("%+v: %s became %s", c, line, b)
				}
			}
		}
	}
}

// traffic returns lines of our own format that differ as those of many clients
// do: no branch and no length repeats itself.
func traffic(n int) [][]byte {
	rng := rand.New(rand.NewPCG(7, 8))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	lines := make([][]byte, n)
	for i := range lines {
		l := strings.NewReplacer(
			"198.51.100.7", pick(fmt.Sprintf("%d.%d.%d.%d", 1+rng.IntN(222), rng.IntN(256), rng.IntN(256), rng.IntN(256)), fmt.Sprintf("2001:db8:%x:%x::%x", rng.IntN(8), rng.IntN(1<<16), rng.IntN(1<<16))),
			"0f8fad5b-d9cb-469f-a165-70867728950e", fmt.Sprintf("%08x-%04x-469f-a165-%012x", rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<48)),
			`colour=blue\u0026size=42&ref=newsletter`, pick("", `colour=blue\u0026size=42&ref=newsletter`, "q=shoes+red", `utm_source=mail\u0026utm_medium=x\u0026id=%D0%BA`),
			"08.123456Z", fmt.Sprintf("%02d.%06dZ", rng.IntN(60), rng.IntN(1e6)), "64500", fmt.Sprint(rng.IntN(400000)), "18234", fmt.Sprint(rng.IntN(1<<rng.IntN(24))),
			"1834", fmt.Sprint(rng.IntN(1<<rng.IntN(22))), "item-123456.html", fmt.Sprintf("item-%d.html", rng.IntN(1e7)),
			"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
			pick("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "curl/8.5.0"),
			"e7d705a3286e19ea42f587b344ee6865", fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()), "8daaf6152771", fmt.Sprintf("%012x", rng.IntN(1<<48)),
		).Replace(line861)
		lines[i] = []byte(l)
	}
	return lines
}

// BenchmarkTraffic redacts lines as a connection brings them, where
// BenchmarkLine reads one line again and again.
func BenchmarkTraffic(b *testing.B) {
	lines := traffic(1 << 10)
	r := redact.New([]byte("s3cr3tTok-one-0123456789"))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r.Line(lines[i%len(lines)])
		i++
	}
}
