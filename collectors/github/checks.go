package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// checksState is which commits' checks are still to be read, each since when.
type checksState struct {
	Wanted map[string]time.Time `json:"wanted,omitempty"`
	Looked time.Time            `json:"looked,omitzero"`
	Lost   int                  `json:"lost,omitempty"` // commits that did not fit into Wanted
}

const (
	maxWanted      = 2000
	checksWithin   = 30 * 24 * time.Hour // older heads are not asked for: their checks are long over
	checksPatience = 7 * 24 * time.Hour  // a check that is not over by then stays as it is
)

// want asks for the checks of a commit that landed or was offered. It stands in
// the position, so that a cut look does not forget it.
func (r *repoLook) want(sha string, at time.Time) {
	if !r.reads(partChecks) || !forge.ObjectID.MatchString(sha) || r.started.Sub(at) > checksWithin {
		return
	}
	st := &r.st.Checks
	if st.Wanted == nil {
		st.Wanted = map[string]time.Time{}
	}
	if _, ok := st.Wanted[sha]; ok {
		return
	}
	if len(st.Wanted) >= maxWanted {
		st.Lost++
		return
	}
	st.Wanted[sha] = r.started
}

// checks reads what apps reported on the wanted commits. A commit is asked for
// again until nothing on it is under way.
func (r *repoLook) checks() error {
	st := &r.st.Checks
	if !r.due(partChecks, st.Looked) {
		return nil
	}
	wanted := map[string]bool{}
	for sha := range st.Wanted {
		wanted[sha] = true
	}
	for i, sha := range forge.Sorted(wanted) {
		over, err := r.checksOf(sha)
		if s := fetch.Status(err); s == http.StatusNotFound || s == http.StatusUnprocessableEntity {
			gone, err := r.commitGone(sha)
			if err != nil {
				return err
			}
			if gone {
				r.note("repository %s: checks of a commit that is gone at the source were not read", r.name)
				delete(st.Wanted, sha)
				continue
			}
		}
		if hidden(err) {
			r.unseen(partChecks, st.Looked, "checks are not visible to this credential (Checks: read, Commit statuses: read)", evidence.PipelineCheck)
			return nil
		}
		if err != nil {
			return err
		}
		if over || r.started.Sub(st.Wanted[sha]) > checksPatience {
			delete(st.Wanted, sha)
		}
		if i%20 == 19 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	if st.Lost > 0 {
		r.unseen(partChecks, st.Looked, fmt.Sprintf("checks of %d commits were not asked for: too many at once", st.Lost), evidence.PipelineCheck)
		st.Lost = 0
	} else if !r.spoilt(partChecks, st.Looked, evidence.PipelineCheck) {
		// What is reported on a commit after its checks were over is not seen.
		r.claimPart(partChecks, evidence.Instants, r.started, "", evidence.PipelineCheck)
	}
	r.after = append(r.after, func() { st.Looked = r.started })
	return nil
}

// commitGone reports whether the source has a commit no longer, as after a
// force-push. That is about the commit, and not about the right to see checks.
func (r *repoLook) commitGone(sha string) (bool, error) {
	_, err := r.get(r.ctx, r.path+"/commits/"+sha+"?per_page=100")
	switch fetch.Status(err) {
	case http.StatusNotFound, http.StatusUnprocessableEntity:
		return true, nil
	}
	return false, err
}

func (r *repoLook) checksOf(sha string) (over bool, err error) {
	over = true
	scope, err := r.scopeAt(sha, 0)
	if err != nil {
		return false, err
	}
	total, ours := -1, 0
	path := r.path + "/commits/" + sha + "/check-runs?filter=all&per_page=100"
	err = r.pages(r.ctx, path, func(p *page) (bool, error) {
		var body struct {
			Total *int              `json:"total_count"`
			Runs  []json.RawMessage `json:"check_runs"`
		}
		if err := decode(p, &body); err != nil {
			return false, err
		}
		if body.Total == nil {
			return false, odd(p, "no list of check runs")
		}
		total = *body.Total
		for _, raw := range body.Runs {
			var c gh.CheckRun
			err := decode(p.item(raw), &c)
			if err == nil && c.GetID() <= 0 {
				err = oddItem(p, "a check run without an id")
			}
			if err != nil {
				if err = r.spoil(partChecks, err); err != nil {
					return false, err
				}
				continue
			}
			ours++
			over = over && c.GetStatus() == "completed"
			if err := r.emit(scoped(r.checkDraft(p, sha, &c, raw), scope)); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return false, err
	}
	if total != ours {
		r.count("check runs of "+sha[:12], "filter=all", int64(total), int64(ours))
	}
	err = r.pages(r.ctx, r.path+"/commits/"+sha+"/statuses?per_page=100", func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			var s gh.RepoStatus
			err := decode(p.item(raw), &s)
			if err == nil && s.GetID() <= 0 {
				err = oddItem(p, "a commit status without an id")
			}
			if err != nil {
				if err = r.spoil(partChecks, err); err != nil {
					return false, err
				}
				continue
			}
			if err := r.emit(scoped(r.statusDraft(p, sha, &s, raw), scope)); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	return over, err
}

func scoped(d evidence.Draft, scope []evidence.Ref) evidence.Draft {
	d.Scope = scope
	return d
}

func (r *repoLook) checkDraft(p *page, sha string, c *gh.CheckRun, raw []byte) evidence.Draft {
	f := evidence.CheckFacts{
		Repo: r.name, ID: strconv.FormatInt(c.GetID(), 10), Name: forge.Short(forge.Clean(c.GetName())), SHA: sha, Form: "check-run",
		Status: status(c.GetStatus(), c.GetConclusion()), Native: native(c.GetStatus(), c.GetConclusion()),
		App: forge.Short(forge.Clean(c.GetApp().GetSlug())), AppID: c.GetApp().GetID(),
		StartedAt: when(c.GetStartedAt()), FinishedAt: when(c.GetCompletedAt()),
	}
	if id := c.GetCheckSuite().GetID(); id > 0 {
		f.Suite = strconv.FormatInt(id, 10)
	}
	who := newPeople(r.Collector)
	who.also(owner(c.GetApp())) // the check's own bytes name who wrote the app
	return r.checked(p, f, "check", f.StartedAt, raw, who.List, nil)
}

// statusDraft makes a draft of a commit status, the older form of a check. Each
// state of one context is an item of its own at the source.
func (r *repoLook) statusDraft(p *page, sha string, s *gh.RepoStatus, raw []byte) evidence.Draft {
	who := newPeople(r.Collector)
	who.account(evidence.RoleInitiator, s.Creator, evidence.ProofAuthenticated)
	state, conclusion := "completed", s.GetState()
	if conclusion == "pending" {
		state, conclusion = "pending", ""
	}
	f := evidence.CheckFacts{
		Repo: r.name, ID: strconv.FormatInt(s.GetID(), 10), Name: forge.Short(forge.Clean(s.GetContext())), SHA: sha, Form: "commit-status",
		Status: status(state, conclusion), Native: word(s.GetState()), StartedAt: when(s.GetCreatedAt()),
	}
	if state == "completed" {
		f.FinishedAt = when(s.GetUpdatedAt())
	}
	return r.checked(p, f, "status", f.StartedAt, raw, who.List, s.Creator)
}

func (r *repoLook) checked(p *page, f evidence.CheckFacts, form string, at time.Time, raw []byte, who []evidence.Person, by *gh.User) evidence.Draft {
	d := r.draft(evidence.PipelineCheck, evidence.OpEvent, p.req, f)
	if !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	}
	d.NotBefore = r.st.Checks.Looked
	d.Key = r.key("/%s/%s", form, f.ID)
	d.Subject = evidence.NewRef("check", r.authority, fmt.Sprintf("%s/%s-%s", r.name, form, f.ID))
	d.Links = commitLinks(f.SHA)
	d.People, d.Raw = who, raw
	d.ActorScope = r.actor(by, d.OccurredAt)
	return d
}
