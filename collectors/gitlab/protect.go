package gitlab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// due reports whether settings that were read at a time are to be read again.
func due(read time.Time, l *look) bool {
	return read.IsZero() || l.started.Sub(read) >= l.cfg.SettingsEvery
}

// settingsOf reads guards and members when they are due.
func (r *projectLook) settingsOf() error {
	if !due(r.st.Settings, r.look) && r.st.Path == r.path {
		return nil
	}
	if err := r.protections(); err != nil {
		return err
	}
	if err := r.members(); err != nil {
		return err
	}
	r.settings++
	r.after = append(r.after, func() { r.st.Settings = r.started })
	return nil
}

// guard is all that is known of the protection of a project's branches.
type guard struct {
	branches []*gl.ProtectedBranch // of the project and of the groups above it
	ofGroups map[int]bool          // those of groups, by id
	seen     bool                  // branches is visible
	push     *gl.ProjectPushRules  // nil: none, or not visible
	pushSeen bool
	settings *gl.ProjectApprovals
	laidDown laidDown // nil: not visible, so that settings are the project's own alone
	rules    []*approvalRule
	rulesAre bool // rules is visible
	checks   string
	raw      []json.RawMessage // of branches
	req      evidence.Request
}

// approvalRule is what of an approval rule is read. The members of a branch beside
// its name come in more than one form there, and none of them is needed.
type approvalRule struct {
	ID                            int          `json:"id"`
	Name                          string       `json:"name"`
	RuleType                      string       `json:"rule_type"`
	ReportType                    string       `json:"report_type"` // of a report_approver
	ApprovalsRequired             int          `json:"approvals_required"`
	AppliesToAllProtectedBranches bool         `json:"applies_to_all_protected_branches"`
	ProtectedBranches             []ruleBranch `json:"protected_branches"`

	group string // whose it is; "" of the project
}

type ruleBranch struct {
	Name string `json:"name"`
}

// protections records the guard on each watched branch as it stands now.
func (r *projectLook) protections() error {
	g, err := r.guard()
	if e := forge.Odd(err); e != nil {
		// A guard of which a part cannot be read is not told without it, as a weaker
		// one: what was known of it stands.
		r.missing = forge.AddOnce(r.missing, "project "+strconv.Itoa(r.id)+": "+err.Error())
		r.claim(r.ref, evidence.Blind, r.blindFrom(r.st.Settings), e.Cause(), r.cfg.SettingsEvery, evidence.ChangeProtection)
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range r.watched {
		if st := r.st.Branches[name]; st == nil || st.Head == "" || slices.Contains(r.gone, name) {
			continue
		}
		d := r.protectionDraft(name, g.facts(r.path, name), g.req)
		d.Raw, d.People = g.own(r.Collector, name)
		if err := r.emit(d); err != nil {
			return err
		}
	}
	r.claim(r.ref, evidence.Instants, r.started, "", r.cfg.SettingsEvery, evidence.ChangeProtection)
	return nil
}

// guard reads the settings, each of which the credential may or may not see.
func (r *projectLook) guard() (*guard, error) {
	g := &guard{checks: r.checks, ofGroups: map[int]bool{}, req: evidence.Request{Agent: agent}}
	_, err := r.list(r.ctx, r.api+"/protected_branches", &gl.ListProtectedBranchesOptions{ListOptions: gl.ListOptions{PerPage: perPage}}, func(p *page, raw json.RawMessage) error {
		var b gl.ProtectedBranch
		if err := decodeItem(p, raw, &b); err != nil {
			return err
		}
		var from struct {
			Group bool `json:"inherited"`
		}
		if err := decodeItem(p, raw, &from); err != nil {
			return err
		}
		if b.Name == "" {
			return oddItem(p, "a protected branch without a name")
		}
		g.ofGroups[b.ID] = from.Group
		g.branches, g.raw, g.req = append(g.branches, &b), append(g.raw, raw), p.req
		return nil
	})
	switch {
	case err == nil:
		g.seen = true
	case refused(err):
		g.branches = nil
		r.note("project %d: protected branches are not visible to this credential", r.id)
	default:
		return nil, err
	}
	if err := r.pushRule(g); err != nil {
		return nil, err
	}
	return g, r.approvalSettings(g)
}

// own gives the protected branches that match as received, and the people whom
// they name: single accounts that may push, merge or unprotect.
func (g *guard) own(c *Collector, branch string) (raw []byte, holders []evidence.Person) {
	var parts []json.RawMessage
	who := newPeople(c)
	for i, b := range g.branches {
		if !covers(b.Name, branch) {
			continue
		}
		parts = append(parts, g.raw[i])
		for _, a := range slices.Concat(b.PushAccessLevels, b.MergeAccessLevels, b.UnprotectAccessLevels) {
			if a != nil {
				who.account(evidence.RoleHolder, a.UserID, "", a.AccessLevelDescription, "")
			}
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return forge.Encode(parts), who.List
}

func (r *projectLook) pushRule(g *guard) error {
	p, err := r.get(r.ctx, r.api+"/push_rule", nil)
	if refused(err) {
		r.note("push rules are not available at this tier or hidden from this credential")
		return nil
	}
	if err != nil {
		return err
	}
	g.pushSeen = true
	return decode(p, &g.push) // null: there is none
}

func (r *projectLook) approvalSettings(g *guard) error {
	p, err := r.get(r.ctx, r.api+"/approvals", nil)
	if err == nil {
		err = decode(p, &g.settings)
	}
	if err == nil {
		err = r.settingsAbove(g)
	}
	if err == nil {
		_, err = r.list(r.ctx, r.api+"/approval_rules", &gl.GetProjectApprovalRulesListsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
			var ru approvalRule
			if err := decodeItem(p, raw, &ru); err != nil {
				return err
			}
			if ru.ID <= 0 {
				return oddItem(p, "an approval rule without an id")
			}
			g.rules = append(g.rules, &ru)
			return nil
		})
		g.rulesAre = err == nil
	}
	if err == nil {
		var above []*approvalRule
		if above, err = r.rulesAbove(); err == nil {
			g.rules = append(g.rules, above...)
		}
	}
	if refused(err) {
		g.rules = nil
		r.note("approval settings are not available at this tier or hidden from this credential")
		return nil
	}
	return err
}

// laidDown are a project's approval settings as they hold, by GitLab's names: what
// the instance or the topmost group lays down stands over the project's own, which
// is all that the project's approvals show.
// See https://docs.gitlab.com/api/merge_request_approval_settings/
type laidDown map[string]laidDownSetting

type laidDownSetting struct {
	Value  *bool  `json:"value"`
	Locked bool   `json:"locked"`
	From   string `json:"inherited_from"` // instance or group; null of the project's own
}

func (r *projectLook) settingsAbove(g *guard) error {
	p, err := r.get(r.ctx, r.api+"/merge_request_approval_setting", nil)
	if refused(err) {
		r.note("approval settings that groups lay down are hidden from this credential, or the source is too old to tell them")
		return nil
	}
	if err != nil {
		return err
	}
	var told map[string]json.RawMessage
	if err := decode(p, &told); err != nil {
		return err
	}
	g.laidDown = laidDown{}
	for name, raw := range told {
		var s laidDownSetting
		switch err := json.Unmarshal(raw, &s); {
		case err == nil:
			g.laidDown[name] = s
		case forge.OddForm(raw, err) != "":
			// What the project says would stand for what is laid down over it.
			return oddItem(p, "a setting of an unknown form")
		} // else an older server, which tells the value alone, and of groups nothing
	}
	return nil
}

// settled gives the settings of a project with what is laid down above it.
func (l laidDown) settled(own gl.ProjectApprovals) *gl.ProjectApprovals {
	for name, put := range map[string]func(bool){
		"allow_author_approval":                              func(v bool) { own.MergeRequestsAuthorApproval = v },
		"allow_committer_approval":                           func(v bool) { own.MergeRequestsDisableCommittersApproval = !v },
		"allow_overrides_to_approver_list_per_merge_request": func(v bool) { own.DisableOverridingApproversPerMergeRequest = !v },
		"retain_approvals_on_push":                           func(v bool) { own.ResetApprovalsOnPush = !v },
		"selective_code_owner_removals":                      func(v bool) { own.SelectiveCodeOwnerRemovals = v },
		"require_password_to_approve":                        func(v bool) { own.RequirePasswordToApprove = v },
	} {
		if s := l[name]; s.Value != nil {
			put(*s.Value)
		}
	}
	return &own
}

// locked tells which settings nobody may change in the project, and who laid them
// down.
func (l laidDown) locked() (words []string) {
	for name, s := range l {
		if s.Locked {
			words = append(words, "locked-by-"+cmp.Or(word(s.From), "unknown")+":"+strings.ReplaceAll(word(name), "_", "-"))
		}
	}
	return words
}

func (r *projectLook) protectionDraft(branch string, f *evidence.ProtectionFacts, req evidence.Request) evidence.Draft {
	d := r.draft(evidence.ChangeProtection, evidence.OpSet, req, f)
	d.NotBefore = r.st.Settings
	d.Key = r.key("@%s", branch)
	d.Subject = r.branchRef(r.path, branch)
	return d
}

// covers reports whether the pattern of a protected branch, in which * stands
// for any characters, slashes too, matches the branch.
func covers(pattern, branch string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == branch
	}
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	re, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
	return err == nil && re.MatchString(branch)
}

// facts says what holds on a branch. Where several protected branches match,
// the most permissive one lets people push, merge and force-push; the approval
// of code owners is asked for when any of them asks.
//
// A rule about a report asks for its approvals only when the report is bad, as
// when less is covered by tests than before: it is told, and not counted among the
// approvals that every request needs.
// See https://docs.gitlab.com/ee/user/project/repository/branches/protected.html
func (g *guard) facts(repo, branch string) *evidence.ProtectionFacts {
	f := &evidence.ProtectionFacts{Repo: repo, Branch: branch, Classic: "not-visible", RulesetsSeen: g.seen && g.pushSeen && g.rulesAre}
	var match []*gl.ProtectedBranch
	for _, b := range g.branches {
		if covers(b.Name, branch) {
			match = append(match, b)
		}
	}
	switch {
	case len(match) > 0:
		f.Classic = "yes"
		// Who may push without a request stands in no one's way when every
		// developer may.
		f.Protected = !slices.ContainsFunc(match, func(b *gl.ProtectedBranch) bool { return open(b.PushAccessLevels) })
		set(&f.AllowForcePush, slices.ContainsFunc(match, func(b *gl.ProtectedBranch) bool { return b.AllowForcePush }))
		set(&f.CodeOwners, slices.ContainsFunc(match, func(b *gl.ProtectedBranch) bool { return b.CodeOwnerApprovalRequired }))
		set(&f.AllowDeletion, false) // not by a push
	case g.seen:
		f.Classic = "no"
		set(&f.AllowForcePush, true)
		set(&f.AllowDeletion, true)
	}
	for _, b := range match {
		f.Rulesets = append(f.Rulesets, branchRule(b, g.ofGroups[b.ID]))
	}
	if g.pushSeen {
		set(&f.RequiredSignatures, g.push != nil && g.push.RejectUnsignedCommits)
		if g.push != nil {
			f.Rulesets = append(f.Rulesets, pushRule(g.push))
		}
	}
	if g.settings != nil {
		s := g.laidDown.settled(*g.settings)
		// What a group lays down is the stricter: unseen, it may ask for these.
		if s.ResetApprovalsOnPush || g.laidDown != nil {
			set(&f.DismissStale, s.ResetApprovalsOnPush)
		}
		if s.MergeRequestsDisableCommittersApproval || g.laidDown != nil {
			set(&f.LastPushApproval, s.MergeRequestsDisableCommittersApproval)
		}
		f.RequiredApprovals = s.ApprovalsBeforeMerge
		f.Rulesets = append(f.Rulesets, approvalSettings(s, g.laidDown))
	}
	for _, ru := range g.rules {
		if !ruleCovers(ru, branch, len(match) > 0) {
			continue
		}
		says := []string{word(ru.RuleType), "approvals:" + strconv.Itoa(ru.ApprovalsRequired)}
		if ru.RuleType != "report_approver" {
			f.RequiredApprovals = max(f.RequiredApprovals, ru.ApprovalsRequired)
		} else if ru.ReportType != "" {
			says = append(says, "report:"+word(ru.ReportType))
		}
		source := "approval-rule"
		if ru.group != "" {
			source = "group-approval-rule"
		}
		f.Rulesets = append(f.Rulesets, evidence.RulesetFacts{
			ID: int64(ru.ID), Name: label(ru.Name), Source: source, Enforcement: "active", Bypass: "none", Rules: says,
		})
	}
	if g.checks != "" {
		f.RequiredChecks = []string{g.checks}
	}
	slices.SortFunc(f.Rulesets, func(a, b evidence.RulesetFacts) int {
		if c := strings.Compare(a.Source, b.Source); c != 0 {
			return c
		}
		return int(min(max(a.ID-b.ID, -1), 1))
	})
	f.Rulesets = f.Rulesets[:min(len(f.Rulesets), 200)]
	return f
}

// ruleCovers reports whether an approval rule counts on a branch: one without
// branches counts on all, one for all protected branches on those alone.
func ruleCovers(ru *approvalRule, branch string, protected bool) bool {
	if ru.AppliesToAllProtectedBranches && protected || len(ru.ProtectedBranches) == 0 && !ru.AppliesToAllProtectedBranches {
		return true
	}
	return slices.ContainsFunc(ru.ProtectedBranches, func(b ruleBranch) bool { return covers(b.Name, branch) })
}

// open reports whether every developer is among those allowed.
func open(levels []*gl.BranchAccessDescription) bool {
	return slices.ContainsFunc(levels, func(a *gl.BranchAccessDescription) bool {
		return a != nil && a.UserID == 0 && a.GroupID == 0 && a.DeployKeyID == 0 &&
			a.AccessLevel > gl.NoPermissions && a.AccessLevel <= gl.DeveloperPermissions
	})
}

// branchRule tells a protected branch as a ruleset. Who may push passes by the
// merge request.
func branchRule(b *gl.ProtectedBranch, ofGroup bool) evidence.RulesetFacts {
	f := evidence.RulesetFacts{ID: int64(b.ID), Name: label(b.Name), Source: "protected-branch", Enforcement: "active", Bypass: "none"}
	for _, l := range []struct {
		verb   string
		levels []*gl.BranchAccessDescription
	}{{"push", b.PushAccessLevels}, {"merge", b.MergeAccessLevels}, {"unprotect", b.UnprotectAccessLevels}} {
		for _, a := range l.levels {
			if a == nil {
				continue
			}
			may := allowed(a)
			if l.verb == "push" && may != "none" {
				f.BypassCount++
				f.Bypass = "some"
			}
			f.Rules = append(f.Rules, l.verb+":"+may)
		}
	}
	if ofGroup {
		f.Source = "group-protected-branch"
	}
	if b.AllowForcePush {
		f.Rules = append(f.Rules, "force-push")
	}
	if b.CodeOwnerApprovalRequired {
		f.Rules = append(f.Rules, "code-owners")
	}
	slices.Sort(f.Rules)
	f.Rules = slices.Compact(f.Rules)
	f.Rules = f.Rules[:min(len(f.Rules), 100)]
	return f
}

// allowed names whom an access level lets pass. Single accounts stand as
// "user": the rule says that there are some, and Raw who.
func allowed(a *gl.BranchAccessDescription) string {
	switch {
	case a.DeployKeyID > 0:
		return "deploy-key"
	case a.UserID > 0:
		return "user"
	case a.GroupID > 0:
		return fmt.Sprintf("group-%d", a.GroupID)
	}
	return roleName(a.AccessLevel)
}

func pushRule(p *gl.ProjectPushRules) evidence.RulesetFacts {
	f := evidence.RulesetFacts{ID: int64(p.ID), Name: "push rule", Source: "push-rule", Enforcement: "active", Bypass: "none"}
	for name, on := range map[string]bool{
		"reject-unsigned": p.RejectUnsignedCommits, "committer-check": p.CommitCommitterCheck, "committer-name-check": p.CommitCommitterNameCheck,
		"prevent-secrets": p.PreventSecrets, "member-check": p.MemberCheck, "deny-delete-tag": p.DenyDeleteTag, "reject-non-dco": p.RejectNonDCOCommits,
		"message-pattern": p.CommitMessageRegex != "", "branch-pattern": p.BranchNameRegex != "", "mail-pattern": p.AuthorEmailRegex != "",
	} {
		if on {
			f.Rules = append(f.Rules, name)
		}
	}
	slices.Sort(f.Rules)
	return f
}

func approvalSettings(s *gl.ProjectApprovals, above laidDown) evidence.RulesetFacts {
	f := evidence.RulesetFacts{Name: "approval settings", Source: "approval-settings", Enforcement: "active", Bypass: "none", Rules: above.locked()}
	for name, on := range map[string]bool{
		"author-may-approve": s.MergeRequestsAuthorApproval, "committers-may-approve": !s.MergeRequestsDisableCommittersApproval,
		"rules-may-be-overridden": !s.DisableOverridingApproversPerMergeRequest, "push-resets-approvals": s.ResetApprovalsOnPush,
		"code-owner-removals": s.SelectiveCodeOwnerRemovals, "password-to-approve": s.RequirePasswordToApprove,
	} {
		if on {
			f.Rules = append(f.Rules, name)
		}
	}
	slices.Sort(f.Rules)
	return f
}

func set(p **bool, v bool) { *p = &v }
