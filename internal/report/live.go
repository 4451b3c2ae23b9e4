package report

import (
	"net/http"
	"strconv"
	"sync/atomic"
)

// Live serves the newest page. The zero Live says that there is none yet. Its methods may be called at the same time;
// none of them waits for another.
type Live struct{ page atomic.Pointer[[]byte] }

// Set replaces the page.
func (l *Live) Set(page []byte) { l.page.Store(&page) }

// ServeHTTP answers with the page, whatever the path. It reads nothing of the request but its method.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this page is read-only", http.StatusMethodNotAllowed)
		return
	}
	page := waiting
	if p := l.page.Load(); p != nil {
		page = *p
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("Content-Security-Policy", contentPolicy+"; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet {
		_, _ = w.Write(page) // the reader went away
	}
}
