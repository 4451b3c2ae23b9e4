package ledger

import (
	"encoding/json"
	"fmt"
)

// CheckVersion is the error for a record whose version this release does not know; nil for any other. Such a record stays
// where it is: a store is only ever appended to.
func CheckVersion(version int) error {
	if version <= Version {
		return nil
	}
	return fmt.Errorf("record has version %d, written by a newer release; this one reads %d: read and verify this ledger with the newer one", version, Version)
}

// newer is CheckVersion of a line; nil for one that is no record.
func newer(line []byte) error {
	var v struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(line, &v) != nil {
		return nil
	}
	return CheckVersion(v.Version)
}
