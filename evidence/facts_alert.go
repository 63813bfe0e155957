package evidence

import "time"

// Facts of alerting: what fired, what hid it, and whether the rules that make
// alerts are evaluated at all. See facts.go for the rules.

// AlertFacts are the facts of alert.instance: an alert, by fingerprint, from one
// start to its end. Annotations are not kept.
type AlertFacts struct {
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`               // its label alertname
	Severity    string            `json:"severity,omitempty"` // its label of that name
	Labels      map[string]string `json:"labels,omitempty"`   // those that the configuration keeps
	LabelsLeft  int               `json:"labels_left,omitempty"`
	StartsAt    time.Time         `json:"starts_at,omitzero"` // as its sender says
	// Status is active, suppressed (nobody is told of it) or unknown.
	Status      string   `json:"status"`
	SilencedBy  []string `json:"silenced_by,omitempty"`  // ids of silences
	InhibitedBy []string `json:"inhibited_by,omitempty"` // fingerprints of alerts
	MutedBy     []string `json:"muted_by,omitempty"`     // names of time intervals
}

// The reasons with which an alert.instance ends, beside absent.
const (
	// AlertGoneRestart: the Alertmanager began anew since it was last listed, so
	// that nobody can tell whether it was resolved or forgotten.
	AlertGoneRestart = "absent after a restart"
	// AlertFiredAgain: the same alert fires with another start.
	AlertFiredAgain = "fired again"
)

// SilenceFacts are the facts of alert.silence. Alertmanager knows nobody: who
// made it is what its maker wrote.
type SilenceFacts struct {
	ID       string         `json:"id"`
	Matchers []AlertMatcher `json:"matchers"`
	// MatchersCut counts those beyond the first fifty, which are not listed.
	MatchersCut int `json:"matchers_cut,omitempty"`
	// Broad: no matcher limits it to tenants, so that it may hide alerts of all.
	Broad    bool      `json:"broad,omitempty"`
	StartsAt time.Time `json:"starts_at,omitzero"`
	EndsAt   time.Time `json:"ends_at,omitzero"`
	Author   int       `json:"author"` // as claimed; -1
	// CommentLetters counts the letters of its comment. The comment is the
	// record's text where the silence concerns one tenant alone.
	CommentLetters int `json:"comment_letters"`
}

// AlertMatcher is one condition of a silence; all of them must hold.
type AlertMatcher struct {
	Name string `json:"name"`
	Op   string `json:"op"` // =, !=, =~ or !~
	// Values are what the label may be, or with != and !~ may not be. With
	// Pattern they are a regular expression.
	Values  []string `json:"values,omitempty"`
	Pattern bool     `json:"pattern,omitempty"`
	Left    bool     `json:"left,omitempty"` // the value was not kept
}

// AlertRuleFacts are the facts of alert.rule. The expression stands as its hash:
// it may name anybody.
type AlertRuleFacts struct {
	File             string            `json:"file,omitempty"`
	Group            string            `json:"group"`
	Name             string            `json:"name"`
	Type             string            `json:"type"` // alerting, recording
	Severity         string            `json:"severity,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"` // those that the configuration keeps
	LabelsLeft       int               `json:"labels_left,omitempty"`
	ExpressionSHA256 string            `json:"expression_sha256,omitempty"`
	ForSeconds       float64           `json:"for_seconds,omitempty"`
	KeepSeconds      float64           `json:"keep_firing_seconds,omitempty"`
	IntervalSeconds  float64           `json:"interval_seconds,omitempty"` // of its group
	Health           string            `json:"health"`                     // ok, err or unknown, as the server says
	// Blind says why the rule sees nothing: error (its evaluation fails), stale
	// (it was not evaluated for too long), never (not since the server began).
	// Empty: it is evaluated.
	Blind string `json:"blind,omitempty"`
	// Volatile: when it was evaluated last, what it says, and how many series its
	// expression read then, where the server tells.
	LastEvaluation time.Time `json:"last_evaluation,omitzero"`
	State          string    `json:"state,omitempty"` // inactive, pending, firing
	QuerySeries    *int      `json:"query_series,omitempty"`
}

// The words of AlertRuleFacts.Blind.
const (
	RuleErr   = "error"
	RuleStale = "stale"
	RuleNever = "never"
)
