package gitlab

import (
	"encoding/json"
	"strconv"
	"strings"

	gl "github.com/xanzy/go-gitlab"

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
	id := gl.PathEscape(path)
	for _, g := range l.groups {
		if strings.EqualFold(g.path, path) {
			id = strconv.Itoa(g.id)
		}
	}
	g := &groupGuards{seen: true}
	_, err := l.list(l.ctx, "groups/"+id+"/protected_environments", &gl.ListGroupProtectedEnvironmentsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
		t := tierGuard{group: path}
		if err := decodeItem(p, raw, &t.ProtectedEnvironment); err != nil {
			return err
		}
		g.tiers = append(g.tiers, t)
		return nil
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
