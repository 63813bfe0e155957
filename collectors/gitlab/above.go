package gitlab

import (
	"encoding/json"
	"strconv"
	"strings"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// tierGuard is a protected environment of a group. Its name is a tier, such as
// production, and it holds for the environments of that tier of all projects below
// the group, beside what the project itself protects.
// See https://docs.gitlab.com/ci/environments/protected_environments/#group-level-protected-environments
type tierGuard struct {
	group string
	gl.ProtectedEnvironment
}

// groupGuards are the protected environments of one group.
type groupGuards struct {
	seen  bool
	tiers []tierGuard
}

// above reads the protected environments of all groups above a project, each group
// once in a look; seen is false when those of one of them are hidden.
func (r *projectLook) above() (tiers []tierGuard, seen bool, err error) {
	seen = true
	for i, c := range r.path {
		if c != '/' {
			continue
		}
		g, err := r.groupGuards(r.path[:i])
		if err != nil {
			return nil, false, err
		}
		tiers, seen = append(tiers, g.tiers...), seen && g.seen
	}
	return tiers, seen, nil
}

func (l *look) groupGuards(path string) (*groupGuards, error) {
	if g := l.tiers[path]; g != nil {
		return g, nil
	}
	g := &groupGuards{seen: true}
	_, err := l.list(l.ctx, l.groupAPI(path)+"/protected_environments", &gl.ListGroupProtectedEnvironmentsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
		t := tierGuard{group: path}
		err := decodeItem(p, raw, &t.ProtectedEnvironment)
		if err == nil && t.Name == "" {
			err = oddItem(p, "a protected environment without a name")
		}
		if forge.Odd(err) != nil {
			// The others are known, and that they are not all.
			g.seen = false
			l.missing = forge.AddOnce(l.missing, "a group above a project: "+err.Error())
			return nil
		}
		if err == nil {
			g.tiers = append(g.tiers, t)
		}
		return err
	})
	if refused(err) {
		l.note("protected environments of a group are not available at this tier or hidden from this credential")
		g, err = &groupGuards{}, nil
	}
	if err != nil {
		return nil, err
	}
	if l.tiers == nil {
		l.tiers = map[string]*groupGuards{}
	}
	l.tiers[path] = g
	return g, nil
}

// groupAPI is where a group above a project is asked for.
func (l *look) groupAPI(path string) string {
	for _, g := range l.groups {
		if strings.EqualFold(g.path, path) {
			return "groups/" + strconv.Itoa(g.id)
		}
	}
	return "groups/" + gl.PathEscape(path)
}

// rulesAbove are the approval rules of the groups above a project, which count on all
// protected branches, each group's read once in a look. They are an experiment of
// GitLab's behind a flag: where a group's are hidden or not there, which GitLab does
// not tell apart, nothing is known of them.
// See https://docs.gitlab.com/api/merge_request_approvals/#group-approval-rules
func (r *projectLook) rulesAbove() (rules []*approvalRule, err error) {
	for i, c := range r.path {
		if c != '/' {
			continue
		}
		of, ok := r.ruled[r.path[:i]]
		if !ok {
			if of, err = r.groupRules(r.path[:i]); err != nil {
				return nil, err
			}
			if r.ruled == nil {
				r.ruled = map[string][]*approvalRule{}
			}
			r.ruled[r.path[:i]] = of
		}
		rules = append(rules, of...)
	}
	return rules, nil
}

func (l *look) groupRules(path string) (rules []*approvalRule, err error) {
	_, err = l.list(l.ctx, l.groupAPI(path)+"/approval_rules", &gl.GetProjectApprovalRulesListsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
		ru := &approvalRule{group: path}
		if err := decodeItem(p, raw, ru); err != nil {
			return err
		}
		if ru.ID <= 0 {
			return oddItem(p, "an approval rule without an id")
		}
		ru.AppliesToAllProtectedBranches, ru.ProtectedBranches = true, nil
		rules = append(rules, ru)
		return nil
	})
	if refused(err) {
		l.note("approval rules of a group are not available on this server or hidden from this credential: a request may need more approvals than its project asks for")
		return nil, nil
	}
	return rules, err
}

// tier is that of a deployment's environment, asked for where some group guards
// one and the deployment does not tell; empty when it is not told.
func (r *projectLook) tier(d *deployment) (string, error) {
	e := d.Environment
	if e.Tier != "" || len(r.envs.tiers) == 0 || e.ID <= 0 {
		return e.Tier, nil
	}
	if t, ok := r.envs.tierOf[e.ID]; ok {
		return t, nil
	}
	p, err := r.get(r.ctx, r.api+"/environments/"+strconv.Itoa(e.ID), nil)
	if refused(err) {
		r.note("the tier of an environment is hidden from this credential")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var told struct {
		ID   int    `json:"id"`
		Tier string `json:"tier"`
	}
	if err := decode(p, &told); err != nil {
		return "", err
	}
	if told.ID != e.ID {
		return "", odd(p, "another environment than was asked for")
	}
	r.envs.tierOf[e.ID] = told.Tier
	return told.Tier, nil
}

// guards are what the project and the groups above it lay down about an
// environment of a tier; sure is false when there may be more.
func (e *environments) guards(name, tier string) (list []tierGuard, sure bool) {
	if own := e.protected[name]; own != nil {
		list = append(list, tierGuard{ProtectedEnvironment: *own})
	}
	for _, t := range e.tiers {
		if tier != "" && t.Name == tier {
			list = append(list, t)
		}
	}
	return list, e.seen && e.aboveSeen && (len(e.tiers) == 0 || tier != "")
}

// approvalsOf tells the rules of guards, and how many approvals they ask for: what
// the rules ask for together, or the one number of older servers.
func approvalsOf(guards []tierGuard) (rules []evidence.ReleaseRule, need int) {
	number := 0
	for _, g := range guards {
		number = max(number, g.RequiredApprovalCount)
		for _, ru := range g.ApprovalRules {
			if ru == nil {
				continue
			}
			need += ru.RequiredApprovalCount
			if len(rules) < maxRules {
				rules = append(rules, evidence.ReleaseRule{
					Group: g.group, Required: ru.RequiredApprovalCount,
					By: allowed(&gl.BranchAccessDescription{AccessLevel: ru.AccessLevel, UserID: ru.UserID, GroupID: ru.GroupID}),
				})
			}
		}
	}
	return rules, max(need, number)
}
