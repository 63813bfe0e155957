package mappings

import (
	"context"
	"slices"
	"strings"

	"evidenced/evidence"
)

var protectionsView = stateView(View{
	Name: "protections", Doc: "Guards on branches: one item for each form that was in force at some time in the period.",
	Kinds: []evidence.Kind{evidence.ChangeProtection},
	Fields: []Field{
		{Name: "repo", Type: "string", Doc: "repository, owner/name in lower case"},
		{Name: "branch", Type: "string", Doc: "branch"},
		{Name: "protected", Type: "bool", Optional: true, Doc: "some rule stands in the way of a direct push"},
		{Name: "required_approvals", Type: "int", Optional: true, Doc: "approvals a request needs, at least; missing where only teams must approve that are asked about certain files"},
		{Name: "required_teams", Type: "int", Doc: "teams that must approve requests, or those that touch certain files; one that is asked and need not answer is none"},
		{Name: "dismiss_stale", Type: "bool", Optional: true, Doc: "a push takes earlier approvals away"},
		{Name: "last_push_approval", Type: "bool", Optional: true, Doc: "the last push needs the approval of another person"},
		{Name: "code_owners", Type: "bool", Optional: true, Doc: "owners of the files must approve"},
		{Name: "enforce_admins", Type: "bool", Optional: true, Doc: "administrators are bound too"},
		{Name: "allow_force_push", Type: "bool", Optional: true, Doc: "history may be rewritten"},
		{Name: "allow_deletion", Type: "bool", Optional: true, Doc: "the branch may be deleted"},
		{Name: "required_signatures", Type: "bool", Optional: true, Doc: "commits must be signed"},
		{Name: "required_checks", Type: "list(string)", Doc: "checks that must pass"},
		{Name: "checks_of_any_app", Type: "list(string)", Doc: "of these, the ones that pass whoever reports them"},
		{Name: "strict_checks", Type: "bool", Optional: true, Doc: "checks must have run on top of the branch as it stands"},
		{Name: "bypass", Type: "bool", Optional: true, Doc: "somebody may pass by an active rule"},
	},
}, func(st *stretch[evidence.ProtectionFacts]) *item {
	f := &st.facts
	it := stateItem(st, evidence.ChangeProtection, "guard on "+branchName(f.Branch)+" of "+f.Repo)
	it.set("repo", repoName(f.Repo)).set("branch", branchName(f.Branch))
	it.set("required_checks", orEmpty(f.RequiredChecks)).set("checks_of_any_app", orEmpty(f.ChecksOfAnyApp)).setBool("strict_checks", f.StrictChecks)
	it.setBool("dismiss_stale", f.DismissStale).setBool("last_push_approval", f.LastPushApproval)
	it.setBool("code_owners", f.CodeOwners).setBool("enforce_admins", f.EnforceAdmins)
	it.setBool("allow_force_push", f.AllowForcePush).setBool("allow_deletion", f.AllowDeletion)
	it.setBool("required_signatures", f.RequiredSignatures)
	asksFor(it, f)
	bypass(it, f)
	return it
})

// asksFor says whether the branch is protected and how many approvals it asks
// for. What the credential does not see may ask for more.
func asksFor(it *item, f *evidence.ProtectionFacts) {
	switch {
	case f.Protected:
		it.set("protected", true)
	case f.Classic == "not-visible":
		it.lacks("protected", "the credential does not show how the branch is protected")
	default:
		it.set("protected", false)
		it.why["protected"] = "no rule stands in the way of a direct push"
	}
	need, teams := f.RequiredApprovals, 0
	for _, r := range f.Reviewers {
		if r.Approvals > 0 {
			teams++
		}
		if r.Everything {
			need = max(need, r.Approvals)
		}
	}
	it.set("required_teams", teams)
	switch {
	case need > 0:
		it.set("required_approvals", need)
	case teams > 0:
		it.lacks("required_approvals", "teams must approve what touches certain files, and whether every request does is not recorded")
	case f.Classic == "not-visible" || !f.RulesetsSeen:
		it.lacks("required_approvals", "the credential does not show all rules about approvals")
	default:
		it.set("required_approvals", 0)
	}
}

// bypass says whether somebody may pass by: a visible one is enough for yes;
// no needs every active ruleset to show its list.
func bypass(it *item, f *evidence.ProtectionFacts) {
	hidden := !f.RulesetsSeen
	for _, r := range f.Rulesets {
		switch {
		case r.Enforcement != "active":
		case r.Bypass == "some":
			it.set("bypass", true)
			it.why["bypass"] = "a ruleset lets somebody pass by" + passersOf(r.Bypassers)
			return
		case r.Bypass == "not-visible":
			hidden = true
		}
	}
	if hidden {
		it.lacks("bypass", "the credential does not show who may pass by the rules")
		return
	}
	it.set("bypass", false)
}

// passersOf tells who may pass by, each kind and mode once.
func passersOf(bs []evidence.Bypasser) string {
	var words []string
	for _, b := range bs {
		word := strings.ReplaceAll(b.Kind, "-", " ")
		switch b.Mode {
		case "pull-request":
			word += " in requests"
		case "exempt":
			word += " without a trace"
		}
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words[:min(len(words), 8)], ", ")
}

var rewritesView = &view{
	View: View{
		Name:  "rewrites",
		Doc:   "Rewritten history: every time a branch moved to a commit that does not descend from the one before, or went.",
		Kinds: []evidence.Kind{evidence.ChangeRewrite},
		Fields: []Field{
			{Name: "repo", Type: "string", Doc: "repository, owner/name in lower case"},
			{Name: "branch", Type: "string", Doc: "branch"},
			{Name: "watched", Type: "bool", Doc: "the branch is watched, see view changes"},
			{Name: "lost", Type: "int", Doc: "commits that no branch reaches any more"},
			{Name: "gone", Type: "bool", Doc: "the branch itself is gone"},
		},
	},
	build:  buildRewrites,
	steady: true,
}

func buildRewrites(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.index(ctx)
	if err != nil {
		return err
	}
	return events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.RewriteFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		repo, branch := repoName(f.Repo), branchName(f.Ref)
		watched := x.isWatched(repo, branch)
		if x.watched[repo] == nil && !x.guarded[repo] {
			watched = branch == "main" || branch == "master"
		}
		it := newItem(r, r.Occurred, "rewrite of "+strings.TrimSpace(branch)+" of "+f.Repo)
		it.seqs = seqs
		it.set("source", string(r.Source)).set("happened", r.Occurred).set("repo", repo).set("branch", branch)
		it.set("watched", watched).set("lost", len(f.Lost)+f.LostCut).set("gone", f.After == "")
		return yield(it)
	}, evidence.ChangeRewrite)
}
