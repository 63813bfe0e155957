package gitlab

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// releases reads every deployment that was updated since the last look.
func (r *projectLook) releases() error {
	st := &r.st.Releases
	floor := r.floor(st, r.cfg.History)
	others := map[int]bool{} // to environments that are not asked for
	list, err := r.sweep("deployments", r.api+"/deployments", &gl.ListProjectDeploymentsOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, OrderBy: gl.Ptr("updated_at"), Sort: gl.Ptr("desc"), UpdatedAfter: after(floor),
	}, st, floor, func(raw json.RawMessage, p *page) (listed, error) {
		var b struct {
			brief
			Environment gl.Environment `json:"environment"`
		}
		err := decodeItem(p, raw, &b)
		if len(r.cfg.Environments) > 0 && !slices.Contains(r.cfg.Environments, b.Environment.Name) {
			others[b.ID] = true
		}
		return listed{id: b.ID, updated: when(b.Updated)}, err
	})
	if refused(err) {
		return r.without("deployments", st.Looked, err, evidence.DeployRelease)
	}
	if err != nil {
		return err
	}
	oldest := time.Time{}
	for i, it := range list {
		if !others[it.id] && !st.Recent.Settled(int64(it.id), it.updated) {
			err := r.release(it.id)
			if err == nil {
				st.Recent.Read(int64(it.id), it.updated, r.started)
			} else if err := r.spoil("project "+strconv.Itoa(r.id), st, err); err != nil {
				return err
			}
		}
		if oldest.IsZero() {
			oldest = it.updated
		}
		st.At = newer(st.At, it.updated)
		if i%10 == 9 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	r.again(st, list)
	r.claimList(r.ref, st, r.cfg.History, oldest, r.created, "", evidence.DeployRelease)
	return nil
}

// deployment is one deployment. The library's type has no approvals.
type deployment struct {
	gl.Deployment
	approvals []releaseApproval
	pending   int
	tier      string // of its environment; empty where it is not told
	page      *page
}

type releaseApproval struct {
	User   *gl.BasicUser `json:"user"`
	Status string        `json:"status"` // approved, rejected
	At     *time.Time    `json:"created_at"`
}

func (r *projectLook) release(id int) error {
	p, err := r.get(r.ctx, r.api+"/deployments/"+strconv.Itoa(id), nil)
	if err != nil {
		return err
	}
	d, err := readDeployment(p, id)
	if err != nil {
		return err
	}
	if r.envs == nil {
		if r.envs, err = r.environments(); err != nil {
			return err
		}
	}
	if d.tier, err = r.tier(d); err != nil {
		return err
	}
	return r.emit(r.releaseDraft(d))
}

func readDeployment(p *page, id int) (*deployment, error) {
	d := &deployment{page: p}
	if err := decode(p, &d.Deployment); err != nil {
		return nil, err
	}
	var more struct {
		Approvals []releaseApproval `json:"approvals"`
		Pending   int               `json:"pending_approval_count"`
	}
	if err := decode(p, &more); err != nil {
		return nil, err
	}
	if d.ID != id {
		return nil, odd(p, "another deployment than was asked for")
	}
	if d.Environment == nil || d.Environment.Name == "" {
		return nil, oddItem(p, "a deployment without an environment")
	}
	d.approvals, d.pending = more.Approvals, more.Pending
	return d, nil
}

// environments are the protected environments of a project and of the groups
// above it, where the edition has them and the credential sees them.
type environments struct {
	seen      bool
	protected map[string]*gl.ProtectedEnvironment
	aboveSeen bool
	tiers     []tierGuard
	tierOf    map[int]string // of environments, by their id
}

func (r *projectLook) environments() (e *environments, err error) {
	e = &environments{protected: map[string]*gl.ProtectedEnvironment{}, tierOf: map[int]string{}}
	if e.tiers, e.aboveSeen, err = r.above(); err != nil {
		return nil, err
	}
	var odd error
	_, err = r.list(r.ctx, r.api+"/protected_environments", &gl.ListProtectedEnvironmentsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
		var pe gl.ProtectedEnvironment
		err := decodeItem(p, raw, &pe)
		if err == nil && pe.Name == "" {
			err = oddItem(p, "a protected environment without a name")
		}
		if forge.Odd(err) != nil {
			odd = err
			return nil
		}
		if err == nil {
			e.protected[pe.Name] = &pe
		}
		return err
	})
	if refused(err) {
		r.note("protected environments are not available at this tier or hidden from this credential")
		e.protected = nil
		return e, nil
	}
	if odd != nil && err == nil {
		// The others are known; of an environment that is not among them it is not
		// known that nothing guards it.
		r.missing = forge.AddOnce(r.missing, "project "+strconv.Itoa(r.id)+": "+odd.Error())
	}
	e.seen = err == nil && odd == nil
	return e, err
}

// environment is an environment's name as facts may hold it. Those of review
// apps are made of branch names, which may name people: below the first slash
// they stand as a hash, unless the configuration or a guard names them.
func (r *projectLook) environment(name string) string {
	folder, rest, ok := strings.Cut(name, "/")
	if !ok || slices.Contains(r.cfg.Environments, name) || r.envs != nil && r.envs.protected[name] != nil {
		return label(name)
	}
	return path.Join(label(folder), "other-"+forge.HashID(strconv.Itoa(r.id)+"/"+rest))
}

func releaseStatus(s string) string {
	if s == "skipped" {
		return "inactive"
	}
	return status(s)
}

func (r *projectLook) releaseDraft(d *deployment) evidence.Draft {
	who := newPeople(r.Collector)
	f := evidence.ReleaseFacts{
		Repo: r.path, ID: strconv.Itoa(d.ID), Environment: r.environment(d.Environment.Name), SHA: forge.ObjectOrNone(d.SHA), Ref: r.public(d.Ref),
		Status: releaseStatus(d.Status), Native: word(d.Status), CreatedAt: when(d.CreatedAt), UpdatedAt: when(d.UpdatedAt),
		FinishedAt: when(d.Deployable.FinishedAt), Actor: -1, Pending: d.pending,
	}
	if d.Deployable.Tag {
		f.Ref = label(d.Ref)
	}
	if u := d.User; u != nil {
		f.Actor = who.account(evidence.RoleInitiator, u.ID, u.Username, u.Name, "")
	}
	// The job and its commit stand in Raw with their people.
	if u := d.Deployable.User; u != nil {
		who.account(evidence.RoleInitiator, u.ID, u.Username, u.Name, u.Email)
	}
	if c := d.Deployable.Commit; c != nil {
		who.Claimed(evidence.RoleAuthor, c.AuthorName, c.AuthorEmail)
		who.Claimed(evidence.RoleCommitter, c.CommitterName, c.CommitterEmail)
	}
	links := commitLinks(d.SHA)
	if id := d.Deployable.Pipeline.ID; id > 0 {
		f.Pipeline = strconv.Itoa(id)
		links = append(links, r.pipelineRef(r.path, id))
	}
	for _, a := range d.approvals {
		if len(f.Approvals) < maxRules {
			f.Approvals = append(f.Approvals, evidence.ReleaseApproval{Person: who.user(evidence.RoleApprover, a.User), State: word(a.Status), At: when(a.At)})
		}
	}
	if r.envs != nil {
		guards, sure := r.envs.guards(d.Environment.Name, d.tier)
		f.Rules, f.Required = approvalsOf(guards)
		// That somebody has to approve shows that it is protected, whoever's guard
		// asks for it.
		if is := len(guards) > 0 || len(d.approvals) > 0 || d.pending > 0 || d.Status == "blocked"; is || sure {
			set(&f.Protected, is)
		}
	}
	dr := r.draft(evidence.DeployRelease, evidence.OpEvent, d.page.req, f)
	if at := newer(f.CreatedAt, f.FinishedAt); !at.IsZero() {
		dr.OccurredAt, dr.Basis = at, evidence.BasisSource
	}
	dr.Key = r.key("/%d", d.ID)
	dr.Subject = evidence.NewRef("release", r.authority, r.path+"/"+strconv.Itoa(d.ID))
	dr.People = who.List
	dr.Links = links
	dr.Scope = append(dr.Scope, evidence.NewRef("label", r.authority, "environment="+f.Environment))
	dr.Raw = d.page.body
	if d.User != nil {
		dr.ActorScope = r.homes.Scope(int64(d.User.ID), dr.OccurredAt)
	} else {
		dr.ActorScope = r.actor(nil, dr.OccurredAt)
	}
	return dr
}
