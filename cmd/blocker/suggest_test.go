package main

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery/bqtest"
)

func TestASuggestionOverBigQuerySaysWhatItCost(t *testing.T) {
	w := newWorld(t)
	table, url := w.table()
	at := func(before time.Duration) int64 { return w.T.Add(-before).UnixMicro() }
	table.Answers["hours"] = bqtest.HoursAnswer(detect.HourRow{FirstUs: at(105 * time.Minute), LastUs: at(91 * time.Minute), Rows: 400}, detect.HourRow{FirstUs: at(90 * time.Minute), LastUs: at(time.Minute), Rows: 900})
	table.Answers["samples"] = bqtest.SamplesAnswer(detect.SampleRow{Value: 3, Samples: 900, Requests: 2700, OK: 2700}, detect.SampleRow{Value: 300, Key: attacker, Samples: 1, Requests: 300, OK: 3})
	o := w.want(w.runBigQuery(url, "suggest", "--since", "7d"), exitOK)
	for _, say := range []string{"there are rows of 1h44m in the 7 days asked for, from 2031-05-06 05:45 to 2031-05-06 07:29", "weak: 901 samples of 1h44m", "Measuring read 424 MiB."} {
		if !strings.Contains(o.stdout, say) {
			t.Errorf("does not say %q: %s", say, o.stdout)
		}
	}
	if !strings.Contains(o.stderr, "estimate: at most 424 MiB in up to 2 queries") {
		t.Error(o.stderr)
	}
}
