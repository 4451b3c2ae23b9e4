package parse_test

import (
	"bytes"
	"os"
	"testing"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// Every line of an access log is a request with an address, a time and a
// status, plain and behind Fastly's header. EDGEWARDEN_SAMPLE_LOG names a log
// of real requests; without it the made-up one of testdata is read.
func TestAccessLog(t *testing.T) {
	file := os.Getenv("EDGEWARDEN_SAMPLE_LOG")
	if file == "" {
		file = "../../testdata/combined.log"
		t.Logf("EDGEWARDEN_SAMPLE_LOG is not set, reading %s", file)
	}
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := parse.New()
	lines := 0
	for line := range bytes.Lines(in) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		for _, head := range []string{"", "<134>2031-05-06T07:08:09Z cache-ams12345 web[246810]: "} {
			var r record.Record
			p.Parse(append([]byte(head), line...), parse.Meta{Received: received}, &r)
			if r.Kind != record.KindRequest || r.ClientKey == "" || r.TimeSource != record.TimeMessage || !r.Has(record.Status) || r.Method == "" || r.Path == "" {
				t.Errorf("%q:\n%s", line, describe(&r))
			}
			if want, _, _ := bytes.Cut(line, []byte(" ")); r.ClientIP != string(want) {
				t.Errorf("%q: address %q", line, r.ClientIP)
			}
		}
		lines++
	}
	t.Logf("%d lines", lines)
	if lines < 40 {
		t.Errorf("only %d lines", lines)
	}
}
