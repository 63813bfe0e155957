package evidence

import "time"

// Facts of policy engines: which policies are in force in a cluster, what is
// excepted from them, and what they found. See facts.go for the rules.

// Modes of a policy.
const (
	PolicyEnforces = "enforce" // each of its checks refuses what breaks it
	PolicyAudits   = "audit"   // none does: what breaks it is told and let in
	PolicyMixed    = "mixed"   // some do
	PolicyBound    = "bound"   // its bindings say what happens
	PolicyNoCheck  = "none"    // it checks nothing: it changes, makes or deletes objects
	PolicyLetsOff  = "letsoff" // it is no policy: it says what its engine leaves unchecked, whatever the policies say
	PolicyThere    = "there"   // of a requirement: a policy of the name is there
	PolicyMissing  = "missing" // of a requirement: no policy of the name is there
)

// What is done where an engine lets something off, as the action of a PolicyDiffer.
const (
	PolicyUnchecked = "unchecked" // requests are let in without a check
	PolicyUnaudited = "unaudited" // what is there already is not looked at
)

// MutatingWebhooks is the kind of a state of [PolicyLetsOff] that is about checks of
// images alone: see [VerifyImages].
const MutatingWebhooks = "MutatingWebhookConfiguration"

// VerifyImages is the type of a rule that verifies images. Kyverno does it where
// objects are changed.
const VerifyImages = "verify-images"

// RequiredPolicy is the kind of a requirement in policy.rule: a policy that the
// configuration asks for by name, whether it is there or not.
const RequiredPolicy = "RequiredPolicy"

// AdmissionPolicyFacts are the facts of policy.rule: one policy of an engine, a
// constraint of Gatekeeper, the binding of a ValidatingAdmissionPolicy, a
// requirement, or what an engine leaves unchecked (see PolicyLetsOff).
type AdmissionPolicyFacts struct {
	Cluster   string `json:"cluster"`
	Engine    string `json:"engine,omitempty"` // kyverno, gatekeeper, kubernetes
	Kind      string `json:"kind,omitempty"`   // ClusterPolicy, K8sRequiredLabels, ValidatingAdmissionPolicyBinding, ...
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	Severity  string `json:"severity,omitempty"` // critical, high, medium, low, info, as its annotation says
	Category  string `json:"category,omitempty"`
	Mode      string `json:"mode"` // see PolicyEnforces
	// Actions are what happens to what breaks the policy as a whole, in the
	// engine's words: Deny, Warn, Audit, deny, dryrun.
	Actions  []string       `json:"actions,omitempty"`
	Rules    []PolicyCheck  `json:"rules,omitempty"`
	RulesCut int            `json:"rules_cut,omitempty"`
	Differs  []PolicyDiffer `json:"differs,omitempty"`  // namespaces in which another action holds; in a tenant's log its own
	Binds    string         `json:"binds,omitempty"`    // of a binding: the policy
	Schedule string         `json:"schedule,omitempty"` // of a policy that deletes: when it does, as cron writes it
	// Background: what is there already is checked too. Admission: requests are.
	Background *bool `json:"background,omitempty"`
	Admission  *bool `json:"admission,omitempty"`
	// FailsOpen: while the engine cannot answer, requests are let in unchecked.
	FailsOpen *bool       `json:"fails_open,omitempty"`
	Ready     string      `json:"ready,omitempty"` // True, False, Unknown
	Reason    string      `json:"reason,omitempty"`
	Applies   PolicyReach `json:"applies,omitzero"`
	Excludes  PolicyReach `json:"excludes,omitzero"`
	// Of a constraint of Gatekeeper: what its last audit counts and lists. It
	// lists the first few only.
	Violations      *int      `json:"violations,omitempty"`
	Listed          *int      `json:"listed,omitempty"`
	ViolationsCut   bool      `json:"violations_cut,omitempty"` // it counts more than it lists
	Audited         *bool     `json:"audited,omitempty"`        // an audit has looked
	AuditedAt       time.Time `json:"audited_at,omitzero"`
	CreatedAt       time.Time `json:"created_at,omitzero"`
	ResourceVersion string    `json:"resource_version,omitempty"`
}

// PolicyCheck is one rule of a policy.
type PolicyCheck struct {
	Name   string `json:"name"`
	Type   string `json:"type"`             // validate, verify-images, mutate, generate, delete
	Action string `json:"action,omitempty"` // Enforce, Audit; of what checks nothing none
}

// PolicyDiffer is a namespace in which a rule does something else than elsewhere.
type PolicyDiffer struct {
	Namespace string `json:"namespace"` // or a pattern; of what an engine lets off empty for every one
	Rule      string `json:"rule,omitempty"`
	// Of what an engine lets off: the one kind of object, the one kind of policies that
	// do not hold there (ClusterPolicy stands for Policy too, and so on), and what
	// chooses a part of it, by its name alone: labels, conditions, versions, operations;
	// or, of a kind of policies, by what they may hold all the same: images, policies of
	// Kubernetes. Empty for all.
	Kind     string `json:"kind,omitempty"`
	Policies string `json:"policies,omitempty"`
	By       string `json:"by,omitempty"`
	Action   string `json:"action"` // Enforce, Audit, ...; PolicyUnchecked or PolicyUnaudited
}

// PolicyReach is what a policy or an exception covers, or leaves out. Without
// anything it says nothing.
type PolicyReach struct {
	Kinds      []string `json:"kinds,omitempty"`
	Namespaces []string `json:"namespaces,omitempty"` // or patterns
	// By are the other conditions that narrow it, by their names alone: labels,
	// names, subjects, operations, conditions, ...
	By  []string `json:"by,omitempty"`
	Cut int      `json:"cut,omitempty"` // kinds and namespaces beyond the first
}

// IsZero reports whether nothing is said.
func (r PolicyReach) IsZero() bool {
	return len(r.Kinds) == 0 && len(r.Namespaces) == 0 && len(r.By) == 0 && r.Cut == 0
}

// PolicyExceptionFacts are the facts of policy.exception: what is let pass
// although a policy would refuse it.
type PolicyExceptionFacts struct {
	Cluster   string          `json:"cluster"`
	Engine    string          `json:"engine"`
	Kind      string          `json:"kind"`
	Namespace string          `json:"namespace,omitempty"`
	Name      string          `json:"name"`
	UID       string          `json:"uid"`
	Policies  []PolicyExcused `json:"policies,omitempty"`
	Cut       int             `json:"policies_cut,omitempty"`
	Applies   PolicyReach     `json:"applies,omitzero"`
	// ExpiresAt is when it is to end, by the label or annotation ExpiresBy, or by
	// ExpiresItself.
	ExpiresAt       time.Time `json:"expires_at,omitzero"`
	ExpiresBy       string    `json:"expires_by,omitempty"`
	CreatedAt       time.Time `json:"created_at,omitzero"`
	ResourceVersion string    `json:"resource_version,omitempty"`
}

// ExpiresItself is what says when an exception ends that its engine takes for none
// from then on, although it is still there.
const ExpiresItself = "spec.expiresAt"

// PolicyExcused is a policy, or a pattern of names, from which something is
// excepted; without rules from all of it.
type PolicyExcused struct {
	Policy string   `json:"policy"`
	Rules  []string `json:"rules,omitempty"`
}

// PolicyResultFacts are the facts of policy.result: what a rule of a policy found
// at one thing of the cluster. What the engine says to it stands in the text.
type PolicyResultFacts struct {
	Cluster  string        `json:"cluster"`
	Engine   string        `json:"engine"` // kyverno, gatekeeper, or what the report names
	Policy   string        `json:"policy"`
	Rule     string        `json:"rule,omitempty"`
	Category string        `json:"category,omitempty"`
	Severity string        `json:"severity,omitempty"` // critical, high, medium, low, info; none: not graded
	Result   string        `json:"result"`             // pass, fail, warn, error, skip, unknown
	Scored   *bool         `json:"scored,omitempty"`
	Resource PolicySubject `json:"resource"`
	// Group is the API group that told it: wgpolicyk8s.io, openreports.io,
	// constraints.gatekeeper.sh.
	Group      string    `json:"group"`
	Actions    []string  `json:"actions,omitempty"`    // of Gatekeeper: deny, warn, dryrun
	Exceptions []string  `json:"exceptions,omitempty"` // exceptions by which it was skipped
	Times      int       `json:"times,omitempty"`      // entries that say it, when there are several
	CheckedAt  time.Time `json:"checked_at,omitzero"`  // the engine's own time
}

// PolicySubject is what was checked.
type PolicySubject struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"`
}
