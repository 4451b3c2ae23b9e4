package receive_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/receive"
)

func TestShutdownReadsWhatHasArrived(t *testing.T) {
	h := open(t, receive.Options{})
	c := h.dial(t)
	send(t, c, "first\n")
	h.wait(t, 1)
	const more = 20000
	send(t, c, strings.Repeat("on its way\n", more))
	if err := h.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := len(h.wait(t, more+1)); n != more+1 {
		t.Errorf("%d lines, want %d", n, more+1)
	}
	if _, err := net.Dial("tcp", h.addr()); err == nil {
		t.Error("a connection was accepted after Shutdown")
	}
}

// The half close tells a sender to go elsewhere; what it still writes is read.
func TestShutdownTellsTheSenderAndFinishesItsLine(t *testing.T) {
	h := open(t, receive.Options{})
	c := h.dial(t)
	send(t, c, "whole\nhalf ")
	h.wait(t, 1)
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(context.Background()) }()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("read %v, want the end of the stream", err)
	}
	send(t, c, "a line\n")
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	l := h.wait(t, 2)
	if texts(l) != "whole|half a line" || l[1].Unterminated {
		t.Errorf("lines %q, unterminated %v", texts(l), l[1].Unterminated)
	}
}

func TestShutdownIsNotHeldUpByASenderThatNeverStops(t *testing.T) {
	h := open(t, receive.Options{})
	c := h.dial(t)
	go func() {
		for {
			if _, err := io.WriteString(c, "again\n"); err != nil {
				return
			}
		}
	}()
	h.wait(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want the deadline's error", err)
	}
	h.mu.Lock()
	n := len(h.lines)
	h.mu.Unlock()
	if s := h.Stats(); s.Received != int64(n) {
		t.Errorf("%d received, handler got %d", s.Received, n)
	}
}

func TestShutdownIsNotHeldUpByAHandshake(t *testing.T) {
	ca := newAuthority(t)
	h := open(t, receive.Options{Listeners: []receive.Listener{{Addr: "127.0.0.1:0", TLS: true}}, TLS: ca.server(t)})
	h.dial(t) // says nothing
	eventually(t, "the connection", func() bool { return h.connections() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestStopAcceptingLeavesOpenConnectionsAlone(t *testing.T) {
	h := open(t, receive.Options{})
	c := h.dial(t)
	send(t, c, "before\n")
	h.wait(t, 1)
	h.StopAccepting()
	if err := <-h.done; err != nil {
		t.Errorf("Serve = %v", err)
	}
	h.done <- nil
	send(t, c, "after\n")
	if l := h.wait(t, 2); texts(l) != "before|after" {
		t.Errorf("lines %q", texts(l))
	}
}
