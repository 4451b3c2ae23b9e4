package parse_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// warm has seen lines of many shapes; what it learned must never show.
var warm = parse.New()

// members returns the keys and raw values of a JSON object in order, as
// encoding/json sees them.
func members(t *testing.T, line []byte) (keys []string, values map[string]json.RawMessage) {
	t.Helper()
	values = map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(line))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k.(string))
		values[k.(string)] = v
	}
	return keys, values
}

func decoded(t *testing.T, v json.RawMessage) (x any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if err := d.Decode(&x); err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return x
}

// checkAgainstJSON compares what we read of a line with what encoding/json does.
func checkAgainstJSON(t *testing.T, line []byte, r *record.Record) {
	t.Helper()
	line = bytes.TrimLeft(line, " \t")
	if len(line) == 0 || line[0] != '{' {
		return
	}
	has := func(p string) bool { return strings.HasPrefix(r.Problem, p) }
	if !json.Valid(line) {
		if r.Kind != record.KindText || !(has(parse.ProblemBroken) || has(parse.ProblemTruncated) || has(parse.ProblemDuplicateKey) ||
			has(parse.ProblemAddress) || has(parse.ProblemTooDeep) || has(parse.ProblemTooManyKeys)) {
			t.Errorf("broken JSON taken: %q (%s)", line, r.Problem)
		}
		return
	}
	if has(parse.ProblemBroken) || has(parse.ProblemTruncated) {
		t.Errorf("valid JSON refused as %q: %q", r.Problem, line)
		return
	}
	keys, values := members(t, line)
	if has(parse.ProblemDuplicateKey) != (len(keys) != len(values)) && !bytes.Contains(line, []byte("network")) && !bytes.Contains(line, []byte("http")) && !bytes.Contains(line, []byte("geoip")) && !bytes.Contains(line, []byte("event")) {
		if !has(parse.ProblemAddress) && !has(parse.ProblemTooManyKeys) && !has(parse.ProblemTooDeep) {
			t.Errorf("%d keys, %d different, but problem %q: %q", len(keys), len(values), r.Problem, line)
		}
	}
	if r.Kind == record.KindText {
		return
	}
	extra := map[string]json.RawMessage{}
	if r.Extra != "" {
		if err := json.Unmarshal([]byte(r.Extra), &extra); err != nil {
			t.Fatalf("%q: extra %s: %v", line, r.Extra, err)
		}
	}
	for k, v := range values {
		if got, ok := extra[k]; ok && !reflect.DeepEqual(decoded(t, got), decoded(t, v)) {
			t.Errorf("%q: extra has %s for %q, want %s", line, got, k, v)
		}
		f, known := record.ByName(k)
		if !known {
			if _, ok := extra[k]; !ok && strings.HasPrefix(k, "z") {
				t.Errorf("%q: key %q is lost", line, k)
			}
			continue
		}
		if _, isExtra := extra[k]; isExtra || record.Fields[f].Origin != record.FromLine {
			continue
		}
		switch f {
		case record.UserAgent, record.Referer, record.Host, record.Cache, record.JA4:
			if s, ok := decoded(t, v).(string); ok && s != "" && s != "-" && s != "(null)" && *r.Str(f) != s {
				t.Errorf("%q: %s = %q, want %q", line, k, *r.Str(f), s)
			}
		}
	}
}

func check(t *testing.T, line []byte) {
	t.Helper()
	m := parse.Meta{Received: received, Sender: record.SenderToken, ServiceID: "svc", Position: "p"}
	in := bytes.Clone(line)
	var fresh, again, learnt, stable record.Record
	p := parse.New()
	p.Parse(in, m, &fresh)
	p.Parse(in, m, &learnt) // reads by shape, by the day and address known, what was read in general before
	warm.Parse(in, m, &again)
	m.Stable = true
	p.Parse(bytes.Clone(in), m, &stable)
	if !bytes.Equal(in, line) {
		t.Errorf("the line was changed: %q became %q", line, in)
	}
	for i := range in {
		in[i] = '#'
	}
	if !reflect.DeepEqual(fresh, again) {
		t.Errorf("a parser that saw other lines reads %q otherwise:\n%s\n%s", line, describe(&again), describe(&fresh))
	}
	if !reflect.DeepEqual(fresh, learnt) || !reflect.DeepEqual(fresh, stable) {
		t.Errorf("read twice, %q is not the same:\n%s\n%s\n%s", line, describe(&fresh), describe(&learnt), describe(&stable))
	}
	checkRecord(t, line, &fresh)
	checkAgainstJSON(t, line, &fresh)
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("../../testdata/fastly/*.log")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range bytes.Split(b, []byte("\n")) {
			f.Add(line)
		}
	}
	f.Add([]byte(canonical))
	for _, line := range traffic(20) {
		f.Add(line)
	}
	f.Add([]byte(`{"a":"\ud83d\ude00\ud83d","b":[1e5,-0.1E-2],"host":"\u00e9\/","client_ip":"1.2.3.4"}`))
	f.Fuzz(check)
}

func TestRandomObjects(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	key := func() string {
		return pick("client_ip", "ip", "status", "method", "url", "path", "host", "user_agent", "referer", "ja4", "first_hop", "timestamp", "time_start", "cache",
			"http", "network", "event", "z1", "z2", "z3", `z\n`, `\u007a4`, `clien\u0074_ip`, "zé", "z\xff", "", "kind", "extra", "node")
	}
	str := func() string {
		var b strings.Builder
		b.WriteByte('"')
		for range rng.IntN(6) {
			b.WriteString(pick("a", "bcdefghij", "2031-05-06T07:08:09Z", "2031-05-06T07:08:09.123456Z", "2031-05-06T25:08:09Z", "2001:db8::1", "::ffff:198.51.100.7", "[2001:DB8::1]:443", "é", "\xe9", "\xf0\x9f\x98\x80", `\"`, `\\`, `\/`, `\n`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\ude00x`, `\u0000`, "-", "(null)", " ", "198.51.100.7", "true", "200", "/a?b", "\u2028"))
		}
		b.WriteByte('"')
		return b.String()
	}
	var value func(depth int) string
	object := func(depth int) string {
		var b strings.Builder
		b.WriteString(pick("{", "{ ", "{\t"))
		for i := range rng.IntN(5) {
			if i > 0 {
				b.WriteString(pick(",", " , "))
			}
			b.WriteString(`"` + key() + `"` + pick(":", " :", ": ") + value(depth+1))
		}
		b.WriteString(pick("}", " }"))
		return b.String()
	}
	value = func(depth int) string {
		switch n := rng.IntN(12); {
		case n < 5:
			return str()
		case n < 6:
			return pick("0", "-0", "200", "00", "007", "123456789012345678", "1234567890123456789", "1e3", "1.5", "123456789012345678901", "1935990489123", "-1", "1E-7")
		case n < 7:
			return pick("true", "false", "null")
		case n < 8 && depth < 4:
			return "[" + value(depth+1) + "," + value(depth+1) + "]"
		case n < 10 && depth < 4:
			return object(depth)
		case n == 11 && rng.IntN(8) == 0:
			return pick("01", "+1", "1.", ".5", "1e", "nul", "tru", "'a'", `"\x"`, `"\u12g4"`, "\"a\tb\"", `"`, "[1,]", "[", "{,}", "-", "")
		}
		return `"198.51.100.7"`
	}
	valid := 0
	for range 40_000 {
		line := object(0)
		if json.Valid([]byte(line)) {
			valid++
		}
		check(t, []byte(line))
		if t.Failed() {
			return
		}
	}
	if valid < 20_000 {
		t.Errorf("only %d lines were JSON", valid)
	}
}
