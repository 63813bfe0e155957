package terraform

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// runAttr is what of a run's attributes is read.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/run
type runAttr struct {
	Status      string            `json:"status"`
	Source      string            `json:"source"`
	Trigger     string            `json:"trigger-reason"`
	Message     string            `json:"message"`
	AutoApply   bool              `json:"auto-apply"`
	PlanOnly    bool              `json:"plan-only"`
	Destroy     bool              `json:"is-destroy"`
	RefreshOnly bool              `json:"refresh-only"`
	EmptyApply  bool              `json:"allow-empty-apply"`
	Version     string            `json:"terraform-version"`
	CreatedAt   moment            `json:"created-at"`
	Times       map[string]moment `json:"status-timestamps"`
	// Only how many there are is looked at.
	Variables count `json:"variables"`
	Targets   count `json:"target-addrs"`
	Replaces  count `json:"replace-addrs"`
	Invokes   count `json:"invoke-action-addrs"`
}

// count is how many elements a list has; what is no list has none.
type count int

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (c *count) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	_ = json.Unmarshal(b, &list) // "None" and null are none
	*c = count(len(list))
	return nil
}

// runWith is what is asked for along with runs.
const runWith = "plan,apply,created_by,configuration_version.ingress_attributes"

// how a run stands, by the platform's word.
var runStatus = map[string]string{
	"pending": "waiting", "planned": "waiting", "cost_estimated": "waiting", "policy_checked": "waiting", "policy_override": "waiting",
	"planned_and_saved": "waiting", "post_plan_completed": "waiting", "post_plan_awaiting_decision": "waiting", "pre_plan_awaiting_decision": "waiting",
	"tf_policy_checked": "waiting", "tf_policy_override": "waiting",
	"fetching": "running", "fetching_completed": "running", "pre_plan_running": "running", "pre_plan_completed": "running", "queuing": "running",
	"plan_queued": "running", "planning": "running", "assessing": "running", "cost_estimating": "running", "policy_checking": "running", "post_plan_running": "running",
	"confirmed": "running", "queuing_apply": "running", "apply_queued": "running", "pre_apply_running": "running", "pre_apply_completed": "running",
	"applying": "running", "post_apply_running": "running", "post_apply_completed": "running",
	"applied": "applied", "planned_and_finished": "planned", "assessed": "planned", "discarded": "discarded", "errored": "failed", "canceled": "cancelled", "force_canceled": "cancelled",
}

// standing says in our words how a run stands, and whether that is its end. A
// soft failure of a policy ends a run that could not be applied anyway; others
// wait for somebody.
func (a *runAttr) standing() (says string, ended bool) {
	if a.Status == "policy_soft_failed" {
		if a.PlanOnly {
			return "planned", true
		}
		return "waiting", false
	}
	says = runStatus[a.Status]
	if says == "" {
		return "unknown", false
	}
	return says, says != "waiting" && says != "running"
}

// endedAt is when a run came to its end.
func (a *runAttr) endedAt() time.Time {
	for _, name := range []string{"applied-at", "planned-and-finished-at", "assessed-at", "discarded-at", "errored-at", "force-canceled-at", "canceled-at", "policy-soft-failed-at"} {
		if t := a.Times[name].Time; !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// madeAt is when the run was asked for: by its own word, else its first moment.
func (a *runAttr) madeAt() time.Time {
	t := a.CreatedAt.Time
	if t.IsZero() {
		for _, m := range a.Times {
			if t.IsZero() || !m.IsZero() && m.Before(t) {
				t = m.Time
			}
		}
	}
	return t
}

// began reports whether the apply began; nil when the moments that would say so
// are missing.
func (a *runAttr) began() *bool {
	is := !a.Times["applying-at"].IsZero() || !a.Times["applied-at"].IsZero() || a.Status == "applied" || a.Status == "applying"
	if says, _ := a.standing(); !is && len(a.Times) == 0 && (says == "failed" || says == "cancelled" || says == "unknown") {
		return nil
	}
	return &is
}

// readRuns reads the runs of the workspace that are new, or had not ended.
func (w *workspace) readRuns() error {
	p := &w.st.Runs
	floor := time.Time{}
	if p.Looked.IsZero() && w.cfg.History > 0 {
		floor = w.started.Add(-w.cfg.History)
	}
	made, open := map[string]time.Time{}, []string{}
	told := map[string]bool{}
	tell := func(d *document, r *resource, a *runAttr) error {
		made[r.ID] = a.madeAt()
		w.look.runs[r.ID] = w
		if told[r.ID] {
			return nil
		}
		if p.knows(r.ID, a.madeAt()) {
			return nil
		}
		told[r.ID] = true
		settled, err := w.tellRun(d, r, a)
		if !settled {
			open = append(open, r.ID)
		}
		return err
	}
	query := url.Values{"include": {runWith}}
	_, _, err := w.pages(w.fetch, "workspaces/"+w.id+"/runs", query, pageSize, func(d *document) (bool, error) {
		w.learn(d)
		fresh := false
		for _, raw := range d.items {
			r, a, err := readRun(raw)
			if err == nil && !w.owns(r) {
				return false, d.odd("holds a run of another workspace")
			}
			if err != nil {
				if err := w.odd(&w.runs, d, "a run without an id, a time or a known form"); err != nil {
					return false, err
				}
				fresh = true // what stands behind it may be new
				continue
			}
			if a.madeAt().Before(floor) {
				continue
			}
			fresh = fresh || !p.knows(r.ID, a.madeAt())
			if err := tell(d, r, a); err != nil {
				return false, err
			}
		}
		return fresh, nil
	})
	if err == nil {
		err = w.reread(p, made, func(id string) error {
			d, err := w.get(w.ctx, w.fetch, "runs/"+id, query)
			if err != nil {
				return err
			}
			w.learn(d)
			r, a, err := readRun(d.Data)
			if err != nil || r.ID != id || !w.owns(r) {
				return d.odd("is not the run that was asked for")
			}
			return tell(d, r, a)
		}, &w.runs, &open)
	}
	if err != nil {
		w.runs.spoil("the runs of a workspace could not be read")
		return w.miss(err, "runs of workspace %s", w.id)
	}
	w.settle(p, made, open)
	if p.Newest.IsZero() {
		p.Newest = floor // what is older was not asked for
	}
	return nil
}

// settle moves a position behind what was read.
func (w *workspace) settle(p *position, made map[string]time.Time, open []string) {
	slices.Sort(open)
	if n := p.move(made, slices.Compact(open), w.started); n > 0 {
		w.note("workspace %s: %d runs or versions that have not ended are not followed any longer", w.id, n)
	}
}

// reread reads by themselves the items that may change and that the walk did not
// come to. What is gone, or hidden by now, is given up: how it ended was not seen.
func (w *workspace) reread(p *position, made map[string]time.Time, one func(id string) error, of *part, open *[]string) error {
	for _, id := range p.Open {
		if _, ok := made[id]; ok {
			continue
		}
		err := one(id)
		switch {
		case status(err) == http.StatusNotFound:
			of.spoil("something that had not ended is no longer there, or no longer visible")
			w.note("%s of workspace %s had not ended and is no longer there, or no longer visible: how it ended was not seen", id, w.id)
		case err != nil:
			if err := w.miss(err, "%s of workspace %s", id, w.id); err != nil {
				return err
			}
			of.spoil("something that had not ended could not be read again")
			*open = append(*open, id)
		}
	}
	return nil
}

// readRun reads one run, which has an id and a time.
func readRun(raw json.RawMessage) (*resource, *runAttr, error) {
	r, err := object(raw, "runs")
	if err != nil {
		return nil, nil, err
	}
	a := &runAttr{}
	if json.Unmarshal(r.Attributes, a) != nil || a.Status == "" || a.madeAt().IsZero() {
		return nil, nil, errShape
	}
	return r, a, nil
}

// tellRun records a run; false when it is to be read again.
func (w *workspace) tellRun(d *document, r *resource, a *runAttr) (settled bool, err error) {
	who := w.people()
	says, ended := a.standing()
	f := &evidence.InfraRunFacts{
		Organization: w.cfg.Organization, Workspace: text(w.attr.Name), WorkspaceID: w.id, ID: r.ID, Status: says, Native: word(a.Status),
		Source: word(a.Source), Trigger: word(a.Trigger), AutoApply: a.AutoApply, PlanOnly: a.PlanOnly, Destroy: a.Destroy, RefreshOnly: a.RefreshOnly,
		EmptyApply: a.EmptyApply, Variables: int(a.Variables), Targets: int(a.Targets), Replaces: int(a.Replaces), Invokes: int(a.Invokes), TerraformVersion: text(a.Version),
		CreatedAt: a.madeAt(), PlannedAt: firstOf(a.Times["planned-at"], a.Times["planned-and-finished-at"], a.Times["planned-and-saved-at"]),
		ConfirmedAt: a.Times["confirmed-at"].Time, ApplyingAt: a.Times["applying-at"].Time, AppliedAt: a.Times["applied-at"].Time,
		Began: a.began(), Plan: counted(d.included(r.one("plan"))), Apply: counted(d.included(r.one("apply"))),
	}
	if ended {
		f.EndedAt = a.endedAt()
	}
	var ls links
	ls.add(w.subject())
	w.configuration(d, r, f, &ls)
	settled = ended
	var events []wireEvent
	if confirmed := r.one("confirmed-by"); ended && !a.PlanOnly || confirmed.ID != "" {
		if events, err = w.readDetails(r, f); err != nil {
			if err := w.miss(err, "details of run %s", r.ID); err != nil {
				return false, err
			}
			w.runs.spoil("details of a run could not be read")
			settled, err = false, nil
		}
	}
	f.Creator = who.add(evidence.RoleInitiator, r.one("created-by"))
	f.Confirmer = who.add(evidence.RoleApprover, r.one("confirmed-by"))
	for _, e := range events {
		f.Events = append(f.Events, evidence.InfraEvent{Action: e.action, At: e.at, Person: who.add(evidence.RoleActor, e.actor)})
	}
	f.EventsCut = cut(&f.Events, maxEvents)
	x := w.draft(evidence.InfraRun, evidence.OpEvent, w.runRef(r.ID), f, d.req)
	x.Key, x.OccurredAt, x.Basis = r.ID, a.madeAt(), evidence.BasisSource
	x.People, x.Links, x.Scope = who.List, slices.Clip(ls), w.scope()
	if len(who.List) > 0 {
		x.ActorScope = w.sourceRef()
	}
	x.Text = forge.Text(a.Message)
	x.Raw, x.Removed = reduce(r.raw, runShape)
	return settled, w.emit(x)
}

func firstOf(ms ...moment) time.Time {
	for _, m := range ms {
		if !m.IsZero() {
			return m.Time
		}
	}
	return time.Time{}
}

// configuration tells the commit that the run's configuration came from.
func (w *workspace) configuration(d *document, r *resource, f *evidence.InfraRunFacts, ls *links) {
	cv := d.included(r.one("configuration-version"))
	if cv == nil {
		return
	}
	in := d.included(cv.one("ingress-attributes"))
	if in == nil {
		return
	}
	var a struct {
		Commit     string `json:"commit-sha"`
		Branch     string `json:"branch"`
		Identifier string `json:"identifier"`
		Number     *int   `json:"pull-request-number"`
		IsRequest  bool   `json:"is-pull-request"`
	}
	if json.Unmarshal(in.Attributes, &a) != nil {
		return
	}
	f.Commit, f.Branch, f.Repo = forge.ObjectOrNone(strings.ToLower(a.Commit)), text(a.Branch), text(a.Identifier)
	if a.IsRequest && a.Number != nil && *a.Number > 0 {
		f.Change = *a.Number
	}
	ls.commit(f.Commit)
}

// counted reads the numbers of a plan or an apply; nil while there are none.
func counted(r *resource) *evidence.InfraCount {
	if r == nil {
		return nil
	}
	var a struct {
		Status    string          `json:"status"`
		Additions *int64          `json:"resource-additions"`
		Changes   *int64          `json:"resource-changes"`
		Deletions *int64          `json:"resource-destructions"`
		Imports   *int64          `json:"resource-imports"`
		Invoked   json.RawMessage `json:"action-invocations"`
	}
	if json.Unmarshal(r.Attributes, &a) != nil || a.Additions == nil || a.Changes == nil || a.Deletions == nil {
		return nil
	}
	c := &evidence.InfraCount{Status: word(a.Status), Additions: *a.Additions, Changes: *a.Changes, Deletions: *a.Deletions}
	if a.Imports != nil {
		c.Imports = *a.Imports
	}
	_ = json.Unmarshal(a.Invoked, &c.Invoked) // null, absent or no number: none
	return c
}

// cut shortens a list and returns how many went.
func cut[T any](list *[]T, most int) int {
	n := len(*list) - most
	if n <= 0 {
		return 0
	}
	*list = (*list)[:most]
	return n
}
