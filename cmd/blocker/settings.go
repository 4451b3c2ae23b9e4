package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
)

// settings is what file and flags say together; flags win.
type settings struct {
	*config.Config
	period   time.Duration
	settle   time.Duration
	lease    time.Duration
	dry      bool
	now      time.Time // --now; zero means the machine's clock
	token    string
	tokenErr error               // why there is no token; met where one is needed
	fromFile bool                // --config was given
	compiled map[string]compiled // by service id; filled for runs
}

// Defaults of what no file and no flag says; config has those its own checks need.
const (
	defaultLease      = 24 * time.Hour
	settleLake        = 15 * time.Second
	settleBigQuery    = 2 * time.Minute
	defaultCapacity   = 1000
	tokenFileMaxBytes = 4096
	leaseMax          = 7 * 24 * time.Hour
)

// settings reads the file, lays the flags over it and fills the defaults.
func (p *program) settings() (*settings, error) {
	f := p.flags
	cfg := &config.Config{}
	if f.Config != "" {
		loaded, err := config.Load(f.Config)
		if err != nil {
			return nil, usageError{err}
		}
		cfg = loaded
	}
	if f.Rules != "" {
		rules, classes, err := config.LoadRules(f.Rules)
		if err != nil {
			return nil, usageError{err}
		}
		cfg.Rules = rules
		if classes != nil { // a file of rules alone goes with the classes of --config
			cfg.Classes = classes
		}
	}
	s := &settings{Config: cfg, dry: f.DryRun, fromFile: f.Config != ""}
	if err := s.overlay(f); err != nil {
		return nil, err
	}
	if f.MaxBytes != 0 && s.Lake != "" {
		p.log.Warn("--max-bytes bounds what BigQuery bills for; it does nothing with a lake")
	}
	if err := s.services(f); err != nil {
		return nil, err
	}
	if err := s.time(f); err != nil {
		return nil, err
	}
	s.token, s.tokenErr = p.fastlyToken(cfg)
	return s, nil
}

// overlay lets every flag that was given replace what the file says.
func (s *settings) overlay(f *flags) error {
	set := func(dst *string, flag, fallback string) {
		if flag != "" {
			*dst = flag
		} else if *dst == "" {
			*dst = fallback
		}
	}
	if f.Lake != "" || f.Bigquery != "" { // a store named on the command line replaces the file's, whichever kind that is
		s.Lake, s.BigQuery.Table = f.Lake, f.Bigquery
	}
	set(&s.BigQuery.Kind, f.TableKind, "")
	set(&s.BigQuery.Location, f.Location, "")
	set(&s.BigQuery.Endpoint, f.BigqueryEndpoint, "")
	set(&s.FastlyEndpoint, f.FastlyEndpoint, acl.DefaultEndpoint)
	set(&s.Owner, f.Owner, config.DefaultOwner)
	set(&s.Ledger, f.Ledger, "")
	set(&s.Monitoring.Project, f.MetricsProject, "")
	if f.MaxBytes != 0 {
		s.BigQuery.MaxBytes = int64(f.MaxBytes)
	}
	if !ownerGrammar.MatchString(s.Owner) {
		return usagef("--owner %q: want 1 to 24 of a-z, 0-9 and -", s.Owner)
	}
	if s.Capacity == 0 {
		s.Capacity = defaultCapacity
	}
	return nil
}

// ownerGrammar is what an owner may look like in a mark.
var ownerGrammar = regexp.MustCompile(`^[a-z0-9-]{1,24}$`)

// services settles which services a call is for.
func (s *settings) services(f *flags) error {
	switch {
	case f.ServiceID != "":
		chosen := config.Service{ID: f.ServiceID}
		for _, svc := range s.Services {
			if svc.ID == f.ServiceID {
				chosen = svc
			}
		}
		if len(f.ACL) > 0 {
			chosen.ACLs = f.ACL
		}
		if len(chosen.ACLs) == 0 {
			return usagef("service %s has no block ACL: name one with --acl NAME", f.ServiceID)
		}
		s.Services = []config.Service{chosen}
	case len(f.ACL) > 0:
		return usagef("--acl needs --service-id: ACLs belong to one service")
	}
	for i := range s.Services {
		svc := &s.Services[i]
		for _, d := range []struct {
			name     *string
			fallback string
		}{{&svc.Exempt, config.DefaultExempt}, {&svc.Shadow, config.DefaultShadow}, {&svc.Control, config.DefaultControl}} {
			if *d.name == "" {
				*d.name = d.fallback
			}
		}
		svc.Rules, svc.Classes = s.RulesOf(*svc)
	}
	return nil
}

// time settles period, settle, lease and --now.
func (s *settings) time(f *flags) error {
	pick := func(values ...time.Duration) time.Duration {
		for _, v := range values {
			if v != 0 {
				return v
			}
		}
		return 0
	}
	s.period = pick(f.Period, s.Period, config.DefaultPeriod)
	s.lease = pick(f.Lease, s.Lease, defaultLease)
	s.settle = pick(f.Settle, s.Settle, settleLake)
	if s.BigQuery.Table != "" {
		s.settle = pick(f.Settle, s.Settle, settleBigQuery)
	}
	if s.period < 0 || s.settle < 0 {
		return usagef("--period and --settle cannot be negative")
	}
	if s.lease < 2*s.period || s.lease > leaseMax {
		return usagef("--lease %s: want at least twice the period of %s, so that one failed run does not end enforcement, and at most %s", s.lease, s.period, leaseMax)
	}
	if f.Now == "" {
		return nil
	}
	now, err := time.Parse(time.RFC3339, f.Now)
	if err != nil {
		return usagef("--now %q is no RFC 3339 time such as 2031-05-06T07:08:09Z", f.Now)
	}
	s.now = now.UTC()
	return nil
}

// loopbackEdge reports whether the Fastly endpoint is on this machine: a rehearsal.
func (s *settings) loopbackEdge() bool {
	u, err := url.Parse(s.FastlyEndpoint)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// clock is the time decisions are made at, and T the time up to which rows count. --now is taken as it is: rehearsals
// have nothing to settle.
func (s *settings) clock() (now, to time.Time) {
	if !s.now.IsZero() {
		return s.now, s.now
	}
	now = time.Now().UTC().Truncate(time.Second) // marks hold whole seconds
	return now, now.Add(-s.settle)
}

// target names what a run on a service may touch.
func (s *settings) target(svc config.Service) acl.Target {
	return acl.Target{ServiceID: svc.ID, ACLs: svc.ACLs, Exempt: svc.Exempt, Shadow: svc.Shadow, Control: svc.Control, Owner: s.Owner}
}

// fastlyToken reads the token from its file or the environment; it is never printed.
func (p *program) fastlyToken(cfg *config.Config) (string, error) {
	if p.flags.FastlyTokenFile == "" { // the environment goes before the file, flags before both
		for _, name := range []string{"FASTLY_API_TOKEN", "FASTLY_API_KEY"} {
			if token := strings.TrimSpace(p.getenv(name)); token != "" {
				return token, nil
			}
		}
	}
	if path := cmp.Or(p.flags.FastlyTokenFile, cfg.FastlyTokenFile); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", usagef("reading the Fastly token file: %v", err)
		}
		token := strings.TrimSpace(string(b))
		if token == "" || len(token) > tokenFileMaxBytes || strings.ContainsAny(token, " \n\r\t") {
			return "", usagef("the Fastly token file %s: want one token on one line", path)
		}
		return token, nil
	}
	return "", nil
}

// forWriting loads the settings of a command that changes the edge.
func (p *program) forWriting() (*settings, error) {
	s, err := p.settings()
	if err != nil {
		return nil, err
	}
	if len(s.Services) == 0 {
		return nil, usagef("which service? Name it with --service-id and --acl, or in --config")
	}
	if !s.now.IsZero() && !s.loopbackEdge() {
		return nil, usagef("--now is for rehearsals: this command writes, and the Fastly endpoint %s is not on loopback", s.FastlyEndpoint)
	}
	return s, s.needToken()
}

// needToken refuses to talk to Fastly without a token.
func (s *settings) needToken() error {
	if s.tokenErr != nil {
		return s.tokenErr
	}
	if s.token == "" {
		return usagef("no Fastly token: set FASTLY_API_TOKEN, or name a file with --fastly-token-file")
	}
	return nil
}

// edge returns a client for Fastly; in a dry run its transport refuses to write.
func (p *program) edge(s *settings) (*acl.Client, error) {
	c, err := acl.NewClient(acl.ClientOptions{
		Endpoint:  s.FastlyEndpoint,
		Token:     s.token,
		ReadOnly:  s.dry,
		UserAgent: "edgewarden-blocker/" + version(),
		Logger:    p.log,
		Progress:  p.busy.Count,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("Fastly client: %w", err)}
	}
	return c, nil
}

// errNoStore is what a run says that was not told where the logs are.
var errNoStore = errors.New("where are the logs? Name --lake DIR or --bigquery PROJECT.DATASET.TABLE, or put one in --config")
