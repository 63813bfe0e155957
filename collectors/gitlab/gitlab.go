// Package gitlab collects from GitLab, gitlab.com or a server of one's own, who
// wrote, approved and merged a change, which guard stood on the branch, which
// pipelines ran and what they reported, what was deployed, and who has access.
//
// It reads, and never writes:
//
//   - change.commit, change.ref, change.rewrite: each watched branch from its
//     head back to the head of the last look, by ancestry, never by dates,
//     which the author of a commit chooses. The server's verdict on a signature
//     goes along;
//   - change.merge, change.review: every merge request updated since the last
//     look. Approvals are the server's current state only; their history is
//     read from the system notes, and the commit that was approved from the
//     versions of the request;
//   - change.protection: protected branches, push rules and approval settings
//     together, for each watched branch;
//   - pipeline.run, pipeline.report: pipelines with all jobs, retried ones and
//     child pipelines too, and the security reports that jobs left;
//   - deploy.release: deployments and who approved them;
//   - access.member, access.audit: who has a role, which tokens and deploy keys
//     open the project, who pushed, and audit events where the edition has them.
//
// People are accounts of the realm gitlab:<authority> by numeric id, since user
// names can change; authors of commits stay claimed. Projects are known by
// their numeric id, references name them by the path of the day: a transfer
// changes whose they are.
//
// A project whose activity date lies behind the last real look is not read
// again in full (docs/collectors/gitlab.md says what that can miss). What the
// edition or the credential does not show is a blind window, never "none".
package gitlab

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// cacheBytes holds the answers of a quiet round over some hundred projects.
const cacheBytes = 64 << 20

// agent names collector and version in each draft's request.
const agent = "gitlab/1"

// Collector reads the projects of one GitLab.
type Collector struct {
	cfg       Config
	env       collectors.Env
	authority string
	fetch     *fetch.Client
	//lint:ignore SA1019 this package is the one the product is fixed on; its successor has another path and the same interface
	gl *gl.Client
}

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
	o.Throttle = throttle
	o.CacheBytes = cacheBytes
	f, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	// The token is set by fetch at each attempt; the library gets none. Its
	// retries sleep without a bound, so it does none either.
	//lint:ignore SA1019 as above
	client, err := gl.NewOAuthClient("", gl.WithBaseURL(strings.TrimSuffix(cfg.URL, "/")), gl.WithHTTPClient(f.HTTP()),
		gl.WithoutRetries(), gl.WithCustomRetryMax(0), gl.WithCustomLimiter(noLimit{}))
	if err != nil {
		return nil, problem.New(problem.Config, "url cannot be used as the address of a GitLab")
	}
	client.UserAgent = o.UserAgent
	name := string(env.Source)
	return &Collector{cfg: cfg, env: env, fetch: f, gl: client, authority: name[strings.LastIndexByte(name, '/')+1:]}, nil
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	return []evidence.Kind{
		evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeRewrite,
		evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection,
		evidence.PipelineRun, evidence.PipelineReport, evidence.DeployRelease,
		evidence.AccessMember, evidence.AccessAudit,
	}
}

// Poll implements collectors.Collector.
func (c *Collector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	cur, err := readCursor(resume)
	if err != nil {
		return err
	}
	c.fetch.ResetStats()
	l := &look{Collector: c, ctx: ctx, sink: s, cur: cur, started: c.env.Clock().UTC(), window: window}
	if err := l.whoami(); err != nil {
		return err
	}
	if err := l.inventory(); err != nil {
		return err
	}
	homeless, err := l.readHomes()
	if err != nil {
		return err
	}
	if c.cfg.InstanceAudit {
		if err := l.instanceAudit(); err != nil {
			return err
		}
	}
	tried, first := 0, error(nil)
	hidden := len(l.failed)
	each := func(what string, err error) error {
		tried++
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s: %w", what, err)
		if forge.Ends(ctx, err) {
			return err
		}
		l.failed = append(l.failed, err.Error())
		if first == nil {
			first = err
		}
		return nil
	}
	for _, g := range l.groups {
		if err := each("group "+g.path, l.group(g)); err != nil {
			return err
		}
	}
	for _, p := range l.projects {
		if err := each("project "+p.path, l.projectLook(p)); err != nil {
			return err
		}
	}
	if tried > 0 && len(l.failed)-hidden == tried {
		return first
	}
	l.renamed()
	for _, move := range l.after {
		move()
	}
	if len(l.failed) == 0 {
		l.cur.Looked = l.started
	}
	return l.commit(l.claims(), strings.Join(slices.Concat(l.failed, homeless, l.missing), "; "))
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
	groups   []group // the configured ones and those below them
	tiers    map[string]*groupGuards
	// ruled are the approval rules of groups that were asked for, by path.
	ruled    map[string][]*approvalRule
	projects []project
	seen     []evidence.Seen
	unlisted int // groups and projects that are configured and hidden
	settings int // containers whose settings were read or could not be
	counts   []evidence.SourceCount
	failed   []string // containers that could not be read
	missing  []string // what the credential sees no longer
	notes    []string
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
		Total: -1, Counts: l.counts, Identity: l.identity, Sees: l.sees(),
		Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey, Requests: st.Requests, Notes: l.notes,
	}
	if seen == nil {
		// In the middle of a look: what the credential sees, how much was asked
		// and what was counted is told once, at its end.
		o.Sees, o.Requests, o.Counts = nil, 0, nil
	}
	return collectors.Ending(l.sink.Commit(l.ctx, l.cur.bytes(), o))
}

// sees names what the credential may see by id, so that a rename is no loss.
func (l *look) sees() []string {
	var out []string
	for _, g := range l.groups {
		out = append(out, "group "+strconv.Itoa(g.id))
	}
	for _, p := range l.projects {
		out = append(out, "project "+strconv.Itoa(p.id))
	}
	return out
}

// progress commits in the middle of a list: it claims nothing yet.
func (l *look) progress() error { return l.commit(nil, "") }

func (l *look) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// count sets the source's total of a list beside ours. Where the source gives
// none there is nothing to compare.
func (l *look) count(what string, req evidence.Request, source int64, ours int) {
	if source >= 0 {
		l.counts = append(l.counts, evidence.SourceCount{What: what, Query: req.URL, Source: source, Ours: int64(ours)})
	}
}

// blindFrom is where a blind window begins that stands at this look: at the
// last look of the thing, else at the last of the source, so that the windows
// of one look after another join.
func (l *look) blindFrom(looked time.Time) time.Time {
	switch {
	case !looked.IsZero():
		return looked
	case !l.cur.Looked.IsZero():
		return l.cur.Looked
	}
	return l.started
}

func (l *look) claim(scope evidence.Ref, class evidence.Class, from time.Time, cause string, every time.Duration, kinds ...evidence.Kind) {
	if from.After(l.started) {
		from = l.started
	}
	l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Scope: scope, Class: class, From: from.UTC(), To: l.started, Cause: cause, Every: every})
}

// claims joins what was seen of each container. What holds for all of them is
// claimed for the source; else each is claimed by itself. Settings are claimed
// only by a look that asked for all of them.
func (l *look) claims() []evidence.Seen {
	differ, n := map[string]bool{}, map[string]int{}
	first := map[string]evidence.Seen{}
	same := func(a, b evidence.Seen) bool {
		return a.Class == b.Class && a.From.Equal(b.From) && a.To.Equal(b.To) && a.Cause == b.Cause && a.Every == b.Every
	}
	for _, s := range l.seen {
		k := fmt.Sprint(s.Kinds)
		if f, ok := first[k]; !ok {
			first[k] = s
		} else if !same(f, s) {
			differ[k] = true
		}
		n[k]++
	}
	out := []evidence.Seen{} // not nil: this is the end of a look
	for _, s := range l.seen {
		k := fmt.Sprint(s.Kinds)
		partly := slices.Contains(s.Kinds, evidence.AccessMember) || slices.Contains(s.Kinds, evidence.ChangeProtection)
		all := len(l.projects) + l.unlisted
		if partly || slices.Contains(s.Kinds, evidence.AccessAudit) {
			all += len(l.groups)
		}
		switch {
		case partly && l.settings < len(l.groups)+len(l.projects):
		case differ[k] || n[k] != all && n[k] > 0:
			out = append(out, s)
		case n[k] > 0:
			s.Scope, n[k] = evidence.Ref{}, 0
			out = append(out, s)
		}
	}
	return out
}

// horizon is how far back the first look goes; zero: to the beginning.
func (l *look) horizon(history time.Duration) time.Time {
	if history == 0 {
		return time.Time{}
	}
	return l.started.Add(-history)
}

const firstLook = "read from history at the first look"

// claimList claims what was read of a list ordered by time and moves its
// position when the claim is committed. created is when the container began:
// what is younger than the source's last look was read from its beginning, and
// needs no history.
func (l *look) claimList(scope evidence.Ref, st *position, history time.Duration, oldest, created time.Time, weaker string, kinds ...evidence.Kind) {
	switch {
	case st.Spoilt != "":
		l.claim(scope, evidence.Blind, l.blindFrom(st.Looked), st.Spoilt, 0, kinds...)
	case !st.Looked.IsZero() && weaker != "":
		l.claim(scope, evidence.Reconstructed, st.Looked, weaker, 0, kinds...)
	case !st.Looked.IsZero():
		l.claim(scope, evidence.Continuous, st.Looked, "", 0, kinds...)
	case l.young(created):
		l.claim(scope, evidence.Continuous, l.cur.Looked, "", 0, kinds...)
	default:
		l.claimFirst(scope, history, oldest, kinds...)
	}
	l.after = append(l.after, func() { st.Looked, st.Spoilt = l.started, "" })
}

// claimFirst claims what the first look read, from the horizon or, without one,
// from the oldest time it met.
func (l *look) claimFirst(scope evidence.Ref, history time.Duration, oldest time.Time, kinds ...evidence.Kind) {
	from := l.horizon(history)
	if from.IsZero() {
		from = oldest
	}
	if from.IsZero() {
		from = l.started
	}
	l.claim(scope, evidence.Reconstructed, from, firstLook, 0, kinds...)
}

func (l *look) young(created time.Time) bool {
	return !l.cur.Looked.IsZero() && !created.IsZero() && created.After(l.cur.Looked)
}
