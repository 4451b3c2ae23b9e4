package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"time"
)

//go:embed page.html
var markup string

//go:embed page.css
var style string

//go:embed page.js
var script string

// contentPolicy lets a browser load nothing and run nothing but what is on the page: style and script are named by their
// hashes, and the icon is in its link. frame-ancestors works in a header only.
var contentPolicy = "default-src 'none'; style-src 'sha256-" + digest(style) + "'; script-src 'sha256-" + digest(script) +
	"'; img-src data:; base-uri 'none'; form-action 'none'"

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var pageTemplate = template.Must(template.New("page").Parse(markup))

// waiting is the page before the first run.
var waiting = mustWait()

func mustWait() []byte {
	page, err := render(pageView{Title: "edgewarden: no run yet", Word: "Waiting", Kind: "warn", Sentence: "No run has ended yet; this page is there after the first one. Load it again in a minute"})
	if err != nil {
		panic("report: bug: " + err.Error())
	}
	return page
}

// pageView is what the template reads. Every text in it has gone through plain.
type pageView struct {
	Policy   string
	Style    template.CSS
	Script   template.JS
	Icon     template.URL
	Title    string
	Word     string // the state in a word
	Kind     string // ok, warn, bad
	Sentence string
	Run      string
	What     string // a run, a dry run, what is at the edge
	Made     stamp
	To       stamp
	Items    []item
	Notes    []string
	Services []serviceView
	Filter   bool // there is something to filter
}

type serviceView struct {
	ID, Name, Anchor string
	Enforcing        string
	Acts             bool
	Planned, Wrote   bool
	Asked            bool // the store was asked
	Verdict          string
	Since            string
	Last             stamp
	Changes          []entryRow
	Blocks, Others   []entryRow
	Traffic, Attack  *curve
	Floods           []Flood
	State            string
	Movers           []moverRow
	Period           string
	Offenders        []offenderRow
	Refusals         []refusalRow
	Codes            []countRow
	Limits           []limitRow
	Data             []fact
	Identity         []identityRow
	ACLs             []aclRow
	Runs             []runRow
}

// HTML makes the page of a run.
func HTML(r Run) ([]byte, error) {
	v := pageView{Run: short(r.ID), Made: at(r.Now, r.Now, "unknown"), To: at(r.To, r.Now, "unknown"), Sentence: r.sentence()}
	v.Made.Text = r.Now.UTC().Format("2 Jan 2006 15:04:05")
	v.Items, v.Notes = r.attention()
	v.Word, v.Kind = r.state(v.Items)
	v.Title = v.Word + ": " + v.Sentence
	switch {
	case r.ID == "":
		v.What = "What is at the edge"
	case r.DryRun:
		v.What = "Dry run, nothing was written"
	default:
		v.What = "Run"
	}
	for i, s := range r.Services {
		sv := s.view(r)
		sv.Anchor = fmt.Sprintf("s%d", i+1)
		v.Filter = v.Filter || len(sv.Blocks)+len(sv.Others)+len(sv.Changes)+len(sv.Offenders)+len(sv.Refusals) > 0
		v.Services = append(v.Services, sv)
	}
	return render(v)
}

func (s Service) view(r Run) serviceView {
	v := serviceView{
		ID: short(s.ID), Name: short(s.Name), Planned: s.Plan != nil, Wrote: s.Applied != nil, Asked: r.ID != "", Period: span(max(r.Period, time.Minute)),
		Changes: s.changes(r), Offenders: s.offenders(r), Traffic: s.traffic(r), Attack: s.attack(r), Data: s.data(r), Identity: s.identity(r.Now), Runs: s.runs(r.Now),
	}
	v.Enforcing, v.Acts = s.enforcement(r.Now)
	v.Since, v.Last = s.since(r)
	v.Blocks, v.Others = s.entries(r)
	v.State = long(s.State)
	for _, f := range s.Floods {
		v.Floods = append(v.Floods, Flood{long(f.Text), longs(f.Clusters), long(f.Advice)})
	}
	v.Movers = movers(v.Offenders)
	v.Refusals, v.Codes = s.refusals()
	v.Limits, v.Verdict = s.limits()
	v.ACLs, _, _ = s.capacity()
	return v
}

// icons by kind: a coloured dot, so that a tab tells the state.
var icons = map[string]template.URL{"ok": icon("1a7f4b"), "warn": icon("b26a00"), "bad": icon("c4271b")}

func icon(colour string) template.URL {
	svg := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#` + colour + `"/></svg>`
	return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg))) // #nosec: a constant
}

func render(v pageView) ([]byte, error) {
	v.Policy, v.Style, v.Script, v.Icon = contentPolicy, template.CSS(style), template.JS(script), icons[v.Kind]
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	return b.Bytes(), nil
}
