// Package github collects from GitHub, github.com or an Enterprise Server, who
// wrote, reviewed and merged a change, and which guard stood on the branch.
//
// It reads, and never writes:
//
//   - change.commit, change.ref, change.rewrite: each watched branch from its
//     head back to the head of the last look, by ancestry (the compare API),
//     never by dates, which the author of a commit chooses;
//   - change.merge, change.review: every pull request updated since the last
//     look, with its reviews, commits and files. Logins are authenticated here:
//     people have the realm github:<authority> and their numeric id, since
//     logins can be renamed. Authors of commits stay claimed;
//   - change.protection: classic branch protection and rulesets together, as
//     they stand at the look;
//   - pipeline.run, pipeline.check: workflow runs with every attempt and its
//     jobs, and the checks on heads that landed or were offered;
//   - deploy.release: deployments, how they ended, and who approved them;
//   - access.member, access.audit: who has access; who moved which branch, which
//     pushes passed the rules by, and the audit log of organisations whose plan
//     has one.
//
// A repository that cannot be read does not hold up the others: the run is then
// partial and says which. A 401 and a rate limit end the run; the next one
// resumes where it stopped.
package github

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// cacheBytes holds the answers of a quiet round over some hundred repositories.
const cacheBytes = 64 << 20

// agent names collector and version in each draft's request.
const agent = "github/1"

// Config is the configuration of a source of type github.
type Config struct {
	// URL is the base of the REST API; of an Enterprise Server it ends in
	// /api/v3/.
	URL string `yaml:"url" loosens:"change: another server is read"`
	// Repos are the repositories to read, "owner/name".
	Repos []string `yaml:"repos" loosens:"keeps"`
	// TokenFile holds a token with read permissions; read anew at each request.
	TokenFile string `yaml:"token_file" loosens:"none"`
	// Branches are watched in each repository; empty: the default branch.
	Branches []string `yaml:"branches" loosens:"chooses"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// Overlap is how far behind the last look pull requests are read again.
	Overlap time.Duration `yaml:"overlap" loosens:"less: requests that show late are missed"`
	// History is how far the first look goes back; 0 is to the beginning.
	History time.Duration `yaml:"history" loosens:"less,0=all: the first look goes back less far"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout" loosens:"less,0=default: slow answers are given up"`
	// Properties are the custom properties of repositories that tenancy rules
	// may look at, as labels.
	Properties []string `yaml:"properties" loosens:"keeps"`
	// Homes are the teams, "organisation/slug", whose members are at home there:
	// they say whose people act.
	Homes []string `yaml:"homes" loosens:"keeps"`
	// Skip names parts that are not read: pipelines, checks, deployments,
	// pushes, members, audit-log, guards.
	Skip []string `yaml:"skip" loosens:"skips"`
	// Every is how often a part is read; a part that is not named keeps its
	// default.
	Every map[string]time.Duration `yaml:"every" loosens:"more: it is read less often"`
}

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:  "github",
		Says:  "commits, pull requests, reviews and branch protection of GitHub repositories",
		Every: "@every 5m",
		Config: func() any {
			return &Config{
				URL: "https://api.github.com/", Overlap: 10 * time.Minute,
				History: 400 * 24 * time.Hour, Timeout: 30 * time.Second, Every: maps.Clone(partEvery),
			}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, fmt.Errorf("github: configuration of type %T", config)
			}
			return New(*c, env)
		},
	}
}

// Collector reads the repositories of one GitHub.
type Collector struct {
	cfg       Config
	env       collectors.Env
	authority string
	fetch     *fetch.Client
	gh        *gh.Client
	expires   string // when the token ends, as the source last said
}

var repoName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)

// New checks the configuration and makes the collector; nothing is dialled.
func New(cfg Config, env collectors.Env) (*Collector, error) {
	return newWith(cfg, env, fetch.Options{})
}

// newWith lets tests replace how requests wait.
func newWith(cfg Config, env collectors.Env, o fetch.Options) (*Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Timeout > 0 {
		o.Timeout = cfg.Timeout
	}
	o.Key = "url"
	o.BaseURL, o.CAFile, o.Clock, o.Log = cfg.URL, cfg.CAFile, env.Clock, env.Log
	o.Header = fetch.Bearer(fetch.TokenFile(cfg.TokenFile))
	o.UserAgent = "evidenced-" + agent
	o.Throttle, o.Tells = throttle, tells
	o.CacheBytes = cacheBytes
	f, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	hc := f.HTTP()
	hc.Transport = unlimited{hc.Transport}
	client := gh.NewClient(hc)
	base := f.Base()
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	client.BaseURL = base
	client.UserAgent = o.UserAgent
	name := string(env.Source)
	return &Collector{cfg: cfg, env: env, fetch: f, gh: client, authority: name[strings.LastIndexByte(name, '/')+1:]}, nil
}

func (c *Config) check() error {
	if len(c.Repos) == 0 {
		return problem.New(problem.Config, "repos names no repository").WithHint(`add "owner/name" to repos`)
	}
	seen := map[string]bool{}
	for _, r := range c.Repos {
		_, name, _ := strings.Cut(r, "/")
		if !repoName.MatchString(r) || name == "." || name == ".." {
			return problem.New(problem.Config, "repos holds %q", r).WithHint("write each repository as owner/name")
		}
		if seen[strings.ToLower(r)] {
			return problem.New(problem.Config, "repos names %q twice", r).WithHint("take one of them out")
		}
		seen[strings.ToLower(r)] = true
	}
	for i, b := range c.Branches {
		if forge.BadBranch.MatchString(b) || len(b) > 255 {
			return problem.New(problem.Config, "branches holds %q, which is no branch name", b).WithHint("write full branch names, without patterns")
		}
		for _, other := range c.Branches[:i] {
			if other == b {
				return problem.New(problem.Config, "branches names %q twice", b).WithHint("take one of them out")
			}
		}
	}
	for i, p := range c.Properties {
		if !propertyName.MatchString(p) || slices.Contains(c.Properties[:i], p) || i >= maxProperties {
			return problem.New(problem.Config, "properties holds %q, which is no property's name, named twice, or one too many", p).
				WithHint("name up to %d custom properties of the organisation, each once", maxProperties)
		}
	}
	if err := c.checkHomes(); err != nil {
		return err
	}
	switch {
	case c.TokenFile == "":
		return problem.New(problem.Config, "token_file is not set").WithHint("set it to a file that holds a read-only token")
	case !c.partsKnown():
		return problem.New(problem.Config, "skip or every names a part that is not known").
			WithHint("the parts are pipelines, checks, deployments, pushes, members, audit-log and guards")
	case c.Overlap < 0:
		return problem.New(problem.Config, "overlap is negative").WithHint("use a duration such as 10m")
	case c.History < 0:
		return problem.New(problem.Config, "history is negative").WithHint("use a duration such as 9600h, or 0 for all of it")
	}
	return nil
}

// partsKnown reports whether skip and every name parts, and no period is
// negative.
func (c *Config) partsKnown() bool {
	for _, p := range c.Skip {
		if _, ok := partEvery[p]; !ok {
			return false
		}
	}
	for p, d := range c.Every {
		if _, ok := partEvery[p]; !ok || d < 0 {
			return false
		}
	}
	return true
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	return []evidence.Kind{
		evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeRewrite,
		evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection,
		evidence.PipelineRun, evidence.PipelineCheck, evidence.DeployRelease, evidence.AccessMember, evidence.AccessAudit,
	}
}

// Poll implements collectors.Collector.
func (c *Collector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	cur, err := readCursor(resume)
	if err != nil {
		return err
	}
	c.fetch.ResetStats()
	l := &look{Collector: c, ctx: ctx, sink: s, cur: cur, started: c.env.Clock().UTC(), window: window, owners: map[string]bool{}}
	if err := l.whoami(); err != nil {
		return err
	}
	homeless, err := l.readHomes()
	if err != nil {
		return err
	}
	var failed []string
	var first error
	for _, name := range c.cfg.Repos {
		err := l.repo(name)
		if err == nil {
			continue
		}
		if forge.Ends(ctx, err) {
			return fmt.Errorf("repository %s: %w", name, err)
		}
		failed = append(failed, fmt.Sprintf("repository %s: %v", name, err))
		l.unread(name)
		if first == nil {
			first = fmt.Errorf("repository %s: %w", name, err)
		}
	}
	if len(failed) == len(c.cfg.Repos) {
		return first
	}
	for _, org := range c.organisations() {
		if l.owners[org] {
			continue // a person has no members, no apps and no audit log
		}
		if err := l.org(org); err != nil {
			if forge.Ends(ctx, err) {
				return fmt.Errorf("organisation %s: %w", org, err)
			}
			failed = append(failed, fmt.Sprintf("organisation %s: %v", org, err))
			l.unreadOrg(org)
		}
	}
	failed = append(append(failed, homeless...), l.missing...)
	l.tokenExpiry(c.expires)
	for _, move := range l.after {
		move()
	}
	return l.commit(l.claims(), strings.Join(failed, "; "))
}

// look is one Poll.
type look struct {
	*Collector
	ctx      context.Context
	sink     collectors.Sink
	cur      *cursor
	started  time.Time
	window   evidence.Period
	identity string
	homes    *forge.Homes
	owners   map[string]bool // owners of repositories that are persons
	seen     []evidence.Seen
	sees     []string
	notes    []string
	counts   []evidence.SourceCount
	missing  []string // items that could not be read
	after    []func() // moves of the position in time, done when seen is committed
}

func (l *look) emit(d evidence.Draft) error {
	return collectors.Ending(l.sink.Emit(l.ctx, d))
}

// commit makes durable what was emitted and where to go on.
func (l *look) commit(seen []evidence.Seen, incomplete string) error {
	st := l.fetch.Stats()
	o := evidence.Observation{
		At: l.env.Clock().UTC(), Window: l.window, Seen: seen, Incomplete: incomplete,
		Total: -1, Identity: l.identity, Sees: l.sees,
		Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey, Requests: st.Requests, Notes: l.notes,
		Counts: l.counts,
	}
	l.counts = nil
	if seen == nil {
		// In the middle of a look: what the credential sees and how much was
		// asked is told once, at its end.
		o.Sees, o.Requests = nil, 0
	}
	return collectors.Ending(l.sink.Commit(l.ctx, l.cur.bytes(), o))
}

// progress commits in the middle of a list: it claims nothing yet.
func (l *look) progress() error { return l.commit(nil, "") }

// count sets a total that the source gives beside ours.
func (l *look) count(what, query string, source, ours int64) {
	l.counts = append(l.counts, evidence.SourceCount{What: what, Query: query, Source: source, Ours: ours})
}

func (l *look) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	for _, old := range l.notes {
		if old == n {
			return
		}
	}
	l.notes = append(l.notes, n)
}

// claims joins what was seen of each repository. What holds for all of them is
// claimed for the source; else each repository is claimed by itself, and an
// organisation always is: what holds of it holds of no repository.
func (l *look) claims() []evidence.Seen {
	type key struct {
		kinds    string
		class    evidence.Class
		from, to time.Time
		cause    string
	}
	count := map[key]int{}
	of := func(s evidence.Seen) key { return key{fmt.Sprint(s.Kinds), s.Class, s.From, s.To, s.Cause} }
	repos := map[evidence.Ref]bool{}
	for _, name := range l.cfg.Repos {
		repos[l.project(name)] = true
	}
	for _, s := range l.seen {
		if repos[s.Scope] {
			count[of(s)]++
		}
	}
	var out []evidence.Seen
	for _, s := range l.seen {
		k := of(s)
		switch n := count[k]; {
		case !repos[s.Scope]:
			out = append(out, s)
		case n == len(l.cfg.Repos):
			s.Scope = evidence.Ref{}
			out = append(out, s)
			count[k] = -1
		case n > 0:
			out = append(out, s)
		}
	}
	return out
}
