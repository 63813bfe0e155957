package alertrules

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/alertmanager"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var kinds = []evidence.Kind{evidence.AlertRule}

// Collector looks at the rules of one server. Make one with New.
type Collector struct {
	cfg       Config
	env       collectors.Env
	authority string
	http      *fetch.Client
}

var (
	_ collectors.Collector = (*Collector)(nil)
	_ collectors.Examiner  = (*Collector)(nil)
)

// New checks the configuration and makes the collector. The network is not
// touched. Errors are problem.Config.
func New(cfg Config, env collectors.Env) (*Collector, error) {
	return newWith(cfg, env, fetch.Options{})
}

// maxBody is the largest answer: some 50,000 rules.
const maxBody = 128 << 20

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, o fetch.Options) (*Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if env.Clock == nil {
		env.Clock = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	o.Clock, o.Log = env.Clock, env.Log
	o.Key = "url"
	o.BaseURL, o.CAFile, o.Timeout, o.CacheBytes = cfg.URL, cfg.CAFile, cfg.Timeout, -1
	if o.MaxBody == 0 {
		o.MaxBody = maxBody
	}
	o.Header = fetch.FileHeader(cfg.User, cfg.TokenFile)
	c, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	return &Collector{cfg, env, env.Source.Authority(), c}, nil
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind { return slices.Clone(kinds) }

// causeOdd stands in every tenant's log.
const causeOdd = "not all could be read: the server lists a group or a rule of an unknown form"

// memory is what a Commit keeps: when the last look was that showed every rule,
// and when rules that are evaluated rarely were, by their names. A server that begins anew has forgotten
// that, and waits for the rule's next turn.
type memory struct {
	V      int                  `json:"v"`
	Looked time.Time            `json:"looked,omitzero"`
	Rare   map[string]time.Time `json:"rare,omitempty"`
}

const memoryVersion = 1

// readMemory reads a resume; nil is the first look. What it cannot read is an
// error, never a fresh start.
func readMemory(resume []byte) (*memory, error) {
	m := &memory{V: memoryVersion}
	if resume != nil {
		dec := json.NewDecoder(bytes.NewReader(resume))
		dec.DisallowUnknownFields()
		if err := dec.Decode(m); err != nil || m.V != memoryVersion {
			return nil, problem.New(problem.Corrupt, "the resume cursor cannot be read").
				WithHint("it was written by another version or damaged; a fresh start is an administrator's decision")
		}
	}
	return m, nil
}

// ask reads the groups. Alerts are not asked for; servers that do not know the
// parameter give them, and they are not looked at.
func (c *Collector) ask(ctx context.Context) ([]json.RawMessage, evidence.Request, error) {
	r, err := c.http.Get(ctx, "api/v1/rules", url.Values{"exclude_alerts": {"true"}})
	if err != nil {
		return nil, evidence.Request{}, err
	}
	groups, err := parseAnswer(r.Body)
	if err != nil {
		return nil, evidence.Request{}, err
	}
	return groups, evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}, nil
}

// Poll implements collectors.Collector.
func (c *Collector) Poll(ctx context.Context, _ evidence.Period, resume []byte, s collectors.Sink) error {
	mem, err := readMemory(resume)
	if err != nil {
		return err
	}
	c.http.ResetStats()
	groups, req, err := c.ask(ctx)
	if err != nil {
		return err
	}
	st := c.http.Stats()
	l := &look{Collector: c, sink: s, req: req, at: c.env.Clock().UTC(), last: mem.Looked, was: mem.Rare, rare: map[string]time.Time{}}
	if l.server = l.at; st.OffsetOK {
		l.server = l.at.Add(st.Offset)
	}
	if err := l.tell(ctx, groups); err != nil {
		return err
	}
	o := evidence.Observation{At: l.at, Total: -1, Requests: st.Requests, Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey}
	seen := evidence.Seen{Kinds: kinds, Class: evidence.Instants, From: l.at, To: l.at}
	looked := l.at
	if l.bad > 0 {
		o.Incomplete = fmt.Sprintf("%d groups or rules could not be read: no rule counts as gone", l.bad)
		seen.Class, seen.Cause = evidence.Blind, causeOdd
		if looked = mem.Looked; !looked.IsZero() {
			seen.From = looked
		}
	} else {
		s.Complete(evidence.AlertRule, evidence.Ref{})
	}
	o.Seen = []evidence.Seen{seen}
	if l.blind > 0 {
		o.Notes = append(o.Notes, fmt.Sprintf("%d of %d rules are not evaluated", l.blind, l.rules))
	}
	b, err := json.Marshal(&memory{V: memoryVersion, Looked: looked, Rare: l.rare})
	if err != nil {
		return problem.Wrap(problem.Internal, err, "write the resume cursor")
	}
	return s.Commit(ctx, b, o)
}

// look is one Poll.
type look struct {
	*Collector
	sink   collectors.Sink
	req    evidence.Request
	at     time.Time
	server time.Time // the same by the server's clock
	last   time.Time // the look before that showed every rule
	rules  int
	blind  int // rules that are not evaluated
	bad    int // groups and rules that could not be read

	was, rare map[string]time.Time // see memory, before and after
}

func (l *look) tell(ctx context.Context, groups []json.RawMessage) error {
	called := map[string]int{} // names that are taken, and how often they were wanted
	for _, raw := range groups {
		g, ok := parseGroup(raw)
		if !ok {
			l.bad++
			continue
		}
		var rules []*apiRule
		for _, raw := range g.Rules {
			if r, ok := parseRule(raw); ok {
				rules = append(rules, r)
			} else {
				l.bad++
			}
		}
		for i, name := range names(g, rules) {
			one := name
			for called[one] > 0 {
				called[name]++
				one = fmt.Sprintf("%s~%d", name, called[name])
			}
			called[one] = 1
			if err := l.rule(ctx, g, rules[i], one); err != nil {
				return err
			}
		}
	}
	return nil
}

// names calls the rules of a group. Rules of one name are told apart by their
// severity, and else by their order.
func names(g *apiGroup, rules []*apiRule) []string {
	count := map[string]int{}
	for _, r := range rules {
		count[r.Name]++
	}
	file := "-"
	if g.File != "" {
		file = path.Base(g.File)
	}
	out := make([]string, len(rules))
	for i, r := range rules {
		out[i] = file + "/" + g.Name + "/" + r.Name
		if severity := r.Labels["severity"]; count[r.Name] > 1 && severity != "" {
			out[i] += "{" + severity + "}"
		}
	}
	return out
}

func (l *look) rule(ctx context.Context, g *apiGroup, r *apiRule, name string) error {
	labels := maps.Clone(g.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, r.Labels)
	subject := alertmanager.Bounded(evidence.NewRef("alertrule", l.authority, name))
	f := evidence.AlertRuleFacts{
		File: alertmanager.Short(g.File), Group: alertmanager.Short(g.Name), Name: alertmanager.Short(r.Name), Type: orUnknown(r.Type), Severity: alertmanager.Short(labels["severity"]),
		ForSeconds: r.For, KeepSeconds: r.KeepFiring, IntervalSeconds: g.Interval.Seconds(), Health: orUnknown(r.Health), Blind: l.why(g, r, subject.Name),
		LastEvaluation: r.Evaluated, State: r.State, QuerySeries: r.Series,
	}
	f.Labels, f.LabelsLeft = l.cfg.Pick(labels)
	delete(f.Labels, "severity")
	if r.Query != "" {
		sum := sha256.Sum256([]byte(r.Query))
		f.ExpressionSHA256 = hex.EncodeToString(sum[:])
	}
	if l.rules++; f.Blind != "" {
		l.blind++
	}
	content, err := evidence.EncodeFacts(f)
	if err != nil {
		return problem.Wrap(problem.Internal, err, "encode the facts of a rule")
	}
	// What a template will stand for is not known: it names nobody.
	maps.DeleteFunc(labels, func(_, v string) bool { return strings.Contains(v, "{{") })
	return l.sink.Emit(ctx, evidence.Draft{
		Kind: evidence.AlertRule, Op: evidence.OpSet, Source: l.env.Source, Key: subject.Name, Subject: subject,
		OccurredAt: l.at, Basis: evidence.BasisObserved, NotBefore: l.last, ObservedAt: l.at,
		Scope: []evidence.Ref{l.cfg.Scope(l.authority, labels)}, Content: content, Request: l.req,
	})
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// why says why a rule sees nothing; "" when it is evaluated. One whose turn comes
// rarely is not blind for having to wait for it after its server began anew.
func (l *look) why(g *apiGroup, r *apiRule, name string) string {
	evaluated := r.Evaluated
	if g.Interval > l.cfg.StaleAfter {
		if before, known := l.was[name]; known && evaluated.IsZero() {
			evaluated = before
		}
		if !evaluated.IsZero() {
			l.rare[name] = evaluated
		}
	}
	switch {
	case r.Health == "err":
		return evidence.RuleErr
	case evaluated.IsZero():
		return evidence.RuleNever
	case l.server.Sub(evaluated) > g.Interval+l.cfg.StaleAfter:
		return evidence.RuleStale
	}
	return ""
}

// Examine implements collectors.Examiner.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	c.http.ResetStats()
	x := collectors.Examination{Identity: "nobody: no credential is configured"}
	if c.cfg.TokenFile != "" {
		x.Identity = "the credential of token_file"
	}
	_, _, err := c.ask(ctx)
	st := c.http.Stats()
	x.Requests, x.Offset, x.OffsetOK = st.Requests, st.Offset, st.OffsetOK
	if err != nil {
		return x, err
	}
	x.Rights = []collectors.Right{{Name: "rules", Access: collectors.Readable, Kinds: kinds}}
	return x, nil
}
