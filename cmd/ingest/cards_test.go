package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/proto"

	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

// planted is card data as a client may send it: what stands in the line, and what
// of it must be found nowhere. The numbers are test numbers of the networks.
var planted = []struct{ field, value, secret string }{
	{"query", "card=4111111111111111", "4111111111111111"},
	{"path", "/pay/5555555555554444/x", "5555555555554444"},
	{"query", "n=3782+822463+10005", "3782+822463+10005"},
	{"referer", "https://shop.example/?c=6011-0009-9013-9424", "6011-0009-9013-9424"},
	{"user_agent", "card 3530 1113 3330 0000 yes", "3530 1113 3330 0000"},
	{"query", "n=%35%35%35%35%33%34%31%32%34%34%34%34%31%31%31%35", "%35%35%35%35%33%34%31%32%34%34%34%34%31%31%31%35"},
	{"query", "n=4012%20888888881881", "4012%20888888881881"},
	{"query", `n=4222\u0032222222\u00322`, `4222\u0032222222\u00322`},
	{"x_unknown", "VISA4012888888881881", "4012888888881881"},
	{"x_body", `{\"pan\":\"2223003122003222\",\"cvv\":{\"v\":\"73731737\"}}`, "2223003122003222"},
	{"query", "cvv=73731737", "73731737"},
	{"query", "next=%2Fa%253Fpassword%253Dplanted-secret-1", "planted-secret-1"},
	{"x_auth", "Authorization: Bearer planted-secret-2", "planted-secret-2"},
	{"referer", "https://joe:planted-secret-3@shop.example/", "planted-secret-3"},
	{"host", "6205500000000000004.shop.example", "6205500000000000004"},
	{"request_id", "30569309025904", "30569309025904"},
}

// forbidden are the things that must be found nowhere.
func forbidden() (all []string) {
	for _, p := range planted {
		all = append(all, p.secret)
	}
	return append(all, "378282246310005", "6759649826438453", "planted-token", "planted-tok")
}

// pieces must be found nowhere in text. In a compressed file so few digits may meet by chance.
var pieces = []string{"41111111", "60110009"}

// plantedLines are lines with every planted value, in every format that a sender may use.
func plantedLines(token, mark string) (lines []string) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	for _, p := range planted {
		lines = append(lines, fmt.Sprintf(`%s<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {"timestamp":"%s","service_id":"SVC1","client_ip":"203.0.113.9","status":200,"first_hop":true,"x_mark":"%s","%s":"%s"}`+"\n",
			token, now, mark, p.field, p.value))
	}
	return append(lines,
		token+`<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {"status":200,"pan":378282246310005,"x_mark":"`+mark+`"}`+"\n",
		token+`<134>1 2031-05-06T07:08:09Z 4111111111111111 app 12 - [x@41058 pan="6759649826438453"] `+mark+" text\n",
		token+`203.0.113.9 - 4012888888881881 [17/May/2031:10:05:43 +0000] "GET /b?card=4111111111111111 HTTP/1.1" 200 171 "https://a.example/?`+mark+`=5555555555554444" "3530 1113 3330 0000"`+"\n",
		token+`no request at all, `+mark+`: 378282246310005 cvv=73731737 planted-token`+"\n",
		token+`{"request_id":"dup","request_id":"4111111111111111","x_mark":"`+mark+`"}`+"\n",
	)
}

// columns returns every value of every column of a lake, as text.
func columns(t testing.TB, lakeDir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(lakeDir, "*", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Parquet file in %s (%v)", lakeDir, err)
	}
	var b strings.Builder
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		r := parquet.NewReader(f)
		for batch := make([]parquet.Row, 64); ; {
			n, err := r.ReadRows(batch)
			for _, row := range batch[:n] {
				for _, v := range row {
					b.WriteString(v.String() + "\n")
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		r.Close()
		f.Close()
	}
	return b.String()
}

// Nothing that a client can send as card data or as a secret is found afterwards
// in the spool, the dead letters, the lake, Cloud Logging, the ledger, the log or
// on the admin port.
func TestPlantedCardDataIsFoundNowhere(t *testing.T) {
	google := shiptest.Start(t)
	google.Refuse(func(e *entry) code {
		if strings.Contains(e.String(), "refused") {
			return invalidArgument
		}
		return 0
	})
	dir := t.TempDir()
	env := map[string]string{"EDGEWARDEN_TOKEN": "planted-token"}
	s := serve(t, dir, env, "--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure", "--lake", filepath.Join(dir, "lake"),
		"--log-level", "debug", "--ledger", filepath.Join(dir, "ledger.jsonl"), "--max-line", "12000", "--heartbeat-every", "20ms")
	whole, bytewise, wide := dial(t, s.addr), dial(t, s.addr), dial(t, s.addr)
	sent, refused := 0, 0
	for _, l := range plantedLines("planted-token", "whole") {
		send(t, whole, l)
		sent++
	}
	for _, l := range plantedLines("planted-token", "refused") {
		send(t, whole, l)
		refused++
	}
	for _, l := range plantedLines("planted-token", "bytewise") {
		for i := range len(l) { // as many reads as bytes
			send(t, bytewise, l[i:i+1])
		}
		sent++
	}
	// Lines of 8 KB and more, with the number at every place around the end of a read of 8 KB.
	for i := range 40 {
		send(t, wide, fmt.Sprintf(`planted-token<134>2031-05-06T07:08:09Z cache e[1]: {"status":200,"x_pad":"%s","query":"4111111111111111"}`+"\n", strings.Repeat("a", 8192-100+i)))
		sent++
	}
	// Lines that --max-line cuts, at every digit of a number.
	for i := range 20 {
		send(t, wide, "planted-token"+strings.Repeat("b", 12000-16-2+i-8)+" n=4111111111111111 and 6011000990139424 "+strings.Repeat("c", 100)+"\n")
		sent++
	}
	// Lines of nobody: without token.
	for _, l := range plantedLines("wrong-token", "nobody") {
		send(t, whole, l)
	}
	// A connection that ends inside a number, and one that ends inside the token.
	for _, l := range []string{"planted-token<134>2031-05-06T07:08:09Z cache e[1]: 411111111111111", "planted-token<134>x planted-tok"} {
		c := dial(t, s.addr)
		send(t, c, l)
		c.Close()
		sent++
	}
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, int64(sent+refused))
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="cloudlogging"}`, int64(sent))
	s.until(t, `edgewarden_ingest_dead_letters_total{sink="cloudlogging"}`, int64(refused))
	s.until(t, `edgewarden_ingest_dropped_lines_total{reason="auth"}`, int64(len(planted)))
	if n := s.metric(t, `edgewarden_ingest_redacted_total{kind="card"}`); n < 100 {
		t.Errorf("only %d card numbers counted", n)
	}
	shown := map[string]string{"/": ""}
	for _, page := range []string{"/metrics", "/readyz", "/healthz", "/"} {
		_, shown[page] = s.get(t, page)
	}
	_, shown["spool dump"], _ = invoke(t, nil, "spool", "dump", "--spool", s.spool)
	s.stop(t)
	_, shown["spool dump, stopped"], _ = invoke(t, nil, "spool", "dump", "--spool", s.spool)
	shown["the log"] = s.stderr.String()
	shown["the lake"] = columns(t, s.lake)
	if err := ship.ReadDeadLetters(deadLetters(s.spool), func(l ship.DeadLetter) error {
		shown["the dead letters"] += l.Reason + "\n" + string(l.Envelope) + "\n"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, e := range google.Entries() {
		b, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		shown["Cloud Logging"] += string(b) + "\n"
	}
	for _, secret := range forbidden() {
		if f := grep(t, dir, secret); f != "" {
			t.Errorf("%s stands in %s", secret, f)
		}
	}
	for _, secret := range append(forbidden(), pieces...) {
		for where, text := range shown {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s stands in %s: …%.200q…", secret, where, text[max(0, i-100):])
			}
		}
	}
	// The lines did arrive there: the masked numbers are found.
	for where, masked := range map[string]string{"the lake": "411111xxxxxx1111", "Cloud Logging": "555555xxxxxx4444", "the dead letters": "401288xxxxxx1881", "spool dump": "222300xxxxxx3222"} {
		if !strings.Contains(shown[where], masked) {
			t.Errorf("%s is not in %s", masked, where)
		}
	}
}

// A crash prints what every goroutine does, and leaves spool and lake as they are:
// neither holds a number, not even of a line that was only half read.
func TestACrashShowsNoCardData(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"goroutine dump": syscall.SIGQUIT, "kill": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("EDGEWARDEN_TOKEN", "planted-token")
			c := startChild(t, dir)
			nc := dial(t, c.addr)
			all := 0
			for _, l := range plantedLines("planted-token", "crash") {
				send(t, nc, l)
				all += len(l)
			}
			half := `planted-token<134>2031-05-06T07:08:09Z cache e[1]: {"query":"card=4111111111111111&cvv=73731737`
			send(t, nc, half)
			c.until(t, "edgewarden_ingest_received_bytes_total", int64(all+len(half)))
			if err := c.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			c.end(t)
			if sig == syscall.SIGQUIT && !strings.Contains(c.stderr.String(), "goroutine 1 ") {
				t.Errorf("no goroutine dump:\n%s", c.stderr)
			}
			for _, secret := range forbidden() {
				if strings.Contains(c.stderr.String(), secret) {
					t.Errorf("%s stands in what the crash printed", secret)
				}
				if f := grep(t, dir, secret); f != "" {
					t.Errorf("%s stands in %s", secret, f)
				}
			}
			if grep(t, c.spool, "411111xxxxxx1111") == "" {
				t.Error("no line reached the spool")
			}
		})
	}
}
