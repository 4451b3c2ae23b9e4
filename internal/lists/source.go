package lists

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// source is one list that is read anew in every run.
type source struct {
	name, list string
	get        func(context.Context) ([]byte, error)
	parse      func([]byte) ([]Entry, error) // entries beside an error are what could be read
	vet        bool                          // refuse it when it suddenly covers too much
	refresh    time.Duration                 // a kept copy that is younger is good enough
	file       string                        // the last good copy; "" keeps none
	fallback   func() []Entry                // when there is no last good copy; nil means that this is a hole
	off        bool                          // not asked for at all: the fallback it is
}

// result is what became of a source.
type result struct {
	entries []Entry
	state   State
	faults  []error
}

// load reads a source. What is kept is replaced only by what was read whole and found good.
func (s source) load(ctx context.Context, now time.Time) result {
	if s.off {
		return s.result(s.fallback(), Embedded, snapshotTime)
	}
	kept, keptAt, keptErr := s.readKept()
	if keptErr == nil && kept != nil && s.refresh > 0 && !keptAt.After(now) && now.Sub(keptAt) < s.refresh {
		return s.result(kept, Fresh, keptAt)
	}
	body, err := s.get(ctx)
	var entries []Entry
	if err == nil {
		entries, err = s.parse(body)
	}
	if err == nil && s.vet {
		err = s.tooMuch(entries, kept)
		if err != nil {
			entries = nil
		}
	}
	if err == nil {
		r := s.result(entries, Fresh, now)
		if err := keep(s.file, body, now); err != nil {
			r.faults = append(r.faults, fmt.Errorf("keeping list %s: %w", s.name, err))
		}
		return r
	}
	return s.instead(entries, kept, keptAt, keptErr, err)
}

// instead chooses what stands in for a list that cannot be used.
func (s source) instead(entries, kept []Entry, keptAt time.Time, keptErr, err error) result {
	var r result
	switch {
	case kept != nil:
		r = s.result(kept, Kept, keptAt)
	case s.fallback != nil && s.list == FastlyList:
		r = s.result(s.fallback(), Embedded, snapshotTime)
	case s.fallback != nil:
		r = s.result(s.fallback(), Missing, time.Time{})
	case len(entries) > 0:
		r = s.result(entries, Partial, time.Time{})
	default:
		r = s.result(nil, Missing, time.Time{})
	}
	r.faults = []error{fmt.Errorf("reading list %s: %w; %s", s.name, err, r.state.text())}
	if keptErr != nil {
		r.faults = append(r.faults, fmt.Errorf("reading last good copy of list %s: %w", s.name, keptErr))
	}
	return r
}

func (s source) result(entries []Entry, o Origin, at time.Time) result {
	return result{entries: entries, state: State{Name: s.name, List: s.list, Origin: o, At: at, Entries: len(entries)}}
}

// text says what is used, for a warning.
func (s State) text() string {
	switch s.Origin {
	case Kept:
		return "the last good copy, of " + s.At.UTC().Format(time.RFC3339) + ", is used"
	case Embedded:
		return "the copy embedded in this program, of " + FastlySnapshotDate + ", is used"
	case Partial:
		return fmt.Sprintf("there is no last good copy, so the %d lines that can be read are used", s.Entries)
	}
	return "there is no last good copy, so this list protects nobody"
}

// readKept gives the last good copy; nil, and no error, when there is none.
func (s source) readKept() ([]Entry, time.Time, error) {
	if s.file == "" {
		return nil, time.Time{}, nil
	}
	info, err := os.Stat(s.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	body, err := readFile(s.file)(context.Background())
	if err != nil {
		return nil, time.Time{}, err
	}
	entries, err := s.parse(body)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: remove %s", err, s.file)
	}
	if entries == nil {
		entries = []Entry{} // an empty list is a list
	}
	return entries, info.ModTime(), nil
}

func (l Location) parse(body []byte) ([]Entry, error) {
	return parseText(bytes.NewReader(body), Allowlist, l.Reason)
}

func parseFastly(body []byte) ([]Entry, error) { return ParseFastly(body, "Fastly's public range") }

var snapshotTime = func() time.Time {
	t, err := time.Parse(time.DateOnly, FastlySnapshotDate)
	if err != nil {
		panic("lists: bug: " + err.Error())
	}
	return t
}()
