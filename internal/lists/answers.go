package lists

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxAnswers bounds the file of answers: about 1 MB.
const maxAnswers = 10_000

// answersFile is where answers of name servers are kept.
const answersFile = "crawler-names.json"

// answer is what name servers said of an address.
type answer struct {
	Name string    `json:"name,omitempty"` // the name that proves it; "" means that it is none
	At   time.Time `json:"at"`
}

func (a answer) until() time.Time {
	if a.Name == "" {
		return a.At.Add(deniedIn)
	}
	return a.At.Add(provenFor)
}

func (a answer) appendTo(entries []Entry, q question) []Entry {
	if a.Name == "" {
		return entries
	}
	return append(entries, Entry{Prefix: netip.PrefixFrom(q.address, q.address.BitLen()),
		Reason: q.crawler.Name + ", by its name " + a.Name, Until: a.until(), List: Crawlers})
}

type answers map[string]answer

// readAnswers gives the kept answers that still count. It is never nil.
func readAnswers(dir string, now time.Time) (answers, []error) {
	all := answers{}
	if dir == "" {
		return all, nil
	}
	body, err := readFile(filepath.Join(dir, answersFile))(context.Background())
	if err == nil {
		err = json.Unmarshal(body, &all)
	}
	maps.DeleteFunc(all, func(_ string, a answer) bool { return a.At.After(now) || !now.Before(a.until()) })
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return answers{}, []error{fmt.Errorf("reading kept names of crawlers: %w", err)}
	}
	if all == nil { // the file holds null
		all = answers{}
	}
	return all, nil
}

// keep replaces the file; when there are too many, the newest stay.
func (all answers) keep(dir string, now time.Time) error {
	if dir == "" {
		return nil
	}
	if len(all) > maxAnswers {
		keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(all[b].At.Compare(all[a].At), cmp.Compare(a, b)) })
		for _, k := range keys[maxAnswers:] {
			delete(all, k)
		}
	}
	body, err := json.Marshal(all)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = keep(filepath.Join(dir, answersFile), body, now)
	}
	if err != nil {
		return fmt.Errorf("keeping names of crawlers: %w", err)
	}
	return nil
}
