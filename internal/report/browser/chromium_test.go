package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium finds a browser, or skips the test: a machine without one has not checked the page, and says so.
func chromium(t testing.TB) string {
	t.Helper()
	if path := findChromium(); path != "" {
		return path
	}
	if os.Getenv("PAGE_BROWSER") == "required" {
		t.Fatal("no Chromium in the PATH: install one (Debian: apt-get install chromium)")
	}
	t.Skip("NOT CHECKED: no Chromium in the PATH, so the page was not tried in a browser (Debian: apt-get install chromium)")
	return ""
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

var browserOnce = sync.OnceValues(func() (context.Context, error) {
	ctx, _ := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(findChromium()), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true))) // as root there is no sandbox
	return ctx, chromedp.Do(ctx)
})

// TestMain ends the browser with the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if started {
		if ctx, err := browserOnce(); err == nil {
			_ = chromedp.Cancel(ctx)
		}
	}
	os.Exit(code)
}

var started bool

// view is how a page is looked at.
type view struct {
	width, height int64
	dark          bool
	noScript      bool
}

// tab is one page in the browser, and everything it reported.
type tab struct {
	t       testing.TB
	ctx     context.Context
	mu      sync.Mutex
	faults  []string // console, exceptions, violations, dialogs
	fetched []string
}

// open loads an address and waits for its load event.
func open(t testing.TB, url string, v view) *tab {
	t.Helper()
	chromium(t)
	started = true
	parent, err := browserOnce()
	if err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	ctx, timeout := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(func() { timeout(); cancel() })
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	call(p, runtime.Enable, cdp.Empty{})
	call(p, page.Enable, page.EnableParams{})
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: v.width, Height: v.height, DeviceScaleFactor: 1, Mobile: v.width < 500})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.noScript})
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("loading %s: %v", url, err)
	}
	return p
}

// call runs a command of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := func(format string, args ...any) { p.faults = append(p.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		fault("console %s: %s", e.Type, e.Args[0].Value)
	case *runtime.EventExceptionThrown:
		fault("exception: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		fault("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		fault("dialog: %s", e.Message)
		go func() { _, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}) }()
	case *network.EventRequestWillBeSent:
		p.fetched = append(p.fetched, e.Request.URL)
	}
}

// silent fails the test when the page reported a fault or asked for anything but itself.
func (p *tab) silent(url string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Errorf("the browser reports: %s", f)
	}
	loaded := 0
	for _, u := range p.fetched {
		if u == url {
			loaded++
		} else if !strings.HasPrefix(u, "data:") {
			p.t.Errorf("the page asks the network for %s", u)
		}
	}
	if loaded != 1 {
		p.t.Errorf("the page was fetched %d times, want once: %v", loaded, p.fetched)
	}
}

// eval gives what an expression is worth in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true.
func (p *tab) wait(expression string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		p.t.Fatalf("%s does not come true: %v", expression, err)
	}
}

// shots keeps pictures of the page's first screens when PAGE_SHOTS names a folder.
func (p *tab) shots(name string) {
	p.t.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	for i := range 4 {
		eval[bool](p, fmt.Sprintf("scrollTo(0, %d * (innerHeight - 80)), new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))", i))
		picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%s-%d.png", dir, name, i+1), picture, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	eval[bool](p, "scrollTo(0, 0), true")
}
