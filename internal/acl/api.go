package acl

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// Mark is what the comment of an entry of ours says.
//
//	ew1 o=<owner> k=<b|x|s|a> u=<until> s=<since> n=<strikes> r=<rule> i=<run>
type Mark struct {
	Owner   string
	Kind    policy.Kind
	Until   time.Time // zero is written as 0: no expiry
	Since   time.Time
	Strikes int
	Rule    string
	Run     string
}

// String gives the comment, at most 200 bytes.
func (m Mark) String() string { panic("stub") }

// ParseMark reads a comment. ours is true when it begins as a mark of this version and names owner; err then says
// what in it cannot be read. A comment of anybody else is (_, false, nil).
func ParseMark(comment, owner string) (m Mark, ours bool, err error) { panic("stub") }

// Target names what a run may touch.
type Target struct {
	ServiceID string
	ACLs      []string // block ACLs, in order
	Exempt    string
	Shadow    string
	Control   string // edge dictionary
	Owner     string
}

// ClientOptions configure a Client.
type ClientOptions struct {
	Endpoint  string // "" means https://api.fastly.com
	Token     string
	ReadOnly  bool          // dry run: the transport refuses any method but GET
	Timeout   time.Duration // of one call; 0 means 60 s
	BatchSize int           // operations a batch; 0 means 500, at most 1000
	UserAgent string
	Logger    *slog.Logger
}

// Client talks to Fastly's API through go-fastly.
type Client struct{}

// NewClient checks the options. It refuses FASTLY_DEBUG_MODE.
func NewClient(o ClientOptions) (*Client, error) { panic("stub") }

// Entry is one row of an ACL.
type Entry struct {
	ID        string
	ACL       string // name
	ACLID     string
	Prefix    netip.Prefix // canonical; a host is /32 or /128
	Negated   bool
	Comment   string
	CreatedAt time.Time
	Ours      bool
	Mark      Mark
	MarkErr   error // ours, but unreadable
}

// List is one ACL as found.
type List struct {
	Name       string
	ID         string // "" when the active version has no such ACL
	Referenced bool   // the active version's generated VCL or snippets name it (true when that cannot be read)
	Entries    []Entry
}

// Snapshot is the complete present state of one service. It is never partial: Read fails instead.
type Snapshot struct {
	Target       Target
	Version      int // active version
	Blocks       []List
	Exempt       List
	Shadow       List
	ControlID    string        // "" when the dictionary is missing
	EnforceUntil time.Time     // zero when unset
	Stopped      string        // "<unix> <actor>"; "" when not stopped
	Skew         time.Duration // our clock minus Fastly's Date header
	ReadAt       time.Time
}

// EmptySnapshot stands for "nothing present", for a dry run without a service.
func EmptySnapshot(t Target) *Snapshot { panic("stub") }

// Present gives the readable entries of ours in policy's terms.
func (s *Snapshot) Present() []policy.Block { panic("stub") }

// Covering returns every entry, foreign or ours, of the block ACLs that covers p (not negated).
func (s *Snapshot) Covering(p netip.Prefix) []Entry { panic("stub") }

// Read lists ACLs, dictionary and all entries of the active version, completely, or fails.
func (c *Client) Read(ctx context.Context, t Target) (*Snapshot, error) { panic("stub") }

// Op is what a change does.
type Op string

// The operations.
const (
	Create Op = "create"
	Update Op = "update"
	Delete Op = "delete"
)

// Change is one difference between what is and what should be.
type Change struct {
	Op       Op
	ACL      string // name
	Prefix   netip.Prefix
	EntryID  string // update and delete
	Mark     Mark   // new mark for create and update; old mark for delete
	Decision *policy.Decision
	Reason   string
}

// Plan is all changes of one run on one service, plus what is refused.
type Plan struct {
	Run      string
	Target   Target
	Now      time.Time
	Changes  []Change // deletes, then creates, then updates; each most harmful first, then by prefix
	Refusals []policy.Decision
	Kept     []policy.Decision
	NoRoom   []policy.Decision // decided, but no ACL has room
	Problems []string          // duplicates removed, unreadable marks, missing ACLs …: said, not acted on
	Verdict  Verdict
}

// DiffOptions are what a diff needs besides state and decisions.
type DiffOptions struct {
	Run      string
	Now      time.Time
	Capacity int           // entries an ACL holds; 0 means 1000
	Max      time.Duration // unreadable marks are released this long after created_at; 0 means 24 h
}

// Diff is pure. Entries that are not ours are never in a change.
func Diff(s *Snapshot, ds []policy.Decision, o DiffOptions) *Plan { panic("stub") }

// Limits are the guard's limits. Zero values are the defaults of the design.
type Limits struct {
	MaxWidth4, MaxWidth6 int           // 24, 48
	Stale                time.Duration // 10 min
	Loss                 float64       // 0.05
	NewBlocks            int           // 100
	Collateral           float64       // 0.01 of successful distinct addresses
	AllowReleases        float64       // 0.20 of ours, at least 10
	ClockSkew            time.Duration // 2 min
	Ahead                float64       // 0.01 of trusted rows
}

// GuardInput is what the guard judges a plan with.
type GuardInput struct {
	Limits       Limits
	Health       detect.Health
	HasData      bool // false for commands that bring no log data (block, unblock)
	Actions      map[string]policy.Action
	Never, Allow *lists.Set // checked again, by overlap, on the final plan
	Baseline     int64      // usual rows of such a window; 0 means no baseline
	Override     string     // name of one limit lifted for this plan
}

// Check is one limit with its value.
type Check struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Passed bool    `json:"passed"`
	Note   string  `json:"note,omitempty"`
}

// Verdict is what the guard says. Guard also removes refused changes from the plan (moving them to Refusals with a code that is the limit's name).
type Verdict struct {
	Verdict string  `json:"verdict"` // "pass", "warn", "refused" (a whole class of changes was refused)
	Limits  []Check `json:"limits"`
}

// Guard judges p by kind of change, takes out what is refused and fills p.Verdict.
func Guard(p *Plan, s *Snapshot, in GuardInput) { panic("stub") }

// Result is what Apply did.
type Result struct {
	Created, Updated, Deleted int
	Failed                    []Change  // not in effect after read-back
	After                     *Snapshot // read back
}

// Apply writes the plan in batches and reads back. A failed write has an unknown outcome: list, diff, continue.
func (c *Client) Apply(ctx context.Context, s *Snapshot, p *Plan) (Result, error) { panic("stub") }

// SetLease moves enforce_until.
func (c *Client) SetLease(ctx context.Context, s *Snapshot, until time.Time) error { panic("stub") }

// Stop is the kill switch: enforce_until 0 and stopped "<unix> <actor>". Start clears it.
func (c *Client) Stop(ctx context.Context, s *Snapshot, now time.Time, actor string) error {
	panic("stub")
}

// Start clears the kill switch; the next run moves the lease.
func (c *Client) Start(ctx context.Context, s *Snapshot) error { panic("stub") }

// Self is what the token says of itself.
type Self struct {
	Services []string // empty means all
	Scope    string
	User     string
	Expires  time.Time
}

// Self asks what the token may do.
func (c *Client) Self(ctx context.Context) (Self, error) { panic("stub") }
