package github

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

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
		if err := r.unread[name]; err != nil { // its own answer says whether there is a guard
			if err := r.spoil(partGuards, err); err != nil {
				return err
			}
			continue
		}
		if st := r.st.Branches[name]; st == nil || st.Head == "" || slices.Contains(r.gone, name) {
			continue
		}
		// A guard of which a part cannot be read is not told without it, as a weaker
		// one.
		if err := r.spoil(partGuards, r.protection(name)); err != nil {
			return err
		}
	}
	if !r.spoilt(partGuards, r.st.Protection, evidence.ChangeProtection) {
		r.claimPart(partGuards, evidence.Instants, r.started, "", evidence.ChangeProtection)
	}
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
	Bypass      *[]json.RawMessage `json:"bypass_actors"` // absent: hidden from this credential; of type bypassActor
}

// bypassActor is who may pass by a ruleset. v60's own type refuses kinds and
// modes newer than it. See https://docs.github.com/en/rest/repos/rules
type bypassActor struct {
	ID   int64  `json:"actor_id"` // null of a deploy key
	Type string `json:"actor_type"`
	Mode string `json:"bypass_mode"`
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
	who := g.holders(r.Collector)
	d := r.protectionDraft(name, g.facts(r.name, name, who), req)
	d.Raw, d.People = raw, who.List
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
func (g *guard) holders(c *Collector) *people {
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
	return who
}

// rules reads the rules in force on the branch and the rulesets they are of.
func (r *repoLook) rules(name string, g *guard) error {
	err := r.pages(r.ctx, r.path+"/rules/branches/"+url.PathEscape(name)+"?per_page=100", func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			var ru rule
			if err := decode(p.item(raw), &ru); err != nil {
				return false, err
			}
			if ru.Type == "" || !ru.readable() {
				return false, oddItem(p, "a rule of an unknown form ("+cmp.Or(word(ru.Type), "other")+")")
			}
			g.rules = append(g.rules, ru)
		}
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

// Bounds of lists in the facts.
const (
	maxChecks    = 300
	maxReviewers = 100
	maxBypassers = 100
)

// facts joins classic protection and rules: the stricter of the two holds. Whom
// they let pass by is added to who.
func (g *guard) facts(repo, branch string, who *people) *evidence.ProtectionFacts {
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
	if !g.visible || !g.seen {
		doubt(f)
	}
	ofApp := map[string]bool{}
	for _, c := range f.ChecksOfApps {
		ofApp[c.Check] = true
	}
	// Asked for twice, once of an app: that app must report.
	f.ChecksOfAnyApp = slices.DeleteFunc(f.ChecksOfAnyApp, func(c string) bool { return ofApp[c] })
	f.RequiredChecks = ordered(f.RequiredChecks, strings.Compare, maxChecks)
	f.ChecksOfAnyApp = ordered(f.ChecksOfAnyApp, strings.Compare, maxChecks)
	f.ChecksOfApps = ordered(f.ChecksOfApps, func(a, b evidence.CheckApp) int {
		return cmp.Or(strings.Compare(a.Check, b.Check), cmp.Compare(a.App, b.App))
	}, maxChecks)
	f.Reviewers = ordered(f.Reviewers, func(a, b evidence.GuardTeam) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(b.Approvals, a.Approvals), cmp.Compare(a.Patterns, b.Patterns))
	}, maxReviewers)
	f.Rulesets = g.rulesetFacts(who)
	return f
}

// ordered gives a list in an order of its own, without repetitions, and bounded;
// nil when it is empty.
func ordered[T comparable](list []T, order func(a, b T) int, most int) []T {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, order)
	list = slices.Compact(list)
	return list[:min(len(list), most)]
}

// doubt takes back what only the hidden one of classic protection and rules could
// tell: it may forbid what the other allows.
func doubt(f *evidence.ProtectionFacts) {
	for _, said := range []struct {
		of  **bool
		lax bool
	}{
		{&f.DismissStale, false}, {&f.CodeOwners, false}, {&f.LastPushApproval, false}, {&f.StrictChecks, false},
		{&f.RequiredSignatures, false}, {&f.LinearHistory, false}, {&f.AllowForcePush, true}, {&f.AllowDeletion, true},
	} {
		if *said.of != nil && **said.of == said.lax {
			*said.of = nil
		}
	}
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
		set(&f.StrictChecks, sc.Strict)
		if sc.Contexts != nil {
			for _, name := range *sc.Contexts {
				f.RequiredChecks = append(f.RequiredChecks, forge.Short(forge.Clean(name)))
			}
		}
		if sc.Checks != nil {
			for _, ch := range *sc.Checks {
				if ch != nil {
					requireCheck(f, ch.Context, ch.GetAppID())
				}
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

// requestParameters are those of the rule that changes come by requests.
type requestParameters struct {
	Approvals  int            `json:"required_approving_review_count"`
	Stale      *bool          `json:"dismiss_stale_reviews_on_push"`
	CodeOwners *bool          `json:"require_code_owner_review"`
	LastPush   *bool          `json:"require_last_push_approval"`
	Reviewers  []ruleReviewer `json:"required_reviewers"`
}

// checkParameters are those of the rule that checks must pass.
type checkParameters struct {
	Strict *bool `json:"strict_required_status_checks_policy"`
	Checks []struct {
		Context string `json:"context"`
		App     int64  `json:"integration_id"`
	} `json:"required_status_checks"`
}

// readable reports whether the parameters that are read of a rule can be. Without
// them it would be told as asking for less.
func (ru rule) readable() bool {
	var p any
	switch ru.Type {
	case "pull_request":
		p = new(requestParameters)
	case "required_status_checks":
		p = new(checkParameters)
	}
	return p == nil || len(ru.Parameters) == 0 || json.Unmarshal(ru.Parameters, p) == nil
}

// addRule adds one active rule.
func (g *guard) addRule(f *evidence.ProtectionFacts, ru rule) {
	switch ru.Type {
	case "pull_request":
		f.Protected = true
		var p requestParameters
		json.Unmarshal(ru.Parameters, &p) // without parameters they say nothing
		f.RequiredApprovals = max(f.RequiredApprovals, p.Approvals)
		or(&f.DismissStale, p.Stale)
		or(&f.CodeOwners, p.CodeOwners)
		or(&f.LastPushApproval, p.LastPush)
		for _, rv := range p.Reviewers {
			f.Reviewers = append(f.Reviewers, rv.facts())
		}
	case "required_status_checks":
		f.Protected = true
		var p checkParameters
		json.Unmarshal(ru.Parameters, &p)
		or(&f.StrictChecks, p.Strict)
		for _, c := range p.Checks {
			requireCheck(f, c.Context, c.App)
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

// requireCheck adds a required check. Of one that is not bound to an app, whoever
// may report under its name passes it.
func requireCheck(f *evidence.ProtectionFacts, name string, app int64) {
	name = forge.Short(forge.Clean(name))
	f.RequiredChecks = append(f.RequiredChecks, name)
	if app <= 0 {
		f.ChecksOfAnyApp = append(f.ChecksOfAnyApp, name)
	} else {
		f.ChecksOfApps = append(f.ChecksOfApps, evidence.CheckApp{Check: name, App: app})
	}
}

// ruleReviewer is a team that the rule of pull requests names.
type ruleReviewer struct {
	Approvals int      `json:"minimum_approvals"`
	Files     []string `json:"file_patterns"`
	Reviewer  struct {
		ID   int64  `json:"id"`
		Type string `json:"type"`
	} `json:"reviewer"`
}

func (rv ruleReviewer) facts() evidence.GuardTeam {
	return evidence.GuardTeam{Kind: kebab(rv.Reviewer.Type), ID: rv.Reviewer.ID, Approvals: rv.Approvals, Patterns: len(rv.Files), Everything: everyFile(rv.Files)}
}

// everyFile reports whether patterns, in the form of .gitignore files, are about
// every file: one is, and none takes any out again.
// See https://github.com/orgs/community/discussions/178776.
func everyFile(patterns []string) (every bool) {
	for _, p := range patterns {
		if strings.HasPrefix(p, "!") {
			return false
		}
		every = every || p == "*" || p == "**" || p == "**/*"
	}
	return every
}

// kebab writes GitHub's word for a kind of actor in lower case with dashes;
// unknown where it has none.
func kebab(s string) string {
	var b strings.Builder
	for i, c := range forge.Fact(s) {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return cmp.Or(b.String(), "unknown")
}

func set(p **bool, v bool) { *p = &v }

// or sets *p to what is said, or leaves a true that stands there.
func or(p **bool, said *bool) {
	if said != nil && (*p == nil || *said) {
		set(p, *said)
	}
}

// facts tells who may pass by; an account is added to who.
func (a bypassActor) facts(who *people) evidence.Bypasser {
	b := evidence.Bypasser{Kind: kebab(a.Type), ID: a.ID, Person: -1, Mode: strings.ReplaceAll(forge.Fact(a.Mode), "_", "-")}
	switch b.Kind {
	case "integration":
		b.Kind = "app"
	case "repository-role":
		b.Kind = "role"
	case "organization-admin": // its number says nothing: there is one such role
		b.ID = 0
	case "user":
		b.Person, b.ID = who.account(evidence.RoleHolder, &gh.User{ID: &a.ID}, evidence.ProofClaimed), 0
	}
	return b
}

// bypassers lists those who may pass by, in an order of their own.
func bypassers(list []evidence.Bypasser) []evidence.Bypasser {
	return ordered(list, func(a, b evidence.Bypasser) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Person, b.Person), strings.Compare(a.Mode, b.Mode))
	}, maxBypassers)
}

// classicBypass tells of whom classic protection lets push without a request, as
// a ruleset of its own.
func classicBypass(p *gh.BypassPullRequestAllowances, who *people) evidence.RulesetFacts {
	var list []evidence.Bypasser
	for _, u := range p.Users {
		list = append(list, evidence.Bypasser{Kind: "user", Person: who.account(evidence.RoleHolder, u, evidence.ProofClaimed), Mode: "always"})
	}
	for _, t := range p.Teams {
		list = append(list, evidence.Bypasser{Kind: "team", ID: t.GetID(), Person: -1, Mode: "always"})
	}
	for _, a := range p.Apps {
		list = append(list, evidence.Bypasser{Kind: "app", ID: a.GetID(), Person: -1, Mode: "always"})
	}
	return evidence.RulesetFacts{
		Name: "classic protection", Source: "classic", Enforcement: "active", Rules: []string{"pull_request"},
		Bypass: "some", BypassCount: len(list), Bypassers: bypassers(list),
	}
}

func (g *guard) rulesetFacts(who *people) []evidence.RulesetFacts {
	var fs []evidence.RulesetFacts
	if b := g.passers(); b != nil && len(b.Users)+len(b.Teams)+len(b.Apps) > 0 {
		fs = append(fs, classicBypass(b, who))
	}
	for _, id := range slices.Sorted(maps.Keys(g.rulesets)) {
		s := g.rulesets[id]
		f := evidence.RulesetFacts{ID: id, Name: forge.Short(forge.Clean(s.Name)), Enforcement: s.Enforcement, Bypass: "not-visible", Source: strings.ToLower(s.SourceType)}
		if s.Bypass != nil {
			f.Bypass, f.BypassCount = "none", len(*s.Bypass)
			if f.BypassCount > 0 {
				f.Bypass = "some"
			}
			for _, raw := range *s.Bypass {
				var a bypassActor
				json.Unmarshal(raw, &a) // one of another form is somebody all the same
				f.Bypassers = append(f.Bypassers, a.facts(who))
			}
			f.Bypassers = bypassers(f.Bypassers)
		}
		for _, ru := range g.rules {
			if ru.Ruleset == id && !slices.Contains(f.Rules, ru.Type) {
				f.Rules = append(f.Rules, ru.Type)
			}
		}
		slices.Sort(f.Rules)
		fs = append(fs, f)
	}
	return fs
}
