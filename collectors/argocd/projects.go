package argocd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const (
	projectsPath = "/api/v1/projects"
	argoGroup    = "argoproj.io"
)

// project is one AppProject as the source gave it.
type project struct {
	*v1alpha1.AppProject
	raw json.RawMessage
}

func decodeProject(raw json.RawMessage) (*project, error) {
	p := &project{AppProject: new(v1alpha1.AppProject), raw: raw}
	if err := json.Unmarshal(raw, p.AppProject); err != nil {
		return nil, fmt.Errorf("decode project: %w", err)
	}
	if p.UID == "" || p.Name == "" || len(p.UID) > maxUID {
		return nil, errNoItem
	}
	return p, nil
}

// decodeProjects reads an answer of GET /api/v1/projects. Items that cannot be
// read are counted.
func decodeProjects(body []byte) (ps []*project, bad int, err error) {
	var l struct {
		Items    []json.RawMessage `json:"items"`
		Metadata *json.RawMessage  `json:"metadata"`
	}
	if err := json.Unmarshal(body, &l); err != nil || l.Items == nil && l.Metadata == nil {
		return nil, 0, errors.New("the answer is not a list of projects")
	}
	for _, raw := range l.Items {
		p, err := decodeProject(raw)
		if err != nil {
			bad++
			continue
		}
		ps = append(ps, p)
	}
	return ps, bad, nil
}

// projectFacts reads what a project allows. mails are addresses that stand
// where groups of a role do: a role may be given to single persons.
func projectFacts(p *project) (f evidence.ProjectFacts, mails []string) {
	f = evidence.ProjectFacts{
		Name: p.Name, Namespace: p.Namespace, UID: string(p.UID),
		SourceNamespaces: slices.Clone(p.Spec.SourceNamespaces),
		OrphansWatched:   p.Spec.OrphanedResources != nil,
		ResourceVersion:  p.ResourceVersion,
	}
	for _, r := range p.Spec.SourceRepos {
		f.SourceRepos = append(f.SourceRepos, cleanURL(r))
	}
	for _, d := range p.Spec.Destinations {
		f.Destinations = append(f.Destinations, evidence.ProjectTarget{Server: cleanURL(d.Server), Name: d.Name, Namespace: d.Namespace})
	}
	v := p.newer()
	f.ClusterAllowed, f.ClusterDenied = named(v.Spec.ClusterResourceWhitelist), named(v.Spec.ClusterResourceBlacklist)
	for _, k := range p.Spec.NamespaceResourceWhitelist {
		f.NamespacedAllowed = append(f.NamespacedAllowed, k.Group+"/"+k.Kind)
	}
	for _, k := range p.Spec.NamespaceResourceBlacklist {
		f.NamespacedDenied = append(f.NamespacedDenied, k.Group+"/"+k.Kind)
	}
	for _, k := range p.Spec.SignatureKeys {
		f.SignatureKeys = append(f.SignatureKeys, k.KeyID)
	}
	f.Integrity = v.integrity()
	for _, r := range p.Spec.Roles {
		role, found := roleFacts(p, r)
		f.Roles, mails = append(f.Roles, role), append(mails, found...)
	}
	for i, w := range p.Spec.SyncWindows {
		if w == nil {
			continue
		}
		var more newerWindow
		if i < len(v.Spec.SyncWindows) {
			more = v.Spec.SyncWindows[i]
		}
		f.SyncWindows = append(f.SyncWindows, evidence.ProjectSyncWindow{
			Kind: w.Kind, Schedule: w.Schedule, Duration: w.Duration, TimeZone: w.TimeZone, Manual: w.ManualSync,
			Applications: slices.Clone(w.Applications), Namespaces: slices.Clone(w.Namespaces), Clusters: slices.Clone(w.Clusters),
			All: more.All, Overrun: more.Overrun,
		})
	}
	return f, mails
}

// newer is what servers from v3 on say of a project that the types of v2 do not
// know.
type newer struct {
	Spec struct {
		ClusterResourceWhitelist []restriction `json:"clusterResourceWhitelist"`
		ClusterResourceBlacklist []restriction `json:"clusterResourceBlacklist"`
		SyncWindows              []newerWindow `json:"syncWindows"`
		SourceIntegrity          *struct {
			Git *struct {
				Policies []struct {
					Repos []struct {
						URL string `json:"url"`
					} `json:"repos"`
					GPG *struct {
						Mode string   `json:"mode"`
						Keys []string `json:"keys"`
					} `json:"gpg"`
				} `json:"policies"`
			} `json:"git"`
		} `json:"sourceIntegrity"`
	} `json:"spec"`
}

// restriction is a kind of objects outside namespaces; with a name, from 3.3 on,
// objects of that name alone.
type restriction struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

type newerWindow struct {
	All     bool `json:"andOperator"`
	Overrun bool `json:"syncOverrun"`
}

func (p *project) newer() (v newer) {
	// It has been read before: what is of another type here stays unread alone.
	_ = json.Unmarshal(p.raw, &v)
	return v
}

func named(list []restriction) (out []string) {
	for _, k := range list {
		what := k.Group + "/" + k.Kind
		if k.Name != "" {
			what += "/" + k.Name
		}
		out = append(out, what)
	}
	return out
}

// integrity lists what is asked of commits, from 3.5 on: it takes the place of
// the signature keys.
func (v *newer) integrity() (out []evidence.ProjectIntegrity) {
	if v.Spec.SourceIntegrity == nil || v.Spec.SourceIntegrity.Git == nil {
		return nil
	}
	for _, p := range v.Spec.SourceIntegrity.Git.Policies {
		x := evidence.ProjectIntegrity{}
		for _, r := range p.Repos {
			x.Repos = append(x.Repos, cleanURL(r.URL))
		}
		if p.GPG != nil {
			x.Mode, x.Keys = p.GPG.Mode, p.GPG.Keys
		}
		out = append(out, x)
	}
	return out
}

func roleFacts(p *project, r v1alpha1.ProjectRole) (f evidence.ProjectRole, mails []string) {
	f.Name = r.Name
	for _, policy := range r.Policies {
		text, found := takeMails(policy)
		f.Policies, mails = append(f.Policies, text), append(mails, found...)
	}
	for _, g := range r.Groups {
		text, found := takeMails(g)
		f.Groups, mails = append(f.Groups, text), append(mails, found...)
	}
	slices.Sort(f.Groups)
	// Tokens stand in the role, and from v2 on in the status too.
	tokens := slices.Clone(r.JWTTokens)
	for _, t := range p.Status.JWTTokensByRole[r.Name].Items {
		if !slices.Contains(tokens, t) {
			tokens = append(tokens, t)
		}
	}
	f.Tokens = len(tokens)
	for _, t := range tokens {
		if t.ExpiresAt == 0 {
			f.Lasting++
		}
	}
	return f, mails
}

var mailWord = regexp.MustCompile(`[^\s,;:<>"'/]+@[^\s,;:<>"'/]+`)

// takeMails puts {mail} where a mail address stood. A password before the @ of an
// address is none of a person.
func takeMails(s string) (text string, mails []string) {
	s = collectors.WithoutCredentials(s)
	mails = mailWord.FindAllString(s, -1)
	return mailWord.ReplaceAllString(s, "{mail}"), mails
}

// projectDraft makes the draft of a project. before is the last look that did
// not show it as it is.
func (c *Collector) projectDraft(p *project, now, before time.Time, req evidence.Request) evidence.Draft {
	f, mails := projectFacts(p)
	d := evidence.Draft{
		Kind: evidence.DeployProject, Op: evidence.OpSet, Source: c.env.Source, Key: string(p.UID),
		Subject:    kube.RefOf(c.authority, argoGroup, "AppProject", p.Namespace, p.Name).WithUID(string(p.UID)),
		OccurredAt: now, Basis: evidence.BasisObserved, NotBefore: before, ObservedAt: now, Request: req,
		People: c.holders(mails),
	}
	var ls, scope links
	scope.add(projectRef(c.authority, p.Name))
	for _, t := range f.Destinations {
		if t.Namespace == "" || strings.ContainsAny(t.Namespace, "*?[!") || len(scope) >= maxScope {
			continue // a pattern belongs to nobody in particular
		}
		ls.add(evidence.NewRef("namespace", c.authority, t.Namespace))
		scope.add(nsRef(c.authority, t.Namespace))
	}
	d.Links, d.Scope = ls, append(scope, c.labelScope(p.Labels)...)
	d.Mentions = append(c.mentionTargets(f), c.mentionAccounts(p)...)
	d.Content = fit(func(keep int) any {
		g := f
		g.SourceRepos, g.Destinations = g.SourceRepos[:min(len(g.SourceRepos), keep)], g.Destinations[:min(len(g.Destinations), keep)]
		g.Roles, g.SyncWindows = g.Roles[:min(len(g.Roles), keep)], g.SyncWindows[:min(len(g.SyncWindows), keep)]
		g.Integrity = g.Integrity[:min(len(g.Integrity), keep)]
		return g
	})
	text := cleanText(p.Spec.Description)
	d.Text = []byte(text)[:min(len(text), evidence.MaxText)]
	also := append(c.ignoredLabels(), "/metadata/annotations", "/metadata/managedFields")
	d.Raw, d.Removed = redact(p.raw, also)
	return d
}

// mentionTargets says whose the namespaces are that a project may deploy to,
// those its applications may stand in and its sync windows are for, and whose the
// repositories are that it deploys from. Who owns the project owns all of it.
func (c *Collector) mentionTargets(f evidence.ProjectFacts) []evidence.Mention {
	within := projectRef(c.authority, f.Name)
	to := evidence.Mention{At: "/destinations", Names: []string{"namespace"}, Of: make([][]evidence.Ref, len(f.Destinations)), Within: within}
	for i, t := range f.Destinations {
		to.Of[i] = c.targetSpace(t.Namespace)
	}
	from := evidence.Mention{At: "/source_namespaces", Of: make([][]evidence.Ref, len(f.SourceNamespaces)), Within: within}
	for i, ns := range f.SourceNamespaces {
		from.Of[i] = []evidence.Ref{nsRef(c.authority, ns)}
	}
	repos := evidence.Mention{At: "/source_repos", Of: make([][]evidence.Ref, len(f.SourceRepos)), Within: within}
	for i, r := range f.SourceRepos {
		repos.Of[i] = c.repoProjects(r)
	}
	out := []evidence.Mention{to, from, repos}
	// From Argo CD 3.3 on it may be one namespace that a project may make, or not.
	for _, x := range []struct {
		at   string
		list []string
	}{{"/cluster_allowed", f.ClusterAllowed}, {"/cluster_denied", f.ClusterDenied}} {
		made, any := evidence.Mention{At: x.at, Of: make([][]evidence.Ref, len(x.list)), Within: within}, false
		for i, what := range x.list {
			if ns, ok := strings.CutPrefix(what, "/Namespace/"); ok {
				made.Of[i], any = c.targetSpace(ns), true
			}
		}
		if any {
			out = append(out, made)
		}
	}
	for i, x := range f.Integrity {
		if len(x.Repos) == 0 {
			continue
		}
		in := evidence.Mention{At: fmt.Sprintf("/integrity/%d/repos", i), Of: make([][]evidence.Ref, len(x.Repos)), Within: within}
		for j, r := range x.Repos {
			in.Of[j] = c.repoProjects(r)
		}
		out = append(out, in)
	}
	for i, w := range f.SyncWindows {
		if len(w.Namespaces) == 0 {
			continue
		}
		in := evidence.Mention{At: fmt.Sprintf("/sync_windows/%d/namespaces", i), Of: make([][]evidence.Ref, len(w.Namespaces)), Within: within}
		for j, ns := range w.Namespaces {
			in.Of[j] = c.targetSpace(ns)
		}
		out = append(out, in)
	}
	return out
}

// targetSpace is the namespace that a destination or a window names; one that it
// denies is named after a !. Everything is nobody's.
func (c *Collector) targetSpace(name string) []evidence.Ref {
	plain := strings.TrimPrefix(name, "!")
	if plain == "" || plain == "*" {
		return nil
	}
	return []evidence.Ref{nsRef(c.authority, plain)}
}

// mentionAccounts says whose the namespaces are into which a project deploys as an
// account, and those of the accounts. They stand in its bytes alone.
func (c *Collector) mentionAccounts(p *project) []evidence.Mention {
	m := evidence.Mention{Within: projectRef(c.authority, p.Name)}
	var v struct {
		Spec struct {
			Accounts []struct {
				Namespace string `json:"namespace"`
				Account   string `json:"defaultServiceAccount"`
			} `json:"destinationServiceAccounts"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(p.raw, &v); err != nil {
		return nil // members of another form
	}
	var names []string
	for _, a := range v.Spec.Accounts {
		names = append(names, a.Namespace)
		if ns, _, ok := strings.Cut(a.Account, ":"); ok {
			names = append(names, ns)
		}
	}
	for _, n := range names {
		if refs := c.targetSpace(n); refs != nil {
			m.Of = append(m.Of, refs)
		}
	}
	if len(m.Of) == 0 {
		return nil
	}
	return []evidence.Mention{m}
}

// repoProjects are the projects that a repository's address names, by which a
// forge or a registry calls it: acme/web/gitops, acme/web and acme. A pattern
// without a path is nobody's.
func (c *Collector) repoProjects(address string) (refs []evidence.Ref) {
	name := strings.TrimPrefix(address, "!")
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		name = u.Path
	} else if _, path, ok := strings.Cut(name, ":"); ok { // git@forge.example:acme/web.git
		name = path
	} else if _, path, ok := strings.Cut(name, "/"); ok { // registry.example/acme/charts
		name = path
	}
	name = strings.TrimSuffix(strings.Trim(name, "/"), ".git")
	for name != "" && name != "*" && len(refs) < maxRepoDepth {
		if ref := projectRef(c.authority, name); len(ref.String()) <= evidence.MaxRef {
			refs = append(refs, ref)
		}
		name = name[:max(0, strings.LastIndexByte(name, '/'))]
	}
	return refs
}

// maxRepoDepth bounds the projects that one address stands for; forges nest
// groups no deeper than 20 (https://docs.gitlab.com/user/group/subgroups/).
const maxRepoDepth = 22

// holders are the persons to whom roles of a project are given by their mail
// address. Argo CD compares it with what the login provider says.
func (c *Collector) holders(mails []string) (people []evidence.Person) {
	for _, m := range mails {
		known := func(p evidence.Person) bool { return p.NativeID == m }
		if len(people) >= evidence.MaxPeople || slices.ContainsFunc(people, known) {
			continue
		}
		p := evidence.Person{Role: evidence.RoleHolder, Realm: c.realm, NativeID: m, Names: evidence.Names{Mail: m}, Proof: evidence.ProofClaimed}
		if c.env.Mark != nil {
			p.Names.Bot, p.Names.Shared = c.env.Mark(c.realm, m, m)
		}
		people = append(people, p)
	}
	return people
}

// projects reads the AppProjects that the account may see. It fails the run
// only when the run itself ends; else the rest of the look is still good.
func (s *session) projects(ctx context.Context, l *look, before time.Time) error {
	r, err := s.client.Get(ctx, projectsPath, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		l.unread = "the projects could not be read: " + explain(err).Error()
		return nil
	}
	ps, bad, err := decodeProjects(r.Body)
	if err != nil {
		l.unread = "the projects could not be read: " + err.Error()
		return nil
	}
	req := evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}
	var names []string
	for _, p := range ps {
		if len(s.cfg.Projects) > 0 && !slices.Contains(s.cfg.Projects, p.Name) {
			continue
		}
		names = append(names, p.Name)
		if err := s.emit(ctx, s.projectDraft(p, l.at, before, req)); err != nil {
			return err
		}
	}
	if bad > 0 {
		l.unread = fmt.Sprintf("%d of %d projects could not be read", bad, bad+len(ps))
		return nil
	}
	return s.missingDefinitions(ctx, l, names)
}

// missingDefinitions decides what it means that projects read before are not in
// the list, or that there is none at all: Argo CD leaves out what an account
// may not read, and always has at least its default project.
func (s *session) missingDefinitions(ctx context.Context, l *look, names []string) error {
	ask := slices.DeleteFunc(slices.Clone(s.res.Defined), func(p string) bool { return slices.Contains(names, p) })
	if len(names) == 0 {
		ask = append([]string{"*"}, ask...)
	}
	for _, p := range ask[:min(len(ask), maxQuestions)] {
		a, err := s.mayGet(ctx, "projects", p)
		if err != nil {
			return err
		}
		if a == no || a == unasked && p == "*" {
			l.unread = "the account may not read every project"
			return nil
		}
	}
	slices.Sort(names)
	s.res.Defined = names
	return nil
}

// projectClaims says what the look has seen of projects.
func (s *session) projectClaims(l *look, before time.Time) evidence.Seen {
	seen := evidence.Seen{Kinds: []evidence.Kind{evidence.DeployProject}, Class: evidence.Instants, From: l.at, To: l.at}
	if l.unread != "" {
		seen.Class, seen.Cause = evidence.Blind, "the projects could not be read in full"
		if !before.IsZero() {
			seen.From = before
		}
	}
	return seen
}
