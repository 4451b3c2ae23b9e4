package policy

import (
	"math"
	"time"
)

// The defaults.
const (
	DefaultBlock        = time.Hour
	DefaultMax          = 24 * time.Hour
	DefaultEscalation   = 2.0
	DefaultForget       = 30 * 24 * time.Hour
	DefaultPropagation  = 2 * time.Minute
	DefaultWidth4       = 24
	DefaultWidth6       = 48
	DefaultMinAddresses = 3
	DefaultSharedRoom   = 4.0
	// LeastRollUp is the fewest offenders that can justify a block of their whole prefix.
	LeastRollUp = 3
	// MaxExempt is the longest that an unblock by hand keeps an address exempt.
	MaxExempt = 7 * 24 * time.Hour
	// sharedJA4s is how many TLS fingerprints make an address look like many devices.
	sharedJA4s = 5
)

// Settings are the numbers of the policy. Zero values are the defaults.
type Settings struct {
	Max                                  time.Duration // longest a block can get; 0 means 24 h
	Escalation                           float64       // factor per strike; 0 means 2, less than 1 means 1
	Forget                               time.Duration // strikes are forgotten after it; 0 means 30 days
	Propagation                          time.Duration // requests sooner than this after a block do not count; 0 means 2 min
	MaxWidth4, MaxWidth6                 int           // shortest prefix allowed; 0 means 24 and 48
	SharedRoom                           float64       // how many times its rule's floor an address that looks shared may ask for; 0 means 4, less than 1 means 1
	MinAddresses                         int           // fewest addresses that must take part for a prefix to be blocked; 0 means 3
	RollUp                               int           // so many blocked hosts of a /24 or /56 become one block of it, see rollUp; 0 means never
	TrustForgeable, TrustUnauthenticated bool
}

// WithDefaults fills the zero values in.
func (s Settings) WithDefaults() Settings {
	setDuration(&s.Max, DefaultMax)
	setDuration(&s.Forget, DefaultForget)
	setDuration(&s.Propagation, DefaultPropagation)
	switch {
	case s.Escalation == 0 || math.IsNaN(s.Escalation):
		s.Escalation = DefaultEscalation
	case s.Escalation < 1:
		s.Escalation = 1
	}
	switch {
	case s.SharedRoom == 0 || math.IsNaN(s.SharedRoom):
		s.SharedRoom = DefaultSharedRoom
	case s.SharedRoom < 1:
		s.SharedRoom = 1
	}
	if s.MaxWidth4 <= 0 {
		s.MaxWidth4 = DefaultWidth4
	}
	if s.MaxWidth6 <= 0 {
		s.MaxWidth6 = DefaultWidth6
	}
	if s.MinAddresses <= 0 {
		s.MinAddresses = DefaultMinAddresses
	}
	if s.RollUp > 0 {
		s.RollUp = max(s.RollUp, LeastRollUp)
	}
	return s
}

func setDuration(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// length is how long a block of the action lasts at its n-th strike: whole
// seconds, since a mark holds no less; never longer than Max.
func (s Settings) length(a Action, strikes int) time.Duration {
	base := a.Block
	if base <= 0 {
		base = DefaultBlock
	}
	d := float64(base) * math.Pow(s.Escalation, float64(max(1, strikes)-1))
	if d >= float64(s.Max) { // also +Inf
		return s.Max
	}
	return time.Duration(d).Truncate(time.Second)
}
