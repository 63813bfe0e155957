package gitlab

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// push is what is read of a push among a project's events.
type push struct {
	ID      int           `json:"id"`
	Created *time.Time    `json:"created_at"`
	Author  *gl.BasicUser `json:"author"`
	Data    *pushData     `json:"push_data"`

	raw json.RawMessage
	req evidence.Request
}

type pushData struct {
	Action string `json:"action"`   // pushed, created, removed
	Type   string `json:"ref_type"` // branch, tag
	Ref    string `json:"ref"`
	From   string `json:"commit_from"`
	To     string `json:"commit_to"`
	Refs   int    `json:"ref_count"` // of a push of many refs, which are not named
}

// pushes reads who moved which branch: the project's events tell, in every
// edition, and of merges on the server's pages too. They are evidence of what was
// done, and no claim that nothing else was: the server leaves events out of
// imports and of some of its own jobs.
// See https://docs.gitlab.com/ee/api/events.html#list-a-projects-visible-events
func (r *projectLook) pushes() error {
	st := &r.st.Pushes
	floor := r.floor(st, r.cfg.History)
	opt := &gl.ListProjectVisibleEventsOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, Action: gl.Ptr(gl.PushedEventType), Sort: gl.Ptr("desc"),
	}
	if !floor.IsZero() {
		// The server compares dates alone, and leaves the named one out.
		day := gl.ISOTime(floor.UTC().AddDate(0, 0, -1))
		opt.After = &day
	}
	found, unnumbered := map[int]*push{}, 0
	list, err := r.sweep("pushes", r.api+"/events", opt, st, floor, func(raw json.RawMessage, p *page) (listed, error) {
		ev := &push{raw: raw, req: p.req}
		if err := decodeItem(p, raw, ev); err != nil {
			return listed{}, err
		}
		if ev.Data == nil {
			return listed{skip: true}, nil // an event of another kind
		}
		if ev.ID <= 0 {
			unnumbered++
			return listed{skip: true}, nil
		}
		found[ev.ID] = ev
		return listed{id: ev.ID, updated: when(ev.Created)}, nil
	})
	if refused(err) {
		r.note("project %d: who pushed is hidden from this credential", r.id)
		if !st.Looked.IsZero() {
			r.missing = append(r.missing, "pushes of project "+strconv.Itoa(r.id)+" can be read no longer ("+strconv.Itoa(fetch.Status(err))+")")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if unnumbered > 0 {
		// Without a number a push cannot be told from one that was recorded.
		r.note("project %d: this GitLab is too old to number events: pushes that were not recorded for it: %d", r.id, unnumbered)
	}
	for i, it := range list {
		if !st.Recent.Settled(int64(it.id), it.updated) {
			if err := r.emit(r.pushDraft(found[it.id])); err != nil {
				return err
			}
			st.Recent.Read(int64(it.id), it.updated, r.started)
		}
		st.At = newer(st.At, it.updated)
		if i%100 == 99 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	r.again(st, list)
	r.after = append(r.after, func() { st.Looked, st.Spoilt = r.started, "" })
	return nil
}

// pushAction puts GitLab's words for a push beside those of other forges.
func pushAction(action, of string) string {
	if of != "tag" {
		of = "branch"
	}
	switch action {
	case "pushed":
		return "ref.push"
	case "created":
		return "ref." + of + "_creation"
	case "removed":
		return "ref." + of + "_deletion"
	}
	return "ref." + word(action)
}

func (r *projectLook) pushDraft(ev *push) evidence.Draft {
	who, at := newPeople(r.Collector), when(ev.Created)
	f := evidence.AuditFacts{
		Platform: "gitlab", ID: strconv.Itoa(ev.ID), Action: pushAction(ev.Data.Action, ev.Data.Type), Container: r.path, Resource: "ref",
		Outcome: "ok", Who: who.user(evidence.RoleInitiator, ev.Author), Behind: -1,
	}
	switch {
	case ev.Data.Ref == "":
	case ev.Data.Type == "tag":
		f.Name = "refs/tags/" + label(ev.Data.Ref)
	default:
		f.Name = "refs/heads/" + r.public(ev.Data.Ref)
	}
	if ev.Data.Refs > 0 {
		f.Changed = []string{strconv.Itoa(ev.Data.Refs) + " refs"}
	} else {
		f.Changed = []string{"from " + commitOrNone(ev.Data.From), "to " + commitOrNone(ev.Data.To)}
	}
	d := r.draft(evidence.AccessAudit, evidence.OpEvent, ev.req, f)
	d.OccurredAt, d.Basis, d.NotBefore = at, evidence.BasisSource, r.st.Pushes.Looked
	if d.NotBefore.After(at) {
		d.NotBefore = time.Time{}
	}
	d.Key = r.key("/push/%d", ev.ID)
	d.Subject = evidence.NewRef("line", r.authority, r.path+"/push-"+f.ID)
	d.People = who.List
	d.Raw, d.Removed = without(ev.raw, []string{"commit_title"}) // whoever wrote it is no party of the push
	d.Links = commitLinks(forge.ObjectOrNone(ev.Data.From), forge.ObjectOrNone(ev.Data.To))
	if ev.Data.Ref != "" && ev.Data.Type != "tag" {
		d.Links = append(d.Links, r.branchRef(r.path, r.public(ev.Data.Ref)))
	}
	d.ActorScope = r.actor(ev.Author, at)
	return d
}

// commitOrNone is an object id, or the word none for the end that a branch does
// not have when it is made or deleted.
func commitOrNone(sha string) string {
	if strings.Trim(sha, "0") == "" {
		return "none"
	}
	return cmp.Or(forge.ObjectOrNone(sha), "none")
}
