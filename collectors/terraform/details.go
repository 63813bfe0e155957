package terraform

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Limits on what the facts of one run list.
const (
	maxEvents   = 200
	maxPolicies = 200
)

// wireEvent is one act on a run.
type wireEvent struct {
	action string
	at     time.Time
	actor  identity
}

// readDetails reads who acted on a run and which policies it passed or was let
// past. A list that the platform does not have, or does not show, stays unseen.
func (w *workspace) readDetails(r *resource, f *evidence.InfraRunFacts) ([]wireEvent, error) {
	events, err := w.runEvents(r.ID)
	if f.EventsSeen = err == nil; err != nil && !w.hidden(err, "who acted on runs") {
		return nil, err
	}
	seen := true
	for _, part := range []struct {
		name string
		read func(run string) ([]evidence.InfraPolicy, error)
	}{{"policy-checks", w.policyChecks}, {"task-stages", w.policyEvaluations}, {terraformPolicies, w.terraformPolicies}} {
		if list, told := r.many(part.name); told && len(list) == 0 {
			continue
		}
		// A platform that does not know it names no relationship to it.
		if _, known := r.Relationships[part.name]; !known && part.name == terraformPolicies {
			continue
		}
		ps, err := part.read(r.ID)
		if err != nil && !w.hidden(err, "policies of runs") {
			return events, err
		}
		seen = seen && err == nil
		f.Policies = append(f.Policies, ps...)
	}
	f.PoliciesSeen = seen
	f.PoliciesCut = cut(&f.Policies, maxPolicies)
	return events, nil
}

// hidden reports whether an error says that there is no such list, or none for
// this credential.
func (l *look) hidden(err error, what string) bool {
	if status(err) != http.StatusNotFound {
		return false
	}
	l.note("%s: the platform has no such list, or does not show it", what)
	return true
}

func (w *workspace) runEvents(run string) (events []wireEvent, err error) {
	seen := map[string]bool{}
	_, _, err = w.pages(w.fetch, "runs/"+run+"/run-events", url.Values{"include": {"actor"}}, wholePage, func(d *document) (bool, error) {
		w.learn(d)
		for _, raw := range d.items {
			r, err := object(raw, "run-events")
			var a struct {
				Action string `json:"action"`
				At     moment `json:"created-at"`
			}
			if err != nil || json.Unmarshal(r.Attributes, &a) != nil {
				return false, d.odd("holds an event of an unknown form")
			}
			if !seen[r.ID] {
				seen[r.ID] = true
				events = append(events, wireEvent{word(a.Action), a.At.Time, r.one("actor")})
			}
		}
		return true, nil
	})
	slices.SortStableFunc(events, func(a, b wireEvent) int { return a.at.Compare(b.at) })
	return events, err
}

// policyChecks reads the checks by Sentinel, one for each scope.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/policy-checks
func (w *workspace) policyChecks(run string) (ps []evidence.InfraPolicy, err error) {
	seen := map[string]bool{}
	_, _, err = w.pages(w.fetch, "runs/"+run+"/policy-checks", nil, wholePage, func(d *document) (bool, error) {
		for _, raw := range d.items {
			r, err := object(raw, "policy-checks")
			var a struct {
				Status string            `json:"status"`
				Times  map[string]moment `json:"status-timestamps"`
				Result *struct {
					Passed   int64 `json:"passed"`
					Hard     int64 `json:"hard-failed"`
					Soft     int64 `json:"soft-failed"`
					Advisory int64 `json:"advisory-failed"`
				} `json:"result"`
			}
			if err != nil || json.Unmarshal(r.Attributes, &a) != nil || a.Status == "" {
				return false, d.odd("holds a policy check of an unknown form")
			}
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			p := evidence.InfraPolicy{
				ID: r.ID, Form: "policy-check", Kind: "sentinel", Status: word(a.Status),
				Overridden: a.Status == "overridden" || !a.Times["overridden-at"].IsZero(), OverriddenAt: a.Times["overridden-at"].Time,
			}
			if a.Result != nil {
				p.Passed, p.Advisory, p.Mandatory = a.Result.Passed, a.Result.Advisory, a.Result.Hard+a.Result.Soft
			}
			ps = append(ps, p)
		}
		return true, nil
	})
	return ps, err
}

// policyEvaluations reads the evaluations of policies in the stages of a run, and
// whether somebody let it pass a stage.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/policy-evaluations
func (w *workspace) policyEvaluations(run string) (ps []evidence.InfraPolicy, err error) {
	seen := map[string]bool{}
	_, _, err = w.pages(w.fetch, "runs/"+run+"/task-stages", url.Values{"include": {"policy_evaluations"}}, wholePage, func(d *document) (bool, error) {
		for _, raw := range d.items {
			r, err := object(raw, "task-stages")
			var a stageAttr
			if err != nil || json.Unmarshal(r.Attributes, &a) != nil {
				return false, d.odd("holds a stage of an unknown form")
			}
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			of, err := w.stage(d, r, &a)
			if err != nil {
				return false, err
			}
			ps = append(ps, of...)
		}
		return true, nil
	})
	return ps, err
}

// terraformPolicies are the evaluations of policies that Terraform's own language
// is for.
const terraformPolicies = "tf-policy-evaluations"

// terraformPolicies reads the evaluations by Terraform itself, one for each stage
// of a run.
// See https://developer.hashicorp.com/terraform/cloud-docs/api-docs/tf-policy-evaluations
func (w *workspace) terraformPolicies(run string) (ps []evidence.InfraPolicy, err error) {
	_, _, err = w.pages(w.fetch, "runs/"+run+"/"+terraformPolicies, nil, wholePage, func(d *document) (bool, error) {
		for _, raw := range d.items {
			r, err := object(raw, terraformPolicies)
			var a struct {
				Stage string `json:"stage-type"`
			}
			p, ok := evaluation(r, "")
			if err != nil || !ok || json.Unmarshal(r.Attributes, &a) != nil {
				return false, d.odd("holds an evaluation by Terraform of an unknown form")
			}
			if !slices.ContainsFunc(ps, func(o evidence.InfraPolicy) bool { return o.ID == p.ID }) {
				p.Form, p.Kind, p.Stage = "tf-policy-evaluation", "terraform", word(a.Stage)
				ps = append(ps, p)
			}
		}
		return true, nil
	})
	return ps, err
}

// stageAttr is what of a stage's attributes is read.
type stageAttr struct {
	Stage  string            `json:"stage"`
	Status string            `json:"status"`
	Times  map[string]moment `json:"status-timestamps"`
}

// passedOver reports whether the stage waited for somebody to let the run go on,
// and the run did.
func (a *stageAttr) passedOver() bool {
	return !a.Times["awaiting-override-at"].IsZero() && (a.Status == "passed" || a.Status == "running" || a.Status == "failed")
}

// stage tells the evaluations of a stage. Those that did not come along are read
// by themselves.
func (w *workspace) stage(d *document, r *resource, a *stageAttr) (ps []evidence.InfraPolicy, err error) {
	list, told := r.many("policy-evaluations")
	complete := told
	for _, i := range list {
		p, ok := evaluation(d.included(i), a.Stage)
		ps, complete = append(ps, p), complete && ok
	}
	if !complete {
		ps = nil
		_, _, err = w.pages(w.fetch, "task-stages/"+r.ID+"/policy-evaluations", nil, wholePage, func(d *document) (bool, error) {
			for _, raw := range d.items {
				e, err := object(raw, "policy-evaluations")
				if err != nil {
					return false, d.odd("holds a policy evaluation of an unknown form")
				}
				p, ok := evaluation(e, a.Stage)
				if !ok {
					return false, d.odd("holds a policy evaluation of an unknown form")
				}
				if !slices.ContainsFunc(ps, func(o evidence.InfraPolicy) bool { return o.ID == p.ID }) {
					ps = append(ps, p)
				}
			}
			return true, nil
		})
	}
	if a.passedOver() && !slices.ContainsFunc(ps, func(p evidence.InfraPolicy) bool { return p.Overridden }) {
		ps = append(ps, evidence.InfraPolicy{ID: r.ID, Form: "task-stage", Stage: word(a.Stage), Status: word(a.Status), Overridden: true})
	}
	return ps, err
}

// evaluation reads one evaluation of policies.
func evaluation(r *resource, stage string) (p evidence.InfraPolicy, ok bool) {
	if r == nil || !goodID(r.ID) {
		return p, false
	}
	var a struct {
		Status string            `json:"status"`
		Kind   string            `json:"policy-kind"`
		Times  map[string]moment `json:"status-timestamps"`
		Count  *struct {
			Passed    int64 `json:"passed"`
			Advisory  int64 `json:"advisory-failed"`
			Mandatory int64 `json:"mandatory-failed"`
			// Those that may be overridden; whether the count before holds them too is
			// not told alike everywhere.
			Overridable int64 `json:"mandatory-overridable-failed"`
			Errored     int64 `json:"errored"`
		} `json:"result-count"`
	}
	if json.Unmarshal(r.Attributes, &a) != nil || a.Status == "" {
		return p, false
	}
	p = evidence.InfraPolicy{
		ID: r.ID, Form: "policy-evaluation", Kind: word(a.Kind), Stage: word(stage), Status: word(a.Status),
		Overridden: strings.HasPrefix(a.Status, "overrid") || !a.Times["overridden-at"].IsZero(), OverriddenAt: a.Times["overridden-at"].Time,
	}
	if a.Count != nil {
		p.Passed, p.Advisory, p.Mandatory, p.Errored = a.Count.Passed, a.Count.Advisory, max(a.Count.Mandatory, a.Count.Overridable), a.Count.Errored
	}
	return p, true
}
