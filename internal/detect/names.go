package detect

import (
	"edgewarden/internal/record"
)

// Name documents one name a condition can use.
type Name struct {
	Name    string
	Type    string // string, int, double or bool, as CEL calls them
	Meaning string
}

type valueType uint8

const (
	typeString valueType = iota
	typeInt
	typeDouble
	typeBool
)

func (t valueType) String() string { return [...]string{"string", "int", "double", "bool"}[t] }

// table is a closed table of names: an index into it is what a condition holds.
type table struct {
	names  []tableName
	byName map[string]int
	hint   func(unknown string) string // where a name of the other table belongs
}

type tableName struct {
	Name
	typ   valueType
	field record.Field // of whereTable
}

func (t *table) all() []string {
	out := make([]string, len(t.names))
	for i, n := range t.names {
		out[i] = n.Name.Name
	}
	return out
}

func (t *table) docs() []Name {
	out := make([]Name, len(t.names))
	for i, n := range t.names {
		out[i] = n.Name
	}
	return out
}

// WhereNames documents the fields a where can use: everything a line says
// about its request except the time, which is the window's business, and the
// two keys computed from the client address.
func WhereNames() []Name { return whereTable.docs() }

// WhenNames documents the measures a when can use.
func WhenNames() []Name { return whenTable.docs() }

var whereTable = func() *table {
	t := &table{byName: map[string]int{}, hint: func(n string) string {
		if _, ok := whenTable.byName[n]; ok {
			return "; it is a measure, so it belongs in when"
		}
		return ""
	}}
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		computedKey := f == record.ClientKey || f == record.ClientPrefix
		if (info.Origin != record.FromLine || f == record.Timestamp) && !computedKey {
			continue
		}
		typ := map[record.Type]valueType{record.String: typeString, record.Int: typeInt, record.Bool: typeBool}[info.Type]
		t.byName[info.Name] = len(t.names)
		t.names = append(t.names, tableName{Name: Name{info.Name, typ.String(), info.Meaning}, typ: typ, field: f})
	}
	return t
}()

// measure indexes whenTable.
type measure int

const (
	mRequests measure = iota
	mWeight
	mPeak
	mOK
	mErrors
	mErrorShare
	mDistinctPaths
	mShare
	mScore
	mBaselineScore
	mBaselineRatio
	mAddresses
	mOKAddresses
	mJA4s
)

var whenTable = &table{
	names: []tableName{
		mRequests:      counter("requests", "requests counted for the key in the rule's window"),
		mWeight:        counter("weight", "sum of the weights of those requests: a request weighs what the first of the file's classes it is in says, and 1 in none; without classes it is requests"),
		mPeak:          counter("peak_per_minute", "most requests in one minute; minutes are counted back from the end of the window"),
		mOK:            counter("ok", "requests answered with a status from 1 to 399"),
		mErrors:        counter("errors", "requests answered with a status of 400 or more"),
		mErrorShare:    ratio("error_share", "errors divided by requests, 0 to 1"),
		mDistinctPaths: counter("distinct_paths", "different paths asked for"),
		mShare:         ratio("share", "requests divided by all requests the rule counted, 0 to 1"),
		mScore:         ratio("score", "how far ln(requests) lies above the median of all keys of the rule, in robust standard deviations"),
		mBaselineScore: ratio("baseline_score", "the same against the keys that the rule usually has at this hour of the day; no comparison with it holds while no baseline is known"),
		mBaselineRatio: ratio("baseline_ratio", "requests of all keys of the rule, divided by those that are usual at this hour of the day; no comparison with it holds while no baseline is known"),
		mAddresses:     counter("addresses", "different client addresses (IPv4 hosts, IPv6 /64); 1 when grouped by address"),
		mOKAddresses:   counter("ok_addresses", "different client addresses with at least one ok request"),
		mJA4s:          counter("ja4s", "different JA4 fingerprints; 0 when the store has none"),
	},
}

func init() {
	whenTable.byName = map[string]int{}
	for i, n := range whenTable.names {
		whenTable.byName[n.Name.Name] = i
	}
	whenTable.hint = func(n string) string {
		if _, ok := whereTable.byName[n]; ok {
			return "; it is a field of a request, so it belongs in where"
		}
		return ""
	}
}

func counter(name, meaning string) tableName {
	return tableName{Name: Name{name, "int", meaning}, typ: typeInt}
}

func ratio(name, meaning string) tableName {
	return tableName{Name: Name{name, "double", meaning}, typ: typeDouble}
}
