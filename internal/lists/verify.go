package lists

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// The bounds of Verify. A crowd that pretends to be a crawler must not turn a run into a name server's load test.
const (
	DefaultLookups      = 50
	DefaultLookupTime   = 5 * time.Second
	oneLookup           = 2 * time.Second
	lookupsAtOnce       = 8
	namesTried          = 4 // of one address: its owner may name it as often as he likes
	provenFor, deniedIn = 24 * time.Hour, time.Hour
)

// Claim is an address that says, by its user agents, who it is.
type Claim struct {
	Address netip.Addr
	Agents  []string
}

// VerifyOptions say how claims are verified.
type VerifyOptions struct {
	Crawlers []Crawler
	Known    *Set          // published ranges: what they cover needs no look-up
	Resolver *net.Resolver // nil means the system's
	CacheDir string        // answers are kept there, proofs for a day and denials for an hour; "" keeps none
	Max      int           // addresses looked up in one call, in the order of claims; 0 means 50
	Timeout  time.Duration // for all look-ups together; 0 means 5 s
	Now      time.Time     // zero means time.Now
}

// Verify gives the claims that forward-confirmed reverse DNS proves: the address has a name in one of the crawler's
// domains, and that name has the address. The owner of an address can give it any name, but only the owner of the domain
// can give that name the address. https://developers.google.com/search/docs/crawling-indexing/verifying-googlebot
//
// What cannot be looked up in time is not verified: otherwise a name server that never answers would be a shield. It
// never fails; the errors are warnings. Offenders of IPv6 are known by their /64, which has no name: only
// published ranges prove those.
func Verify(ctx context.Context, o VerifyOptions, claims []Claim) (*Set, []error) {
	o.fill()
	cache, faults := readAnswers(o.CacheDir, o.Now)
	var verified []Entry
	var ask []question
	left := 0
	seen := map[netip.Addr]bool{}
	for _, c := range claims {
		a := c.Address.Unmap()
		crawler, ok := claimed(o.Crawlers, c.Agents)
		if !ok || !a.IsValid() || a.Zone() != "" || seen[a] {
			continue
		}
		seen[a] = true
		if _, known := o.Known.Covers(netip.PrefixFrom(a, a.BitLen()), o.Now); known {
			continue
		}
		q := question{a, crawler}
		if got, there := cache[q.key()]; there {
			verified = got.appendTo(verified, q)
		} else if len(ask) < o.Max {
			ask = append(ask, q)
		} else {
			left++
		}
	}
	answers, unknown := o.lookUp(ctx, ask)
	for i, q := range ask {
		if answers[i].At.IsZero() {
			continue
		}
		cache[q.key()] = answers[i]
		verified = answers[i].appendTo(verified, q)
	}
	if unknown > 0 {
		faults = append(faults, fmt.Errorf("verifying crawlers: %d of %d look-ups had no answer in time: these addresses are not taken as crawlers", unknown, len(ask)))
	}
	if left > 0 {
		faults = append(faults, fmt.Errorf("verifying crawlers: %d addresses more than the %d of one run say that they are crawlers: they are not taken as such", left, o.Max))
	}
	if len(ask) > 0 {
		if err := cache.keep(o.CacheDir, o.Now); err != nil {
			faults = append(faults, err)
		}
	}
	return New(verified...), faults
}

func (o *VerifyOptions) fill() {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Max <= 0 {
		o.Max = DefaultLookups
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultLookupTime
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	o.Now = o.Now.UTC()
}

// question is an address and who it says it is.
type question struct {
	address netip.Addr
	crawler Crawler
}

func (q question) key() string { return q.crawler.Name + " " + q.address.String() }

// lookUp asks for all, a few at once. An answer without a time is one that did not come.
func (o *VerifyOptions) lookUp(ctx context.Context, ask []question) (answers []answer, unknown int) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	answers = make([]answer, len(ask))
	var wg sync.WaitGroup
	turns := make(chan struct{}, lookupsAtOnce)
	for i, q := range ask {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			one, cancel := context.WithTimeout(ctx, oneLookup)
			defer cancel()
			if name, err := q.prove(one, o.Resolver); err == nil {
				answers[i] = answer{Name: name, At: o.Now}
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.At.IsZero() {
			unknown++
		}
	}
	return answers, unknown
}

// prove gives the name that proves the address; "" when it is proven that there is none. An error means that nobody knows.
func (q question) prove(ctx context.Context, r *net.Resolver) (string, error) {
	names, err := r.LookupAddr(ctx, q.address.String())
	if len(names) == 0 {
		return "", definite(err)
	}
	tried := 0
	var unsure error
	for _, name := range names {
		if !q.crawler.owns(name) {
			continue
		}
		if tried++; tried > namesTried {
			break
		}
		addrs, err := r.LookupNetIP(ctx, "ip", strings.TrimSuffix(name, ".")+".")
		if err := definite(err); err != nil {
			unsure = err
		}
		for _, a := range addrs {
			if a.Unmap() == q.address {
				return strings.TrimSuffix(strings.ToLower(name), "."), nil
			}
		}
	}
	return "", unsure
}

// definite is nil when the name server said that there is no such name.
func definite(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil
	}
	return err
}

// owns reports whether a name is in one of the crawler's domains.
func (c Crawler) owns(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	for _, d := range c.Domains {
		d = strings.Trim(strings.ToLower(d), ".")
		if d != "" && (name == d || strings.HasSuffix(name, "."+d)) {
			return true
		}
	}
	return false
}

// Union is a set of the entries of all sets; nil ones are empty.
func Union(sets ...*Set) *Set {
	var all []Entry
	for _, s := range sets {
		all = append(all, s.Entries()...)
	}
	return New(all...)
}
