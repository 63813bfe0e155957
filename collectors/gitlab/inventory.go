package gitlab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// group is a configured group as the source knows it.
type group struct {
	id   int
	path string
}

// project is one project as the list shows it.
type project struct {
	id       int
	path     string // with namespace, as of now
	fallback string // the default branch; "" in an empty repository
	empty    bool
	hidden   bool // its repository is not empty and cannot be read
	created  time.Time
	activity time.Time // last event; the server writes it once an hour at most
	checks   string    // what must pass before a merge; "" nothing
	topics   []string
}

// whoami finds out whose credential is used, and when it ends. A token of
// another kind than a personal, project or group access token has no entry of
// its own; its account then stands for it.
func (l *look) whoami() error {
	p, err := l.get(l.ctx, "personal_access_tokens/self", nil)
	if s := fetch.Status(err); refused(err) || s == http.StatusBadRequest {
		return l.account()
	}
	if err != nil {
		return err
	}
	var t gl.PersonalAccessToken
	if err := decode(p, &t); err != nil {
		return err
	}
	if t.ID <= 0 || t.UserID <= 0 {
		return problem.New(problem.Source, "the answer of %s names no token", p.req.URL).WithHint("check that url is the address of a GitLab")
	}
	l.identity = "account " + strconv.Itoa(t.UserID) + ", token " + strconv.Itoa(t.ID)
	if e := whenDay(t.ExpiresAt); !e.IsZero() && e.Sub(l.started) < 14*day {
		l.note("the token expires at %s", evidence.FormatTime(e))
	}
	return nil
}

func (l *look) account() error {
	p, err := l.get(l.ctx, "user", nil)
	if err != nil {
		return err
	}
	var u struct {
		ID int `json:"id"`
	}
	if err := decode(p, &u); err != nil {
		return err
	}
	if u.ID <= 0 {
		return problem.New(problem.Source, "the answer of %s names no account", p.req.URL).WithHint("check that url is the address of a GitLab")
	}
	l.identity = "account " + strconv.Itoa(u.ID)
	return nil
}

// inventory lists what is to be read: the projects of the groups and those
// named by themselves, each once. A group or project that is hidden does not
// hold up the others; a list that cannot be read for any other reason is the
// end of the run: nobody would know what is missing.
func (l *look) inventory() error {
	seen := map[int]bool{}
	add := func(p *page, raw json.RawMessage, chosen bool) error {
		it, err := readProject(p, raw)
		if err != nil {
			return err
		}
		if !seen[it.id] && (chosen || l.cfg.includes(it.path)) {
			seen[it.id] = true
			l.projects = append(l.projects, it)
		}
		return nil
	}
	var first error
	hidden := func(what string, err error) error {
		if !refused(err) && forge.Odd(err) == nil {
			return err
		}
		l.unlisted++
		_, path, _ := strings.Cut(what, " ")
		r := &projectLook{look: l, ref: l.project(strings.TrimSuffix(path, "/")), st: &projectState{}}
		r.unseen()
		for _, k := range []evidence.Kind{evidence.ChangeProtection, evidence.AccessMember} {
			l.claim(r.ref, evidence.Blind, l.blindFrom(time.Time{}), notRead, 0, k)
		}
		l.failed = append(l.failed, fmt.Sprintf("%s: %v", what, err))
		if first == nil {
			first = fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	for _, name := range l.cfg.Groups {
		if err := hidden("group "+name, l.groupProjects(name, add)); err != nil {
			return err
		}
	}
	for _, name := range l.cfg.Projects {
		p, err := l.get(l.ctx, "projects/"+gl.PathEscape(name), nil)
		if err == nil {
			err = add(p, p.body, true)
		}
		if err := hidden("project "+name, err); err != nil {
			return err
		}
	}
	if len(l.projects) == 0 && first != nil {
		return first
	}
	// By age, so that a new project does not change the order of the others.
	slices.SortFunc(l.projects, func(a, b project) int { return a.id - b.id })
	slices.SortFunc(l.groups, func(a, b group) int { return a.id - b.id })
	return nil
}

func (l *look) groupProjects(name string, add func(*page, json.RawMessage, bool) error) error {
	p, err := l.get(l.ctx, "groups/"+gl.PathEscape(strings.TrimSuffix(name, "/")), &gl.GetGroupOptions{WithProjects: gl.Ptr(false)})
	if err != nil {
		return err
	}
	var g struct {
		ID   int    `json:"id"`
		Path string `json:"full_path"`
	}
	if err := decode(p, &g); err != nil {
		return err
	}
	if g.ID <= 0 || !fullPath.MatchString(g.Path) {
		return odd(p, "no group")
	}
	if !strings.EqualFold(g.Path, strings.TrimSuffix(name, "/")) {
		l.note("group %s was renamed or moved at the source: change its name under groups", name)
	}
	l.addGroup(group{g.ID, g.Path})
	// What cannot be told from others does not hold up the others; the group is
	// then one of which not all is seen.
	lost := l.subgroups(g.ID)
	if lost != nil && forge.Odd(lost) == nil {
		return lost
	}
	var req evidence.Request
	ids := map[int]bool{}
	total, err := l.list(l.ctx, "groups/"+strconv.Itoa(g.ID)+"/projects", &gl.ListGroupProjectsOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, IncludeSubGroups: gl.Ptr(true), WithShared: gl.Ptr(false),
		OrderBy: gl.Ptr("id"), Sort: gl.Ptr("asc"),
	}, func(p *page, raw json.RawMessage) error {
		if len(ids) == 0 {
			req = p.req
		}
		var it struct {
			ID int `json:"id"`
		}
		err := decodeItem(p, raw, &it)
		if err == nil {
			err = add(p, raw, false)
		}
		if err == nil {
			ids[it.ID] = true
		} else if forge.Odd(err) != nil {
			lost, err = err, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	l.count("projects of group "+strconv.Itoa(g.ID), req, total, len(ids))
	return lost
}

// subgroups lists the groups below a group: each has members and audit events
// of its own, which those above it do not show. Of the chosen paths those are
// read that hold a chosen project. An odd item is the error when there is no
// other; the others are added all the same.
func (l *look) subgroups(id int) error {
	var lost error
	_, err := l.list(l.ctx, "groups/"+strconv.Itoa(id)+"/descendant_groups", &gl.ListDescendantGroupsOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, OrderBy: gl.Ptr("id"), Sort: gl.Ptr("asc"),
	}, func(p *page, raw json.RawMessage) error {
		var g struct {
			ID   int    `json:"id"`
			Path string `json:"full_path"`
		}
		err := decodeItem(p, raw, &g)
		if err == nil && (g.ID <= 0 || !fullPath.MatchString(g.Path)) {
			err = oddItem(p, "a group without an id or path")
		}
		if forge.Odd(err) != nil {
			lost = err
			return nil
		}
		if err != nil {
			return err
		}
		above := func(p string) bool { return len(p) > len(g.Path) && strings.EqualFold(p[:len(g.Path)+1], g.Path+"/") }
		if l.cfg.includes(g.Path) || slices.ContainsFunc(l.cfg.Include, above) {
			l.addGroup(group{g.ID, g.Path})
		}
		return nil
	})
	if err == nil {
		err = lost
	}
	return err
}

func (l *look) addGroup(g group) {
	if !slices.ContainsFunc(l.groups, func(o group) bool { return o.id == g.id }) {
		l.groups = append(l.groups, g)
	}
}

// maxPath bounds the path of a project in bytes: twenty levels of groups, each
// with a name of 200.
const maxPath = 4096

func readProject(p *page, raw json.RawMessage) (project, error) {
	// The library's type has a hundred members more, any of which a newer server may
	// give in another form.
	var g struct {
		ID                int        `json:"id"`
		PathWithNamespace string     `json:"path_with_namespace"`
		DefaultBranch     string     `json:"default_branch"`
		Empty             *bool      `json:"empty_repo"`
		CreatedAt         *time.Time `json:"created_at"`
		LastActivityAt    *time.Time `json:"last_activity_at"`
		Topics            []string   `json:"topics"`
		NeedsPipeline     bool       `json:"only_allow_merge_if_pipeline_succeeds"`
		TakesSkipped      bool       `json:"allow_merge_on_skipped_pipeline"`
	}
	if err := decodeItem(p, raw, &g); err != nil {
		return project{}, err
	}
	if g.ID <= 0 || len(g.PathWithNamespace) > maxPath || !fullPath.MatchString(g.PathWithNamespace) || !strings.Contains(g.PathWithNamespace, "/") ||
		g.DefaultBranch != "" && forge.BadBranch.MatchString(g.DefaultBranch) {
		return project{}, oddItem(p, "a project without an id or path")
	}
	// Who may not read the code is told of no default branch, and the truth about
	// whether there is any.
	hidden := g.DefaultBranch == "" && g.Empty != nil && !*g.Empty
	it := project{
		id: g.ID, path: g.PathWithNamespace, fallback: g.DefaultBranch, hidden: hidden, empty: g.Empty != nil && *g.Empty || g.DefaultBranch == "" && !hidden,
		created: when(g.CreatedAt), activity: when(g.LastActivityAt),
	}
	if g.NeedsPipeline {
		it.checks = "pipeline"
		if g.TakesSkipped {
			it.checks = "pipeline-or-skipped"
		}
	}
	for _, t := range g.Topics {
		if k, v, ok := strings.Cut(t, ":"); ok && k != "" && v != "" && len(t) <= 100 && len(it.topics) < 20 {
			it.topics = append(it.topics, forge.Clean(k)+"="+forge.Clean(v))
		}
	}
	slices.Sort(it.topics)
	return it, nil
}
