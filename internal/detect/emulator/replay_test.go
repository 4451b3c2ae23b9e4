package emulator_test

import (
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/detecttest"
)

// replayRows is how many records a replay is loaded with: it asks several questions of many steps, which takes the emulator
// a minute for all cases, and ten times that for four times the records.
const replayRows = 80

func TestBigQueryReplaysLikeTheReference(t *testing.T) {
	for _, k := range kinds() {
		if k.kind != bigquery.Sink {
			continue // what differs between the kinds is the source, and the other test is about that
		}
		e := start(t)
		for _, c := range detecttest.ReplayCases() {
			t.Run(c.Name, func(t *testing.T) {
				c.Records = c.Records[:min(len(c.Records), replayRows)]
				detecttest.CheckReplay(t, e.open(t, k, c.Records).(detect.Replayer), c)
			})
		}
		t.Run("samples", func(t *testing.T) {
			recs := detecttest.Traffic(5, replayRows)
			detecttest.CheckSamples(t, e.open(t, k, recs).(detect.Replayer), recs)
		})
	}
}
