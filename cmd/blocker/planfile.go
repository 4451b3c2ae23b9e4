package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
)

// planFile is a plan for review: what was found, from which the decisions are made again when it is applied, and what was to
// be changed, which is all that applying it may change.
type planFile struct {
	Version  int           `json:"version"` // 1
	Run      string        `json:"run"`
	Made     time.Time     `json:"made"` // by this machine's clock; it expires planLife later
	Now      time.Time     `json:"now"`
	To       time.Time     `json:"to"`
	Services []planService `json:"services"`
	Hash     string        `json:"hash"` // SHA-256 of the file without this field: finds a slip of an editor, not a forger
}

type planService struct {
	ServiceID string            `json:"service_id"`
	Found     detect.Result     `json:"found"`
	Changes   []acl.ChangeJSON  `json:"changes"`
	Refusals  []acl.RefusalJSON `json:"refusals"`
	Guard     acl.Verdict       `json:"guard"`
	Window    time.Duration     `json:"window"` // the longest that was judged
	Unjudged  *unjudged         `json:"unjudged,omitempty"`
}

// planVersion is the version of the plan files this release makes and reads.
const planVersion = 1

// planLife is how long a reviewed plan may be applied.
const planLife = 30 * time.Minute

// newPlanFile keeps what a dry run found and decided.
func newPlanFile(rep *report) planFile {
	f := planFile{Version: planVersion, Run: rep.Run, Made: time.Now().UTC().Truncate(time.Second), Now: rep.Now, To: rep.To}
	for _, sr := range rep.Services {
		if sr.Plan != nil {
			f.Services = append(f.Services, planService{sr.Service.ID, sr.Found, sr.Plan.ChangesJSON(), sr.Plan.RefusalsJSON(), sr.Plan.Verdict, sr.Window, sr.Unjudged})
		}
	}
	return f
}

// write puts the plan into a file of mode 0600: evidence holds addresses and paths.
func (f planFile) write(path string) error {
	var err error
	if f.Hash, err = f.hash(); err != nil {
		return err
	}
	content, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o600)
}

// hash names the content without the hash itself.
func (f planFile) hash() (string, error) {
	f.Hash = ""
	b, err := json.Marshal(f)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// readPlan reads a plan file and refuses one that was changed.
func readPlan(path string) (*planFile, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("reading the plan: %v", err)
	}
	var v struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(content, &v) == nil && v.Version > planVersion {
		return nil, usagef("%s has version %d, made by a newer release; this one reads %d: apply it with the release that made it, or make a new plan", path, v.Version, planVersion)
	}
	var f planFile
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, usagef("%s is no plan of blocker plan -o: %v", path, err)
	}
	if hash, err := f.hash(); err != nil || f.Version != planVersion || f.Hash != hash {
		return nil, usagef("%s was changed after it was made: make a new plan", path)
	}
	return &f, nil
}

// service finds the part of one service; nil when the plan has none.
func (f *planFile) service(id string) *planService {
	for i := range f.Services {
		if f.Services[i].ServiceID == id {
			return &f.Services[i]
		}
	}
	return nil
}

// found gives what the plan was made from, and tells the report which rules that leaves out.
func (f *planFile) found(sr *serviceReport) (detect.Result, error) {
	if s := f.service(sr.Service.ID); s != nil {
		sr.Window, sr.Unjudged = s.Window, s.Unjudged
		return s.Found, nil
	}
	return detect.Result{}, fmt.Errorf("the plan has nothing on service %s", sr.Service.ID)
}

// keepReviewed takes every change out of a plan that nobody has reviewed and says what differs. What the lifted limit had
// refused was shown to the reviewer, so it counts as reviewed.
func (f *planFile) keepReviewed(id string, plan *acl.Plan, override string) (differs []string) {
	type key struct {
		op           acl.Op
		prefix, rule string
	}
	part := f.service(id)
	reviewed, lifted := map[key]bool{}, map[string]bool{}
	for _, ch := range part.Changes {
		reviewed[key{ch.Op, ch.Prefix, ch.Rule}] = true
	}
	for _, r := range part.Refusals {
		if override != "" && r.Code == override {
			lifted[r.Key+" "+r.Rule] = true
		}
	}
	done := map[key]bool{}
	var kept []acl.Change
	for _, ch := range plan.Changes {
		k := key{ch.Op, ch.Prefix.String(), ch.Mark.Rule}
		if !reviewed[k] && (ch.Decision == nil || !lifted[ch.Decision.Key+" "+ch.Mark.Rule]) {
			differs = append(differs, fmt.Sprintf("%s %s (rule %s) was not in the plan: left alone", ch.Op, ch.Prefix, ch.Mark.Rule))
			continue
		}
		done[k] = true
		kept = append(kept, ch)
	}
	plan.Changes = kept
	for _, ch := range part.Changes {
		if !done[key{ch.Op, ch.Prefix, ch.Rule}] {
			differs = append(differs, fmt.Sprintf("%s %s (rule %s) is not done: the entries, the lists or the limits have changed since", ch.Op, ch.Prefix, ch.Rule))
		}
	}
	return differs
}
