package ledger

import (
	"encoding/json"
	"fmt"
)

// newer is the error for a record whose version this release does not know; nil for any other line. Such a line stays where
// it is: a store is only ever appended to.
func newer(line []byte) error {
	var v struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(line, &v) != nil || v.Version <= Version {
		return nil
	}
	return fmt.Errorf("record has version %d, written by a newer release; this one reads %d: read and verify this ledger with the newer one", v.Version, Version)
}
