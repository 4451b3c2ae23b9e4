package receive_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
)

// memory is what the heap and the stacks hold when nothing is left to collect.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // twice: a sync.Pool keeps its buffers for one collection
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Both ends of every connection live in this process, so the budget counts the
// sender's end as well.
func TestTwoThousandHostileConnectionsLeaveAnHonestSenderAlone(t *testing.T) {
	// A read buffer that was kept would be four times the budget; the race detector and the runtime add noise below it.
	const hostile, honest, budget = 2000, 20_000, 64 << 10
	h := open(t, receive.Options{MaxConns: hostile + 10, MaxConnsPerSource: hostile + 10})
	good := h.dial(t)
	send(t, good, "hello\n")
	h.wait(t, 1)
	before := memory()
	for i := range hostile {
		c := h.dial(t)
		switch i % 5 {
		case 0: // says nothing
		case 1:
			send(t, c, "never a whole li")
		case 2:
			send(t, c, strings.Repeat("\n\x00\r", 300)+"<134>")
		case 3:
			send(t, c, "12345 <")
		case 4: // a probe
			c.Close()
		}
	}
	stop, dripped := make(chan struct{}), make(chan error, 1)
	slow := h.dial(t)
	go func() { // one byte at a time, no end in sight
		for {
			select {
			case <-stop:
				dripped <- nil
				return
			default:
				if _, err := slow.Write([]byte("x")); err != nil {
					dripped <- err
					return
				}
			}
		}
	}()
	eventually(t, "all connections", func() bool {
		return h.connections() == hostile*4/5+2 && h.metric("edgewarden_ingest_accepted_connections_total") == hostile+2
	})
	each := (memory() - before) / (hostile * 4 / 5)
	t.Logf("%d KiB for a hostile connection, both ends", each>>10)
	if each > budget {
		t.Errorf("a hostile connection costs %d KiB, want at most %d", each>>10, budget>>10)
	}
	go func() {
		line := "<134>2031-05-06T07:08:09Z cache-a e[1]: " + strings.Repeat("x", 800) + "\n"
		for range honest / 100 {
			io.WriteString(good, strings.Repeat(line, 100))
		}
	}()
	began := time.Now()
	h.wait(t, honest+1)
	t.Logf("%d honest lines in %v", honest, time.Since(began))
	close(stop)
	if err := <-dripped; err != nil {
		t.Errorf("the slow sender was cut: %v", err)
	}
	if n := strings.Count(h.log.String(), "\n"); n > 3 {
		t.Errorf("%d lines in the log, want one for a reason:\n%s", n, h.log)
	}
}

func TestHalfOpenTLSConnectionsEndAtTheDeadlineAndIdleOnesAreCheap(t *testing.T) {
	ca := newAuthority(t)
	const n, budget = 300, 32 << 10
	h := open(t, receive.Options{
		Listeners: tlsListener(), TLS: ca.server(t),
		MaxConnsPerSource: 3 * n, HandshakeTimeout: 2 * time.Second,
	})
	good := tls.Client(h.dial(t), ca.client())
	send(t, good, "hello\n")
	h.wait(t, 1)
	before := memory()
	for range n {
		send(t, h.dial(t), "\x16\x03\x01\x02\x00\x01\x00") // the beginning of a hello
		idle := tls.Client(h.dial(t), ca.client())
		if err := idle.Handshake(); err != nil {
			t.Fatal(err)
		}
	}
	each := (memory() - before) / (2 * n)
	t.Logf("%d KiB for a TLS connection, both ends", each>>10)
	if each > budget {
		t.Errorf("a quiet TLS connection costs %d KiB, want at most %d", each>>10, budget>>10)
	}
	send(t, good, "still here\n")
	h.wait(t, 2)
	eventually(t, "the end of the half-open ones", func() bool { return h.rejected("tls_handshake_timeout") == n && h.connections() == n+1 })
	if lines := strings.Count(h.log.String(), "reason=tls_handshake_timeout"); lines != 1 {
		t.Errorf("said %d times, want once:\n%s", lines, h.log)
	}
}

// A line of one byte is a frame of many: a read of 256 KiB holds 131,072 of them.
func TestAFloodOfTinyLinesIsHandedOutInParts(t *testing.T) {
	most, total := 0, make(chan int, 1)
	sum := 0
	h := open(t, receive.Options{Handler: func(_ receive.Source, _ time.Time, f []parse.Frame) {
		most = max(most, len(f))
		for i := range f {
			if string(f[i].Line) != "a" {
				t.Errorf("line %q", f[i].Line)
			}
		}
		if sum += len(f); sum == 500_000 {
			total <- sum
		}
	}})
	c := h.dial(t)
	go io.WriteString(c, strings.Repeat("a\n", 500_000))
	select {
	case <-total:
	case <-time.After(patience):
		t.Fatal("lines are missing")
	}
	if most > 4096 {
		t.Errorf("%d frames in one call", most)
	}
	if s := h.Stats(); s.Received != 500_000 || s.Bytes != 1_000_000 {
		t.Errorf("stats %+v", s)
	}
}

func TestHeldSocketsMakeRoomForASenderWithLines(t *testing.T) {
	const limit = 20
	h := open(t, receive.Options{MaxConns: limit, Tokens: [][]byte{[]byte("good-token")}})
	line := "good-token<134>2031-05-06T07:08:09Z a b[1]: m\n"
	old := h.dial(t)
	send(t, old, line)
	h.wait(t, 1)
	var held []net.Conn
	for i := range limit - 1 { // they take all places, some with lines that are refused
		c := h.dial(t)
		if i%2 == 0 {
			send(t, c, "bad-token<134>2031-05-06T07:08:09Z a b[1]: m\n")
		}
		held = append(held, c)
	}
	eventually(t, "all places taken", func() bool { return h.connections() == limit })
	for i := range 5 {
		send(t, h.dial(t), line)
		h.wait(t, 2+i)
		closed(t, held[i]) // the oldest silent one
	}
	send(t, old, line)
	h.wait(t, 7)
	if h.rejected("evicted") != 5 || h.rejected("too_many_connections") != 0 {
		t.Errorf("evicted %v, refused %v", h.rejected("evicted"), h.rejected("too_many_connections"))
	}
}

// What no client sends: records of every type, length and version, and no sense.
func TestRandomTLSRecordsEndTheirOwnConnectionOnly(t *testing.T) {
	ca := newAuthority(t)
	h := open(t, receive.Options{Listeners: tlsListener(), TLS: ca.server(t), HandshakeTimeout: 3 * time.Second, MaxConnsPerSource: 1000})
	good := tls.Client(h.dial(t), ca.client())
	send(t, good, "before\n")
	h.wait(t, 1)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		record := []byte{byte(20 + random.IntN(5)), 3, byte(random.IntN(5)), byte(random.IntN(256)), byte(random.IntN(256))}
		for range random.IntN(2000) {
			record = append(record, byte(random.IntN(256)))
		}
		if i%2 == 0 { // a sound handshake first
			c := h.dial(t)
			tc := tls.Client(c, ca.client())
			if err := tc.Handshake(); err != nil {
				t.Fatal(err)
			}
			c.Write(record)
			c.CloseWrite()
			continue
		}
		c := h.dial(t)
		c.Write(record)
	}
	eventually(t, "the end of all but the honest connection", func() bool { return h.connections() == 1 })
	send(t, good, "after\n")
	if l := h.wait(t, 2); texts(l) != "before|after" || h.rejected("panic") != 0 {
		t.Errorf("lines %q, %v panics", texts(l), h.rejected("panic"))
	}
	if n := strings.Count(h.log.String(), "connection refused"); n > 5 {
		t.Errorf("%d lines in the log, want one for a reason:\n%s", n, h.log)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	told := make(chan string, 10)
	h := open(t, receive.Options{Tokens: [][]byte{[]byte("good-token")}, Refused: func(reason, remote string, lines int) {
		told <- fmt.Sprintf("%s %s %d", reason, remote, lines)
	}})
	c := h.dial(t)
	send(t, c, "a\nb\n")
	if got, want := <-told, fmt.Sprintf("auth %s 2", c.LocalAddr()); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	probe := h.dial(t)
	probe.Close()
	if got, want := <-told, fmt.Sprintf("probe %s 0", probe.LocalAddr()); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
