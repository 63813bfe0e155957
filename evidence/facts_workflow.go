package evidence

import "time"

// Facts of Argo Workflows. See facts.go for the rules.

// WorkflowRunFacts are the facts of workflow.run: one Workflow, from its creation
// to its end. What labels say (who made it, what fired it, which template and
// schedule it stems from) is what the server or the controller wrote there, or
// anybody else who may write workflows: a claim.
type WorkflowRunFacts struct {
	Cluster    string    `json:"cluster"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	UID        string    `json:"uid"`
	Phase      string    `json:"phase"` // Pending, Running, Succeeded, Failed (a step said no), Error (the system failed), Unknown
	CreatedAt  time.Time `json:"created_at,omitzero"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	DeletedAt  time.Time `json:"deleted_at,omitzero"` // it was deleted before it came to an end
	// Purpose is what the run is for: "export", "restore-drill". PurposeFrom says
	// who says so: setting, workflow, schedule or template.
	Purpose     string `json:"purpose,omitempty"`
	PurposeFrom string `json:"purpose_from,omitempty"`
	// Unread says why its template or schedule could not be asked for a purpose.
	Unread string `json:"unread,omitempty"`
	// SpecUnread says why not all of its spec is known: what it names of templates,
	// accounts and parameters may not be all there is.
	SpecUnread      string             `json:"spec_unread,omitempty"`
	Template        *WorkflowTemplate  `json:"template,omitempty"`  // what ran, whatever the template says today
	Templates       []WorkflowTemplate `json:"templates,omitempty"` // of other templates that its steps name
	TemplatesCut    int                `json:"templates_cut,omitempty"`
	Entrypoint      string             `json:"entrypoint,omitempty"`
	Schedule        string             `json:"schedule,omitempty"` // name of the CronWorkflow
	DueAt           time.Time          `json:"due_at,omitzero"`    // when that had it due
	ResubmittedFrom string             `json:"resubmitted_from,omitempty"`
	Binding         string             `json:"binding,omitempty"` // name of the WorkflowEventBinding
	Fired           *WorkflowFiring    `json:"fired,omitempty"`
	Creator         int                `json:"creator"`
	Actor           int                `json:"actor"`            // of the last intervention
	Action          string             `json:"action,omitempty"` // what it was: Resume, Stop, Terminate, Retry
	Account         string             `json:"account,omitempty"`
	Suspended       bool               `json:"suspended,omitempty"` // as a whole; its suspend nodes stand in nodes
	Shutdown        string             `json:"shutdown,omitempty"`  // Stop, Terminate: it was asked to end early

	Parameters    []WorkflowParameter `json:"parameters,omitempty"`
	ParametersCut int                 `json:"parameters_cut,omitempty"`
	Outputs       []WorkflowParameter `json:"outputs,omitempty"`
	OutputsCut    int                 `json:"outputs_cut,omitempty"`
	// Nodes are those where something ran or somebody was waited for. While it
	// runs they are the suspends alone. NodesUnread says why they are not known,
	// which is not the same as that there are none.
	Nodes       []WorkflowNode `json:"nodes,omitempty"`
	NodesCut    int            `json:"nodes_cut,omitempty"`
	NodesUnread string         `json:"nodes_unread,omitempty"`
	Failed      int            `json:"failed,omitempty"`  // nodes that failed and were not made good by another try, whatever the run's phase
	Retried     int            `json:"retried,omitempty"` // nodes that failed and were made good by another try
	Cached      int            `json:"cached,omitempty"`  // nodes, of any type, that took the outcome of an earlier run from a cache: nothing ran
	Images      []string       `json:"images,omitempty"`  // that pods of it ran, by digest, where the template that ran pins them
}

// WorkflowTemplate is a template as it was when it ran. SHA256 is over its JSON
// with sorted keys, without arguments and what may be patched while it runs; it is
// missing where the workflow does not hold what ran.
type WorkflowTemplate struct {
	Kind   string `json:"kind"`           // WorkflowTemplate, ClusterWorkflowTemplate; Workflow: it holds its own
	Name   string `json:"name,omitempty"` // of a step's: name/template
	SHA256 string `json:"sha256,omitempty"`
}

// WorkflowFiring is what Argo Events writes on what it makes.
type WorkflowFiring struct {
	Sensor  string    `json:"sensor"`
	Trigger string    `json:"trigger,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// WorkflowParameter is a parameter by its name. Values are kept of those alone
// that the configuration names: they may hold secrets.
type WorkflowParameter struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// WorkflowNode is one node of a workflow.
type WorkflowNode struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"` // without the item that it was made for
	Type       string              `json:"type"` // Pod, Suspend, HTTP, Plugin, Container
	Template   string              `json:"template,omitempty"`
	Phase      string              `json:"phase"` // as the workflow's, and Skipped, Omitted
	StartedAt  time.Time           `json:"started_at,omitzero"`
	FinishedAt time.Time           `json:"finished_at,omitzero"`
	ExitCode   *int                `json:"exit_code,omitempty"`
	Outputs    []WorkflowParameter `json:"outputs,omitempty"`
	OutputsCut int                 `json:"outputs_cut,omitempty"`
	Cached     bool                `json:"cached,omitempty"` // the outcome of an earlier run: nothing ran
}

// WorkflowScheduleFacts are the facts of workflow.schedule: a CronWorkflow.
type WorkflowScheduleFacts struct {
	Cluster         string    `json:"cluster"`
	Namespace       string    `json:"namespace"`
	Name            string    `json:"name"`
	UID             string    `json:"uid"`
	Crons           []string  `json:"crons,omitempty"`
	Zone            string    `json:"zone,omitempty"` // the controller's own when empty
	Suspended       bool      `json:"suspended,omitempty"`
	Phase           string    `json:"phase,omitempty"`       // Active, Stopped: by its stop condition
	Concurrency     string    `json:"concurrency,omitempty"` // Allow, Forbid, Replace
	DeadlineSeconds *int64    `json:"deadline_seconds,omitempty"`
	Purpose         string    `json:"purpose,omitempty"`
	PurposeFrom     string    `json:"purpose_from,omitempty"`
	Template        string    `json:"template,omitempty"`      // that it runs: KIND/name; empty: its own
	SHA256          string    `json:"sha256,omitempty"`        // of its own, as in a run
	SpecUnread      string    `json:"spec_unread,omitempty"`   // why not all that it runs is known
	Conditions      []string  `json:"conditions,omitempty"`    // types that are true: SubmissionError, SpecError
	LastScheduled   time.Time `json:"last_scheduled,omitzero"` // by the controller's clock
	ResourceVersion string    `json:"resource_version,omitempty"`
}
