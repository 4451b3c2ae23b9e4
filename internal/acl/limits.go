package acl

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits are the guard's limits. Zero values are the defaults of the table below; a negative value switches a limit off.
//
//	name             what is measured                                              limit        when it fails
//	clock-skew       our clock against Fastly's Date header, seconds               2 min        nothing is written
//	ahead            share of trusted rows over 2 min ahead of our clock           1 %          nothing is written
//	stale-data       age of the newest trusted row before T, seconds               10 min       no blocks
//	no-data          trusted rows in the longest window                            at least 1   no blocks
//	no-address       share of trusted rows without a client address                5 %          no blocks
//	not-client       share of trusted rows with an address no client has           5 %          a warning
//	claims-other-ip  share of trusted rows that claim another address              5 %          a warning; at the first with Forgeable
//	repeated-ids     share of the rows of a minute that repeat a request id        5 %, or 10   a warning
//	loss             share of lines lost between Fastly and the store              5 %          no blocks by share, score or ratio
//	volume           trusted rows against the usual number                         half         no blocks by share, score or ratio
//	too-many-blocks  new blocks of one run                                         100          the most harmful are written
//	collateral       successful distinct addresses hit, of all such                1 %, or 10   the most harmful are written
//	allow-releases   blocks released because of the allowlist, of ours             20 %, or 10  none of these releases
//	allowlist-unread a part of the allowlist that cannot be read                   0            no new blocks
//	never-block      a block that overlaps the never-block set                     0            that block
//	allowlisted      a block that overlaps the allowlist                           0            that block
//	width            prefix length of a block                                      /24, /48     that block
//
// clock-skew and ahead judge all changes; the others leave releases and exemptions alone, but for allow-releases. The last
// three cannot be lifted. Trusted rows are those that can block: see detect.Health.
type Limits struct {
	MaxWidth4, MaxWidth6 int           // 24, 48
	Stale                time.Duration // 10 min
	Loss                 float64       // 0.05
	NewBlocks            int           // 100
	Collateral           float64       // 0.01 of successful distinct addresses, at least 10
	AllowReleases        float64       // 0.20 of ours, at least 10
	ClockSkew            time.Duration // 2 min
	Ahead                float64       // 0.01 of trusted rows
	NoAddress            float64       // 0.05 of trusted rows
	Volume               float64       // 0.5 of the usual trusted rows
	NotClient            float64       // 0.05 of trusted rows
	ClaimsOtherIP        float64       // 0.05 of trusted rows; 1 is off, with Forgeable too
	RepeatedIDs          float64       // 0.05 of the rows of a minute; the blocker does not look when it is off, or 1
}

// The names of limits: in Verdict, as codes of refusals, and what an override names.
const (
	LimitClockSkew     = "clock-skew"
	LimitAhead         = "ahead"
	LimitStale         = "stale-data"
	LimitNoData        = "no-data"
	LimitNoAddress     = "no-address"
	LimitNotClient     = "not-client"
	LimitClaims        = "claims-other-ip"
	LimitRepeats       = "repeated-ids"
	LimitLoss          = "loss"
	LimitVolume        = "volume"
	LimitNewBlocks     = "too-many-blocks"
	LimitCollateral    = "collateral"
	LimitAllowReleases = "allow-releases"
	LimitAllowlist     = "allowlist-unread"
	LimitNeverBlock    = "never-block"
	LimitAllowlisted   = "allowlisted"
	LimitWidth         = "width"
)

// atLeast is what a limit given as a share always allows: in a small shop one address is more than 1 %.
const atLeast = 10

// LimitNames are the names of the limits that an override can lift.
func LimitNames() []string {
	return []string{LimitClockSkew, LimitAhead, LimitStale, LimitNoData, LimitNoAddress, LimitNotClient, LimitClaims, LimitRepeats, LimitLoss, LimitVolume, LimitNewBlocks, LimitCollateral, LimitAllowReleases, LimitAllowlist}
}

// WarnsOnly reports whether nothing is ever refused for a limit, since whoever sends requests can make it fail.
func WarnsOnly(name string) bool {
	return name == LimitNotClient || name == LimitClaims || name == LimitRepeats
}

// Figures are value and limit for people: a share in percent, seconds as a duration, anything else as the number it is.
func (c Check) Figures() (value, limit string) {
	switch c.Name {
	case LimitAhead, LimitNoAddress, LimitNotClient, LimitClaims, LimitRepeats, LimitLoss:
		return percent(c.Value), percent(c.Limit)
	case LimitStale, LimitClockSkew:
		return seconds(c.Value, c.Limit), seconds(c.Limit, c.Limit)
	}
	return figure(c.Value), figure(c.Limit)
}

// percent keeps three digits, and never makes nothing of something.
func percent(share float64) string {
	if share > 0 && share < 1e-5 {
		return "<0.001 %"
	}
	return fmt.Sprintf("%.3g %%", share*100)
}

// seconds keeps tenths only where what is just over a limit would read as the limit.
func seconds(n, limit float64) string {
	if n < 0 {
		return "off"
	}
	d := time.Duration(n * float64(time.Second))
	if whole := d.Round(time.Second); n == limit || whole.Seconds() != limit {
		return trimmed(whole)
	}
	return trimmed(d.Round(100 * time.Millisecond))
}

func figure(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", f), "0"), ".")
}

// CheckOverride says why name cannot be lifted, or nil. The empty name lifts nothing.
func CheckOverride(name string) error {
	switch {
	case name == "" || slices.Contains(LimitNames(), name):
		return nil
	case name == LimitNeverBlock || name == LimitWidth || name == LimitAllowlisted:
		return fmt.Errorf("limit %s cannot be lifted", name)
	}
	return fmt.Errorf("there is no limit %q; one of %s can be lifted", name, strings.Join(LimitNames(), ", "))
}

// filled gives l with its defaults.
func (l Limits) filled() Limits {
	num := func(p *float64, def float64) {
		if *p == 0 {
			*p = def
		}
	}
	dur := func(p *time.Duration, def time.Duration) {
		if *p == 0 {
			*p = def
		}
	}
	if l.MaxWidth4 <= 0 {
		l.MaxWidth4 = 24
	}
	if l.MaxWidth6 <= 0 {
		l.MaxWidth6 = 48
	}
	if l.NewBlocks == 0 {
		l.NewBlocks = 100
	}
	dur(&l.Stale, 10*time.Minute)
	dur(&l.ClockSkew, 2*time.Minute)
	num(&l.Loss, 0.05)
	num(&l.Collateral, 0.01)
	num(&l.AllowReleases, 0.20)
	num(&l.Ahead, 0.01)
	num(&l.NoAddress, 0.05)
	num(&l.Volume, 0.5)
	num(&l.NotClient, 0.05)
	num(&l.ClaimsOtherIP, 0.05)
	num(&l.RepeatedIDs, 0.05)
	return l
}
