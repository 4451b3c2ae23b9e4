package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// named refuses a page to requests for a name of the public DNS. The page holds
// addresses and paths, and a forwarded port is in reach of the operator's
// browser: a stranger's site that resolves its own name to 127.0.0.1 (DNS
// rebinding) could read it there.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if !private(host) {
			text(w, http.StatusForbidden, "ask for this page by address, by localhost or by the name of the Service; a proxy in front must do so, too")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// private reports whether nobody can make the public DNS answer for host: an
// address, or a name that no public zone has.
func private(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") {
		return true // localhost, the name of a Service or of a machine
	}
	for _, end := range []string{".svc", ".cluster.local", ".localhost", ".internal"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}
