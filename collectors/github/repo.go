package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// repoLook is the look at one repository.
type repoLook struct {
	*look
	name     string // as configured; facts and references use it
	id       int64
	path     string // repos/owner/name
	st       *repoState
	watched  []string
	fallback string // the default branch
	empty    bool
	taken    map[int64]bool   // workflow runs read in this look
	labels   []evidence.Ref   // custom properties that tenancy rules look at
	gone     []string         // branches found deleted in this look
	heads    map[string]*page // the watched branches as this look found them
	fresh    bool             // one of them was never read before
	done     map[string]bool  // commits emitted in this look
	seen     []evidence.Seen
	after    []func()         // of this repository: a failed one moves no position in time
	oldest   time.Time        // of the commits emitted in this look
	unlooked time.Time        // since when a branch was not seen of which something cannot be read
	unread   map[string]error // those branches, and why
	memory   forge.Memory
}

// whoami finds out whose credential is used. An installation token has no
// account: GitHub answers 403.
func (l *look) whoami() error {
	p, err := l.get(l.ctx, "user")
	switch s := fetch.Status(err); {
	case s == http.StatusForbidden || s == http.StatusNotFound:
		l.identity = "token without an account (app installation)"
		return nil
	case err != nil:
		return err
	}
	var u struct {
		ID int64 `json:"id"`
	}
	if err := decode(p, &u); err != nil {
		return err
	}
	if u.ID <= 0 {
		return problem.New(problem.Source, "the answer of %s names no account", p.req.URL).WithHint("check that url is the base of a GitHub REST API")
	}
	l.identity = "account " + strconv.FormatInt(u.ID, 10)
	return nil
}

// tokenExpiry notes a token that ends within two weeks.
func (l *look) tokenExpiry(s string) {
	if t := expiry(s); !t.IsZero() && t.Sub(l.started) < 14*24*time.Hour {
		l.note("the token expires at %s", evidence.FormatTime(t))
	}
}

// repo looks at one repository: branches, then requests, then guards. What was
// read before an error stays; what was not is read by the next run.
func (l *look) repo(name string) error {
	owner, short, _ := strings.Cut(name, "/")
	r := &repoLook{
		look: l, name: name, st: l.cur.repo(name), done: map[string]bool{}, heads: map[string]*page{}, unread: map[string]error{},
		path: "repos/" + url.PathEscape(owner) + "/" + url.PathEscape(short),
	}
	if err := r.open(); err != nil {
		return err
	}
	l.sees = append(l.sees, name)
	if err := r.branches(); err != nil {
		return err
	}
	if err := r.pulls(); err != nil {
		return err
	}
	// Pushes go before what ran for them: they say which commits it was about.
	for _, part := range []func() error{r.protections, r.pushes, r.pipelines, r.checks, r.deployments, r.members} {
		if err := part(); err != nil {
			return err
		}
	}
	if err := l.progress(); err != nil {
		return err
	}
	l.seen = append(l.seen, r.seen...)
	l.after = append(l.after, r.after...)
	return nil
}

func (r *repoLook) open() error {
	p, err := r.get(r.ctx, r.path)
	if err != nil {
		return err
	}
	var repo struct {
		ID       int64  `json:"id"`
		FullName string `json:"full_name"`
		Default  string `json:"default_branch"`
		Owner    struct {
			Type string `json:"type"` // User or Organization
		} `json:"owner"`
		// A property has one value, several, or none.
		Properties map[string]json.RawMessage `json:"custom_properties"`
	}
	if err := decode(p, &repo); err != nil {
		return err
	}
	if repo.ID <= 0 || repo.Default == "" || forge.BadBranch.MatchString(repo.Default) {
		return problem.New(problem.Source, "the answer of %s is no repository", p.req.URL).WithHint("check that url is the base of a GitHub REST API")
	}
	if !strings.EqualFold(repo.FullName, r.name) {
		r.note("repository %s was renamed or moved at the source: change its name under repos", r.name)
	}
	r.id, r.fallback = repo.ID, repo.Default
	if owner, _, _ := strings.Cut(r.name, "/"); repo.Owner.Type == "User" {
		r.look.owners[owner] = true
	}
	for _, name := range r.cfg.Properties {
		for _, v := range propertyValues(repo.Properties[name]) {
			r.labels = append(r.labels, evidence.NewRef("label", r.authority, name+"="+v))
		}
	}
	r.watched = r.cfg.Branches
	if len(r.watched) == 0 {
		r.watched = []string{repo.Default}
	}
	return nil
}

var propertyName = regexp.MustCompile(`^[A-Za-z0-9_$#-]{1,75}$`)

// Bounds of custom properties and of the values of one.
const (
	maxProperties = 10
	maxValues     = 20
)

// propertyValues reads the values of a custom property: a text, or a list of
// them. What is of another form is no value.
func propertyValues(raw json.RawMessage) (values []string) {
	var one string
	var many []string
	if json.Unmarshal(raw, &one) == nil {
		many = []string{one}
	} else if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	for _, v := range many[:min(len(many), maxValues)] {
		if v = forge.Clean(v); v != "" && len(v) <= 100 {
			values = append(values, v)
		}
	}
	return values
}

// emit hands over a draft of the repository, with its labels.
func (r *repoLook) emit(d evidence.Draft) error {
	d.Scope = append(slices.Clone(d.Scope), r.labels...)
	return r.look.emit(d)
}

// public is a branch's name as facts may hold it. People name branches after
// themselves, so a branch that nobody configured stands as a hash.
func (r *repoLook) public(branch string) string {
	if branch == r.fallback {
		return branch
	}
	for _, w := range r.watched {
		if w == branch {
			return branch
		}
	}
	return "other-" + forge.HashID(r.name+"@"+branch)
}

// draft fills what all drafts of a look share.
func (r *repoLook) draft(kind evidence.Kind, op evidence.Op, req evidence.Request, facts any) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: op, Source: r.env.Source,
		OccurredAt: r.started, Basis: evidence.BasisObserved, ObservedAt: r.env.Clock().UTC(),
		Scope: []evidence.Ref{r.project(r.name)}, Content: forge.Encode(facts), Request: req,
	}
}

func (r *repoLook) claim(class evidence.Class, from time.Time, cause string, kinds ...evidence.Kind) {
	if from.After(r.started) {
		from = r.started
	}
	r.seen = append(r.seen, evidence.Seen{Kinds: kinds, Scope: r.project(r.name), Class: class, From: from.UTC(), To: r.started, Cause: cause})
}

// horizon is how far back the first look goes; zero: to the beginning.
func (r *repoLook) horizon() time.Time {
	if r.cfg.History == 0 {
		return time.Time{}
	}
	return r.started.Add(-r.cfg.History)
}

const firstLook = "read from history at the first look"

// claimFirst claims what the first look read, from the horizon or, without
// one, from the oldest time it met.
func (r *repoLook) claimFirst(oldest time.Time, kinds ...evidence.Kind) {
	from := r.horizon()
	if from.IsZero() {
		from = oldest
	}
	if from.IsZero() {
		from = r.started
	}
	r.claim(evidence.Reconstructed, from, firstLook, kinds...)
}

// when gives a source's time in UTC, zero for one that JSON cannot hold.
func when(t gh.Timestamp) time.Time {
	u := t.UTC()
	if y := u.Year(); u.IsZero() || y < 1 || y > 9999 {
		return time.Time{}
	}
	return u
}

// items splits a JSON list into its items' own bytes.
func items(p *page) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if err := decode(p, &list); err != nil {
		return nil, err
	}
	return list, nil
}

// oddItem is the error of an item of a list without what tells it from others, or
// of an unknown form.
func oddItem(p *page, what string) error {
	return &forge.OddItem{What: what, Err: problem.New(problem.Source, "the answer of %s holds %s", p.req.URL, what).
		WithHint("report it with the program's version; the rest was read")}
}

// parts beside those that can be left out.
const partPulls = "pulls"

// spoil takes note of an item that could not be read, and goes on: of its part
// not all was seen since the last look. Any other error stays one.
func (r *repoLook) spoil(part string, err error) error {
	e := forge.Odd(err)
	if e == nil {
		return err
	}
	if r.st.Spoilt == nil {
		r.st.Spoilt = map[string]string{}
	}
	r.st.Spoilt[part] = e.Cause()
	r.missing = forge.AddOnce(r.missing, "repository "+r.name+": "+err.Error())
	return nil
}

// spoilt claims of a part of which an item could not be read that it was not
// seen, and reports whether there was one.
func (r *repoLook) spoilt(part string, last time.Time, kinds ...evidence.Kind) bool {
	why := r.st.Spoilt[part]
	if why == "" {
		return false
	}
	r.unseen(part, last, why, kinds...)
	r.after = append(r.after, func() { delete(r.st.Spoilt, part) })
	return true
}

func odd(p *page, what string) error {
	return problem.New(problem.Source, "the answer of %s holds %s", p.req.URL, what).
		WithHint("report it with the program's version; nothing after it was read")
}

func (r *repoLook) key(format string, args ...any) string {
	return fmt.Sprintf("%d", r.id) + fmt.Sprintf(format, args...)
}
