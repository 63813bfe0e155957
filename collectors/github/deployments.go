package github

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// deploymentsState is how far the deployments of a repository were read.
type deploymentsState struct {
	Until  time.Time `json:"until,omitzero"`
	Looked time.Time `json:"looked,omitzero"`
	Open   []int64   `json:"open,omitempty"` // not over when they were read
	// Recent are the deployments that the next look will list again.
	Recent forge.Recent `json:"recent,omitempty"`
}

// runInURL finds the workflow run in the address of a deployment's log.
var runInURL = regexp.MustCompile(`/actions/runs/([0-9]+)(/|$)`)

// deployments reads those created since the last look, and those that were not
// over then. The list is newest first; it is read whole to the last look before
// anything is emitted, oldest first.
func (r *repoLook) deployments() error {
	st := &r.st.Deployments
	if !r.due(partDeployments, st.Looked) {
		return nil
	}
	floor := r.horizon()
	if !st.Until.IsZero() {
		floor = st.Until.Add(-r.cfg.Overlap)
	}
	type item struct {
		d   gh.Deployment
		raw json.RawMessage
		p   *page
	}
	var list []item
	seen := map[int64]bool{}
	err := r.pages(r.ctx, r.path+"/deployments?per_page=100", func(p *page) (bool, error) {
		raws, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range raws {
			it := item{raw: raw, p: p}
			err := decode(p.item(raw), &it.d)
			at := when(it.d.GetCreatedAt())
			if err == nil && (it.d.GetID() <= 0 || at.IsZero() || !forge.ObjectID.MatchString(it.d.GetSHA())) {
				err = oddItem(p, "a deployment without an id, a time or a commit")
			}
			if err != nil {
				if err = r.spoil(partDeployments, err); err != nil {
					return false, err
				}
				continue
			}
			if at.Before(floor) {
				return false, nil
			}
			if !seen[it.d.GetID()] {
				seen[it.d.GetID()] = true
				list = append(list, it)
			}
		}
		return true, nil
	})
	if hidden(err) {
		r.unseen(partDeployments, st.Looked, "deployments are not visible to this credential (Deployments: read)", evidence.DeployRelease)
		return nil
	}
	if err != nil {
		return err
	}
	slices.Reverse(list)
	oldest := time.Time{}
	for i, it := range list {
		at := when(it.d.GetCreatedAt())
		if oldest.IsZero() {
			oldest = at
		}
		if id, updated := it.d.GetID(), when(it.d.GetUpdatedAt()); !st.Recent.Settled(id, updated) {
			err := r.deployment(it.p, &it.d, it.raw)
			if err != nil {
				if err := r.spoil(partDeployments, err); err != nil {
					return err
				}
			} else if !slices.Contains(st.Open, id) {
				st.Recent.Read(id, updated, r.started)
			}
		}
		if at.After(st.Until) {
			st.Until = at
		}
		if i%10 == 9 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	again := map[int64]bool{}
	for _, it := range list {
		again[it.d.GetID()] = !when(it.d.GetCreatedAt()).Before(st.Until.Add(-r.cfg.Overlap))
	}
	st.Recent.Keep(again)
	for _, id := range slices.Clone(st.Open) {
		if seen[id] {
			continue
		}
		p, err := r.get(r.ctx, r.path+"/deployments/"+strconv.FormatInt(id, 10))
		if hidden(err) {
			r.note("repository %s: deployment %d was deleted at the source before it was over", r.name, id)
			st.Open = remember(st.Open, id, false)
			continue
		}
		if err != nil {
			return err
		}
		var d gh.Deployment
		err = decode(p, &d)
		switch {
		case err != nil:
		case d.GetID() != id:
			return odd(p, "another deployment than was asked for")
		case !forge.ObjectID.MatchString(d.GetSHA()):
			err = oddItem(p, "a deployment without an id, a time or a commit")
		}
		if err == nil {
			err = r.deployment(p, &d, p.body)
		}
		if err := r.spoil(partDeployments, err); err != nil {
			return err
		}
	}
	r.walked(partDeployments, st.Looked, oldest, evidence.DeployRelease)
	r.after = append(r.after, func() { st.Looked = r.started })
	return nil
}

// deployment emits one deployment with how it went and who approved it.
func (r *repoLook) deployment(p *page, dep *gh.Deployment, raw []byte) error {
	who := newPeople(r.Collector)
	f := evidence.ReleaseFacts{
		Repo: r.name, ID: strconv.FormatInt(dep.GetID(), 10), Environment: forge.Short(forge.Clean(dep.GetEnvironment())), SHA: dep.GetSHA(),
		CreatedAt: when(dep.GetCreatedAt()), UpdatedAt: when(dep.GetUpdatedAt()), Status: "waiting", Native: "none",
		Actor: who.account(evidence.RoleInitiator, dep.Creator, evidence.ProofAuthenticated),
	}
	if ref := dep.GetRef(); ref != "" && ref != dep.GetSHA() {
		f.Ref = r.public(strings.TrimPrefix(ref, "refs/heads/"))
	}
	run := int64(0)
	newest, another := true, false // another: an end of another kind came before
	err := r.pages(r.ctx, fmt.Sprintf("%s/deployments/%d/statuses?per_page=100", r.path, dep.GetID()), func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list { // newest first
			var s gh.DeploymentStatus
			if err := decode(p.item(raw), &s); err != nil {
				return false, err
			}
			state := releaseStatus(s.GetState())
			if newest {
				f.Status, f.Native, newest = state, word(s.GetState()), false
			}
			if state == "success" || state == "failure" {
				// "inactive" follows when another one takes its place: how it ended
				// stays. Of that end the earliest time counts, and not that of a
				// failure that was tried again.
				if f.Status == "inactive" {
					f.Status = state
				}
				if another = another || state != f.Status; !another {
					f.FinishedAt = when(s.GetCreatedAt())
				}
			}
			for _, u := range []string{s.GetLogURL(), s.GetTargetURL()} {
				if m := runInURL.FindStringSubmatch(u); m != nil && run == 0 {
					run, _ = strconv.ParseInt(m[1], 10, 64)
				}
			}
		}
		return true, nil
	})
	if err != nil && !hidden(err) {
		return err
	}
	if run > 0 {
		f.Pipeline = strconv.FormatInt(run, 10)
		if err := r.approvals(run, &f, who); err != nil {
			return err
		}
	}
	scope, err := r.scopeAt(f.SHA, 0)
	if err != nil {
		return err
	}
	d := r.draft(evidence.DeployRelease, evidence.OpEvent, p.req, f)
	d.Scope = append(slices.Clone(scope), evidence.NewRef("label", r.authority, "environment="+f.Environment))
	d.OccurredAt, d.Basis, d.NotBefore = f.CreatedAt, evidence.BasisSource, r.st.Deployments.Looked
	d.Key = r.key("/deployment/%d", dep.GetID())
	d.Subject = evidence.NewRef("release", r.authority, r.name+"/"+f.ID)
	var via struct { // the library has no app of a deployment
		App *gh.App `json:"performed_via_github_app"`
	}
	if json.Unmarshal(raw, &via) == nil {
		who.also(owner(via.App))
	}
	// The payload is whatever a deploying tool hands to the next one, credentials
	// too: nothing is read from it.
	d.People = who.List
	d.Raw, d.Removed = forge.Without(agent, raw, "payload")
	d.Links = commitLinks(f.SHA)
	if run > 0 {
		d.Links = append(d.Links, evidence.NewRef("pipeline", r.authority, fmt.Sprintf("%s/%d/1", r.name, run)))
	}
	d.ActorScope = r.actor(dep.Creator, d.OccurredAt)
	d.Text = forge.Text(dep.GetDescription())
	if err := r.emit(d); err != nil {
		return err
	}
	open := f.Status == "waiting" || f.Status == "running"
	r.st.Deployments.Open = remember(r.st.Deployments.Open, dep.GetID(), open && r.started.Sub(f.CreatedAt) < rerunWithin)
	return nil
}

func releaseStatus(s string) string {
	switch s {
	case "queued", "pending", "waiting":
		return "waiting"
	case "in_progress":
		return "running"
	case "success", "failure", "inactive":
		return s
	case "error":
		return "failure"
	}
	return "unknown"
}

// approvals reads who let a run pass into an environment. The library has no
// method for it.
func (r *repoLook) approvals(run int64, f *evidence.ReleaseFacts, who *people) error {
	p, err := r.get(r.ctx, fmt.Sprintf("%s/actions/runs/%d/approvals", r.path, run))
	if hidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := items(p)
	if err != nil {
		return err
	}
	for _, raw := range list {
		var a struct {
			State        string   `json:"state"`
			User         *gh.User `json:"user"`
			Environments []struct {
				Name string `json:"name"`
			} `json:"environments"`
		}
		if err := decode(p.item(raw), &a); err != nil {
			return err
		}
		ours := len(a.Environments) == 0
		for _, e := range a.Environments {
			ours = ours || forge.Short(forge.Clean(e.Name)) == f.Environment
		}
		if ours {
			f.Approvals = append(f.Approvals, evidence.ReleaseApproval{Person: who.account(evidence.RoleApprover, a.User, evidence.ProofAuthenticated), State: word(a.State)})
		}
	}
	return nil
}
