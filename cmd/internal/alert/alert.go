// Package alert tells people that a control needs them, before an auditor
// finds it.
//
// It is handed, tenant by tenant, the verdicts as they are now, and works out
// what has gone wrong from them: a Vault that nobody could look at is one
// cause, however many tests of however many tenants wait for it. A cause that
// lasts longer than the hold time becomes an alert; one that is away longer
// than the release time is resolved. What is known survives a restart in one
// file, and so does what each destination was told, so that nothing is told
// twice and nothing is forgotten.
//
// The file and every message hold tenants, controls, tests, sources, counts
// and times: no name of a person and nothing that a source said.
package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"evidenced/evidence"
)

// Names of alerts. They are labels that routing rules of users stand on: they
// never change their meaning.
const (
	SourceUnseen  = "EvidenceSourceUnseen"  // a source cannot be looked at now
	BlindWindow   = "EvidenceBlindWindow"   // a source was not seen for a while, and nothing can heal that
	Unconfigured  = "EvidenceNotConfigured" // no configured source gives what a test needs
	TooWeak       = "EvidenceTooWeak"       // seen, but of a weaker class than a test accepts
	Stale         = "EvidenceStale"         // the newest look is too old
	GoingStale    = "EvidenceGoingStale"    // it will be too old soon
	NotSatisfied  = "ControlNotSatisfied"   // an item failed
	Gap           = "ControlGap"            // what must exist is not there
	Undetermined  = "ControlUndetermined"   // an item could not be decided
	DueSoon       = "NotificationDeadline"  // a clock runs out soon, or ran out: then critical
	RemedyDue     = "RemedyDue"             // the day of a remedy comes, or is over: then a warning
	HeartbeatName = "EvidencedHeartbeat"    // fires always: its absence is the alert
)

// Severity of an alert, in the words that routing rules of Prometheus and
// Alertmanager commonly use.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical" // a control of severity high
	Warning  Severity = "warning"  // medium
	Info     Severity = "info"     // low
)

var ranks = map[Severity]int{Critical: 3, Warning: 2, Info: 1}

// severityOf reads the severity of a control: high, medium, low.
func severityOf(word string) Severity {
	switch word {
	case "high":
		return Critical
	case "medium":
		return Warning
	}
	return Info
}

// milder is one step less severe.
func (s Severity) milder() Severity {
	if s == Critical {
		return Warning
	}
	return Info
}

// Cause is one thing that has gone wrong. Two findings with equal causes are
// told as one alert. Tenant is zero where the cause is not one tenant's own.
type Cause struct {
	Name   string            `json:"name"`
	Source evidence.SourceID `json:"source,omitempty"`
	Kind   evidence.Kind     `json:"kind,omitempty"`
	Reason evidence.Reason   `json:"reason,omitempty"`
	Tenant evidence.Tenant   `json:"tenant,omitzero"`
	Test   string            `json:"test,omitempty"`
	Key    string            `json:"key,omitempty"` // of a deadline, or when a blind window ended
}

// id names the cause for as long as it lasts: the first 16 hex digits of a
// SHA-256 over its length-prefixed parts.
func (c Cause) id() string {
	tenant := ""
	if !c.Tenant.IsZero() {
		tenant = c.Tenant.String()
	}
	h := sha256.New()
	for _, part := range []string{"evidenced/cause/v1", c.Name, string(c.Source), string(c.Kind), string(c.Reason), tenant, c.Test, c.Key} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// State of an alert.
type State string

// The states, in the order they are passed through.
const (
	Pending  State = "pending" // the cause is there, for less than the hold time
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Alert is a cause that somebody is told of.
type Alert struct {
	ID       string               `json:"id"` // of the cause
	Cause    Cause                `json:"cause"`
	State    State                `json:"state"`
	Severity Severity             `json:"severity"` // the worst of what it touches; never lowered while it fires
	Tenants  []evidence.Tenant    `json:"tenants"`  // touched, sorted
	Controls []evidence.ControlID `json:"controls,omitempty"`
	Tests    []string             `json:"tests,omitempty"`
	Says     string               `json:"says"` // one sentence
	// Since is when the cause was first seen, Fired when it had lasted for the
	// hold time, Ended when it was last there. UTC.
	Since time.Time `json:"since"`
	Fired time.Time `json:"fired,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Turn counts what is worth telling: 1 when it fires, one more each time
	// it becomes more severe, and one more when it is resolved.
	Turn int `json:"turn"`

	// away is when the cause was first missed; zero while it is there.
	Away time.Time `json:"away,omitzero"`
}

// effect is one finding that a cause touches.
type effect struct {
	tenant   evidence.Tenant
	control  evidence.ControlID
	test     string
	severity Severity
	says     string
}

// take makes the alert say what its effects are now.
func (a *Alert) take(effects []effect) {
	a.Tenants, a.Controls, a.Tests = nil, nil, nil
	worst := Info
	for _, e := range effects {
		a.Tenants = append(a.Tenants, e.tenant)
		if e.control != "" {
			a.Controls = append(a.Controls, e.control)
		}
		if e.test != "" {
			a.Tests = append(a.Tests, e.test)
		}
		if ranks[e.severity] > ranks[worst] {
			worst = e.severity
		}
	}
	slices.SortFunc(a.Tenants, func(x, y evidence.Tenant) int { return cmp.Compare(x.String(), y.String()) })
	slices.Sort(a.Controls)
	slices.Sort(a.Tests)
	a.Tenants, a.Controls, a.Tests = slices.Compact(a.Tenants), slices.Compact(a.Controls), slices.Compact(a.Tests)
	if ranks[worst] > ranks[a.Severity] {
		if a.State == Firing {
			a.Turn++
		}
		a.Severity = worst
	}
	a.Says = sentence(a, effects)
}
