package mappings

import (
	"context"
	"strings"

	"evidenced/evidence"
)

var infraView = &view{
	View: View{
		Name: "infra_changes",
		Doc: "Runs of infrastructure as code, each in its newest version. " +
			"A run is approved when somebody else than its maker confirmed it, or when its configuration is a commit whose request another person than its author approved and nothing was set for the run alone: " +
			"no variables, no choice of resources or actions, no destruction of everything. Its maker is who asked for it; of a run that a push started, the authors of the commit and of its request.",
		Kinds: []evidence.Kind{evidence.InfraRun},
		Fields: []Field{
			{Name: "organization", Type: "string", Doc: "organization the workspace is in; empty where the source has none"},
			{Name: "workspace", Type: "string", Doc: "workspace it ran in"},
			{Name: "status", Type: "string", Doc: "waiting, running, planned, applied, failed, discarded, cancelled or unknown"},
			{Name: "applied", Type: "bool", Optional: true, Doc: "the apply began, so that something may have changed however it ended; missing where the source does not say"},
			{Name: "additions", Type: "int", Optional: true, Doc: "resources that were made, by the apply's own count"},
			{Name: "changes", Type: "int", Optional: true, Doc: "resources that were changed"},
			{Name: "destructions", Type: "int", Optional: true, Doc: "resources that were destroyed"},
			{Name: "claimed", Type: "bool", Doc: "files that a pipeline left tell it: that cannot show an approval, only its lack"},
			{Name: "destroy", Type: "bool", Doc: "it was asked for to destroy everything"},
			{Name: "special", Type: "bool", Doc: "something was set for this run alone: variables, a choice of resources or actions, a destruction of everything"},
			{Name: "auto_apply", Type: "bool", Doc: "it was to be applied without a confirmation"},
			{Name: "maker_known", Type: "bool", Doc: "the source says who asked for it"},
			{Name: "confirmed", Type: "bool", Doc: "somebody confirmed it"},
			{Name: "commit", Type: "string", Doc: "commit that its configuration came from; empty where it came from no repository, or the source does not say"},
			{Name: "commit_known", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ChangeCommit}, Doc: "its configuration is a commit that was observed; missing where it was not"},
			{Name: "approved", Type: "bool", Optional: true, Doc: "confirmed by somebody else than its maker, or stemming from a reviewed request"},
			{Name: "approved_independent", Type: "bool", Optional: true,
				Doc: "confirmed by somebody who neither asked for it nor wrote nor merged what it applied, or stemming from a request whose approver did none of these"},
			{Name: "policies_failed", Type: "int", Optional: true, Doc: "mandatory policies that it failed; missing where they were not read"},
			{Name: "overridden", Type: "bool", Optional: true, Doc: "it failed a policy and somebody let it go on"},
			{Name: "overridden_by_other", Type: "bool", Optional: true,
				Doc: "who let it go on is another person than its maker, each time; true where nobody had to"},
		},
	},
	build:  buildInfra,
	steady: true,
}

func buildInfra(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.index(ctx)
	if err != nil {
		return err
	}
	return events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		b := &infraRun{s: s, x: x, r: r}
		if err := r.Decode(&b.f); err != nil {
			return err
		}
		it := newItem(r, r.Occurred, "run "+b.f.ID+" of "+b.f.Workspace)
		it.seqs = seqs
		b.fill(ctx, it)
		return yield(it)
	}, evidence.InfraRun)
}

// infraRun is one run while its item is made.
type infraRun struct {
	s *scene
	x *changeIndex
	r *evidence.Record
	f evidence.InfraRunFacts
}

func (b *infraRun) fill(ctx context.Context, it *item) {
	f := &b.f
	if f.Claimed {
		it.weak = "files that whoever ran it wrote tell it"
	}
	it.set("source", string(b.r.Source)).set("happened", b.r.Occurred).set("claimed", f.Claimed)
	it.set("organization", f.Organization).set("workspace", f.Workspace).set("status", f.Status)
	it.set("destroy", f.Destroy).set("special", b.special() != "").set("auto_apply", f.AutoApply).set("commit", f.Commit)
	_, maker := b.party(f.Creator)
	it.set("maker_known", maker)
	_, confirmed := b.party(f.Confirmer)
	it.set("confirmed", confirmed || !f.ConfirmedAt.IsZero() && !f.AutoApply)
	if f.Began == nil {
		it.lacks("applied", "the source does not say whether the apply began")
	} else {
		it.set("applied", *f.Began)
	}
	for name, n := range map[string]func(*evidence.InfraCount) int64{
		"additions":    func(c *evidence.InfraCount) int64 { return c.Additions },
		"changes":      func(c *evidence.InfraCount) int64 { return c.Changes },
		"destructions": func(c *evidence.InfraCount) int64 { return c.Deletions },
	} {
		if f.Apply == nil {
			it.lacks(name, "the source counts nothing that was applied")
		} else {
			it.set(name, int(n(f.Apply)))
		}
	}
	switch i, known := b.commit(); {
	case f.Commit == "":
		it.lacks("commit_known", "the source names no commit")
	case !known:
		it.unseen("commit_known", "no source saw commit "+shortSHA(f.Commit))
	default:
		it.set("commit_known", true).also(b.x.commits[i].seq)
		if q := b.x.carried[i]; q != nil {
			it.also(q.seqs[0])
		}
	}
	it.answerField("approved", b.approved(ctx, askHead))
	it.answerField("approved_independent", b.approved(ctx, askIndependent))
	b.policies(ctx, it)
}

// special says what was set for the run alone, so that the review of its commit
// does not authorise it.
func (b *infraRun) special() string {
	switch f := &b.f; {
	case f.Destroy:
		return "it destroys everything, which is not in its commit"
	case f.Variables > 0:
		return "variables were set for it alone"
	case f.Targets > 0 || f.Replaces > 0:
		return "resources were chosen for it alone"
	case f.Invokes > 0:
		return "actions were chosen for it alone"
	}
	return ""
}

func (b *infraRun) party(i int) (evidence.Party, bool) {
	if i < 0 || i >= len(b.r.People) {
		return evidence.Party{}, false
	}
	return b.r.People[i], true
}

// commit returns the index of the run's commit when a source saw it.
func (b *infraRun) commit() (int, bool) {
	i, ok := b.x.bySHA[b.f.Commit]
	return i, ok && b.x.commits[i].seq != 0
}

// pushed reports whether a push started the run, so that nobody asked for it at
// the platform.
func (b *infraRun) pushed() bool { return b.f.Source == "tfe-configuration-version" }

// approved says whether the run was confirmed by somebody else, or stems from a
// reviewed request. One way is enough.
func (b *infraRun) approved(ctx context.Context, ask string) answer {
	c, r := b.confirmedByOther(ctx, ask), b.reviewed(ctx, ask)
	switch {
	case c.is == yes:
		return c
	case r.is == yes:
		return r
	case c.is == unknown && r.is == unknown:
		return answer{is: unknown, why: c.why + "; " + r.why, unobserved: c.unobserved && r.unobserved}
	case c.is == unknown:
		return c
	case r.is == unknown:
		return r
	}
	return answer{is: no, why: c.why + "; " + r.why}
}

// reviewed says whether the request that brought the run's commit was approved.
func (b *infraRun) reviewed(ctx context.Context, ask string) answer {
	if why := b.special(); why != "" {
		return answer{is: no, why: why}
	}
	if b.f.Commit == "" && b.f.Claimed {
		return answer{is: unknown, why: "no file tells the commit that it ran on"}
	}
	if b.f.Commit == "" {
		return answer{is: no, why: "its configuration is no commit that the source names"}
	}
	i, ok := b.x.bySHA[b.f.Commit]
	if !ok {
		return answer{is: unknown, why: "no source saw commit " + shortSHA(b.f.Commit), unobserved: true}
	}
	by := starter{}
	if !b.pushed() {
		by.manual = true
		by.who, by.known = b.party(b.f.Creator)
	}
	return b.s.changeBy(ctx, b.x, i, ask, by)
}

// confirmedByOther says whether somebody else than the run's makers confirmed it.
// For askIndependent the makers of the change that it applied are among them,
// whoever asked for the run.
func (b *infraRun) confirmedByOther(ctx context.Context, ask string) answer {
	who, ok := b.party(b.f.Confirmer)
	switch {
	case !ok && b.f.Claimed:
		return answer{is: no, why: "files tell of no confirmation"}
	case !ok && b.f.AutoApply:
		return answer{is: no, why: "it was applied without a confirmation"}
	case !ok:
		return answer{is: no, why: "nobody is named who confirmed it"}
	case !proven(who):
		return answer{is: no, why: "the confirmation is only claimed"}
	case b.s.people.bot(ctx, who) == yes:
		return answer{is: no, why: "a machine confirmed it"}
	}
	return b.other(ctx, who, ask, "confirmed it")
}

// other says whether a person is another than the run's makers.
func (b *infraRun) other(ctx context.Context, who evidence.Party, ask, did string) answer {
	maker, known := b.party(b.f.Creator)
	machine := known && b.s.people.bot(ctx, maker) == yes
	if known {
		switch is, why := b.s.people.same(ctx, who, maker, b.r.Occurred); {
		case is == yes:
			return answer{is: no, why: "who asked for it " + did + why}
		case is == unknown && !machine:
			return answer{is: unknown, why: why}
		}
	}
	// Behind a push and behind a machine somebody stands who wrote the change.
	need := !known || machine || b.pushed() || ask == askIndependent
	authors, unsaid := b.authors(ask)
	for _, a := range authors {
		switch is, why := b.s.people.same(ctx, who, a, b.r.Occurred); {
		case is == yes:
			return answer{is: no, why: "who wrote the change " + did + why}
		case is == unknown && need && unsaid == "":
			unsaid = why
		}
	}
	if need && unsaid != "" {
		return answer{is: unknown, why: unsaid}
	}
	return answer{is: yes}
}

// authors are who made the change that the run applied: the request's author and
// its commits' authors, for askIndependent its merger too. It says why they are
// not all known.
func (b *infraRun) authors(ask string) (all []evidence.Party, unsaid string) {
	i, ok := b.commit()
	if !ok {
		return nil, "the source does not say who wrote what it applied"
	}
	q := b.x.carried[i]
	if q == nil {
		return nil, "commit " + shortSHA(b.f.Commit) + " belongs to no request that says who wrote it"
	}
	for _, n := range append([]int{q.facts.Author}, q.facts.CommitAuthors...) {
		if p, ok := q.party(n); ok {
			all = append(all, p)
		}
	}
	if ask == askIndependent {
		if p, ok := q.party(q.facts.Merger); ok {
			all = append(all, p)
		}
	}
	if author, ok := q.party(q.facts.Author); !ok || !proven(author) {
		return all, "the source did not say who opened the request"
	}
	return all, ""
}

// policies sets the fields about the policies that the run was checked against.
func (b *infraRun) policies(ctx context.Context, it *item) {
	f := &b.f
	if !f.PoliciesSeen || f.PoliciesCut > 0 {
		why := "the policies of the run were not read"
		for _, name := range []string{"policies_failed", "overridden", "overridden_by_other"} {
			it.missing[name] = lack{why: why, unobserved: true}
		}
		return
	}
	failed, overridden := 0, 0
	for _, p := range f.Policies {
		failed += int(p.Mandatory)
		if p.Overridden {
			overridden++
		}
	}
	it.set("policies_failed", failed).set("overridden", overridden > 0)
	it.answerField("overridden_by_other", b.overriders(ctx, overridden))
}

// overriders says whether who let the run pass its policies is each time another
// person than its maker.
func (b *infraRun) overriders(ctx context.Context, overridden int) answer {
	if overridden == 0 {
		return answer{is: yes}
	}
	if !b.f.EventsSeen {
		return answer{is: unknown, why: "who let it pass a policy was not read", unobserved: true}
	}
	found, all := false, answer{is: yes} // one act may let it pass several
	for _, e := range b.f.Events {
		if !strings.Contains(e.Action, "overrid") {
			continue
		}
		found = true
		who, ok := b.party(e.Person)
		switch {
		case !ok:
			all = worse(all, answer{is: unknown, why: "the source does not say who let it pass a policy"})
		case b.s.people.bot(ctx, who) == yes:
			all = worse(all, answer{is: no, why: "a machine let it pass a policy"})
		default:
			all = worse(all, b.other(ctx, who, askHead, "let it pass a policy"))
		}
	}
	if !found {
		return answer{is: unknown, why: "the source does not say who let it pass a policy"}
	}
	return all
}
