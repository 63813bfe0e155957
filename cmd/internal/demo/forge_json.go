package demo

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"evidenced/testdata/world"
)

// api is the address of something of the repository, as bodies show it.
func (p *Platform) api(path string) string {
	return "https://api.git.platform.example/repos/" + p.fullName() + path
}

func userJSON(u world.Person) any {
	if u.Login == "" {
		return nil
	}
	kind := "User"
	if u.Bot {
		kind = "Bot"
	}
	return map[string]any{"login": u.Login, "id": u.ID, "node_id": "U_" + strconv.FormatInt(u.ID, 10), "type": kind,
		"site_admin": false, "url": "https://api.git.platform.example/users/" + strings.TrimSuffix(u.Login, "[bot]")}
}

func (p *Platform) commitJSON(c *commit, detail bool) map[string]any {
	person := func(w world.Person) map[string]any {
		return map[string]any{"name": w.Name, "email": w.Email(), "date": c.at}
	}
	parents := []any{}
	for _, sha := range c.parents {
		parents = append(parents, map[string]string{"sha": sha, "url": p.api("/commits/" + sha)})
	}
	j := map[string]any{
		"url": p.api("/commits/" + c.sha), "sha": c.sha, "node_id": "C_" + c.sha[:20],
		"html_url": "https://git.platform.example/" + p.fullName() + "/commit/" + c.sha,
		"commit": map[string]any{
			"author": person(c.author), "committer": person(c.committer), "message": c.message,
			"tree": map[string]string{"sha": c.tree}, "comment_count": 0,
			"verification": map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil},
		},
		"author": userJSON(c.author), "committer": userJSON(c.committer), "parents": parents,
	}
	if detail {
		add, del := 0, 0
		for _, f := range c.files {
			add, del = add+f.add, del+f.del
		}
		j["stats"] = map[string]int{"additions": add, "deletions": del, "total": add + del}
		j["files"] = filesJSON(c.files)
	}
	return j
}

func filesJSON(fs []fileChange) []any {
	out := []any{}
	for _, f := range fs {
		out = append(out, map[string]any{"filename": f.path, "status": f.status,
			"additions": f.add, "deletions": f.del, "changes": f.add + f.del})
	}
	return out
}

func (p *Platform) find(r *http.Request) *pull {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 || n > len(p.forge.pulls) {
		return nil
	}
	return p.forge.pulls[n-1]
}

func (p *Platform) ghPulls(r *http.Request) (int, any) {
	q := r.URL.Query()
	var found []*pull
	for _, pl := range p.forge.pulls {
		switch q.Get("state") {
		case "all":
		case "closed":
			if pl.closed.IsZero() {
				continue
			}
		default:
			if !pl.closed.IsZero() {
				continue
			}
		}
		found = append(found, pl)
	}
	slices.SortStableFunc(found, func(a, b *pull) int {
		n := a.opened.Compare(b.opened)
		if q.Get("sort") == "updated" {
			n = a.updated.Compare(b.updated)
		}
		if q.Get("direction") != "asc" {
			n = -n
		}
		return n
	})
	l := list{}
	for _, pl := range found {
		l.items = append(l.items, p.pullJSON(pl, false))
	}
	return http.StatusOK, l
}

func (p *Platform) ghPull(r *http.Request) (int, any) {
	pl := p.find(r)
	if pl == nil {
		return notFound("Not Found")
	}
	return http.StatusOK, p.pullJSON(pl, true)
}

// pullJSON is a request as lists show it; the detail says more.
func (p *Platform) pullJSON(pl *pull, detail bool) map[string]any {
	state := "open"
	if !pl.closed.IsZero() {
		state = "closed"
	}
	repo := map[string]any{"id": repoID, "full_name": p.fullName()}
	path := "/pulls/" + itoa(pl.number)
	j := map[string]any{
		"url": p.api(path), "id": 52000 + pl.number, "number": pl.number, "state": state, "locked": false, "draft": false,
		"html_url": "https://git.platform.example/" + p.fullName() + "/pull/" + itoa(pl.number),
		"title":    pl.title, "body": pl.body, "user": userJSON(pl.author), "author_association": "MEMBER",
		"created_at": pl.opened, "updated_at": pl.updated, "closed_at": nil, "merged_at": nil, "merge_commit_sha": nil,
		"labels": []any{}, "assignees": []any{}, "requested_reviewers": []any{}, "auto_merge": nil,
		"head": map[string]any{"label": p.world.Owner + ":" + pl.branch, "ref": pl.branch, "sha": pl.head.sha, "user": userJSON(pl.author), "repo": repo},
		"base": map[string]any{"label": p.world.Owner + ":" + mainBranch, "ref": mainBranch, "sha": pl.base.sha, "repo": repo},
	}
	if !pl.closed.IsZero() {
		j["closed_at"] = pl.closed
	}
	if pl.landed != nil {
		j["merged_at"], j["merge_commit_sha"] = pl.merged, pl.landed.sha
	}
	if !detail {
		return j
	}
	add, del := 0, 0
	for _, f := range pl.files {
		add, del = add+f.add, del+f.del
	}
	j["merged"], j["merged_by"] = pl.landed != nil, nil
	if pl.landed != nil {
		j["merged_by"] = userJSON(pl.merger)
	}
	j["mergeable"], j["mergeable_state"], j["rebaseable"] = pl.closed.IsZero(), "clean", false
	j["comments"], j["review_comments"], j["maintainer_can_modify"] = 0, 0, false
	j["commits"], j["additions"], j["deletions"], j["changed_files"] = len(pl.commits), add, del, len(pl.files)
	return j
}

func (p *Platform) ghReviews(r *http.Request) (int, any) {
	pl := p.find(r)
	if pl == nil {
		return notFound("Not Found")
	}
	l := list{}
	for _, rv := range pl.reviews {
		l.items = append(l.items, map[string]any{"id": rv.id, "node_id": "PRR_" + strconv.FormatInt(rv.id, 10), "user": userJSON(rv.by),
			"body": rv.body, "state": rv.state, "submitted_at": rv.at, "commit_id": rv.commit, "author_association": "MEMBER",
			"html_url":         "https://git.platform.example/" + p.fullName() + "/pull/" + itoa(pl.number) + "#pullrequestreview-" + strconv.FormatInt(rv.id, 10),
			"pull_request_url": p.api("/pulls/" + itoa(pl.number))})
	}
	return http.StatusOK, l
}

func (p *Platform) ghPullCommits(r *http.Request) (int, any) {
	pl := p.find(r)
	if pl == nil {
		return notFound("Not Found")
	}
	l := list{}
	for _, c := range pl.commits {
		l.items = append(l.items, p.commitJSON(c, false))
	}
	return http.StatusOK, l
}

func (p *Platform) ghFiles(r *http.Request) (int, any) {
	pl := p.find(r)
	if pl == nil {
		return notFound("Not Found")
	}
	return http.StatusOK, list{items: filesJSON(pl.files)}
}

func (p *Platform) ghProtection(r *http.Request) (int, any) {
	name := r.PathValue("branch")
	if p.git.branches[name] == nil {
		return notFound("Branch not found")
	}
	if name != mainBranch {
		return notFound("Branch not protected")
	}
	g := p.forge.guard
	url := p.api("/branches/" + name + "/protection")
	on := func(b bool) map[string]bool { return map[string]bool{"enabled": b} }
	return http.StatusOK, map[string]any{
		"url": url,
		"required_pull_request_reviews": map[string]any{"url": url + "/required_pull_request_reviews",
			"dismiss_stale_reviews": g.dismissStale, "require_code_owner_reviews": false,
			"require_last_push_approval": g.lastPush, "required_approving_review_count": g.approvals},
		"required_status_checks": map[string]any{"url": url + "/required_status_checks", "strict": false,
			"contexts": []string{"render"}, "checks": []any{map[string]any{"context": "render", "app_id": 15368}}},
		"enforce_admins":          map[string]any{"url": url + "/enforce_admins", "enabled": g.enforceAdmins},
		"required_signatures":     map[string]any{"url": url + "/required_signatures", "enabled": false},
		"required_linear_history": on(g.linearHistory), "allow_force_pushes": on(g.allowForcePush),
		"allow_deletions": on(g.allowDeletion), "block_creations": on(false),
		"required_conversation_resolution": on(false), "lock_branch": on(false), "allow_fork_syncing": on(false),
	}
}

// The one ruleset: nobody deletes main.
const rulesetID = 7001

func (p *Platform) ghRules(r *http.Request) (int, any) {
	if r.PathValue("branch") != mainBranch {
		return http.StatusOK, list{}
	}
	return http.StatusOK, list{items: []any{map[string]any{"type": "deletion", "ruleset_source_type": "Repository",
		"ruleset_source": p.fullName(), "ruleset_id": rulesetID}}}
}

func (p *Platform) rulesetJSON(detail bool) map[string]any {
	j := map[string]any{"id": rulesetID, "name": "keep main", "target": "branch", "source_type": "Repository", "source": p.fullName(),
		"enforcement": "active", "created_at": p.git.mains[0].from, "updated_at": p.git.mains[0].from}
	if detail {
		j["conditions"] = map[string]any{"ref_name": map[string]any{"include": []string{"~DEFAULT_BRANCH"}, "exclude": []string{}}}
		j["rules"] = []any{map[string]string{"type": "deletion"}}
		j["bypass_actors"] = []any{}
	}
	return j
}

func (p *Platform) ghRulesets(*http.Request) (int, any) {
	return http.StatusOK, list{items: []any{p.rulesetJSON(false)}}
}

func (p *Platform) ghRuleset(r *http.Request) (int, any) {
	if r.PathValue("id") != itoa(rulesetID) {
		return notFound("Not Found")
	}
	return http.StatusOK, p.rulesetJSON(true)
}
