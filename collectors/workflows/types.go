package workflows

import (
	"encoding/json"

	"evidenced/collectors/kube"
)

// The parts of Argo Workflows' resources that are read. Field names are those of
// https://argo-workflows.readthedocs.io/en/latest/fields/; everything else stays
// in the raw bytes.

// templateRef names a WorkflowTemplate, or a ClusterWorkflowTemplate, and one of
// its templates.
type templateRef struct {
	Name         string `json:"name"`
	Template     string `json:"template"`
	ClusterScope bool   `json:"clusterScope"`
}

// parameter is one of a workflow or node. Values are texts, but numbers and
// booleans are accepted too.
type parameter struct {
	Name    string          `json:"name"`
	Value   json.RawMessage `json:"value"`
	Default json.RawMessage `json:"default"`
}

type parameters struct {
	Parameters []parameter `json:"parameters"`
}

// runSpec is a workflow's own spec, or that of a template as it was stored.
type runSpec struct {
	Entrypoint          string       `json:"entrypoint"`
	Arguments           parameters   `json:"arguments"`
	ServiceAccountName  string       `json:"serviceAccountName"`
	WorkflowTemplateRef *templateRef `json:"workflowTemplateRef"`
	Suspend             bool         `json:"suspend"`
	Shutdown            string       `json:"shutdown"`
	PodSpecPatch        string       `json:"podSpecPatch"`
	Templates           []template   `json:"templates"`
	TemplateDefaults    *template    `json:"templateDefaults"`
}

type image struct {
	Image string `json:"image"`
}

// template is as much of one as says which image it runs.
type template struct {
	Name         string `json:"name"`
	Container    *image `json:"container"`
	Script       *image `json:"script"`
	PodSpecPatch string `json:"podSpecPatch"`
	ContainerSet *struct {
		Containers []image `json:"containers"`
	} `json:"containerSet"`
}

type workflow struct {
	Spec   json.RawMessage `json:"spec"`
	Status struct {
		Phase           string                     `json:"phase"`
		StartedAt       kube.Stamp                 `json:"startedAt"`
		FinishedAt      kube.Stamp                 `json:"finishedAt"`
		Nodes           json.RawMessage            `json:"nodes"`
		CompressedNodes string                     `json:"compressedNodes"`
		Offloaded       string                     `json:"offloadNodeStatusVersion"`
		StoredTemplates map[string]json.RawMessage `json:"storedTemplates"`
		StoredSpec      json.RawMessage            `json:"storedWorkflowTemplateSpec"`
		Outputs         parameters                 `json:"outputs"`
	} `json:"status"`
}

// node is one node of a workflow.
type node struct {
	ID            string       `json:"id"`
	Name          string       `json:"name"`
	DisplayName   string       `json:"displayName"`
	Type          string       `json:"type"`
	TemplateName  string       `json:"templateName"`
	TemplateRef   *templateRef `json:"templateRef"`
	TemplateScope string       `json:"templateScope"`
	Phase         string       `json:"phase"`
	StartedAt     kube.Stamp   `json:"startedAt"`
	FinishedAt    kube.Stamp   `json:"finishedAt"`
	Children      []string     `json:"children"`
	BoundaryID    string       `json:"boundaryID"` // the node whose template it is a part of
	Flag          struct {
		Hooked bool `json:"hooked"`
	} `json:"nodeFlag"`
	Memo struct {
		Hit bool `json:"hit"` // its outcome stood in a cache, and nothing ran
	} `json:"memoizationStatus"`
	Outputs struct {
		parameters
		ExitCode string `json:"exitCode"`
	} `json:"outputs"`
}

type cronWorkflow struct {
	Spec struct {
		Schedule     string          `json:"schedule"` // before v3.6
		Schedules    []string        `json:"schedules"`
		Timezone     string          `json:"timezone"`
		Suspend      bool            `json:"suspend"`
		Concurrency  string          `json:"concurrencyPolicy"`
		Deadline     *int64          `json:"startingDeadlineSeconds"`
		WorkflowSpec json.RawMessage `json:"workflowSpec"`
		Metadata     struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"workflowMetadata"`
	} `json:"spec"`
	Status struct {
		LastScheduled kube.Stamp      `json:"lastScheduledTime"`
		Phase         string          `json:"phase"`
		Conditions    kube.Conditions `json:"conditions"`
	} `json:"status"`
}

// Labels and annotations that the server, the controller and Argo Events write.
const (
	own = "workflows.argoproj.io/"

	labelCreator         = own + "creator"
	labelActor           = own + "actor"
	labelAction          = own + "action"
	labelCron            = own + "cron-workflow"
	labelTemplate        = own + "workflow-template"
	labelClusterTemplate = own + "cluster-workflow-template"
	labelResubmitted     = own + "resubmitted-from-workflow"
	labelBinding         = own + "workflow-event-binding"
	annotationDue        = own + "scheduled-time"

	suffixMail = "-email"              // of creator and actor
	suffixName = "-preferred-username" // of both

	labelSensor  = "events.argoproj.io/sensor"
	labelTrigger = "events.argoproj.io/trigger"
	labelFiredAt = "events.argoproj.io/action-timestamp"
)
