package evidence

import "time"

// Facts of infrastructure as code. See facts.go for the rules. No attribute of a
// resource, variable or output stands in them, whether it is marked sensitive or
// not, nor the key of an instance, which is a value too: a plan and a state hold
// secrets in clear.

// InfraWorkspaceFacts are the facts of infra.workspace: the settings in force of a
// workspace of HCP Terraform or Terraform Enterprise.
type InfraWorkspaceFacts struct {
	Organization string `json:"organization"`
	Name         string `json:"name"`
	ID           string `json:"id"`
	Project      string `json:"project,omitempty"`
	AutoApply    bool   `json:"auto_apply"`                    // what a push or a person starts is applied without a confirmation
	AutoTriggers *bool  `json:"auto_apply_triggers,omitempty"` // and what another workspace starts
	Mode         string `json:"execution_mode"`                // remote, local, agent
	// Locked says that a person or a team holds the workspace; a run that holds it
	// while it lasts does not count.
	Locked           bool      `json:"locked"`
	TerraformVersion string    `json:"terraform_version,omitempty"`
	Directory        string    `json:"directory,omitempty"`
	Repo             string    `json:"repo,omitempty"` // that pushes start runs from, owner/name
	Branch           string    `json:"branch,omitempty"`
	AllowDestroy     *bool     `json:"allow_destroy,omitempty"`
	SharedState      *bool     `json:"shared_state,omitempty"`         // every workspace of the organization may read its state
	ProjectState     *bool     `json:"project_shared_state,omitempty"` // every workspace of its project may
	Assessments      *bool     `json:"assessments,omitempty"`          // drift is looked for
	Tags             []string  `json:"tags,omitempty"`                 // key=value, the inherited ones too; or a key alone
	TagsUnread       string    `json:"tags_unread,omitempty"`          // why they are not known
	CreatedAt        time.Time `json:"created_at,omitzero"`
	UpdatedAt        time.Time `json:"updated_at,omitzero"`
}

// InfraRunFacts are the facts of infra.run: one run of Terraform, from the moment
// it was asked for to its end. People with role initiator asked for it, with role
// approver confirmed it; others acted on it.
type InfraRunFacts struct {
	Organization string `json:"organization,omitempty"`
	Workspace    string `json:"workspace"`
	WorkspaceID  string `json:"workspace_id,omitempty"`
	ID           string `json:"id"`
	Status       string `json:"status"` // waiting, running, planned (it ended without an apply), applied, failed, discarded, cancelled, unknown
	Native       string `json:"native"`
	Source       string `json:"source,omitempty"` // what asked for it, in the platform's words
	Trigger      string `json:"trigger,omitempty"`
	// Claimed says that files tell it, which whoever ran it wrote, and no platform.
	Claimed     bool `json:"claimed,omitempty"`
	AutoApply   bool `json:"auto_apply"`
	PlanOnly    bool `json:"plan_only,omitempty"`
	Destroy     bool `json:"destroy,omitempty"`
	RefreshOnly bool `json:"refresh_only,omitempty"`
	EmptyApply  bool `json:"empty_apply,omitempty"` // it may be applied without a change
	// Variables, Targets, Replaces and Invokes count what whoever asked for the run set
	// for it alone, beside the configuration; the last are actions to invoke.
	Variables        int       `json:"variables,omitempty"`
	Targets          int       `json:"targets,omitempty"`
	Replaces         int       `json:"replaces,omitempty"`
	Invokes          int       `json:"invokes,omitempty"`
	TerraformVersion string    `json:"terraform_version,omitempty"`
	CreatedAt        time.Time `json:"created_at,omitzero"`
	PlannedAt        time.Time `json:"planned_at,omitzero"`
	ConfirmedAt      time.Time `json:"confirmed_at,omitzero"`
	ApplyingAt       time.Time `json:"applying_at,omitzero"`
	AppliedAt        time.Time `json:"applied_at,omitzero"`
	EndedAt          time.Time `json:"ended_at,omitzero"`
	Creator          int       `json:"creator"`
	Confirmer        int       `json:"confirmer"`
	// Commit is that of the configuration, where it came from a repository.
	Commit string `json:"commit,omitempty"`
	Branch string `json:"branch,omitempty"`
	Repo   string `json:"repo,omitempty"`
	Change int    `json:"change,omitempty"` // number of the request it was asked for
	// Began says that the apply began, so that something may have changed however it
	// ended; nil where the platform does not say.
	Began *bool       `json:"began,omitempty"`
	Plan  *InfraCount `json:"plan,omitempty"`
	Apply *InfraCount `json:"apply,omitempty"`
	// PoliciesSeen and EventsSeen say that the lists were read.
	PoliciesSeen bool          `json:"policies_seen"`
	Policies     []InfraPolicy `json:"policies,omitempty"`
	PoliciesCut  int           `json:"policies_cut,omitempty"`
	EventsSeen   bool          `json:"events_seen"`
	Events       []InfraEvent  `json:"events,omitempty"`
	EventsCut    int           `json:"events_cut,omitempty"`
}

// InfraCount counts the resources that a plan or an apply concerned.
type InfraCount struct {
	Status    string `json:"status,omitempty"` // in the platform's words
	Additions int64  `json:"additions"`
	Changes   int64  `json:"changes"`
	Deletions int64  `json:"destructions"`
	Imports   int64  `json:"imports,omitempty"`
	Forgotten int64  `json:"forgotten,omitempty"` // resources that leave the state and go on to be
	Invoked   int64  `json:"invoked,omitempty"`   // actions of providers, which change what no resource shows
}

// InfraPolicy is one check of a run against policies.
type InfraPolicy struct {
	ID        string `json:"id"`              // of a policy-result the name of the set of policies, which may be empty
	Form      string `json:"form"`            // policy-check, policy-evaluation, task-stage, tf-policy-evaluation, policy-result
	Kind      string `json:"kind,omitempty"`  // sentinel, opa, terraform
	Stage     string `json:"stage,omitempty"` // when in the run
	Status    string `json:"status"`          // in the platform's words
	Passed    int64  `json:"passed,omitempty"`
	Advisory  int64  `json:"advisory_failed,omitempty"`
	Mandatory int64  `json:"mandatory_failed,omitempty"` // those that may be overridden too
	Errored   int64  `json:"errored,omitempty"`
	// Overridden says that somebody let the run go on although it failed.
	Overridden   bool      `json:"overridden,omitempty"`
	OverriddenAt time.Time `json:"overridden_at,omitzero"`
}

// InfraEvent is one act on a run.
type InfraEvent struct {
	Action string    `json:"action"` // in the platform's words
	At     time.Time `json:"at,omitzero"`
	Person int       `json:"person"`
}

// InfraStateFacts are the facts of infra.state: one version of a workspace's state.
type InfraStateFacts struct {
	Organization     string          `json:"organization,omitempty"`
	Workspace        string          `json:"workspace"`
	WorkspaceID      string          `json:"workspace_id,omitempty"`
	ID               string          `json:"id"`
	Serial           int64           `json:"serial"`
	Lineage          string          `json:"lineage,omitempty"` // where the source tells it
	Status           string          `json:"status,omitempty"`
	Format           int64           `json:"format,omitempty"`
	Size             int64           `json:"size,omitempty"` // bytes
	TerraformVersion string          `json:"terraform_version,omitempty"`
	CreatedAt        time.Time       `json:"created_at,omitzero"`
	Creator          int             `json:"creator"`
	Run              string          `json:"run,omitempty"`
	Commit           string          `json:"commit,omitempty"`
	Intermediate     bool            `json:"intermediate,omitempty"` // written while an apply went on
	Processed        bool            `json:"processed"`              // resources and providers are known
	Providers        []string        `json:"providers,omitempty"`
	Resources        []InfraResource `json:"resources,omitempty"`
	ResourcesCut     int             `json:"resources_cut,omitempty"`
}

// InfraResource is one resource of a configuration, by its address in it: without
// the keys of modules and instances.
type InfraResource struct {
	Address  string `json:"address"`
	Type     string `json:"type"`
	Provider string `json:"provider,omitempty"`
	Count    int64  `json:"count"` // instances
}
