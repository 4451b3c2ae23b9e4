package record_test

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

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

// The accessors lead to the member of the struct with the field's name in Go, which is of its type.
func TestEveryPlaceIsThatOfAMemberOfItsType(t *testing.T) {
	var r record.Record
	v := reflect.ValueOf(&r).Elem()
	members := map[unsafe.Pointer]reflect.StructField{}
	for i := range v.NumField() {
		members[v.Field(i).Addr().UnsafePointer()] = v.Type().Field(i)
	}
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		var at unsafe.Pointer
		var want reflect.Type
		switch info.Type {
		case record.String:
			at, want = unsafe.Pointer(r.Str(f)), reflect.TypeFor[string]()
		case record.Int:
			at, want = unsafe.Pointer(r.Int(f)), reflect.TypeFor[int64]()
		case record.Bool:
			at, want = unsafe.Pointer(r.Bool(f)), reflect.TypeFor[bool]()
		case record.Time:
			at, want = unsafe.Pointer(r.Time(f)), reflect.TypeFor[time.Time]()
		}
		m := members[at]
		if m.Type != want || !strings.EqualFold(m.Name, strings.ReplaceAll(info.Name, "_", "")) {
			t.Errorf("%s is at %s of type %v, want type %v", info.Name, m.Name, m.Type, want)
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
