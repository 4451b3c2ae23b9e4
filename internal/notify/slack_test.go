package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// slackServer answers as Slack's incoming webhooks do, and remembers what was posted. before may answer in its place.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling-errors
type slackServer struct {
	*httptest.Server
	t      *testing.T
	before func(attempt int, w http.ResponseWriter) (answered bool)

	mu       sync.Mutex
	attempts int
	texts    []string
}

const secretPath = "/services/T000/B000/SecretSecretSecret"

func newSlack(t *testing.T, before func(int, http.ResponseWriter) bool) *slackServer {
	s := &slackServer{t: t, before: before}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *slackServer) url() string { return s.URL + secretPath }

// controls are what Slack acts on: mentions, links, and bare hosts that it links.
var controls = regexp.MustCompile(`<|>|&(?:[^a]|a[^m]|$)|https?://|(?i)\b[a-z0-9-]+\.(?:com|net|org|io|sh|example)\b|@[a-z]`)

// entity is the only thing an ampersand may begin.
var entity = regexp.MustCompile(`&(?:amp|lt|gt);`)

func (s *slackServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.before != nil && s.before(s.attempts, w) {
		return
	}
	refuse := func(code int, why string) {
		s.t.Errorf("Slack would answer %d %s", code, why)
		http.Error(w, why, code)
	}
	body, err := io.ReadAll(r.Body)
	var p struct {
		Text        *string `json:"text"`
		Mrkdwn      bool    `json:"mrkdwn"`
		LinkNames   bool    `json:"link_names"`
		Parse       string  `json:"parse"`
		UnfurlLinks bool    `json:"unfurl_links"`
		UnfurlMedia bool    `json:"unfurl_media"`
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	switch {
	case r.Method != http.MethodPost:
		refuse(http.StatusMethodNotAllowed, "method")
	case r.URL.Path != secretPath:
		refuse(http.StatusForbidden, "invalid_token")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		refuse(http.StatusBadRequest, "invalid_payload")
	case err != nil || d.Decode(&p) != nil:
		refuse(http.StatusBadRequest, "invalid_payload")
	case p.Text == nil || *p.Text == "":
		refuse(http.StatusBadRequest, "no_text")
	case len([]rune(*p.Text)) > 40_000:
		refuse(http.StatusBadRequest, "msg_too_long")
	default:
		text := entity.ReplaceAllString(*p.Text, "")
		if found := controls.FindString(text); found != "" || p.LinkNames || p.Parse != "none" || p.UnfurlLinks || p.UnfurlMedia {
			s.t.Errorf("Slack would act on %q in:\n%s", found, *p.Text)
		}
		if strings.Count(*p.Text, "`")%2 != 0 {
			s.t.Errorf("a code span is not closed:\n%s", *p.Text)
		}
		s.texts = append(s.texts, *p.Text)
		io.WriteString(w, "ok")
	}
}

func (s *slackServer) got() (attempts int, texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts, s.texts
}
