package github

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// protections records the guard on each watched branch as it stands now: when
// it is due, and when a branch is seen for the first time.
func (r *repoLook) protections() error {
	if !r.due(partGuards, r.st.Protection) && !r.fresh {
		return nil
	}
	for _, name := range r.watched {
		if st := r.st.Branches[name]; st == nil || st.Head == "" || slices.Contains(r.gone, name) {
			continue
		}
		if err := r.protection(name); err != nil {
			return err
		}
	}
	r.claimPart(partGuards, evidence.Instants, r.started, "", evidence.ChangeProtection)
	r.after = append(r.after, func() { r.st.Protection = r.started })
	return nil
}

// guard is all that is known of the protection of a branch.
type guard struct {
	flag     bool           // the branch's own "protected"
	classic  *gh.Protection // nil: none, or not visible
	visible  bool           // classic protection is visible
	rules    []rule
	seen     bool // rules are visible
	rulesets map[int64]*ruleset
}

// rule is one rule in force on a branch, of whichever ruleset. v60's own type
// drops the ruleset and refuses rule types newer than it.
type rule struct {
	Type       string          `json:"type"`
	Ruleset    int64           `json:"ruleset_id"`
	SourceType string          `json:"ruleset_source_type"`
	Parameters json.RawMessage `json:"parameters"`
}

type ruleset struct {
	ID          int64              `json:"id"`
	Name        string             `json:"name"`
	SourceType  string             `json:"source_type"`
	Enforcement string             `json:"enforcement"`
	Bypass      *[]json.RawMessage `json:"bypass_actors"` // absent: hidden from this credential
}

func (r *repoLook) protection(name string) error {
	branch := r.path + "/branches/" + url.PathEscape(name)
	p := r.heads[name]
	g := &guard{rulesets: map[int64]*ruleset{}}
	var b struct {
		Protected bool `json:"protected"`
	}
	if err := decode(p, &b); err != nil {
		return err
	}
	g.flag = b.Protected
	raw, req := p.body, p.req
	p, err := r.get(r.ctx, branch+"/protection")
	switch s := fetch.Status(err); {
	case err == nil:
		if err := decode(p, &g.classic); err != nil {
			return err
		}
		g.visible, raw, req = true, p.body, p.req
	case means(err, unprotected):
		g.visible = true
	case means(err, lacking):
		g.visible = true
		r.note("repository %s: the plan has no branch protection for it: none is in force", r.name)
	case s == http.StatusNotFound || s == http.StatusForbidden:
		// The repository and its branch were readable: only this is hidden.
		r.note("repository %s: classic branch protection is not visible to this credential; it needs read access to administration", r.name)
	default:
		return err
	}
	if err := r.rules(name, g); err != nil {
		return err
	}
	d := r.protectionDraft(name, g.facts(r.name, name), req)
	d.Raw, d.People = raw, g.holders(r.Collector)
	return r.emit(d)
}

// passers are who may merge past the pull requests that classic protection asks
// for. GitHub leaves the list out where nobody may.
func (g *guard) passers() *gh.BypassPullRequestAllowances {
	if g.classic == nil || g.classic.RequiredPullRequestReviews == nil {
		return nil
	}
	return g.classic.RequiredPullRequestReviews.BypassPullRequestAllowances
}

// holders are the people whom classic protection names: those who may push,
// pass by requests, or dismiss reviews.
func (g *guard) holders(c *Collector) []evidence.Person {
	who := newPeople(c)
	var users []*gh.User
	var apps []*gh.App
	if b := g.passers(); b != nil {
		users, apps = append(users, b.Users...), append(apps, b.Apps...)
	}
	if g.classic != nil {
		if rv := g.classic.RequiredPullRequestReviews; rv != nil && rv.DismissalRestrictions != nil {
			users, apps = append(users, rv.DismissalRestrictions.Users...), append(apps, rv.DismissalRestrictions.Apps...)
		}
		if rs := g.classic.Restrictions; rs != nil {
			users, apps = append(users, rs.Users...), append(apps, rs.Apps...)
		}
	}
	for _, u := range users {
		who.account(evidence.RoleHolder, u, evidence.ProofClaimed)
	}
	who.also(owners(apps)...)
	return who.List
}

// rules reads the rules in force on the branch and the rulesets they are of.
func (r *repoLook) rules(name string, g *guard) error {
	err := r.pages(r.ctx, r.path+"/rules/branches/"+url.PathEscape(name)+"?per_page=100", func(p *page) (bool, error) {
		var rs []rule
		if err := decode(p, &rs); err != nil {
			return false, err
		}
		g.rules = append(g.rules, rs...)
		return true, nil
	})
	if means(err, lacking) {
		g.rules, g.seen = nil, true
		r.note("repository %s: the plan has no rulesets for it: none is in force", r.name)
		return nil
	}
	if s := fetch.Status(err); s == http.StatusNotFound || s == http.StatusForbidden {
		r.note("repository %s: rulesets are not visible to this credential, or the source is too old to have them", r.name)
		g.rules = nil
		return nil
	}
	if err != nil {
		return err
	}
	g.seen = true
	for _, ru := range g.rules {
		if ru.Ruleset <= 0 || g.rulesets[ru.Ruleset] != nil {
			continue
		}
		// Rules in force are listed alone, so that those of a ruleset that cannot
		// be read, of an enterprise for one, are known to be active.
		set := &ruleset{ID: ru.Ruleset, Enforcement: "active", SourceType: ru.SourceType}
		p, err := r.get(r.ctx, r.path+"/rulesets/"+strconv.FormatInt(ru.Ruleset, 10)+"?includes_parents=true")
		switch s := fetch.Status(err); {
		case err == nil:
			if err := decode(p, set); err != nil {
				return err
			}
			if set.ID != ru.Ruleset {
				return odd(p, "another ruleset than was asked for")
			}
		case s != http.StatusNotFound && s != http.StatusForbidden:
			return err
		}
		g.rulesets[ru.Ruleset] = set
	}
	return nil
}

func (r *repoLook) protectionDraft(branch string, f *evidence.ProtectionFacts, req evidence.Request) evidence.Draft {
	d := r.draft(evidence.ChangeProtection, evidence.OpSet, req, f)
	d.NotBefore = r.st.Protection
	d.Key = r.key("@%s", branch)
	d.Subject = r.branchRef(r.name, branch)
	return d
}

// maxChecks bounds the required checks in the facts.
const maxChecks = 300

// facts joins classic protection and rules: the stricter of the two holds.
func (g *guard) facts(repo, branch string) *evidence.ProtectionFacts {
	f := &evidence.ProtectionFacts{Repo: repo, Branch: branch, Classic: "not-visible", RulesetsSeen: g.seen}
	if g.visible {
		f.Classic = "no"
	}
	if g.classic != nil {
		f.Classic = "yes"
		g.addClassic(f)
	}
	for _, ru := range g.rules {
		g.addRule(f, ru)
	}
	if g.visible && g.seen {
		// Everything is visible: what nothing forbids is allowed.
		for _, p := range []**bool{&f.AllowForcePush, &f.AllowDeletion} {
			if *p == nil {
				*p = new(bool)
				**p = true
			}
		}
	}
	if !g.visible && g.flag {
		f.Protected = true // by something that this credential cannot see
	}
	for _, list := range []*[]string{&f.RequiredChecks, &f.ChecksOfAnyApp} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
		*list = (*list)[:min(len(*list), maxChecks)]
		for i, c := range *list {
			(*list)[i] = forge.Short(forge.Clean(c))
		}
	}
	f.Rulesets = g.rulesetFacts()
	return f
}

func (g *guard) addClassic(f *evidence.ProtectionFacts) {
	c := g.classic
	if rv := c.RequiredPullRequestReviews; rv != nil {
		f.Protected = true
		f.RequiredApprovals = rv.RequiredApprovingReviewCount
		set(&f.DismissStale, rv.DismissStaleReviews)
		set(&f.CodeOwners, rv.RequireCodeOwnerReviews)
		set(&f.LastPushApproval, rv.RequireLastPushApproval)
	}
	if sc := c.RequiredStatusChecks; sc != nil {
		f.Protected = true
		if sc.Contexts != nil {
			f.RequiredChecks = append(f.RequiredChecks, *sc.Contexts...)
		}
		if sc.Checks != nil {
			for _, ch := range *sc.Checks {
				if ch == nil {
					continue
				}
				f.RequiredChecks = append(f.RequiredChecks, ch.Context)
				pinned(f, ch.Context, ch.GetAppID())
			}
		}
	}
	if c.Restrictions != nil || c.LockBranch != nil && c.LockBranch.GetEnabled() {
		f.Protected = true
	}
	if c.EnforceAdmins != nil {
		set(&f.EnforceAdmins, c.EnforceAdmins.Enabled)
	}
	if c.AllowForcePushes != nil {
		set(&f.AllowForcePush, c.AllowForcePushes.Enabled)
	}
	if c.AllowDeletions != nil {
		set(&f.AllowDeletion, c.AllowDeletions.Enabled)
	}
	if c.RequiredSignatures != nil {
		set(&f.RequiredSignatures, c.RequiredSignatures.GetEnabled())
	}
	if c.RequireLinearHistory != nil {
		set(&f.LinearHistory, c.RequireLinearHistory.Enabled)
	}
}

// addRule adds one active rule.
func (g *guard) addRule(f *evidence.ProtectionFacts, ru rule) {
	switch ru.Type {
	case "pull_request":
		f.Protected = true
		var p struct {
			Approvals  int  `json:"required_approving_review_count"`
			Stale      bool `json:"dismiss_stale_reviews_on_push"`
			CodeOwners bool `json:"require_code_owner_review"`
			LastPush   bool `json:"require_last_push_approval"`
		}
		json.Unmarshal(ru.Parameters, &p) // parameters of another form say nothing
		f.RequiredApprovals = max(f.RequiredApprovals, p.Approvals)
		or(&f.DismissStale, p.Stale)
		or(&f.CodeOwners, p.CodeOwners)
		or(&f.LastPushApproval, p.LastPush)
	case "required_status_checks":
		f.Protected = true
		var p struct {
			Checks []struct {
				Context string `json:"context"`
				App     int64  `json:"integration_id"`
			} `json:"required_status_checks"`
		}
		json.Unmarshal(ru.Parameters, &p)
		for _, c := range p.Checks {
			f.RequiredChecks = append(f.RequiredChecks, c.Context)
			pinned(f, c.Context, c.App)
		}
	case "update", "merge_queue", "workflows",
		// A push is refused until the commit was deployed, or was scanned and found
		// good. See https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets
		"required_deployments", "code_scanning":
		f.Protected = true
	case "non_fast_forward":
		set(&f.AllowForcePush, false)
	case "deletion":
		set(&f.AllowDeletion, false)
	case "required_signatures":
		set(&f.RequiredSignatures, true)
	case "required_linear_history":
		set(&f.LinearHistory, true)
	}
}

// pinned notes a required check that is not bound to one app: whoever may
// report under its name passes it.
func pinned(f *evidence.ProtectionFacts, context string, app int64) {
	if app <= 0 {
		f.ChecksOfAnyApp = append(f.ChecksOfAnyApp, context)
	}
}

func set(p **bool, v bool) { *p = &v }

// or sets *p to v, or leaves a true that stands there.
func or(p **bool, v bool) {
	if *p == nil || v {
		set(p, v)
	}
}

func (g *guard) rulesetFacts() []evidence.RulesetFacts {
	var fs []evidence.RulesetFacts
	if b := g.passers(); b != nil && len(b.Users)+len(b.Teams)+len(b.Apps) > 0 {
		fs = append(fs, evidence.RulesetFacts{
			Name: "classic protection", Source: "classic", Enforcement: "active", Rules: []string{"pull_request"},
			Bypass: "some", BypassCount: len(b.Users) + len(b.Teams) + len(b.Apps),
		})
	}
	for id, s := range g.rulesets {
		f := evidence.RulesetFacts{ID: id, Name: forge.Short(forge.Clean(s.Name)), Enforcement: s.Enforcement, Bypass: "not-visible", Source: strings.ToLower(s.SourceType)}
		if s.Bypass != nil {
			f.Bypass, f.BypassCount = "none", len(*s.Bypass)
			if f.BypassCount > 0 {
				f.Bypass = "some"
			}
		}
		for _, ru := range g.rules {
			if ru.Ruleset == id && !slices.Contains(f.Rules, ru.Type) {
				f.Rules = append(f.Rules, ru.Type)
			}
		}
		slices.Sort(f.Rules)
		fs = append(fs, f)
	}
	slices.SortFunc(fs, func(a, b evidence.RulesetFacts) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return fs
}
