package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// addresses reads addresses and prefixes from arguments and a file.
func addresses(args []string, file string) ([]netip.Prefix, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usagef("reading -f: %v", err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			text, _, _ := strings.Cut(lines.Text(), "#")
			if text = strings.TrimSpace(text); text != "" {
				args = append(args, text)
			}
		}
	}
	if len(args) == 0 {
		return nil, usagef("which address? Name one, or a file with -f")
	}
	var prefixes []netip.Prefix
	var faults []error
	for _, a := range args {
		prefix, err := parsePrefix(a)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		prefixes = append(prefixes, prefix)
	}
	if len(faults) > 0 {
		return nil, usageError{errors.Join(faults...)}
	}
	return prefixes, nil
}

// parsePrefix reads an address or a prefix; an IPv6 host is taken as its /64, which is what one client holds.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return netip.Prefix{}, errors.New("an address with a zone cannot be blocked")
		}
		addr = addr.Unmap()
		if addr.Is6() {
			return addr.Prefix(64)
		}
		return netip.PrefixFrom(addr, 32), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix such as 203.0.113.0/24", s)
	}
	return p.Masked(), nil
}
