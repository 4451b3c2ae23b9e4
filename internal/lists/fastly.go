package lists

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// FastlyURL is where Fastly publishes its ranges; no token is needed.
// https://www.fastly.com/documentation/reference/api/utils/public-ip-list/
const FastlyURL = "https://api.fastly.com/public-ip-list"

// FastlySnapshotDate is the day on which the embedded copy was last known to be what
// FastlyURL answers.
const FastlySnapshotDate = "2026-02-11"

//go:embed fastly-public-ip-list.json
var fastlySnapshot []byte

var parseSnapshot = sync.OnceValue(func() []Entry {
	entries, err := ParseFastly(fastlySnapshot, "Fastly's public range, snapshot of "+FastlySnapshotDate)
	if err != nil {
		panic("lists: bug: embedded list of Fastly's ranges: " + err.Error())
	}
	return entries
})

// FastlySnapshot returns Fastly's public ranges as embedded in this binary.
func FastlySnapshot() []Entry {
	return append([]Entry(nil), parseSnapshot()...)
}

// ParseFastly reads the JSON that FastlyURL answers. An answer without IPv4 or
// without IPv6 ranges is an error: it would silently unprotect the half that is missing.
func ParseFastly(body []byte, reason string) ([]Entry, error) {
	var reply struct {
		Addresses     []string `json:"addresses"`
		IPv6Addresses []string `json:"ipv6_addresses"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("decoding Fastly's ranges: %w", err)
	}
	if len(reply.Addresses) == 0 || len(reply.IPv6Addresses) == 0 {
		return nil, fmt.Errorf("decoding Fastly's ranges: %d IPv4 and %d IPv6 ranges, want some of both", len(reply.Addresses), len(reply.IPv6Addresses))
	}
	var entries []Entry
	var faults []error
	for _, text := range append(reply.Addresses, reply.IPv6Addresses...) {
		p, err := ParsePrefix(text)
		if err == nil && p.Bits() < 8 {
			err = fmt.Errorf("%s is too wide to be Fastly's", p)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		entries = append(entries, Entry{Prefix: p, Reason: reason, List: FastlyList})
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("decoding Fastly's ranges: %w", errors.Join(faults...))
	}
	return entries, nil
}
