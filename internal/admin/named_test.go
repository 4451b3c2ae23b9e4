package admin_test

import (
	"io"
	"net/http"
	"testing"

	"edgewarden/internal/admin"
)

func TestThePageIsNotForANameOfThePublicDNS(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "addresses") })
	s := start(t, admin.Options{Page: page})
	for host, want := range map[string]int{
		"": 200, "127.0.0.1:9090": 200, "[::1]:9090": 200, "[::1]": 200, "10.8.0.4": 200, "localhost:9090": 200, "edgewarden-blocker:9090": 200,
		"edgewarden-blocker.edgewarden.svc:9090": 200, "edgewarden-blocker.edgewarden.svc.cluster.local": 200,
		"rebound.example:9090": 403, "rebound.example": 403, "rebound.example.:9090": 403, "127.0.0.1.nip.example:9090": 403, "svc.example": 403,
	} {
		for _, path := range []string{"/", "/page", "/healthz"} {
			r, err := http.NewRequest(http.MethodGet, "http://"+s.Addr()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if host != "" {
				r.Host = host
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := want
			if path == "/healthz" {
				want = 200 // probes name what they like, and it holds nothing
			}
			if resp.StatusCode != want {
				t.Errorf("%s of host %q = %d, want %d", path, host, resp.StatusCode, want)
			}
		}
	}
}
