package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hourlyLimit is the API's rate limit. It is shown, not enforced: simulated
// hours pass in a blink.
const hourlyLimit = 15000

func (p *Platform) forgeHandler() http.Handler {
	mux := http.NewServeMux()
	repo := "GET /repos/{owner}/{repo}"
	for path, h := range map[string]func(*http.Request) (int, any){
		"GET /user": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"login": "evidenced-reader", "id": 990300, "type": "User", "name": nil}
		},
		"GET /rate_limit": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"rate": map[string]any{"limit": hourlyLimit, "remaining": hourlyLimit - 1, "used": 1}}
		},
		repo:                                                p.ghRepo,
		repo + "/branches":                                  p.ghBranches,
		repo + "/branches/{branch}":                         p.ghBranch,
		repo + "/branches/{branch}/protection":              p.ghProtection,
		repo + "/rules/branches/{branch}":                   p.ghRules,
		repo + "/rulesets":                                  p.ghRulesets,
		repo + "/rulesets/{id}":                             p.ghRuleset,
		repo + "/commits":                                   p.ghCommits,
		repo + "/commits/{sha}":                             p.ghCommit,
		repo + "/commits/{sha}/pulls":                       p.ghCommitPulls,
		repo + "/compare/{range}":                           p.ghCompare,
		repo + "/activity":                                  p.ghActivity,
		repo + "/pulls":                                     p.ghPulls,
		repo + "/pulls/{number}":                            p.ghPull,
		repo + "/pulls/{number}/reviews":                    p.ghReviews,
		repo + "/pulls/{number}/commits":                    p.ghPullCommits,
		repo + "/pulls/{number}/files":                      p.ghFiles,
		repo + "/git/ref/heads/{branch...}":                 p.ghRef,
		repo + "/actions/runs":                              p.ghRuns,
		repo + "/actions/runs/{id}":                         p.ghRun,
		repo + "/actions/runs/{id}/jobs":                    p.ghJobs,
		repo + "/actions/runs/{id}/attempts/{attempt}":      p.ghRun,
		repo + "/actions/runs/{id}/attempts/{attempt}/jobs": p.ghJobs,
		repo + "/actions/runs/{id}/approvals":               ghNone,
		repo + "/commits/{sha}/check-runs":                  p.ghChecks,
		repo + "/commits/{sha}/statuses":                    ghNone,
		repo + "/deployments":                               ghNone,
		repo + "/collaborators":                             p.ghCollaborators,
		repo + "/teams":                                     ghNone,
		repo + "/keys":                                      ghNone,
		repo + "/rulesets/rule-suites":                      ghNone,
		"GET /orgs/{org}":                                   p.ghOrg,
		"GET /orgs/{org}/members":                           p.ghMembers,
		"GET /orgs/{org}/outside_collaborators":             ghNone,
		"GET /orgs/{org}/teams":                             ghNone,
		"GET /orgs/{org}/installations": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"total_count": 0, "installations": []any{}}
		},
		"GET /orgs/{org}/rulesets": ghNone,
	} {
		mux.HandleFunc(path, p.gh(h))
	}
	mux.HandleFunc("/", p.gh(func(*http.Request) (int, any) { return notFound("Not Found") }))
	api := http.NewServeMux()
	api.Handle("/api/v3/", http.StripPrefix("/api/v3", mux))
	api.Handle("/", mux)
	return p.gate("github", func(r *http.Request) bool { return bearer(r) == p.tokens["github"] },
		func(w http.ResponseWriter) {
			answer(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials",
				"documentation_url": "https://docs.github.com/rest", "status": "401"})
		}, api)
}

func notFound(text string) (int, any) {
	return http.StatusNotFound, map[string]string{"message": text, "documentation_url": "https://docs.github.com/rest", "status": "404"}
}

// list is an answer that comes in pages; wrap, when set, puts a page into its
// envelope.
type list struct {
	items []any
	wrap  func(page []any) any
}

// gh runs a handler under the lock and adds paging, ETag and rate headers.
func (p *Platform) gh(h func(*http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		status, body := p.ghRouted(r, h)
		if l, ok := body.(list); ok {
			page, link := paged(r, l.items)
			if link != "" {
				w.Header().Set("Link", link)
			}
			body = page
			if l.wrap != nil {
				body = l.wrap(page)
			}
		}
		raw := mustJSON(body)
		hour := p.now.Truncate(time.Hour)
		if p.rateHour != hour {
			p.rateHour, p.rateUsed = hour, 0
		}
		p.mu.Unlock()
		sum := sha256.Sum256(raw)
		etag := `W/"` + hex.EncodeToString(sum[:16]) + `"`
		hd := w.Header()
		hd.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
		hd.Set("X-GitHub-Media-Type", "github.v3; format=json")
		if status == http.StatusOK {
			hd.Set("ETag", etag)
			hd.Set("Cache-Control", "private, max-age=60, s-maxage=60")
		}
		fresh := status == http.StatusOK && r.Header.Get("If-None-Match") == etag
		p.rate(hd, hour, !fresh)
		if fresh {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		hd.Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(raw)
	}
}

// ghRouted refuses other repositories before the handler runs.
func (p *Platform) ghRouted(r *http.Request, h func(*http.Request) (int, any)) (int, any) {
	owner := r.PathValue("owner")
	if owner != "" && (!strings.EqualFold(owner, p.world.Owner) || !strings.EqualFold(r.PathValue("repo"), p.world.Repo)) {
		return notFound("Not Found")
	}
	return h(r)
}

func (p *Platform) rate(h http.Header, hour time.Time, counts bool) {
	p.mu.Lock()
	if counts {
		p.rateUsed++
	}
	used := p.rateUsed
	p.mu.Unlock()
	h.Set("X-RateLimit-Limit", itoa(hourlyLimit))
	h.Set("X-RateLimit-Remaining", itoa(max(hourlyLimit-used, 1)))
	h.Set("X-RateLimit-Used", itoa(used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(hour.Add(time.Hour).Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
}

// paged cuts a list and makes its Link header.
func paged(r *http.Request, items []any) ([]any, string) {
	q := r.URL.Query()
	size := number(q.Get("per_page"), 30, 100)
	page := number(q.Get("page"), 1, 1<<20)
	last := max((len(items)+size-1)/size, 1)
	from := min((page-1)*size, len(items))
	to := min(from+size, len(items))
	link := func(n int, rel string) string {
		q.Set("page", itoa(n))
		u := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: q.Encode()}
		return fmt.Sprintf(`<%s>; rel="%s"`, u.String(), rel)
	}
	var links []string
	if page > 1 {
		links = append(links, link(page-1, "prev"))
	}
	if page < last {
		links = append(links, link(page+1, "next"), link(last, "last"))
	}
	if page > 1 {
		links = append(links, link(1, "first"))
	}
	out := items[from:to]
	if out == nil {
		out = []any{}
	}
	return out, strings.Join(links, ", ")
}

// number reads a positive number with a default and a ceiling.
func number(s string, otherwise, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}

func (p *Platform) ghRepo(*http.Request) (int, any) {
	return http.StatusOK, map[string]any{
		"id": repoID, "name": p.world.Repo, "full_name": p.fullName(), "private": true, "visibility": "private",
		"default_branch": mainBranch, "archived": false, "disabled": false, "fork": false,
		"owner":     map[string]any{"login": p.world.Owner, "id": 990100, "type": "Organization"},
		"clone_url": p.world.RepoURL, "permissions": map[string]bool{"admin": true, "push": false, "pull": true},
		"created_at": p.git.mains[0].from, "pushed_at": p.lastPush(), "updated_at": p.lastPush(),
	}
}

const repoID = 7300001

func (p *Platform) fullName() string { return p.world.Owner + "/" + p.world.Repo }

func (p *Platform) lastPush() time.Time { return p.forge.pushes[len(p.forge.pushes)-1].at }

func (p *Platform) ghBranches(*http.Request) (int, any) {
	var names []string
	for n := range p.git.branches {
		names = append(names, n)
	}
	slices.Sort(names)
	var l list
	for _, n := range names {
		l.items = append(l.items, map[string]any{"name": n, "protected": n == mainBranch,
			"commit": map[string]string{"sha": p.git.branches[n].head.sha, "url": p.api("/commits/" + p.git.branches[n].head.sha)}})
	}
	return http.StatusOK, l
}

func (p *Platform) ghBranch(r *http.Request) (int, any) {
	name := r.PathValue("branch")
	b := p.git.branches[name]
	if b == nil {
		return notFound("Branch not found")
	}
	return http.StatusOK, map[string]any{"name": name, "protected": name == mainBranch, "commit": p.commitJSON(b.head, false)}
}

func (p *Platform) ghRef(r *http.Request) (int, any) {
	b := p.git.branches[r.PathValue("branch")]
	if b == nil {
		return notFound("Not Found")
	}
	return http.StatusOK, map[string]any{"ref": "refs/heads/" + r.PathValue("branch"),
		"object": map[string]string{"type": "commit", "sha": b.head.sha, "url": p.api("/git/commits/" + b.head.sha)}}
}

// resolve finds a commit by id or branch name.
func (p *Platform) resolve(name string) *commit {
	if name == "" {
		name = mainBranch
	}
	if b := p.git.branches[strings.TrimPrefix(name, "refs/heads/")]; b != nil {
		return b.head
	}
	return p.git.commits[name]
}

// reach lists what a commit reaches, newest first.
func (p *Platform) reach(from *commit) []*commit {
	seen := map[string]bool{}
	var out []*commit
	for queue := []*commit{from}; len(queue) > 0; {
		c := queue[0]
		queue = queue[1:]
		if c == nil || seen[c.sha] {
			continue
		}
		seen[c.sha] = true
		out = append(out, c)
		for _, parent := range c.parents {
			queue = append(queue, p.git.commits[parent])
		}
	}
	slices.SortStableFunc(out, func(a, b *commit) int {
		if n := b.at.Compare(a.at); n != 0 {
			return n
		}
		return strings.Compare(a.sha, b.sha)
	})
	return out
}

func (p *Platform) ghCommits(r *http.Request) (int, any) {
	q := r.URL.Query()
	head := p.resolve(q.Get("sha"))
	if head == nil {
		return notFound("Not Found")
	}
	since, _ := time.Parse(time.RFC3339, q.Get("since"))
	until, _ := time.Parse(time.RFC3339, q.Get("until"))
	var l list
	for _, c := range p.reach(head) {
		if c.at.Before(since) || !until.IsZero() && c.at.After(until) {
			continue
		}
		l.items = append(l.items, p.commitJSON(c, false))
	}
	return http.StatusOK, l
}

func (p *Platform) ghCommit(r *http.Request) (int, any) {
	c := p.resolve(r.PathValue("sha"))
	if c == nil {
		return http.StatusUnprocessableEntity, map[string]string{"message": "No commit found for SHA: " + r.PathValue("sha")}
	}
	return http.StatusOK, p.commitJSON(c, true)
}

func (p *Platform) ghCommitPulls(r *http.Request) (int, any) {
	l := list{}
	for _, pl := range p.forge.pulls {
		if pl.landed != nil && pl.landed.sha == r.PathValue("sha") ||
			slices.ContainsFunc(pl.commits, func(c *commit) bool { return c.sha == r.PathValue("sha") }) {
			l.items = append(l.items, p.pullJSON(pl, false))
		}
	}
	return http.StatusOK, l
}

func (p *Platform) ghCompare(r *http.Request) (int, any) {
	left, right, ok := strings.Cut(r.PathValue("range"), "...")
	base, head := p.resolve(left), p.resolve(right)
	if !ok || base == nil || head == nil {
		return notFound("Not Found")
	}
	below := map[string]bool{}
	for _, c := range p.reach(base) {
		below[c.sha] = true
	}
	var ahead []any
	common := 0
	var merged *commit
	for _, c := range p.reach(head) {
		if !below[c.sha] {
			ahead = append(ahead, p.commitJSON(c, false))
			continue
		}
		if common++; merged == nil {
			merged = c
		}
	}
	slices.Reverse(ahead)
	behind := len(below) - common
	word := "diverged"
	switch {
	case len(ahead) == 0 && behind == 0:
		word = "identical"
	case behind == 0:
		word = "ahead"
	case len(ahead) == 0:
		word = "behind"
	}
	return http.StatusOK, list{ahead, func(page []any) any {
		out := map[string]any{"status": word, "ahead_by": len(ahead), "behind_by": behind, "total_commits": len(ahead),
			"base_commit": p.commitJSON(base, false), "commits": page, "files": []any{}}
		if merged != nil {
			out["merge_base_commit"] = p.commitJSON(merged, false)
		}
		return out
	}}
}

func (p *Platform) ghActivity(*http.Request) (int, any) {
	l := list{}
	for i := len(p.forge.pushes) - 1; i >= 0; i-- {
		a := p.forge.pushes[i]
		l.items = append(l.items, map[string]any{"id": 61000 + i, "before": orZero(a.before), "after": orZero(a.after), "ref": a.ref,
			"timestamp": a.at, "activity_type": a.kind, "actor": userJSON(a.by)})
	}
	return http.StatusOK, l
}

func orZero(sha string) string {
	if sha == "" {
		return strings.Repeat("0", 40)
	}
	return sha
}
