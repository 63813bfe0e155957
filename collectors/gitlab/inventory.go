package gitlab

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
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
// named by themselves, each once. A list that cannot be read is the end of the
// run: nobody would know what is missing.
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
	for _, name := range l.cfg.Groups {
		if err := l.groupProjects(name, add); err != nil {
			return err
		}
	}
	for _, name := range l.cfg.Projects {
		p, err := l.get(l.ctx, "projects/"+gl.PathEscape(name), nil)
		if err != nil {
			return err
		}
		if err := add(p, p.body, true); err != nil {
			return err
		}
	}
	// By age, so that a new project does not change the order of the others.
	slices.SortFunc(l.projects, func(a, b project) int { return a.id - b.id })
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
	if !slices.ContainsFunc(l.groups, func(o group) bool { return o.id == g.ID }) {
		l.groups = append(l.groups, group{g.ID, g.Path})
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
		if err := decodeItem(p, raw, &it); err != nil {
			return err
		}
		ids[it.ID] = true
		return add(p, raw, false)
	})
	if err != nil {
		return err
	}
	l.count("projects of group "+strconv.Itoa(g.ID), req, total, len(ids))
	return nil
}

func readProject(p *page, raw json.RawMessage) (project, error) {
	var g gl.Project
	if err := decodeItem(p, raw, &g); err != nil {
		return project{}, err
	}
	if g.ID <= 0 || len(g.PathWithNamespace) > 255 || !fullPath.MatchString(g.PathWithNamespace) || !strings.Contains(g.PathWithNamespace, "/") ||
		g.DefaultBranch != "" && badBranch.MatchString(g.DefaultBranch) {
		return project{}, odd(p, "a project without an id or path")
	}
	it := project{
		id: g.ID, path: g.PathWithNamespace, fallback: g.DefaultBranch, empty: g.EmptyRepo || g.DefaultBranch == "",
		created: when(g.CreatedAt), activity: when(g.LastActivityAt),
	}
	if g.OnlyAllowMergeIfPipelineSucceeds {
		it.checks = "pipeline"
		if g.AllowMergeOnSkippedPipeline {
			it.checks = "pipeline-or-skipped"
		}
	}
	for _, t := range g.Topics {
		if k, v, ok := strings.Cut(t, ":"); ok && k != "" && v != "" && len(t) <= 100 && len(it.topics) < 20 {
			it.topics = append(it.topics, clean(k)+"="+clean(v))
		}
	}
	slices.Sort(it.topics)
	return it, nil
}
