package receive_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/receive"
)

func TestAQuietConnectionEndsAtItsAge(t *testing.T) {
	h := open(t, receive.Options{MaxAge: 50 * time.Millisecond})
	began := time.Now()
	c := h.dial(t)
	send(t, c, "a\n")
	closed(t, c)
	if age := time.Since(began); age < 40*time.Millisecond {
		t.Errorf("closed after %v, want no sooner than nine tenths of its age", age)
	}
	eventually(t, "the end of the connection", func() bool { return h.connections() == 0 })
	if texts(h.wait(t, 1)) != "a" || h.metric("edgewarden_ingest_aged_connections_total") != 1 {
		t.Errorf("lines %q, aged %v", texts(h.lines), h.metric("edgewarden_ingest_aged_connections_total"))
	}
	if strings.Contains(h.log.String(), "refused") {
		t.Errorf("an orderly end is no refusal:\n%s", h.log)
	}
}

func TestASenderThatHeedsTheEndLosesNothing(t *testing.T) {
	h := open(t, receive.Options{MaxAge: 50 * time.Millisecond})
	c := h.dial(t)
	send(t, c, "whole\nhalf ")
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("read %v, want the end of the stream", err)
	}
	send(t, c, "a line\nand one more\n")
	c.Close()
	if l := h.wait(t, 3); texts(l) != "whole|half a line|and one more" || h.Stats().Unterminated != 0 {
		t.Errorf("lines %q, %d unterminated", texts(l), h.Stats().Unterminated)
	}
}

func TestASenderThatDoesNotHeedTheEndIsCutBetweenTwoLines(t *testing.T) {
	h := open(t, receive.Options{MaxAge: 500 * time.Millisecond}) // as long again to find the end of a line
	c := h.dial(t)
	for {
		if _, err := io.WriteString(c, strings.Repeat("x", 500)+"\n"); err != nil {
			break // closed on us while we were writing
		}
	}
	eventually(t, "the end of the connection", func() bool { return h.connections() == 0 })
	for _, l := range h.wait(t, 1) {
		if len(l.text) != 500 || l.Unterminated {
			t.Fatalf("a line of %d bytes, unterminated %v", len(l.text), l.Unterminated)
		}
	}
}

func TestASenderThatNeverEndsALineIsCutAllTheSame(t *testing.T) {
	h := open(t, receive.Options{MaxAge: 30 * time.Millisecond})
	c := h.dial(t)
	for {
		if _, err := io.WriteString(c, "xxxxxxxxx"); err != nil {
			break
		}
	}
	if l := h.wait(t, 1); len(l) != 1 || !l[0].Unterminated || h.Stats().Unterminated != 1 {
		t.Errorf("%d lines, unterminated %v", len(l), l[0].Unterminated)
	}
}

func TestShutdownEndsConnectionsThatHaveAnAgeToo(t *testing.T) {
	h := open(t, receive.Options{MaxAge: time.Hour})
	c := h.dial(t)
	send(t, c, "a\n")
	h.wait(t, 1)
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed(t, c)
}
