package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"reflect"
	"regexp"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

var start = time.Date(2031, 5, 6, 7, 0, 0, 0, time.UTC)

func traffic(seed uint64, n int) []request {
	rng := rand.New(rand.NewPCG(seed, seed))
	cast := clients(rng)
	return minute(rng, cast, n, start)
}

func TestTheSameSeedGivesTheSameRequests(t *testing.T) {
	a, b, other := traffic(7, attackFrom), traffic(7, attackFrom), traffic(8, attackFrom)
	if !reflect.DeepEqual(ids(a), ids(b)) {
		t.Error("one seed gave two rehearsals")
	}
	if reflect.DeepEqual(ids(a), ids(other)) {
		t.Error("two seeds gave one rehearsal")
	}
}

func ids(rs []request) (out []string) {
	for _, r := range rs {
		out = append(out, r.id+r.addr.String())
	}
	return out
}

func TestTheAttackBeginsInItsMinute(t *testing.T) {
	count := func(n int) (abusive int) {
		for _, r := range traffic(1, n) {
			if r.label.abusive() {
				abusive++
			}
		}
		return abusive
	}
	if count(attackFrom-1) != 0 || count(attackFrom) < 1000 {
		t.Errorf("abusive requests: %d before, %d from minute %d", count(attackFrom-1), count(attackFrom), attackFrom)
	}
}

// The rehearsal must send what Fastly would, in our format, so that its rows count as the edge's own.
func TestALineIsWhatFastlySends(t *testing.T) {
	for _, refused := range []bool{false, true} {
		r := traffic(1, 0)[0]
		b, err := line(r, token, refused)
		if err != nil {
			t.Fatal(err)
		}
		framer := parse.NewFramer(parse.FramerOptions{Tokens: [][]byte{[]byte(token)}})
		frames := 0
		framer.Feed(b, func(f parse.Frame) {
			frames++
			var rec record.Record
			parse.New().Parse(f.Line, parse.Meta{Received: start, Sender: record.SenderToken}, &rec)
			if !f.Token || rec.Kind != record.KindRequest || rec.AddressSource != record.AddressEdge || rec.Problem != "" {
				t.Errorf("token %v, kind %s, source %s, problem %q", f.Token, rec.Kind, rec.AddressSource, rec.Problem)
			}
			if rec.ClientIP != r.addr.String() || !rec.Timestamp.Equal(r.at) || rec.Blocked != refused {
				t.Errorf("%s at %s, blocked %v", rec.ClientIP, rec.Timestamp, rec.Blocked)
			}
			if refused != (rec.Status == 403) {
				t.Errorf("status %d when refused = %v", rec.Status, refused)
			}
		})
		if frames != 1 {
			t.Errorf("%d frames", frames)
		}
	}
}

func TestTheScoreCanMiss(t *testing.T) {
	cast := []client{{addr: netip.MustParseAddr("203.0.113.66"), label: flood}, {addr: netip.MustParseAddr("192.0.2.10"), label: office}}
	play := func(blocked string, stored int64) score {
		var s score
		s.begin(cast, 1)
		s.sent(request{addr: cast[0].addr, label: flood, at: start}, true)
		s.sent(request{addr: cast[1].addr, label: office, at: start}, false)
		s.Received, s.Stored = 2, stored
		if blocked != "" {
			s.block(netip.MustParsePrefix(blocked), "flood", start.Add(time.Minute))
		}
		s.passed()
		return s
	}
	if s := play("203.0.113.66/32", 2); !s.Passed || s.Precision != 1 || s.Recall != 1 {
		t.Errorf("a perfect game: %+v", s)
	}
	for name, s := range map[string]score{
		"nobody blocked":  play("", 2),
		"the office too":  play("0.0.0.0/0", 2),
		"a line was lost": play("203.0.113.66/32", 1),
		"the wrong one":   play("192.0.2.10/32", 2),
	} {
		if s.Passed {
			t.Errorf("%s: passed", name)
		}
	}
}

func TestTheStandInServesAloneAndStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, stderr := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"fastly", "--listen", "127.0.0.1:0"}, io.Discard, stderr) }()
	first, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`addr=(\S+)`).FindStringSubmatch(first)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m[1]+"/service/SVC1/version/1/acl", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Fastly-Key", "any")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || !bytes.Contains(body, []byte("edgewarden_exempt")) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
