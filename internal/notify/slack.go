package notify

import (
	"encoding/json"
	"fmt"
	"strings"
)

// slackBody is an incoming webhook's message. Names are not linked and links not unfolded, whatever the text says.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type slackBody struct {
	Text        string `json:"text"`
	Mrkdwn      bool   `json:"mrkdwn"`
	LinkNames   bool   `json:"link_names"`
	Parse       string `json:"parse"`
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
}

// slack renders a message for Slack. Every text that is not a constant of ours stands in a code span, where no markup acts.
func (m Message) slack() ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*edgewarden %s*", m.Severity)
	if m.Run != "" {
		fmt.Fprintf(&b, ", run %s", code(m.Run))
	}
	b.WriteString("\n")
	for _, e := range m.Events {
		e.slack(&b)
	}
	return json.Marshal(slackBody{Text: b.String(), Mrkdwn: true, Parse: "none"})
}

func (e Event) slack(b *strings.Builder) {
	fmt.Fprintf(b, "• *%s*", e.Kind)
	if e.ServiceID != "" {
		fmt.Fprintf(b, " %s", code(strings.TrimSpace(e.ServiceID+" "+e.Name)))
	}
	fmt.Fprintf(b, ": %s\n", escape(e.Text))
	for _, d := range e.Details {
		fmt.Fprintf(b, "    %s\n", code(d))
	}
	for _, list := range []struct {
		verb    string
		entries []Entry
	}{{"blocked", e.Blocked}, {"released", e.Released}} {
		for _, n := range list.entries {
			fmt.Fprintf(b, "    %s %s", list.verb, code(n.Prefix))
			if n.Until != "" {
				fmt.Fprintf(b, " until %s", escape(n.Until))
			}
			fmt.Fprintf(b, ", rule %s: %s\n        undo: %s\n", code(n.Rule), code(n.Why), code(n.Undo))
		}
	}
	if e.More > 0 {
		fmt.Fprintf(b, "    and %d more\n", e.More)
	}
	if e.Undo != "" {
		fmt.Fprintf(b, "    undo: %s\n", code(e.Undo))
	}
	if e.Look != "" {
		fmt.Fprintf(b, "    look: %s\n", code(e.Look))
	}
}

// code is a code span. A backtick would end it.
func code(s string) string {
	if s == "" {
		s = "-"
	}
	return "`" + escape(strings.ReplaceAll(s, "`", "'")) + "`"
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape is what Slack asks for. https://docs.slack.dev/messaging/formatting-message-text#escaping
func escape(s string) string { return escaper.Replace(s) }
