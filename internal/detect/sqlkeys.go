package detect

import (
	"fmt"
	"strconv"
)

// keyRef names a key of a rule in an array parameter.
type keyRef struct {
	rule, trust int64
	key         string
	fromUs      int64
}

// keyTable passes keys as an array parameter and gives a FROM item over it.
//
// DuckDB's has the columns rule, trust, key and from_us, out of JSON: its
// driver has no array of structs. BigQuery's has id, which joins rule, trust
// and key in one text, and from_us: two arrays of texts, since the emulator
// takes the elements of every array for texts.
func (b *builder) keyTable(name string, refs []keyRef) string {
	if b.kind == DuckDB {
		keys := make([]KeyParam, len(refs))
		for i, r := range refs {
			keys[i] = KeyParam{Rule: r.rule, Trust: r.trust, Key: r.key, FromUs: r.fromUs}
		}
		return "(SELECT UNNEST(from_json(" + b.named(name, keys) +
			`, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true))`
	}
	ids, from := make([]string, len(refs)), make([]string, len(refs))
	for i, r := range refs {
		ids[i] = fmt.Sprintf("%d/%d/%s", r.rule, r.trust, r.key)
		from[i] = strconv.FormatInt(r.fromUs, 10)
	}
	return fmt.Sprintf("(SELECT id, CAST(%s[OFFSET(place)] AS INT64) AS from_us FROM UNNEST(%s) id WITH OFFSET place)",
		b.named(name+"_from", from), b.named(name, ids))
}

// sameKey joins a keyTable with rows that have rule, trust and k.
func (b *builder) sameKey(keys, rows string) string {
	if b.kind == DuckDB {
		return fmt.Sprintf("%s.rule = %s.rule AND %s.trust = %s.trust AND %s.key = %s.k", keys, rows, keys, rows, keys, rows)
	}
	return fmt.Sprintf("%s.id = CAST(%s.rule AS STRING) || '/' || CAST(%s.trust AS STRING) || '/' || %s.k", keys, rows, rows, rows)
}
