package bqtest

import (
	"maps"
	"slices"
	"strings"
)

// parameter is a query parameter as the API takes it.
// https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
type parameter struct {
	Name  string `json:"name"`
	Type  ptype  `json:"parameterType"`
	Value pvalue `json:"parameterValue"`
}

type ptype struct {
	Type        string `json:"type"`
	ArrayType   *ptype `json:"arrayType"`
	StructTypes []struct {
		Name string `json:"name"`
		Type ptype  `json:"type"`
	} `json:"structTypes"`
}

type pvalue struct {
	Value        *string           `json:"value"`
	ArrayValues  []pvalue          `json:"arrayValues"`
	StructValues map[string]pvalue `json:"structValues"`
}

// String is the type and the value: INT64 5, ARRAY<STRUCT<a INT64>> [{a:5}].
func (p parameter) String() string { return p.Type.String() + " " + p.Value.String() }

func (t ptype) String() string {
	switch {
	case t.ArrayType != nil:
		return "ARRAY<" + t.ArrayType.String() + ">"
	case t.StructTypes != nil:
		var fields []string
		for _, f := range t.StructTypes {
			fields = append(fields, f.Name+" "+f.Type.String())
		}
		return "STRUCT<" + strings.Join(fields, ", ") + ">"
	}
	return t.Type
}

func (v pvalue) String() string {
	switch {
	case v.Value != nil:
		return *v.Value
	case v.StructValues != nil:
		var fields []string
		for _, k := range slices.Sorted(maps.Keys(v.StructValues)) {
			fields = append(fields, k+":"+v.StructValues[k].String())
		}
		return "{" + strings.Join(fields, " ") + "}"
	}
	var elements []string
	for _, e := range v.ArrayValues {
		elements = append(elements, e.String())
	}
	return "[" + strings.Join(elements, " ") + "]"
}
