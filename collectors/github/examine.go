package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// maxExamined bounds the repositories an examination asks about.
const maxExamined = 25

// probe is one question of an examination.
type probe struct {
	name  string // of the right
	path  string
	part  string // "" is always read
	needs string // permission, where GitHub does not name it in its answer
	kinds []evidence.Kind
	// plan says that not having it is a matter of the plan or the version.
	plan bool
}

func (c *Collector) repoProbes(repo, branch string) []probe {
	p := "repos/" + repo
	return []probe{
		{"repository " + repo, p, "", "Metadata: read", []evidence.Kind{evidence.ChangeRef}, false},
		{"commits of " + repo, p + "/commits?per_page=1", "", "Contents: read", []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRewrite}, false},
		{"pull requests of " + repo, p + "/pulls?state=all&per_page=1", "", "Pull requests: read", []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}, false},
		{"protection of branches of " + repo, p + "/branches/" + url.PathEscape(branch) + "/protection", "", "Administration: read", []evidence.Kind{evidence.ChangeProtection}, false},
		{"workflow runs of " + repo, p + "/actions/runs?per_page=1", partPipelines, "Actions: read", []evidence.Kind{evidence.PipelineRun}, false},
		{"checks of " + repo, p + "/commits/" + url.PathEscape(branch) + "/check-runs?per_page=1", partChecks, "Checks: read", []evidence.Kind{evidence.PipelineCheck}, false},
		{"deployments of " + repo, p + "/deployments?per_page=1", partDeployments, "Deployments: read", []evidence.Kind{evidence.DeployRelease}, false},
		{"pushes to " + repo, p + "/activity?per_page=1", partPushes, "Contents: read", []evidence.Kind{evidence.AccessAudit}, false},
		{"rule suites of " + repo, p + "/rulesets/rule-suites?per_page=1", partPushes, "Administration: read", []evidence.Kind{evidence.AccessAudit}, false},
		{"collaborators of " + repo, p + "/collaborators?per_page=1", partMembers, "Metadata: read", []evidence.Kind{evidence.AccessMember}, false},
		{"deploy keys of " + repo, p + "/keys?per_page=1", partMembers, "Administration: read", []evidence.Kind{evidence.AccessMember}, false},
	}
}

// examined is the branch that an examination asks about: the first configured
// one, or the repository's default. A repository that does not tell is asked
// about main.
func (c *Collector) examined(ctx context.Context, repo string) (string, error) {
	if len(c.cfg.Branches) > 0 {
		return c.cfg.Branches[0], nil
	}
	_, _, body, err := c.try(ctx, "repos/"+repo)
	if err != nil && (ctx.Err() != nil || forge.Ends(ctx, err)) {
		return "", err
	}
	var it struct {
		Default string `json:"default_branch"`
	}
	if json.Unmarshal(body, &it) != nil || it.Default == "" || forge.BadBranch.MatchString(it.Default) {
		return "main", nil
	}
	return it.Default, nil
}

func orgProbes(org string) []probe {
	p := "orgs/" + org
	return []probe{
		{"members of " + org, p + "/members?per_page=1", partMembers, "organisation Members: read", []evidence.Kind{evidence.AccessMember}, false},
		{"apps installed in " + org, p + "/installations?per_page=1", partMembers, "organisation Administration: read", []evidence.Kind{evidence.AccessMember}, false},
		{"audit log of " + org, p + "/audit-log?order=asc&per_page=1", partAudit, "organisation Administration: read, on a plan that has an audit log", []evidence.Kind{evidence.AccessAudit}, true},
	}
}

// Examine implements collectors.Examiner.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	c.fetch.ResetStats()
	x := collectors.Examination{}
	status, head, body, err := c.try(ctx, "user")
	switch {
	case status == http.StatusForbidden || status == http.StatusNotFound:
		x.Identity = "token without an account (app installation)"
	case err != nil:
		return x, err
	default:
		var u struct {
			ID int64 `json:"id"`
		}
		if json.Unmarshal(body, &u) != nil || u.ID <= 0 {
			return x, fmt.Errorf("the answer to %q is not what the API describes: check that url is the base of a GitHub REST API", "user")
		}
		x.Identity = fmt.Sprintf("account %d", u.ID)
	}
	x.Version = head.Get("X-GitHub-Enterprise-Version")
	x.Expires = expiry(head.Get("GitHub-Authentication-Token-Expiration"))
	x.Rights = append(x.Rights, scopes(head)...)
	var probes []probe
	for i, r := range c.cfg.Repos {
		if i == maxExamined {
			x.Rights = append(x.Rights, collectors.Right{Name: fmt.Sprintf("%d more repositories", len(c.cfg.Repos)-i), Access: collectors.Untold, Hint: "they were not asked about"})
			break
		}
		branch, err := c.examined(ctx, r)
		if err != nil {
			return x, err
		}
		probes = append(probes, c.repoProbes(r, branch)...)
	}
	for _, o := range c.organisations() {
		probes = append(probes, orgProbes(o)...)
	}
	for _, h := range c.cfg.Homes {
		probes = append(probes, probe{"members of the home " + h, teamPath(h) + "?per_page=1", "", "organisation Members: read", nil, false})
	}
	for _, p := range probes {
		if p.part != "" && !c.reads(p.part) {
			continue
		}
		right, err := c.ask(ctx, p, &x)
		if err != nil {
			return x, err
		}
		x.Rights = append(x.Rights, right)
	}
	st := c.fetch.Stats()
	x.Offset, x.OffsetOK, x.Requests = st.Offset, st.OffsetOK, st.Requests
	return x, nil
}

// ask tries one right.
func (c *Collector) ask(ctx context.Context, p probe, x *collectors.Examination) (collectors.Right, error) {
	status, head, body, err := c.try(ctx, p.path)
	r := collectors.Right{Name: p.name, Access: collectors.Readable, Kinds: p.kinds}
	needs := p.needs
	if named := head.Get("X-Accepted-GitHub-Permissions"); named != "" {
		needs = forge.Clean(strings.NewReplacer("=", ": ", ";", " and").Replace(forge.Short(named)))
	}
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case err == nil:
		if strings.HasPrefix(p.name, "audit log") {
			x.Oldest = append(x.Oldest, oldestEntry(p.name, body))
		}
	case status == http.StatusNotFound && strings.Contains(p.path, "/protection") && strings.Contains(string(body), "Branch not protected"):
	case status == http.StatusNotFound && p.plan:
		r.Access, r.Hint = collectors.Absent, "the plan does not have it, or the credential lacks "+needs
	case status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusGone:
		r.Access, r.Hint = collectors.Missing, "add the permission "+needs
		if strings.HasPrefix(p.name, "repository ") {
			r.Hint = "it is not there, or the credential was not given this repository (" + needs + ")"
		}
	case status == http.StatusConflict: // an empty repository
		r.Access, r.Hint = collectors.Absent, "the repository is empty"
	case status == http.StatusUnprocessableEntity || status == http.StatusBadRequest:
		r.Access, r.Hint = collectors.Untold, "this version answers the question with an error"
	default:
		return r, err
	}
	return r, nil
}

func oldestEntry(what string, body []byte) collectors.Oldest {
	var list []struct {
		At json.Number `json:"@timestamp"`
	}
	o := collectors.Oldest{What: what, Kept: "180 days, git events 7 days"}
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		o.At = millis(list[0].At)
	}
	return o
}

// try asks once, and returns the answer's status and headers also when it is an
// error.
func (c *Collector) try(ctx context.Context, path string) (int, http.Header, []byte, error) {
	req, err := c.gh.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return 0, http.Header{}, nil, err
	}
	var buf bytes.Buffer
	resp, err := c.gh.Do(ctx, req, &buf)
	if err == nil {
		return resp.StatusCode, resp.Header, buf.Bytes(), nil
	}
	ours := c.explain(ctx, req, err)
	var er *gh.ErrorResponse
	if errors.As(err, &er) && er.Response != nil {
		return er.Response.StatusCode, er.Response.Header, []byte(er.Message), ours
	}
	return fetch.Status(ours), http.Header{}, nil, ours
}

// expiry reads when a token ends, as GitHub writes it; zero when it does not.
func expiry(s string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// readScopes are the scopes of classic tokens that only read.
var readScopes = []string{"read:org", "read:audit_log", "read:enterprise", "read:user", "user:email", "read:repo_hook", "read:packages", "repo:status", "public_repo:read"}

// scopes tells what a classic token may do beyond reading. Fine-grained tokens
// and app installations have no such header: GitHub shows their permissions to
// their owner alone.
func scopes(head http.Header) []collectors.Right {
	list, told := head["X-Oauth-Scopes"]
	if !told {
		return []collectors.Right{{Name: "whether the credential may write", Access: collectors.Untold,
			Hint: "it is a fine-grained token or an app: look at its permissions in GitHub's settings, all must be read-only"}}
	}
	var out []collectors.Right
	for _, s := range strings.Split(strings.Join(list, ","), ",") {
		s = forge.Clean(strings.TrimSpace(s))
		if s == "" || slices.Contains(readScopes, s) {
			continue
		}
		out = append(out, collectors.Right{Name: "scope " + forge.Short(s), Access: collectors.Excess,
			Hint: "a classic token of this scope may write: use an app installation or a fine-grained token with read permissions"})
	}
	return out
}
