package lists

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// ParsePrefix reads an address or a prefix in CIDR notation and gives its canonical
// form; an address is a /32 or /128. Bits set beyond the prefix length are an error, since
// it is then unclear whether the host or the network is meant.
func ParsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("address %q has a zone: leave %%%s away", text, addr.Zone())
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address (203.0.113.9) nor a prefix (203.0.113.0/24, 2001:db8::/64)", text)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits set beyond /%d: write %s for the network or %s for the host", text, p.Bits(), p.Masked(), p.Addr())
	}
	return Canonical(p), nil
}

// ParseUntil reads an expiry: RFC 3339, or a day (2031-05-06), which is included and
// ends at midnight UTC. Empty text is the zero time: no expiry.
func ParseUntil(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a day (2031-05-06) nor a time (2031-05-06T07:08:00Z)", text)
	}
	return t.UTC(), nil
}

// NewEntry checks the three texts an operator writes for one entry. The reason is
// required: the one who finds the entry in two years needs it. All faults are joined.
func NewEntry(list, prefix, reason, until string) (Entry, error) {
	p, perr := ParsePrefix(prefix)
	t, terr := ParseUntil(until)
	var rerr error
	if strings.TrimSpace(reason) == "" {
		rerr = fmt.Errorf("%s has no reason: say why it is listed", prefix)
	}
	if err := errors.Join(perr, terr, rerr); err != nil {
		return Entry{}, err
	}
	return Entry{Prefix: p, Reason: strings.TrimSpace(reason), Until: t, List: list}, nil
}

// parseText reads entries from text of the form that [Location] describes. fallback is the reason of lines that give none; ""
// makes such a line a fault. Every fault is reported with its line number; the entries of the good lines are returned beside the error.
func parseText(r io.Reader, list, fallback string) ([]Entry, error) {
	var entries []Entry
	var faults []error
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		head, reason, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(head)
		if len(fields) == 0 {
			continue
		}
		until := ""
		if len(fields) == 2 && strings.HasPrefix(fields[1], "until=") {
			until = strings.TrimPrefix(fields[1], "until=")
		} else if len(fields) > 1 {
			faults = append(faults, fmt.Errorf("line %d: %q is not understood: a line is PREFIX [until=DAY] # REASON", n, strings.Join(fields[1:], " ")))
			continue
		}
		if strings.TrimSpace(reason) == "" {
			reason = fallback
		}
		e, err := NewEntry(list, fields[0], reason, until)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("reading %s: %w", list, err))
	}
	return entries, errors.Join(faults...)
}
