package lists

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Crawler is a search engine's robot that should not be blocked when it proves who it is.
type Crawler struct {
	Name    string   // for people
	Agent   string   // what its user agent holds, letter case aside; "" means Name
	URL     string   // where its ranges are published, in the JSON of Googlebot and Bingbot; "" means nowhere
	Domains []string // the domains its addresses are named in, for [Verify]; none means that names prove nothing
}

// parse reads published ranges as entries.
func (c Crawler) parse(body []byte) ([]Entry, error) { return ParseRanges(body, c.Name) }

// ParseRanges reads the JSON in which search engines publish the ranges of their robots:
//
//	{"creationTime": "…", "prefixes": [{"ipv4Prefix": "192.0.2.0/27"}, {"ipv6Prefix": "2001:db8::/64"}]}
//
// An answer without a prefix is an error. https://developers.google.com/search/docs/crawling-indexing/verifying-googlebot,
// https://www.bing.com/webmasters/help/how-to-verify-bingbot-3905dc26
func ParseRanges(body []byte, name string) ([]Entry, error) {
	var reply struct {
		Prefixes []struct {
			IPv4 string `json:"ipv4Prefix"`
			IPv6 string `json:"ipv6Prefix"`
		} `json:"prefixes"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("decoding ranges: %w", err)
	}
	var entries []Entry
	var faults []error
	for _, row := range reply.Prefixes {
		for _, text := range []string{row.IPv4, row.IPv6} {
			if text == "" {
				continue
			}
			p, err := ParsePrefix(text)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			entries = append(entries, Entry{Prefix: p, Reason: name + ", published range", List: Crawlers})
		}
	}
	switch {
	case len(faults) > 0:
		return nil, fmt.Errorf("decoding ranges: %w", errors.Join(faults...))
	case len(entries) == 0:
		return nil, errors.New("decoding ranges: there are none in it")
	}
	return entries, nil
}

// claimed finds the crawler that one of the user agents names, and that names can prove.
func claimed(crawlers []Crawler, agents []string) (Crawler, bool) {
	for _, c := range crawlers {
		if len(c.Domains) == 0 {
			continue
		}
		word := strings.ToLower(c.Agent)
		if word == "" {
			word = strings.ToLower(c.Name)
		}
		for _, a := range agents {
			if word != "" && strings.Contains(strings.ToLower(a), word) {
				return c, true
			}
		}
	}
	return Crawler{}, false
}
