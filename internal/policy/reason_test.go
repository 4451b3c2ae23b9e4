package policy_test

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// What decided is what is said: a client that sends few requests, each of them dear, stays blocked for their weight.
func TestAnExtensionSaysWhatItWasDecidedBy(t *testing.T) {
	for name, tc := range map[string]struct {
		rule func(*policy.Input)
		say  string
	}{
		"by requests": {func(*policy.Input) {}, "(160 requests since the block took hold)"},
		"by weight":   {weighed, "(a weight of 3200 in 160 requests since the block took hold)"},
	} {
		t.Run(name, func(t *testing.T) {
			i := base()
			i.Present = []policy.Block{block("203.0.113.9", "flood", -30*time.Minute, 30*time.Minute, 1)}
			i.After = []detect.After{weighing("203.0.113.9", 160, 3200)}
			tc.rule(&i)
			ds := policy.Decide(i)
			if ds[0].Verb != policy.VerbExtend || !strings.Contains(ds[0].Reason, tc.say) {
				t.Errorf("%+v does not say %q", ds, tc.say)
			}
		})
	}
}
