package record_test

import (
	"testing"
	"time"

	"edgewarden/internal/record"
)

// Every field of the table can be set through its accessor, is then present,
// and touches no other field.
func TestEveryFieldHasItsOwnPlace(t *testing.T) {
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		var r record.Record
		if r.Has(f) {
			t.Errorf("%s: present in an empty record", info.Name)
		}
		switch info.Type {
		case record.String:
			*r.Str(f) = "x"
		case record.Int:
			r.SetInt(f, 1)
		case record.Bool:
			r.SetBool(f, true)
		case record.Time:
			r.SetTime(f, time.Unix(1, 0))
		}
		for g := record.Field(0); g < record.NumFields; g++ {
			if got, want := r.Has(g), g == f; got != want {
				t.Errorf("after setting %s: Has(%s) = %v, want %v", info.Name, record.Fields[g].Name, got, want)
			}
		}
	}
}

func TestNamesAreUniqueAndDescribed(t *testing.T) {
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		if g, ok := record.ByName(info.Name); !ok || g != f {
			t.Errorf("ByName(%q) = %d, %v; want %d", info.Name, g, ok, f)
		}
		if info.Meaning == "" {
			t.Errorf("%s has no meaning", info.Name)
		}
	}
	if _, ok := record.ByName("no_such_field"); ok {
		t.Error("ByName finds a field that is not there")
	}
}
