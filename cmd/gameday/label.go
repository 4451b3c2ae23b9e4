package main

// label says what a client is; the programs never see it.
type label string

// Those who must be spared.
const (
	human   label = "human"   // one person, a few requests
	office  label = "office"  // dozens of devices behind one address
	carrier label = "carrier" // a mobile carrier: one /24, thousands of people
	crawler label = "crawler" // a search engine's robot in its published ranges: fast, and asks for much that is gone
	sale    label = "sale"    // a person who came for the flash sale, with thousands of others
)

// Those who must be blocked, each above a rule's threshold.
const (
	flood    label = "flood"    // one address, many requests, few paths
	motley   label = "motley"   // one address, a new TLS fingerprint for each request, so that it looks like an office
	burst    label = "burst"    // one address, two hard minutes, then silence
	brute    label = "brute"    // one address, one login form
	scanner  label = "scanner"  // one address, many paths that do not exist; says that it is the crawler
	fuzzer   label = "fuzzer"   // one address whose requests fail
	network  label = "network"  // one /24, each address below the threshold of its own
	rotation label = "rotation" // one IPv6 /64, a new address for each request
	forger   label = "forger"   // sends a stranger's address in Fastly-Client-IP
	hammer   label = "hammer"   // goes on as if nothing had happened while it is blocked
	returner label = "returner" // a burst, silence until its block has ended, and the same again
	latecome label = "late"     // a password guesser whose lines arrive late
)

// Those who are abusive and whom a block of addresses does not reach, or must not.
const (
	ring    label = "ring"    // credential stuffing from hundreds of addresses, a few requests each
	insider label = "insider" // a password guesser behind the address of an office on the allowlist
	snooper label = "snooper" // a scanner behind the address of an office that is on no list
)

// abusive reports whether blocking the label is right.
func (l label) abusive() bool {
	switch l {
	case human, office, carrier, crawler, sale, insider, snooper: // the last two: everybody else behind that address would be hit
		return false
	}
	return true
}
