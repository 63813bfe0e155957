package terraform

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// workspace is a workspace as this look found it.
type workspace struct {
	*look
	id      string
	attr    workspaceAttr
	project string
	tags    []string // nil: not known
	unread  string   // why not
	locked  bool     // by a person or a team
	current string   // id of the current version of its state
	told    bool     // whether current says anything
	raw     json.RawMessage
	req     evidence.Request
	st      *workspaceState

	runs, states part
}

// part is how reading one list of a workspace went.
type part struct {
	cause string // why not all of it was read, in words that name nobody; "" when all was
	at    func(*workspaceState) *position
}

// spoil notes why not all was read; the first reason stays.
func (p *part) spoil(cause string) {
	if p.cause == "" {
		p.cause = cause
	}
}

// workspaceAttr is what of a workspace's attributes is read.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/workspaces
type workspaceAttr struct {
	Name         string `json:"name"`
	AutoApply    bool   `json:"auto-apply"`
	AutoTriggers *bool  `json:"auto-apply-run-trigger"`
	Mode         string `json:"execution-mode"`
	Locked       bool   `json:"locked"`
	Version      string `json:"terraform-version"`
	Directory    string `json:"working-directory"`
	VCS          *struct {
		Identifier string `json:"identifier"`
		Branch     string `json:"branch"`
	} `json:"vcs-repo"`
	AllowDestroy *bool    `json:"allow-destroy-plan"`
	SharedState  *bool    `json:"global-remote-state"`
	ProjectState *bool    `json:"project-remote-state"`
	Assessments  *bool    `json:"assessments-enabled"`
	TagNames     []string `json:"tag-names"`
	CreatedAt    moment   `json:"created-at"`
	UpdatedAt    moment   `json:"updated-at"`
	Permissions  *struct {
		ReadStates *bool `json:"can-read-state-versions"`
	} `json:"permissions"`
}

// workspacesPath is the list of the organization's workspaces.
func (c *Collector) workspacesPath() string {
	return "organizations/" + url.PathEscape(c.cfg.Organization) + "/workspaces"
}

// What is asked for along with workspaces. A platform that does not know tag
// bindings refuses the whole question.
const (
	withTags    = "project,effective_tag_bindings"
	withoutTags = "project"
)

// listWorkspaces lists the workspaces that the credential sees and records each.
func (l *look) listWorkspaces() error {
	err := l.workspacesWith(withTags)
	if code := status(err); code == http.StatusBadRequest || code == http.StatusUnprocessableEntity {
		l.note("the platform does not tell tag bindings: workspaces are assigned by project and name, and by tags without a value")
		err = l.workspacesWith(withoutTags)
	}
	switch {
	case status(err) == http.StatusNotFound:
		return problem.Wrap(problem.NotFound, err, "the organization is not there, or the credential may not see its workspaces").
			WithHint("check organization, and that the token is of a team that may read workspaces of it")
	case err != nil:
		return err
	}
	for _, w := range l.workspaces {
		l.sees = append(l.sees, w.id)
		w.st = l.cur.workspace(w.id, w.attr.Name)
		if err := w.rememberTags(); err != nil {
			return err
		}
		if err := l.emit(w.record()); err != nil {
			return err
		}
	}
	if l.cfg.SeesAll {
		l.forget()
	}
	slices.Sort(l.sees)
	return nil
}

func (l *look) workspacesWith(include string) error {
	var odd error
	l.workspaces = nil
	var byID map[string]bool
	source, ours, err := l.pages(l.fetch, l.workspacesPath(), url.Values{"include": {include}}, wholePage, func(d *document) (bool, error) {
		if d.first {
			l.workspaces, byID, odd = nil, map[string]bool{}, nil
		}
		for _, raw := range d.items {
			w, err := l.workspace(d, raw, include == withTags)
			if err != nil {
				odd = d.odd("holds a workspace of an unknown form")
				continue
			}
			if !byID[w.id] {
				byID[w.id] = true
				l.workspaces = append(l.workspaces, w)
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(l.workspaces, func(a, b *workspace) int { return strings.Compare(a.attr.Name+" "+a.id, b.attr.Name+" "+b.id) })
	l.counts = nil
	if source >= 0 {
		l.counts = append(l.counts, evidence.SourceCount{What: "workspaces", Query: l.workspacesPath(), Source: source, Ours: ours})
	}
	kinds := []evidence.Kind{evidence.InfraWorkspace}
	switch {
	case odd != nil:
		l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: l.since(), To: l.started, Cause: "not all could be read: the platform lists a workspace of an unknown form"})
		return l.miss(odd, "workspaces")
	case source >= 0 && ours < source:
		l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: l.since(), To: l.started, Cause: "the platform lists fewer workspaces than it counts"})
		return nil // the counts make the run partial
	case l.sightless():
		l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: l.since(), To: l.started, Cause: "the credential sees no workspace"})
		l.note("the credential sees no workspace of the organization: give its team the right to read them")
		return nil
	}
	l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Instants, From: l.started, To: l.started})
	// Only with the commit that says what the credential sees: where it sees less
	// than before nothing ends.
	l.after = append(l.after, func() { l.sink.Complete(evidence.InfraWorkspace, evidence.Ref{}) })
	return nil
}

// sightless reports whether the credential may have lost sight of everything: an
// empty list is what it gets then, too.
func (l *look) sightless() bool {
	return len(l.workspaces) == 0 && (!l.cfg.SeesAll || len(l.cur.Workspaces) > 0)
}

// workspace reads one item of the list.
func (l *look) workspace(d *document, raw json.RawMessage, tagged bool) (*workspace, error) {
	r, err := object(raw, "workspaces")
	if err != nil {
		return nil, err
	}
	w := &workspace{look: l, id: r.ID, raw: raw, req: d.req}
	w.runs.at = func(s *workspaceState) *position { return &s.Runs }
	w.states.at = func(s *workspaceState) *position { return &s.States }
	if json.Unmarshal(r.Attributes, &w.attr) != nil || w.attr.Name == "" || len(w.attr.Name) > maxText {
		return nil, errShape
	}
	w.attr.Name = segment(w.attr.Name)
	if p := d.included(r.one("project")); p != nil {
		var a struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(p.Attributes, &a) == nil {
			w.project = segment(a.Name)
		}
	}
	if by := r.one("locked-by"); w.attr.Locked {
		w.locked = by.Type != "runs"
	}
	_, w.told = r.Relationships["current-state-version"]
	w.current = r.one("current-state-version").ID
	w.readTags(d, r, tagged)
	return w, nil
}

// readTags takes the tags that a workspace has, those of its project among them,
// from the bindings that came along. A workspace without any has a list of none.
func (w *workspace) readTags(d *document, r *resource, tagged bool) {
	tags := []string{}
	add := func(t string) {
		if t != "" && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	if tagged {
		bindings, told := r.many("effective-tag-bindings")
		if !told {
			w.unread = "the platform did not tell its tag bindings"
			return
		}
		for _, b := range bindings {
			var a struct {
				Key   string `json:"key"`
				Value string `json:"value"`
			}
			i := d.included(b)
			if i == nil || json.Unmarshal(i.Attributes, &a) != nil || a.Key == "" {
				w.unread = "a tag binding of it could not be read"
				return
			}
			if a.Value != "" {
				a.Key += "=" + a.Value
			}
			add(text(a.Key))
		}
	}
	for _, t := range w.attr.TagNames {
		if key := text(t); !slices.ContainsFunc(tags, func(have string) bool { return strings.HasPrefix(have, key+"=") }) {
			add(key)
		}
	}
	slices.Sort(tags)
	w.tags = tags
}

// rememberTags keeps a workspace with its owners when its tags cannot be read: it
// has those that it had.
func (w *workspace) rememberTags() error {
	if w.unread == "" {
		w.st.Tags = w.tags
		return nil
	}
	w.tags = w.st.Tags
	return w.miss(w.oddTags(), "tags of a workspace")
}

func (w *workspace) oddTags() error {
	return problem.New(problem.Source, "%s", w.unread).WithHint("it keeps the tags that it had; the next run tries again")
}

// forget drops what is kept of workspaces that are no longer there.
func (l *look) forget() {
	if l.sightless() {
		return
	}
	for id := range l.cur.Workspaces {
		if !slices.Contains(l.sees, id) {
			delete(l.cur.Workspaces, id)
		}
	}
	// Those that are gone were deleted: that they are not seen is no loss of sight.
	l.sees = nil
}

// ref is the workspace as a scope, by its own path.
func (w *workspace) ref() evidence.Ref {
	if w.project == "" {
		return w.Collector.project("", w.attr.Name)
	}
	return w.Collector.project(w.project, w.attr.Name)
}

// subject names the workspace.
func (w *workspace) subject() evidence.Ref {
	return evidence.NewRef("workspace", w.authority, w.cfg.Organization+"/"+w.attr.Name).WithUID(w.id)
}

// scope is what tenancy rules look at: tags, the project, the workspace by its
// name.
func (w *workspace) scope() []evidence.Ref {
	refs := []evidence.Ref{w.ref()}
	if w.project != "" {
		refs = append(refs, w.Collector.project(w.project))
	}
	for _, t := range w.tags {
		refs = append(refs, w.label(t))
	}
	return refs
}

// label is a tag as a scope: key=value, with nothing behind the sign where it has
// no value.
func (w *workspace) label(tag string) evidence.Ref {
	if !strings.Contains(tag, "=") {
		tag += "="
	}
	return evidence.NewRef("label", w.authority, tag)
}

// maxTags bounds the tags in facts; tenancy rules look at all of them.
const maxTags = 200

// record tells the workspace's settings.
func (w *workspace) record() evidence.Draft {
	f := evidence.InfraWorkspaceFacts{
		Organization: w.cfg.Organization, Name: text(w.attr.Name), ID: w.id, Project: w.project,
		AutoApply: w.attr.AutoApply, AutoTriggers: w.attr.AutoTriggers, Mode: word(w.attr.Mode), Locked: w.locked,
		TerraformVersion: text(w.attr.Version), Directory: text(w.attr.Directory),
		AllowDestroy: w.attr.AllowDestroy, SharedState: w.attr.SharedState, ProjectState: w.attr.ProjectState, Assessments: w.attr.Assessments,
		Tags: w.tags[:min(len(w.tags), maxTags)], TagsUnread: w.unread, CreatedAt: w.attr.CreatedAt.Time, UpdatedAt: w.attr.UpdatedAt.Time,
	}
	if w.attr.VCS != nil {
		f.Repo, f.Branch = text(w.attr.VCS.Identifier), text(w.attr.VCS.Branch)
	}
	d := w.draft(evidence.InfraWorkspace, evidence.OpSet, w.subject(), f, w.req)
	d.NotBefore, d.Scope = w.cur.Looked, w.scope()
	d.Raw, d.Removed = reduce(w.raw, workspaceShape)
	of := make([][]evidence.Ref, len(f.Tags))
	for i, t := range f.Tags {
		of[i] = []evidence.Ref{w.label(t)}
	}
	d.Mentions = []evidence.Mention{{At: "/tags", Of: of}}
	return d
}

// since is when the list of workspaces was last read.
func (l *look) since() time.Time {
	if l.cur.Looked.IsZero() || l.cur.Looked.After(l.started) {
		return l.started
	}
	return l.cur.Looked
}

// read reads the lists of a workspace.
func (w *workspace) read() error {
	if err := w.readRuns(); err != nil {
		return err
	}
	if !w.cfg.States {
		return nil
	}
	if p := w.attr.Permissions; p != nil && p.ReadStates != nil && !*p.ReadStates {
		w.states.spoil("the credential may not read versions of the state")
		return nil
	}
	return w.readStates()
}

// owns reports whether an item may be the workspace's: it names no other one.
func (w *workspace) owns(r *resource) bool {
	id := r.one("workspace").ID
	return id == "" || id == w.id
}

// odd notes an item of a list that cannot be told: it costs no other.
func (w *workspace) odd(p *part, d *document, what string) error {
	e := &forge.OddItem{What: what, Err: d.odd("holds " + what)}
	p.spoil(e.Cause())
	return w.miss(e, "%s of workspace %s", "a list", w.id)
}
