package duckdb_test

import (
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

func TestAReplayFindsAtEachStepWhatDetectWouldHaveFound(t *testing.T) {
	detecttest.RunReplay(t, func(t *testing.T, recs []record.Record) detect.Engine {
		dir := t.TempDir()
		writeLake(t, dir, recs)
		return open(t, dir)
	})
}

func TestASurveyMeasuresWhatDetectWouldHaveMeasured(t *testing.T) {
	detecttest.RunSamples(t, func(t *testing.T, recs []record.Record) detect.Engine {
		dir := t.TempDir()
		writeLake(t, dir, recs)
		return open(t, dir)
	})
}
