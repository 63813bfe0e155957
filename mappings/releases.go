package mappings

import (
	"context"
	"fmt"

	"evidenced/evidence"
)

var releasesView = &view{
	View: View{
		Name:  "releases",
		Doc:   "Deployments as a forge tells them, each in its newest version.",
		Kinds: []evidence.Kind{evidence.DeployRelease},
		Fields: []Field{
			{Name: "repo", Type: "string", Doc: "repository, owner/name in lower case"},
			{Name: "environment", Type: "string", Doc: "environment it went to"},
			{Name: "status", Type: "string", Doc: "waiting, running, success, failure, cancelled, inactive or unknown"},
			{Name: "began", Type: "bool", Optional: true, Doc: "it was let pass: it runs or ended; missing where its status is not known"},
			{Name: "asks", Type: "bool", Optional: true, Doc: "its environment asks for an approval; missing where the forge does not show it"},
			{Name: "required", Type: "int", Doc: "approvals the environment asked for"},
			{Name: "approved_by_other", Type: "bool", Optional: true,
				Doc: "as many persons as the environment asks for, by the one of its rules that asks for most and at least one, approved it, each another than who started it, and none turned it down"},
		},
	},
	build:  buildReleases,
	steady: true,
}

func buildReleases(ctx context.Context, s *scene, yield func(*item) error) error {
	return events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.ReleaseFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		it := newItem(r, r.Occurred, "deployment "+f.ID+" of "+f.Repo+" to "+f.Environment)
		it.seqs = seqs
		it.set("source", string(r.Source)).set("happened", r.Occurred).set("repo", repoName(f.Repo))
		it.set("environment", f.Environment).set("status", f.Status).set("required", f.Required)
		switch {
		case f.Status == "waiting", f.Status == "cancelled", f.Native == "skipped":
			it.set("began", false)
		case f.Status == "running", f.Status == "success", f.Status == "failure", f.Status == "inactive" && !f.FinishedAt.IsZero():
			it.set("began", true)
		default:
			it.lacks("began", "the forge does not say whether it was let pass: "+f.Native)
		}
		switch {
		case f.Required > 0 || f.Pending > 0 || len(f.Approvals) > 0:
			it.set("asks", true)
		case f.Protected != nil:
			it.set("asks", false)
		default:
			it.lacks("asks", "the forge does not show whether the environment asks for an approval")
		}
		it.answerField("approved_by_other", s.releaseApproved(ctx, r, &f))
		return yield(it)
	}, evidence.DeployRelease)
}

// releaseApproved counts the persons who approved a deployment that another
// one started.
func (s *scene) releaseApproved(ctx context.Context, r *evidence.Record, f *evidence.ReleaseFacts) answer {
	need, have, maybe := persons(f), 0, 0
	own, counted := answer{is: no, why: "nobody approved it"}, []evidence.Party{}
	for _, a := range f.Approvals {
		if a.State == "rejected" {
			return answer{is: no, why: "somebody turned it down"}
		}
		if a.State != "approved" {
			continue
		}
		if a.Person < 0 || a.Person >= len(r.People) {
			maybe++
			own.why = "the source did not name the approver"
			continue
		}
		switch is, why := s.countsFor(ctx, r, f, r.People[a.Person], counted); is {
		case yes:
			have++
			counted = append(counted, r.People[a.Person])
		case unknown:
			maybe++
			own.why = why
		default:
			own.why = why
		}
	}
	switch {
	case have >= need && f.Pending == 0:
		return answer{is: yes}
	case have+maybe >= need && f.Pending == 0:
		return answer{is: unknown, why: own.why}
	case f.Pending > 0:
		return answer{is: no, why: plural(f.Pending, "approval") + " missing"}
	case have > 0:
		return answer{is: no, why: fmt.Sprintf("%d of %d approvals by others were given", have, need)}
	}
	return own
}

// persons is how many must approve at least: one person may count for several
// rules, of a project and of groups above it, and the forge counts what is missing.
func persons(f *evidence.ReleaseFacts) int {
	if len(f.Rules) == 0 {
		return max(f.Required, 1)
	}
	most := 1
	for _, r := range f.Rules {
		most = max(most, r.Required)
	}
	return most
}

// countsFor says whether a person's approval counts: of somebody the forge
// logged in, who is no machine, did not start the deployment, and did not
// approve it already.
func (s *scene) countsFor(ctx context.Context, r *evidence.Record, f *evidence.ReleaseFacts, who evidence.Party, counted []evidence.Party) (tri, string) {
	switch {
	case !proven(who):
		return no, "the approval is only claimed"
	case s.people.bot(ctx, who) == yes:
		return no, "the only approval is a machine's"
	case f.Actor < 0 || f.Actor >= len(r.People):
		return unknown, "the source did not say who started it"
	}
	for _, c := range counted {
		if is, _ := s.people.same(ctx, who, c, r.Occurred); is != no {
			return noIf(is == yes), "the same person approved twice"
		}
	}
	switch is, why := s.people.same(ctx, who, r.People[f.Actor], r.Occurred); is {
	case yes:
		return no, "the only approval is of who started it" + why
	case unknown:
		return unknown, why
	}
	return yes, ""
}

// noIf gives no where something is sure, else unknown.
func noIf(sure bool) tri {
	if sure {
		return no
	}
	return unknown
}
