package gitlab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// maxExamined bounds the projects and the groups an examination asks about: a
// token of a group has the same role in all of them, as a rule.
const maxExamined = 10

// Examine implements collectors.Examiner. Everything that a look reads is tried
// once at each of the first projects and groups that can be listed.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	c.fetch.ResetStats()
	x := &examination{look: &look{Collector: c, cur: &cursor{}, ctx: ctx, started: c.env.Clock().UTC()}}
	err := x.all()
	st := c.fetch.Stats()
	x.out.Identity, x.out.Offset, x.out.OffsetOK, x.out.Requests = x.identity, st.Offset, st.OffsetOK, st.Requests
	return x.out, err
}

type examination struct {
	*look
	out        collectors.Examination
	enterprise bool // what the server says of its edition
	told       bool
}

func (x *examination) add(name string, a collectors.Access, hint string, kinds ...evidence.Kind) {
	x.out.Rights = append(x.out.Rights, collectors.Right{Name: name, Access: a, Kinds: kinds, Hint: hint})
}

func (x *examination) all() error {
	if err := x.token(); err != nil {
		return err
	}
	if err := x.version(); err != nil {
		return err
	}
	if err := x.inventory(); err != nil {
		if !refused(err) {
			return err
		}
		x.add("projects", collectors.Missing, "give the token's account a role in every group and project that is configured, or correct their names", x.Kinds()...)
		return nil
	}
	x.add(fmt.Sprintf("%d projects", len(x.projects)), collectors.Readable, "")
	for _, h := range x.cfg.Homes {
		if err := x.try("members of the home "+h, homeAPI(strings.TrimSuffix(h, "/")), &gl.ListOptions{PerPage: 1}, "", "a role in the group"); err != nil {
			return err
		}
	}
	for _, p := range x.projects[:min(len(x.projects), maxExamined)] {
		if err := x.project(p); err != nil {
			return err
		}
	}
	for _, g := range x.groups[:min(len(x.groups), maxExamined)] {
		if err := x.group(g); err != nil {
			return err
		}
	}
	if n := len(x.projects) - maxExamined; n > 0 {
		x.add(fmt.Sprintf("%d more projects", n), collectors.Untold, "each run notes what it could not read of them")
	}
	if x.cfg.InstanceAudit {
		return x.auditRight("audit events of the server", "audit_events", "an account that is administrator or auditor")
	}
	return nil
}

func (x *examination) group(g group) error {
	api := "groups/" + strconv.Itoa(g.id)
	one := &gl.ListOptions{PerPage: 1}
	if err := x.try("members of "+g.path, api+"/members/all", one, "", "a role in the group", evidence.AccessMember); err != nil {
		return err
	}
	if err := x.try("access tokens of "+g.path, api+"/access_tokens", one, "", "the role Owner in the group", evidence.AccessMember); err != nil {
		return err
	}
	if err := x.try("protected environments of "+g.path, api+"/protected_environments", one, premium, "the role Maintainer in the group", evidence.DeployRelease); err != nil {
		return err
	}
	if x.cfg.InstanceAudit {
		return nil
	}
	return x.auditRight("audit events of "+g.path, api+"/audit_events", "the role Owner in the group")
}

// token reads what the token may do and when it ends.
func (x *examination) token() error {
	p, err := x.get(x.ctx, "personal_access_tokens/self", nil)
	if refused(err) {
		x.add("scopes of the token", collectors.Untold, "use a group access token: the server tells its scopes and its end")
		return x.account()
	}
	if fetch.Status(err) == http.StatusUnauthorized {
		return problem.Wrap(problem.Credential, err, "the server refuses the token").
			WithHint("it expired, was revoked or is wrong: make a new one of scope read_api and put it into token_file")
	}
	if err != nil {
		return err
	}
	var t gl.PersonalAccessToken
	if err := decode(p, &t); err != nil {
		return err
	}
	if t.ID <= 0 {
		return odd(p, "no token")
	}
	x.identity = "account " + strconv.Itoa(t.UserID) + ", token " + strconv.Itoa(t.ID)
	x.out.Expires = whenDay(t.ExpiresAt)
	var over []string
	for _, s := range t.Scopes {
		if writes(s) {
			over = append(over, word(s))
		}
	}
	slices.Sort(over)
	if len(over) > 0 {
		x.add("scope "+strings.Join(over, ", "), collectors.Excess, "make a token of scope read_api alone")
	}
	if slices.Contains(t.Scopes, "read_api") || slices.Contains(t.Scopes, "api") {
		x.add("scope read_api", collectors.Readable, "")
	} else {
		x.add("scope read_api", collectors.Missing, "make a token of scope read_api", x.Kinds()...)
	}
	return nil
}

func (x *examination) version() error {
	p, err := x.get(x.ctx, "metadata", nil)
	if fetch.Status(err) != 0 {
		return nil // older servers do not tell
	}
	if err != nil {
		return err
	}
	var m gl.Metadata
	if err := decode(p, &m); err != nil {
		return err
	}
	x.out.Version, x.enterprise, x.told = label(m.Version), m.Enterprise, true
	return nil
}

// try asks for one thing. need is what to add when it is refused; tier names
// the edition that has it, "" for all of them.
func (x *examination) try(name, path string, opt any, tier, need string, kinds ...evidence.Kind) error {
	_, err := x.get(x.ctx, path, opt)
	switch {
	case err == nil:
		x.add(name, collectors.Readable, "", kinds...)
	case refused(err) && tier != "" && x.told && !x.enterprise:
		x.add(name, collectors.Absent, "this edition does not have it: "+tier, kinds...)
	case refused(err) && tier != "":
		x.add(name, collectors.Missing, need+"; the edition must be "+tier, kinds...)
	case refused(err):
		x.add(name, collectors.Missing, need, kinds...)
	default:
		return err
	}
	return nil
}

const premium = "Premium or Ultimate"

func (x *examination) project(p project) error {
	api := "projects/" + strconv.Itoa(p.id)
	one := &gl.ListOptions{PerPage: 1}
	tries := []struct {
		name, path, tier, need string
		kinds                  []evidence.Kind
	}{
		{"branches", "/repository/branches", "", "a role that reads the repository: Reporter", []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeRewrite}},
		{"merge requests", "/merge_requests", "", "the role Reporter", []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}},
		{"pipelines", "/pipelines", "", "the role Reporter", []evidence.Kind{evidence.PipelineRun, evidence.PipelineReport}},
		{"deployments", "/deployments", "", "the role Reporter", []evidence.Kind{evidence.DeployRelease}},
		{"members", "/members/all", "", "the role Reporter", []evidence.Kind{evidence.AccessMember}},
		{"protected branches", "/protected_branches", "", "the role Maintainer", []evidence.Kind{evidence.ChangeProtection}},
		{"access tokens", "/access_tokens", "", "the role Maintainer", []evidence.Kind{evidence.AccessMember}},
		{"deploy keys", "/deploy_keys", "", "the role Maintainer", []evidence.Kind{evidence.AccessMember}},
		{"push rules", "/push_rule", premium, "the role Maintainer", []evidence.Kind{evidence.ChangeProtection}},
		{"approval rules", "/approval_rules", premium, "the role Maintainer", []evidence.Kind{evidence.ChangeProtection, evidence.ChangeMerge}},
		{"approval settings", "/merge_request_approval_setting", premium, "the role Maintainer", []evidence.Kind{evidence.ChangeProtection}},
		{"protected environments", "/protected_environments", premium, "the role Maintainer", []evidence.Kind{evidence.DeployRelease}},
	}
	for _, t := range tries {
		if err := x.try(t.name+" of "+p.path, api+t.path, one, t.tier, t.need, t.kinds...); err != nil {
			return err
		}
	}
	if x.cfg.InstanceAudit {
		return nil
	}
	if err := x.auditRight("audit events of "+p.path, api+"/audit_events", "the role Maintainer or Owner"); err != nil {
		return err
	}
	return x.oldest(p, api)
}

func (x *examination) auditRight(name, path, need string) error {
	return x.try(name, path, &gl.ListAuditEventsOptions{ListOptions: gl.ListOptions{Pagination: "keyset", OrderBy: "id", Sort: "desc", PerPage: 1}}, premium, need, evidence.AccessAudit)
}

// oldest finds how far back pipelines reach: owners and automatic clean-up
// delete them.
func (x *examination) oldest(p project, api string) error {
	pg, err := x.get(x.ctx, api+"/pipelines", &gl.ListProjectPipelinesOptions{ListOptions: gl.ListOptions{PerPage: 1}, OrderBy: gl.Ptr("id"), Sort: gl.Ptr("asc")})
	if fetch.Status(err) != 0 {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := items(pg)
	if err != nil {
		return err
	}
	o := collectors.Oldest{What: "pipelines of " + p.path, Kept: "until somebody or a clean-up rule deletes them"}
	for _, raw := range list {
		var it struct {
			gl.PipelineInfo
		}
		if err := json.Unmarshal(raw, &it); err == nil {
			o.At = when(it.CreatedAt)
		}
	}
	x.out.Oldest = append(x.out.Oldest, o)
	return nil
}
