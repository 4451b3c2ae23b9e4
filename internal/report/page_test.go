package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
	"edgewarden/internal/report"
	"edgewarden/internal/report/reporttest"
)

// document is a parsed page.
type document struct{ root *html.Node }

func read(t *testing.T, r report.Run) (document, []byte) {
	t.Helper()
	page, err := report.HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return document{root}, page
}

func (d document) each(visit func(*html.Node)) {
	for n := range d.root.Descendants() {
		visit(n)
	}
}

// find gives the elements with a tag and, unless it is empty, a class.
func (d document) find(tag, class string) (all []*html.Node) {
	d.each(func(n *html.Node) {
		if n.Type == html.ElementNode && n.Data == tag && (class == "" || slices.Contains(strings.Fields(attribute(n, "class")), class)) {
			all = append(all, n)
		}
	})
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rows are the texts of a table's rows.
func (d document) rows(class string) (rows []string) {
	for _, table := range d.find("table", class) {
		for _, tr := range (document{table}).find("tr", "") {
			if tr.Parent.Data == "tbody" {
				rows = append(rows, text(tr))
			}
		}
	}
	return rows
}

func has(t *testing.T, where, in string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(in, p) {
			t.Errorf("%s does not say %q: %.300s", where, p, in)
		}
	}
}

func TestADryRunSaysWhatItWouldDo(t *testing.T) {
	d, _ := read(t, reporttest.Busy(120))
	has(t, "the sentence", text(d.find("h1", "")[0]), "9 to block, 3 to release, 3 refused; 120 entries at the edge; data 41s old; ACL 3.0 % full")
	has(t, "the head", text(d.find("header", "")[0]), "Dry run, nothing was written", "made 6 May 2031 07:30:00 UTC")
	has(t, "attention", text(d.find("ul", "items")[0]), "Limit failed", "loss (lines lost on the way): 7.1 %, at most 5.0 %", "but 31 requests passed")
	changes := d.rows("changes")
	if len(changes) != 12 {
		t.Fatalf("%d changes are shown, want 12", len(changes))
	}
	has(t, "a change", changes[0], "block", "203.0.113.", "08:30:00", "in 1h", "requests, at most", "edgewarden_1")
	if strings.Contains(strings.Join(changes, " "), "unblock") {
		t.Error("a change that was not written has a command that undoes it")
	}
	blocks := d.rows("blocks")
	if len(blocks) != 120 {
		t.Fatalf("%d blocks are shown, want 120", len(blocks))
	}
	address := policy.Key(reporttest.Address(5))
	i := slices.IndexFunc(blocks, func(r string) bool { return strings.HasPrefix(r, address+" ") })
	has(t, "a block", blocks[i], "781 refused, 31 passed", "Rule scanner: 305 requests", "strike 3", "blocker unblock "+address+" --reason '…' --config edgewarden.yaml")
	has(t, "what is exempt", strings.Join(d.rows("others"), "\n"), "exempt 203.0.113.200", "blocker block 203.0.113.200 --for 1h", "shadow 203.0.113.201")
	offenders := strings.Join(d.rows("offenders"), "\n")
	has(t, "the offenders", offenders, "NZ AS64500", "to block until 08:30:00", "refused: allowlisted", "the address can be forged", "python-requests/2.32", "/account/reset", "POST /login 401")
	has(t, "the refusals", strings.Join(d.rows("refusals"), "\n"), "203.0.113.9 login-bruteforce allowlisted It overlaps", "forgeable_address")
	if n := len(d.rows("movers")); n == 0 || n > 8 {
		t.Errorf("%d movers are shown", n)
	}
	all := text(d.root)
	has(t, "the page", all, "no address stands out", "limit the rate of GET /search", "41s behind", "stale-data age of the newest trusted row 41s at most 10m", "Lost on the way < 0.1 %", "1,203,102", "12 (12 auth)", "holds", "+26 on their way or unexplained",
		"120 of 3998 places taken", "asking the log store: the dataset cannot be reached", "From the ledger, the newest first")
}

func TestARunSaysWhatItDidAndHowToUndoIt(t *testing.T) {
	d, _ := read(t, reporttest.Wrote(20))
	has(t, "the sentence", text(d.find("h1", "")[0]), "9 blocked, 3 released")
	changes := strings.Join(d.rows("changes"), "\n")
	has(t, "the changes", changes, "blocker unblock 203.0.113.20 --reason", "blocker block "+policy.Key(reporttest.Address(0))+" --for 1h")
	if n := len(d.rows("blocks")); n != 26 {
		t.Errorf("%d blocks are shown, want 20, 3 of them gone, and 9 new", n)
	}
	has(t, "the enforcement", text(d.find("dl", "figures")[0]), "until 7 May 07:30 (in 1d)")
}

func TestAnOffenderByWeightShowsWhatMakesIt(t *testing.T) {
	r := reporttest.Busy(3)
	for i := range r.Services[0].Found.Offenders {
		o := &r.Services[0].Found.Offenders[i]
		o.Measures.Weighed, o.Measures.Weight = true, 34_567
		o.Evidence.Classes = []detect.ClassCount{{Class: "login", Weight: 20, N: 1728}, {Weight: 1, N: 7}, {Class: "static", N: 5000}}
	}
	r.Services[0].Actions["flood"] = policy.Action{Floor: 3000, FloorOf: "weight"}
	d, _ := read(t, r)
	has(t, "the offenders", strings.Join(d.rows("offenders"), "\n"), "a weight of 34,567, at least 3,000", "Weight 34,567", "Classes 1,728 login, 20 each 7 no class, 1 each 5,000 static, 0 each")
}

func TestOtherPages(t *testing.T) {
	quiet, page := read(t, reporttest.Quiet())
	has(t, "a quiet run", text(quiet.root), "In order", "0 blocked, 0 released, 0 refused", "Nothing needs attention", "No changes.", "Nobody is blocked.", "Nobody met a rule.", "No earlier run is known")
	if len(page) > 300_000 {
		t.Errorf("a page of nothing has %d bytes", len(page))
	}
	status, _ := read(t, reporttest.Status(3))
	has(t, "a status", text(status.root), "3 entries at the edge", "What is at the edge", "until 7 May 06:30")
	if strings.Contains(text(status.root), "Offenders") {
		t.Error("a status speaks of offenders, which it did not look for")
	}
	failed, _ := read(t, reporttest.Failed())
	has(t, "a failed run", text(failed.root), "Failed", "1 of 2 services failed", "SVC2 reading the present entries", "stopped by alice", "--service-id SVC1")
}

// TestEveryCurveIsDrawn reads the drawings: a path within its box, a label for those who do not see it, the block across it.
func TestEveryCurveIsDrawn(t *testing.T) {
	d, _ := read(t, reporttest.Busy(30))
	curves := d.find("svg", "curve")
	if len(curves) != 14 {
		t.Fatalf("%d curves, want 12 of offenders, all rows, and the offenders together", len(curves))
	}
	marked := 0
	for _, c := range curves {
		path := (document{c}).find("path", "")[0]
		if p := attribute(path, "d"); !strings.HasPrefix(p, "M0 ") || !strings.HasSuffix(p, "Z") || strings.ContainsAny(p, "-.N") {
			t.Errorf("a path is %.80q", p)
		}
		has(t, "the label of a curve", attribute(c, "aria-label"), "per minute", "from", "to", "UTC: at most")
		marked += len((document{c}).find("line", "block"))
	}
	if marked < 9 {
		t.Errorf("only %d blocks are marked in the curves", marked)
	}
}

// TestThePolicyNamesWhatIsThere compares the hashes of the policy with the page.
func TestThePolicyNamesWhatIsThere(t *testing.T) {
	d, _ := read(t, reporttest.Busy(3))
	var policy string
	for _, m := range d.find("meta", "") {
		if attribute(m, "http-equiv") == "Content-Security-Policy" {
			policy = attribute(m, "content")
		}
	}
	has(t, "the policy", policy, "default-src 'none'", "base-uri 'none'", "form-action 'none'")
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is wide: %s", policy)
	}
	for _, tag := range []string{"style", "script"} {
		nodes := d.find(tag, "")
		if len(nodes) != 1 {
			t.Fatalf("%d elements %s", len(nodes), tag)
		}
		sum := sha256.Sum256([]byte(nodes[0].FirstChild.Data))
		has(t, "the policy", policy, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
}

// TestNothingHostileComesThrough plants texts wherever text can come from outside and reads every node of the page.
func TestNothingHostileComesThrough(t *testing.T) {
	clean, _ := read(t, reporttest.Wrote(12))
	known := map[string]bool{}
	clean.each(func(n *html.Node) {
		if n.Type == html.ElementNode {
			known[n.Data] = true
		}
	})
	d, page := read(t, reporttest.Hostile())
	if !bytes.Contains(page, []byte(`\u202egnp.exe`)) || !bytes.Contains(page, []byte("onerror=alert(1)")) {
		t.Fatal("the page shows nothing of what was planted: the test plants where nothing is read")
	}
	planted := 0
	d.each(func(n *html.Node) {
		switch n.Type {
		case html.CommentNode:
			t.Errorf("a comment: %.80q", n.Data)
		case html.TextNode:
			if n.Parent.Data == "script" || n.Parent.Data == "style" {
				return // the policy's hashes hold them fast
			}
			if strings.Contains(n.Data, "alert(") {
				planted++
			}
			harmless(t, "a text", n.Data)
		case html.ElementNode:
			if !known[n.Data] {
				t.Errorf("an element %s came out of text", n.Data)
			}
			for _, a := range n.Attr {
				harmless(t, "an attribute", a.Val)
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcdoc", a.Key == "action":
					t.Errorf("an attribute %s=%.60q", a.Key, a.Val)
				case a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "data:image/svg+xml;base64,"):
					t.Errorf("a link to %.60q", a.Val)
				}
			}
		}
	})
	if planted < 20 {
		t.Errorf("only %d of the planted texts are shown", planted)
	}
}

// harmless fails on characters that move, hide or turn, and on texts nobody cut.
func harmless(t *testing.T, what, s string) {
	t.Helper()
	if n := len([]rune(s)); n > 2000 {
		t.Errorf("%s has %d characters", what, n)
	}
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			t.Errorf("%s lets %U through: %.80q", what, r, s)
			return
		}
	}
}

func TestTheSameRunGivesTheSameBytes(t *testing.T) {
	_, a := read(t, reporttest.Busy(50))
	_, b := read(t, reporttest.Busy(50))
	if !bytes.Equal(a, b) {
		t.Error("two pages of one run differ")
	}
}

func TestTheLivePage(t *testing.T) {
	var live report.Live
	server := httptest.NewServer(&live)
	defer server.Close()
	get := func(method string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		return res, b.String()
	}
	res, body := get(http.MethodGet)
	has(t, "the page before the first run", body, "No run has ended yet")
	h := res.Header
	has(t, "the policy", h.Get("Content-Security-Policy"), "default-src 'none'", "frame-ancestors 'none'", "script-src 'sha256-")
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Type": "text/html; charset=utf-8"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	_, page := read(t, reporttest.One())
	live.Set(page)
	if _, body := get(http.MethodGet); body != string(page) {
		t.Error("the port shows other bytes than the file")
	}
	if res, body := get(http.MethodHead); body != "" || res.Header.Get("Content-Length") != fmt.Sprint(len(page)) {
		t.Errorf("HEAD gives %d bytes, length %s", len(body), res.Header.Get("Content-Length"))
	}
	if res, _ := get(http.MethodPost); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered with %s", res.Status)
	}
}

func TestAFileIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	mode := func() os.FileMode {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	write := func(text string) {
		t.Helper()
		if err := report.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Fatalf("the file holds %q, %v", b, err)
		}
	}
	write("one")
	if m := mode(); m != 0o600 {
		t.Errorf("a new page has mode %o", m)
	}
	for given, want := range map[os.FileMode]os.FileMode{0o640: 0o640, 0o666: 0o640, 0o400: 0o600} {
		if err := os.Chmod(path, given); err != nil {
			t.Fatal(err)
		}
		write("two")
		if m := mode(); m != want {
			t.Errorf("a page that replaces one of mode %o has mode %o, want %o", given, m, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none", "page.html"), filepath.Join(path, "page.html"), "/dev/null"} {
		if report.CheckFile(bad) == nil {
			t.Errorf("%s is taken for a place to write a page to", bad)
		}
	}
	if err := report.WriteFile(filepath.Join(dir, "none", "page.html"), nil); err == nil {
		t.Error("a page is written into a folder that is not there")
	}
}
