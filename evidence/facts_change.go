package evidence

import "time"

// Facts of commits, branches, tags and merge requests. See facts.go for the rules.

// CommitFacts are the facts of change.commit. Author and committer are people
// of the draft with proof claimed, or signed when a configured signer's
// signature was verified. The message is the draft's Text.
type CommitFacts struct {
	Repo        string       `json:"repo"` // configured name or owner/name
	SHA         string       `json:"sha"`
	Parents     []string     `json:"parents,omitempty"`
	Branch      string       `json:"branch,omitempty"` // where it was first seen
	AuthoredAt  time.Time    `json:"authored_at,omitzero"`
	CommittedAt time.Time    `json:"committed_at,omitzero"`
	Files       []FileChange `json:"files,omitempty"`
	FilesCut    int          `json:"files_cut,omitempty"` // files beyond the listed ones
	Merge       bool         `json:"merge,omitempty"`
	Signature   string       `json:"signature,omitempty"` // none, openpgp, ssh, x509
	Verified    *bool        `json:"verified,omitempty"`  // the forge's own verdict, or ours against configured signers
	VerifiedWhy string       `json:"verified_why,omitempty"`
	VerifiedAt  time.Time    `json:"verified_at,omitzero"` // when the forge came to its verdict, where it says
	// Of our own verdict: as if it were signed when we looked, the key's
	// fingerprint, and the hash of the list of signers it was held against.
	VerifiedNow *bool  `json:"verified_now,omitempty"`
	SignerKey   string `json:"signer_key,omitempty"`
	Signers     string `json:"signers,omitempty"`
	Author      int    `json:"author"`
	Committer   int    `json:"committer"`
	Others      Others `json:"others,omitempty"`
}

// FileChange is one changed path. Status is added, modified, removed, renamed
// or type (mode or kind changed).
type FileChange struct {
	Path   string `json:"path"`
	From   string `json:"from,omitempty"`
	Status string `json:"status"`
}

// RefFacts are the facts of change.ref and change.tag.
type RefFacts struct {
	Repo   string `json:"repo"`
	Ref    string `json:"ref"` // full name, refs/heads/main
	SHA    string `json:"sha"`
	Target string `json:"target,omitempty"` // of an annotated tag: the commit
	Tagger int    `json:"tagger"`
	// Of an annotated tag, as in CommitFacts.
	Signature   string `json:"signature,omitempty"`
	Verified    *bool  `json:"verified,omitempty"`
	VerifiedWhy string `json:"verified_why,omitempty"`
	SignerKey   string `json:"signer_key,omitempty"`
	Signers     string `json:"signers,omitempty"`
}

// RewriteFacts are the facts of change.rewrite.
type RewriteFacts struct {
	Repo    string   `json:"repo"`
	Ref     string   `json:"ref"`
	Before  string   `json:"before"`
	After   string   `json:"after,omitempty"` // empty: the branch is gone
	Lost    []string `json:"lost,omitempty"`  // commits no branch reaches any more, newest first
	LostCut int      `json:"lost_cut,omitempty"`
}

// MergeFacts are the facts of change.merge. Reviews lists every review state
// seen, in the source's order. People with role author is who opened the
// request (authenticated), merger who merged it (authenticated), reviewer who
// reviewed, committer the claimed authors of its commits.
type MergeFacts struct {
	Repo          string        `json:"repo"`
	Number        int           `json:"number"`
	State         string        `json:"state"` // open, closed, merged
	Base          string        `json:"base"`
	HeadSHA       string        `json:"head_sha,omitempty"`
	MergeSHA      string        `json:"merge_sha,omitempty"` // the landed commit; empty before merging
	Commits       []string      `json:"commits,omitempty"`
	CommitsCut    bool          `json:"commits_cut,omitempty"`
	OpenedAt      time.Time     `json:"opened_at,omitzero"`
	ClosedAt      time.Time     `json:"closed_at,omitzero"`
	MergedAt      time.Time     `json:"merged_at,omitzero"`
	UpdatedAt     time.Time     `json:"updated_at,omitzero"`
	Author        int           `json:"author"`
	Merger        int           `json:"merger"`
	CommitAuthors []int         `json:"commit_authors,omitempty"`
	AutoMerge     bool          `json:"auto_merge,omitempty"`
	Reviews       []ReviewState `json:"reviews,omitempty"`
	ReviewsSeen   bool          `json:"reviews_seen"` // the review list was read; false: unknown, not none
	// Required is how many approvals the forge asked for, nil where it does not
	// say for a single request; Rules are its approval rules as it judged them.
	Required *int         `json:"approvals_required,omitempty"`
	Rules    []MergeRule  `json:"approval_rules,omitempty"`
	Files    []FileChange `json:"files,omitempty"`
	FilesCut int          `json:"files_cut,omitempty"`
}

// MergeRule is one approval rule of a request as the forge judged it.
type MergeRule struct {
	ID          int64  `json:"id"`
	Name        string `json:"name,omitempty"`
	Type        string `json:"type,omitempty"` // in the forge's words: regular, code_owner, any_approver, report_approver
	Required    int    `json:"required"`
	Approved    bool   `json:"approved"`
	By          []int  `json:"by,omitempty"`          // reviewers who count for it
	Overwritten bool   `json:"overwritten,omitempty"` // the request's own rules stand in place of the project's
}

// ReviewState is one review of a request as last seen.
type ReviewState struct {
	ID     string    `json:"id"`
	Person int       `json:"person"`
	State  string    `json:"state"` // approved, changes-requested, commented, dismissed, pending
	Commit string    `json:"commit,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// ReviewFacts are the facts of change.review: one state of one review. Person
// is a reviewer of the draft's People. A dismissal is a record of its own.
type ReviewFacts struct {
	Repo   string `json:"repo"`
	Number int    `json:"number"`
	ID     string `json:"id"`
	State  string `json:"state"`
	Commit string `json:"commit,omitempty"`
	Person int    `json:"person"`
}

// ProtectionFacts are the facts of change.protection, classic protection and
// rulesets together. What the source does not show is left out: where one of the
// two is hidden, nothing that it could make stricter counts as lax.
type ProtectionFacts struct {
	Repo               string     `json:"repo"`
	Branch             string     `json:"branch"`
	Protected          bool       `json:"protected"` // some rule stands in the way of a direct push
	RequiredApprovals  int        `json:"required_approvals"`
	DismissStale       *bool      `json:"dismiss_stale,omitempty"`
	CodeOwners         *bool      `json:"code_owners,omitempty"`
	LastPushApproval   *bool      `json:"last_push_approval,omitempty"`
	EnforceAdmins      *bool      `json:"enforce_admins,omitempty"`
	AllowForcePush     *bool      `json:"allow_force_push,omitempty"`
	AllowDeletion      *bool      `json:"allow_deletion,omitempty"`
	RequiredSignatures *bool      `json:"required_signatures,omitempty"`
	LinearHistory      *bool      `json:"linear_history,omitempty"`
	RequiredChecks     []string   `json:"required_checks,omitempty"`
	ChecksOfAnyApp     []string   `json:"checks_of_any_app,omitempty"` // of those required, whichever app may report
	ChecksOfApps       []CheckApp `json:"checks_of_apps,omitempty"`    // of those required, the app that must report
	// StrictChecks says that they must have run on top of the branch as it stands.
	StrictChecks *bool          `json:"strict_checks,omitempty"`
	Reviewers    []GuardTeam    `json:"reviewers,omitempty"` // whose approval a request needs beside their number
	Classic      string         `json:"classic"`             // yes, no, not-visible
	Rulesets     []RulesetFacts `json:"rulesets,omitempty"`
	RulesetsSeen bool           `json:"rulesets_seen"`
}

// CheckApp is a required check that counts from one app alone.
type CheckApp struct {
	Check string `json:"check"`
	App   int64  `json:"app"` // as CheckFacts.AppID
}

// GuardTeam is a team that must approve requests, or those that touch certain
// files. The patterns of these stay out: they may name other tenants' directories.
type GuardTeam struct {
	Kind      string `json:"kind"`               // team, or the forge's word
	ID        int64  `json:"id"`                 // the forge's number
	Approvals int    `json:"approvals"`          // 0: it is asked, and need not answer
	Patterns  int    `json:"patterns,omitempty"` // of files that it is about; 0: not said
	// Everything says that one of the patterns is of every file, and none leaves any out.
	Everything bool `json:"everything,omitempty"`
}

// RulesetFacts is one ruleset that applies to the branch.
type RulesetFacts struct {
	ID          int64    `json:"id"`
	Name        string   `json:"name"`
	Source      string   `json:"source,omitempty"`
	Enforcement string   `json:"enforcement"` // active, evaluate, disabled
	Rules       []string `json:"rules,omitempty"`
	Bypass      string   `json:"bypass"` // none, some, not-visible
	BypassCount int      `json:"bypass_count,omitempty"`
	// Bypassers are those whom the source names, of BypassCount the first 100.
	Bypassers []Bypasser `json:"bypassers,omitempty"`
}

// Bypasser is who may pass by a ruleset.
type Bypasser struct {
	Kind   string `json:"kind"`           // user, team, app, role, organization-admin, deploy-key, or the forge's word
	ID     int64  `json:"id,omitempty"`   // the forge's number of a team, app or role
	Person int    `json:"person"`         // who a user is
	Mode   string `json:"mode,omitempty"` // always; pull-request: in requests alone; exempt: always, and nothing tells of it
}
