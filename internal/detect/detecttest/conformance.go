package detecttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// Open makes an engine whose store holds exactly the given records. What it
// opens it closes with t.Cleanup.
type Open func(t *testing.T, recs []record.Record) detect.Engine

// Case is records and a question about them.
type Case struct {
	Name    string
	Records []record.Record
	Query   detect.Query
	Floods  bool   // also take every volume apart as a flood
	Repeats bool   // also count repeated request ids
	Lookup  string // also look a request up by its id
}

// Run asks the engine every case of [Cases] and compares the whole answer, and
// the evidence, with the reference. Floats are compared to 1e-9.
func Run(t *testing.T, open Open) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { Check(t, open(t, c.Records), c) })
	}
}

// Check asks one case.
func Check(t *testing.T, e detect.Engine, c Case) {
	t.Helper()
	got, err := e.Detect(t.Context(), c.Query)
	if err != nil {
		t.Fatalf("Detect: %v", err)
	}
	want := Reference(c.Query, c.Records)
	opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-9, 1e-9)}
	ignore := cmp.Options{cmpopts.IgnoreFields(detect.Result{}, "SQL"), cmpopts.IgnoreFields(detect.Health{}, "BytesScanned")}
	if d := cmp.Diff(want, got, opts, ignore); d != "" {
		t.Fatalf("the engine's answer differs from the reference (-want +got):\n%s", d)
	}
	if got.SQL == "" {
		t.Error("Detect does not give the statement it ran")
	}
	if c.Floods {
		checkFloods(t, e, c, got)
	}
	if c.Repeats {
		checkRepeats(t, e, c, got.Health.Newest)
	}
	checkWholes(t, e, c, got.Offenders)
	if c.Lookup != "" {
		checkLookup(t, e, c)
	}
	if err := e.Evidence(t.Context(), c.Query, got.Offenders); err != nil {
		t.Fatalf("Evidence: %v", err)
	}
	for i, o := range got.Offenders {
		if i >= detect.MaxEvidence {
			if o.Evidence != nil {
				t.Errorf("offender %d has evidence, beyond the most an engine fetches", i)
			}
			continue
		}
		if d := cmp.Diff(ReferenceEvidence(c.Query, o, c.Records), o.Evidence, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("evidence of %s under %s differs (-want +got):\n%s", o.Key, o.Rule, d)
		}
	}
}

func checkFloods(t *testing.T, e detect.Engine, c Case, res detect.Result) {
	t.Helper()
	floods := floodsOf(res)
	if len(floods) == 0 {
		t.Fatal("there is no volume to take apart")
	}
	if _, err := e.Flood(t.Context(), c.Query, floods); err != nil {
		t.Fatalf("Flood: %v", err)
	}
	for _, f := range floods {
		if d := cmp.Diff(ReferenceFlood(c.Query, detect.Flood{Rule: f.Rule, Trust: f.Trust}, c.Records), f, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("the flood of %s, %+v differs (-want +got):\n%s", f.Rule, f.Trust, d)
		}
	}
}

// MustCompile compiles rules whose missing name, window and when are filled in.
func MustCompile(rules ...detect.Rule) *detect.Set { return MustWeigh(nil, rules...) }

// MustWeigh is MustCompile with classes.
func MustWeigh(classes []detect.Class, rules ...detect.Rule) *detect.Set {
	for i := range rules {
		r := &rules[i]
		if r.Name == "" {
			r.Name = fmt.Sprintf("r%d", i)
		}
		if r.Window == 0 {
			r.Window = 15 * time.Minute
		}
		if r.When == "" {
			r.When = "requests >= 1"
		}
	}
	set, err := detect.Compile(rules, classes...)
	if err != nil {
		panic("detecttest: bug: " + err.Error())
	}
	return set
}
