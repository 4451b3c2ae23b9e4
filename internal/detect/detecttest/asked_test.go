package detecttest_test

import (
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
)

func TestTheKeysAskedAboutMeetRulesAndDoNot(t *testing.T) {
	met, unmet, untrusted := 0, map[detect.Group]int{}, 0
	for _, c := range detecttest.Cases() {
		res := detecttest.Reference(c.Query, c.Records)
		if (len(res.Asked) > 0) != (len(c.Query.About) > 0) {
			t.Errorf("%s: %d rows of %d keys", c.Name, len(res.Asked), len(c.Query.About))
		}
		for _, o := range res.Asked {
			if ok, err := c.Query.Set.Met(o.Rule, o.Measures); err != nil {
				t.Error(err)
			} else if ok {
				met++
			} else {
				unmet[o.Group]++
			}
			if o.Trust != (detect.Trust{}) {
				untrusted++
			}
		}
	}
	if met < 10 || unmet[detect.ByAddress] < 10 || unmet[detect.ByPrefix] == 0 || unmet[detect.ByASN] == 0 || untrusted < 10 {
		t.Errorf("%d rows meet their rule, %v do not, %d are not trusted: that proves little", met, unmet, untrusted)
	}
}
