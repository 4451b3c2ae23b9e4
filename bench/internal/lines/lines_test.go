package lines_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"edgewarden/bench/internal/lines"
)

func TestLinesAreClassicSyslogWithTwentyEightKeysAndAboutEightHundredAndSixtyBytes(t *testing.T) {
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	m := lines.New("b", 3, "token")
	text := m.Append(nil, 5000, now)
	var n, total int64
	for line := range bytes.Lines(text) {
		total += int64(len(line))
		rest, ok := bytes.CutPrefix(line, []byte("token<134>2031-05-06T07:08:08Z cache-"))
		if !ok {
			t.Fatalf("line %d begins with %.60q", n, line)
		}
		var keys map[string]any
		if err := json.Unmarshal(rest[bytes.IndexByte(rest, '{'):], &keys); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if len(keys) != 28 {
			t.Errorf("line %d has %d keys", n, len(keys))
		}
		at, err := time.Parse(time.RFC3339Nano, keys["timestamp"].(string))
		if age := now.Sub(at); err != nil || age <= 0 || age > time.Second {
			t.Errorf("line %d is of %v (%v)", n, at, err)
		}
		if id, err := lines.FindID(line); err != nil || id != (lines.ID{Run: "b", Conn: 3, Seq: n}) {
			t.Errorf("line %d is called %v (%v)", n, id, err)
		}
		n++
	}
	if n != 5000 || m.Made() != n {
		t.Errorf("%d lines, %d by its own count", n, m.Made())
	}
	if mean := total / n; mean < 840 || mean > 890 {
		t.Errorf("%d bytes a line", mean)
	}
}

func TestWhatWasNotMadeHereHasNoID(t *testing.T) {
	for _, s := range []string{"", "c", "bc0001n0000001", "bc0001n0000000ax", "b-0001n00000001x", `{"request_id":"x"}`, `{"request_id":"bc0001n00000001x`} {
		if id, err := lines.ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %v", s, id)
		}
		if id, err := lines.FindID([]byte(s)); err == nil {
			t.Errorf("FindID(%q) = %v", s, id)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	m := lines.New("b", 0, "")
	buf := m.Append(nil, 256, time.Now())
	b.SetBytes(int64(len(buf) / 256))
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0], 1, time.Now())
	}
}
