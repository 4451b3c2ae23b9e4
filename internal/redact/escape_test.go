package redact_test

import (
	"encoding/json"
	"testing"

	"edgewarden/internal/redact"
)

// A client chooses a string that looks like a secret key with a value and ends in backslashes. Once escaped, the quote behind
// them ends the string; taking it for the value's own would break the JSON, and the request would vanish from detection.
func TestAStringThatEndsInBackslashesStaysAString(t *testing.T) {
	for _, agent := range []string{`pin":\`, `pin"=\`, `password":\\`, `"pin":\\\`, `x=1&pin=\`, `pin":"\`, `cvv\":\\\`, `authorization: \`,
		`authorization: Digest a="`, `authorization=Digest a=\`, `authorization=Digest a=\\`, `authorization=Digest a=`, `authorization=Digest a="b\", c="\`, `http://a:b\@c`, `http://:@"`} {
		for _, value := range []any{agent, map[string]string{"inner": agent}} {
			line, err := json.Marshal(map[string]any{"a_agent": value, "b_next": "kept", "c_status": 200})
			if err != nil {
				t.Fatal(err)
			}
			was := string(line)
			redact.New().Line(line)
			var got map[string]any
			if err := json.Unmarshal(line, &got); err != nil {
				t.Errorf("%s became %s: %v", was, line, err)
				continue
			}
			if got["b_next"] != "kept" || got["c_status"] != 200.0 {
				t.Errorf("%s became %s: a neighbour changed", was, line)
			}
		}
	}
}

// FuzzNeighbours: whatever a client puts into one string, the JSON stays JSON and the fields beside it stay as they were.
func FuzzNeighbours(f *testing.F) {
	for _, seed := range []string{`pin":\`, `4111111111111111`, `password=a&b`, `Authorization: Basic x"\\`, `\\\"pin\\\":\\"`, `authorization=Digest a="b\", c="\`, `authorization=Digest a=\`, `http://a:b\@c`, "4111.1111.1111.1111"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		line, err := json.Marshal(map[string]any{"a_agent": agent, "b_next": "kept", "c_status": 200, "d_path": "/x"})
		if err != nil {
			t.Skip()
		}
		was := string(line)
		redact.New().Line(line)
		var got map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%s became %s: %v", was, line, err)
		}
		if got["b_next"] != "kept" || got["c_status"] != 200.0 || got["d_path"] != "/x" {
			t.Fatalf("%s became %s: a neighbour changed", was, line)
		}
	})
}
