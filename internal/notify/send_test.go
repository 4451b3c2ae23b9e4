package notify_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/notify"
)

func sender(t *testing.T, o notify.Options) *notify.Sender {
	t.Helper()
	if o.Backoff == 0 {
		o.Backoff = time.Millisecond
	}
	s, err := notify.NewSender(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// message is any message.
var message = notify.TestMessage(at)

func TestSendRepeatsWhatMayPass(t *testing.T) {
	for name, c := range map[string]struct {
		answer   func(attempt int, w http.ResponseWriter) bool
		attempts int
		fault    string
	}{
		"taken at once": {func(int, http.ResponseWriter) bool { return false }, 1, ""},
		"busy, then taken": {func(n int, w http.ResponseWriter) bool {
			if n < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n < 3
		}, 3, ""},
		"broken, then taken": {func(n int, w http.ResponseWriter) bool {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, 2, ""},
		"throttled without a time": {func(n int, w http.ResponseWriter) bool {
			if n == 1 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return n == 1
		}, 2, ""},
		"throttled for longer than the deadline": {func(n int, w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, 1, "answered 429"},
		"never": {func(n int, w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true }, 5, "answered 502"},
		"revoked": {func(n int, w http.ResponseWriter) bool {
			http.Error(w, "no_service "+secretPath, http.StatusNotFound)
			return true
		}, 1, "answered 404"},
		"a redirect": {func(n int, w http.ResponseWriter) bool {
			w.Header().Set("Location", "https://collector.example.net/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}, 1, "redirects are not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			slack := newSlack(t, c.answer)
			err := sender(t, notify.Options{URL: slack.url(), Form: notify.FormSlack}).Send(t.Context(), message)
			attempts, texts := slack.got()
			if attempts != c.attempts || (err == nil) != (len(texts) == 1) {
				t.Errorf("%d attempts, want %d; %d taken: %v", attempts, c.attempts, len(texts), err)
			}
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("error %v, want %q", err, c.fault)
			}
			if err != nil {
				quiet(t, err, slack.URL)
			}
		})
	}
}

// quiet fails when an error holds the URL or a part of it, or what the other side said.
func quiet(t *testing.T, err error, url string) {
	t.Helper()
	for _, secret := range []string{secretPath, "Secret", strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "http://"), "no_service", "collector"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells %q: %v", secret, err)
		}
	}
}

func TestSendWaitsAsLongAsItIsAsked(t *testing.T) {
	slack := newSlack(t, func(n int, w http.ResponseWriter) bool {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n == 1
	})
	began := time.Now()
	if err := sender(t, notify.Options{URL: slack.url(), Form: notify.FormSlack}).Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it came again after %s", took)
	}
}

func TestSendGivesUpAtItsDeadline(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-hold }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hold) })
	err := sender(t, notify.Options{URL: server.URL + secretPath, Deadline: 50 * time.Millisecond}).Send(context.Background(), message)
	if err == nil || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("%v", err)
	} else {
		quiet(t, err, server.URL)
	}
}

func TestSendTrustsNoCertificateOfItsOwn(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the message arrived") }))
	t.Cleanup(server.Close)
	err := sender(t, notify.Options{URL: server.URL + secretPath}).Send(t.Context(), message)
	if err == nil || !strings.Contains(err.Error(), "certificate is not trusted") || strings.Contains(err.Error(), "attempts") {
		t.Errorf("%v", err)
	} else {
		quiet(t, err, server.URL)
	}
}

func TestJSONIsTheMessage(t *testing.T) {
	var got notify.Message
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	if err := sender(t, notify.Options{URL: server.URL}).Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || got.Events[0].Kind != notify.Test || !strings.HasPrefix(got.Text, "TEST") || !got.Time.Equal(at) {
		t.Errorf("%+v", got)
	}
}

func TestTheURLIsChecked(t *testing.T) {
	for _, url := range []string{"", "hooks.slack.com/services/Secret", "http://hooks.slack.com/services/Secret", "ftp://127.0.0.1/Secret", "https://user:Secret@example.com/",
		"https:///Secret", "https://example.com/Secret\nx", "https://example.com/%zzSecret", "https://example.com/Secret" + strings.Repeat("a", 3000)} {
		if _, err := notify.NewSender(notify.Options{URL: url}); err == nil {
			t.Errorf("%q is taken", url)
		} else if strings.Contains(err.Error(), "Secret") {
			t.Errorf("the error repeats the URL: %v", err)
		}
	}
	for url, form := range map[string]string{"https://hooks.slack.com/services/x": notify.FormSlack, "https://example.com/x": notify.FormJSON, "http://127.0.0.1:1/x": notify.FormJSON, "http://[::1]/": notify.FormJSON} {
		if s, err := notify.NewSender(notify.Options{URL: url}); err != nil || s.Form() != form {
			t.Errorf("%s: %v %v", url, s, err)
		}
	}
	if _, err := notify.NewSender(notify.Options{URL: "https://example.com/", Form: "teams"}); err == nil {
		t.Error("an unknown form is taken")
	}
}
