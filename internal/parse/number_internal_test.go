package parse

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"
)

// A number is read at once as it is read digit by digit, and as encoding/json reads it.
func TestAShortNumberIsThatOfItsDigits(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	letters := "0123456789012345678901234567890123456789,}. -eE+\"\x80\xb5\xff/:"
	read := 0
	for range 300_000 {
		var b []byte
		if rng.IntN(2) == 0 {
			b = strconv.AppendUint(b, rng.Uint64()>>rng.IntN(64), 10)
		}
		for len(b) < 10 {
			b = append(b, letters[rng.IntN(len(letters))])
		}
		n, end := shortNumber(b, 0)
		slow, slowEnd := longNumber(b, 0)
		if end == 0 {
			if slowEnd > 0 && slowEnd < 8 {
				t.Fatalf("%q is not read", b)
			}
			continue
		}
		read++
		var want int64
		if err := json.Unmarshal(b[:end], &want); err != nil || n != want || slow != n || slowEnd != end {
			t.Fatalf("%q: %d in %d bytes, digit by digit %d in %d (%v)", b, n, end, slow, slowEnd, err)
		}
	}
	if read < 100_000 {
		t.Errorf("only %d were read at once", read)
	}
}
