package harbor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// agent names collector and version in each draft's request.
const agent = "harbor/1"

// Collector reads one registry.
type Collector struct {
	cfg       Config
	env       collectors.Env
	authority string
	fetch     *fetch.Client
	retry     retry
	// auditPages bounds one look at one audit log, in pages.
	auditPages int
	// maxBOM bounds one bill of materials, in bytes.
	maxBOM int64
}

// retry spaces looks at settings that cannot be read in full, so that a lasting
// refusal does not make every look ask for all of them. It does not outlive the
// process: a restart with a better robot looks at once.
type retry struct {
	at   time.Time
	wait time.Duration
}

func (r *retry) next(now time.Time, full bool, every time.Duration) {
	if full {
		*r = retry{}
		return
	}
	r.wait = min(max(2*r.wait, 5*time.Minute), max(every, 5*time.Minute))
	r.at = now.Add(r.wait)
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
	o.Header = header(cfg.User, fetch.TokenFile(cfg.TokenFile))
	o.UserAgent = "evidenced-" + agent
	f, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	return &Collector{cfg: cfg, env: env, fetch: f, authority: env.Source.Authority(), auditPages: maxAuditPages, maxBOM: maxBOM}, nil
}

// The media types of scan reports, in the order in which they are asked for.
// See https://github.com/goharbor/pluggable-scanner-spec
const (
	genericReport = "application/vnd.security.vulnerability.report; version=1.1"
	nativeReport  = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
)

// header makes what goes along with every request: the credential, the wanted
// forms of reports, and that a project in a path is a name even when it is all
// digits.
func header(user string, token func() (evidence.Secret, error)) func() (http.Header, error) {
	credential := fetch.Basic(user, token)
	return func() (http.Header, error) {
		h, err := credential()
		if err != nil {
			return nil, err
		}
		h.Set("X-Accept-Vulnerabilities", genericReport+", "+nativeReport)
		h.Set("X-Is-Resource-Name", "true")
		return h, nil
	}
}

var (
	artifactKinds = []evidence.Kind{evidence.ArtifactImage, evidence.ArtifactSBOM, evidence.ArtifactSigned, evidence.ArtifactScan}
	settingKinds  = []evidence.Kind{evidence.RegistryProject, evidence.RegistryRule, evidence.RegistryRun, evidence.RegistryRobot, evidence.AccessMember}
)

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	return slices.Concat(artifactKinds, settingKinds, []evidence.Kind{evidence.RegistryAudit})
}

// look is one Poll.
type look struct {
	*Collector
	ctx      context.Context
	sink     collectors.Sink
	cur      *cursor
	started  time.Time
	window   evidence.Period
	rights   rights
	projects []*project
	strays   []*project // listed, and nothing can be asked of them
	nameless bool       // the list holds a project of which not even that can be told
	seen     []evidence.Seen
	sees     []string
	notes    []string
	missed   forge.Missed
	counts   []evidence.SourceCount
	after    []func() // moves of the position in time, done when seen is committed
	pending  int      // drafts and reports since the last commit
	purge    *purge   // read when it is first asked for
}

// Poll implements collectors.Collector.
func (c *Collector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	cur, err := readCursor(resume)
	if err != nil {
		return err
	}
	c.fetch.ResetStats()
	l := &look{Collector: c, ctx: ctx, sink: s, cur: cur, started: c.env.Clock().UTC(), window: window}
	if err := l.open(); err != nil {
		return err
	}
	for _, step := range []func() error{l.audit, l.artifacts, l.settings} {
		if err := step(); err != nil {
			return err
		}
	}
	if len(l.seen) == 0 && l.missed.First != nil {
		return l.missed.First
	}
	for _, move := range l.after {
		move()
	}
	return l.commit(l.seen, l.missed.String())
}

// open finds out what the credential may do and lists the projects.
func (l *look) open() error {
	var err error
	if l.rights, err = l.rightsIn("/system"); err != nil {
		return err
	}
	if l.projects, err = l.listProjects(); err != nil {
		return err
	}
	for _, p := range slices.Concat(l.projects, l.strays) {
		l.sees = append(l.sees, p.Name)
	}
	if all := l.rights.has("project", "list"); all || l.nameless {
		// The list holds every project there is: one that is gone from it was
		// deleted, and its absence is seen. Or it may be the one without a name.
		if all {
			l.sees = append(l.sees, "*")
		}
		for name := range l.cur.Projects {
			if !slices.Contains(l.sees, name) {
				l.sees = append(l.sees, name)
			}
		}
	}
	slices.Sort(l.sees)
	for _, p := range l.projects {
		p.state = l.cur.project(p.Name, p.ID)
	}
	return nil
}

// whole reports whether every project of the registry is among those that are read.
func (l *look) whole() bool {
	return l.rights.has("project", "list") && len(l.strays) == 0 && !l.nameless
}

// miss remembers what could not be read; it returns the error when that is the
// end of the run.
func (l *look) miss(err error, format string, args ...any) error {
	return l.missed.Miss(l.ctx, err, format, args...)
}

func (l *look) emit(d evidence.Draft) error {
	l.pending++
	return collectors.Ending(l.sink.Emit(l.ctx, d))
}

// commit makes durable what was emitted and where to go on.
func (l *look) commit(seen []evidence.Seen, incomplete string) error {
	st := l.fetch.Stats()
	o := evidence.Observation{
		At: l.env.Clock().UTC(), Window: l.window, Seen: seen, Incomplete: incomplete,
		Total: -1, Counts: l.counts, Identity: l.identity(), Sees: l.sees,
		Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey, Requests: st.Requests, Notes: l.notes,
	}
	if seen == nil {
		// In the middle of a look: what the credential sees and how much was
		// asked is told once, at its end.
		o.Sees, o.Requests, o.Counts = nil, 0, nil
	}
	if err := l.sink.Commit(l.ctx, l.cur.bytes(), o); err != nil {
		return collectors.Ending(err)
	}
	l.pending = 0
	return nil
}

// identity is whose credential is used; the name of an account that is no robot
// may be a person's and is not told.
func (l *look) identity() string {
	if strings.HasPrefix(l.cfg.User, l.cfg.RobotPrefix) {
		return l.cfg.User
	}
	return "an account that is no robot"
}

// maxPending bounds what a cut would make us read again.
const maxPending = 2000

// progress commits in the middle of a look, claiming nothing yet, when enough
// came together.
func (l *look) progress() error {
	if l.pending < maxPending {
		return nil
	}
	return l.commit(nil, "")
}

func (l *look) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	if !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// claim says what was seen of some kinds at this look. While the list holds a
// project that may be anybody's, nobody is told that all of theirs was seen.
func (l *look) claim(every time.Duration, kinds ...evidence.Kind) {
	if l.nameless {
		from := l.window.From.UTC()
		if from.IsZero() || from.After(l.started) {
			from = l.started
		}
		l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: from, To: l.started, Every: every,
			Cause: "the registry lists a project without a name"})
		return
	}
	l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Instants, From: l.started, To: l.started, Every: every})
}

// blind says that one project was not seen since its last full look.
func (l *look) blind(p *project, since time.Time, kinds ...evidence.Kind) {
	if since.IsZero() || since.After(l.started) {
		since = l.started
	}
	l.seen = append(l.seen, evidence.Seen{
		Kinds: kinds, Scope: l.projectRef(p.Name), Class: evidence.Blind, From: since.UTC(), To: l.started,
		Cause: "a project of the registry could not be read",
	})
}

// draft fills what all drafts of a look share.
func (l *look) draft(kind evidence.Kind, op evidence.Op, subject evidence.Ref, facts any, req evidence.Request) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: op, Source: l.env.Source, Key: keyOf(subject.Name), Subject: subject,
		OccurredAt: l.started, Basis: evidence.BasisObserved, ObservedAt: l.env.Clock().UTC(),
		Content: forge.Encode(facts), Request: req,
	}
}
