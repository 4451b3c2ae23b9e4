package sender_test

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"edgewarden/bench/internal/lines"
	"edgewarden/bench/internal/sender"
)

// receiver reads lines and counts them by connection.
type receiver struct {
	net.Listener
	mu    sync.Mutex
	next  map[int]int64
	wrong []string
	wg    sync.WaitGroup
}

func receive(t *testing.T, conns int) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &receiver{Listener: l, next: map[int]int64{}}
	for range conns {
		r.wg.Go(r.one)
	}
	return r
}

func (r *receiver) one() {
	c, err := r.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	s := bufio.NewScanner(c)
	for s.Scan() {
		id, err := lines.FindID(s.Bytes())
		r.mu.Lock()
		if err != nil || id.Seq != r.next[id.Conn] {
			r.wrong = append(r.wrong, s.Text())
		}
		r.next[id.Conn]++
		r.mu.Unlock()
	}
}

func TestEverythingThatItSaysItSentArrivesInOrder(t *testing.T) {
	r := receive(t, 3)
	s, err := sender.Start(context.Background(), sender.Options{Addr: r.Addr().String(), Conns: 3, Lines: 10_001})
	if err != nil {
		t.Fatal(err)
	}
	res := s.Wait()
	r.wg.Wait()
	if res.Err != nil || res.Lines != 10_001 || !slices.Equal(res.Sent, []int64{3334, 3334, 3333}) || !slices.Equal(res.Tried, res.Sent) {
		t.Errorf("%+v", res)
	}
	if len(r.wrong) > 0 {
		t.Errorf("%d lines out of order, the first: %s", len(r.wrong), r.wrong[0])
	}
	for conn, n := range res.Sent {
		if r.next[conn] != n {
			t.Errorf("connection %d: %d lines arrived, %d were sent", conn, r.next[conn], n)
		}
	}
	if res.First.IsZero() || res.Last.Before(res.First) {
		t.Errorf("from %v to %v", res.First, res.Last)
	}
}

func TestItKeepsItsPace(t *testing.T) {
	r := receive(t, 2)
	const rate, n = 4000, 4000
	s, err := sender.Start(context.Background(), sender.Options{Addr: r.Addr().String(), Conns: 2, Lines: n, Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	res := s.Wait()
	// Never faster; how much slower is a matter of the machine.
	if took := res.Last.Sub(res.First); took < 950*time.Millisecond {
		t.Errorf("%d lines at %d a second took %s", n, rate, took)
	}
	r.wg.Wait()
}

func TestAPeerThatDiesEndsIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Read(make([]byte, 1)) // now it is connected for certain
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	s, err := sender.Start(context.Background(), sender.Options{Addr: l.Addr().String(), Conns: 1})
	if err != nil {
		t.Fatal(err)
	}
	if res := s.Wait(); res.Err == nil || res.Tried[0] < res.Sent[0] {
		t.Errorf("%+v", res)
	}
}
