package world

import (
	"slices"
	"time"
)

// Verb says what an act does.
type Verb string

// The verbs, with the fields they use beside At and By.
const (
	Push     Verb = "push"           // a commit on a branch, made from main if new: Branch, Title, Body, Edits
	Force    Verb = "force"          // one commit on main replaces a branch: Branch, Title, Edits
	Open     Verb = "open"           // a pull request: Pull, Branch, Title, Body
	Review   Verb = "review"         // Pull, State (APPROVED, COMMENTED, CHANGES_REQUESTED), Body
	Verify   Verb = "verify"         // a pipeline tests the head of a pull request: Pull, State, Took
	Merge    Verb = "merge"          // Pull; the branch goes away
	Close    Verb = "close"          // Pull, without merging
	Protect  Verb = "protect"        // Protect: switches of the guard on main
	Sync     Verb = "sync"           // an operation begins: Tenant, App, State, Took, Message, Only; By empty: automated
	SyncDone Verb = "sync-done"      // and ends; made from Sync
	Drift    Verb = "drift"          // an object differs from what is declared: Tenant, App, Object
	Health   Verb = "health"         // Tenant, App, State
	Vault    Verb = "vault"          // one request to the secret store: Op, Path; By empty: a bad token
	Policy   Verb = "policy"         // an access policy is written: Policy, Text
	Rotate   Verb = "audit-rotate"   // audit file renamed, a new one begun
	Pack     Verb = "audit-pack"     // the renamed file is compressed
	Copy     Verb = "audit-copy"     // first half of copytruncate
	Truncate Verb = "audit-truncate" // second half
	Off      Verb = "audit-off"      // the device behind the file is disabled; another one goes on
	On       Verb = "audit-on"       // and enabled again, with a new salt
	Renew    Verb = "renew"          // a new certificate: Host, Days
	Build    Verb = "build"          // a pipeline builds an image of a branch's head and pushes it: Tenant, App, Version, Branch, State
	Ship     Verb = "ship"           // somebody pushes an image by hand: Tenant, App, Version
	Backup   Verb = "backup"         // a scheduled backup ends: Tenant, State, Took
	Restore  Verb = "restore"        // a restore and the check after it are over: Tenant, State, Took, Into, Check; a Title tells that it is no exercise
	Bind     Verb = "bind"           // a role in a tenant's namespace is given: Tenant, Role, To
	Unbind   Verb = "unbind"         // and taken away
	Cluster  Verb = "cluster"        // one request to the cluster's API: Tenant, Op, Path
	Workflow Verb = "workflow"       // a run of a workflow is over: Tenant, Title (what it is for), State, Took
	Silence  Verb = "silence"        // an alert is silenced: Tenant, Object (its name), Title (why), Took (for how long)
	Fault    Verb = "fault"          // a server answers Status and Message from now on, asking to Wait; 0: as usual: Target
)

func (v Verb) known() bool {
	switch v {
	case Push, Force, Open, Review, Verify, Merge, Close, Protect, Sync, SyncDone, Drift, Health, Vault, Policy,
		Rotate, Pack, Copy, Truncate, Off, On, Renew, Build, Ship, Backup, Restore, Bind, Unbind, Cluster, Workflow, Silence, Fault:
		return true
	}
	return false
}

// Act is one thing that happens. By is the key of a person or a machine
// (tenant/app for an application's own login).
type Act struct {
	At      time.Time       `yaml:"at"`
	Do      Verb            `yaml:"do"`
	By      string          `yaml:"by"`
	Tenant  string          `yaml:"tenant"`
	App     string          `yaml:"app"`
	Branch  string          `yaml:"branch"`
	Pull    string          `yaml:"pull"`
	Title   string          `yaml:"title"`
	Body    string          `yaml:"body"`
	Edits   []Edit          `yaml:"edits"`
	State   string          `yaml:"state"`
	Message string          `yaml:"message"`
	Took    time.Duration   `yaml:"took"`
	Only    string          `yaml:"only"`
	Object  string          `yaml:"object"`
	Op      string          `yaml:"op"`
	Path    string          `yaml:"path"`
	Policy  string          `yaml:"policy"`
	Text    string          `yaml:"text"`
	Protect map[string]bool `yaml:"protect"`
	Host    string          `yaml:"host"`
	Days    int             `yaml:"days"`
	Version string          `yaml:"version"`
	Into    string          `yaml:"into"`  // fresh or live: the namespace restored into
	Check   string          `yaml:"check"` // passed or failed: the application's own check afterwards; empty: none
	Role    string          `yaml:"role"`
	To      string          `yaml:"to"` // who gets it
	Target  string          `yaml:"target"`
	Status  int             `yaml:"status"`
	Wait    time.Duration   `yaml:"wait"`
}

// Edit is one change to the declared state: of an application, or, with File,
// the whole content of another file of the repository.
type Edit struct {
	Tenant   string            `yaml:"tenant"`
	App      string            `yaml:"app"`
	Version  string            `yaml:"version"`
	Replicas int               `yaml:"replicas"`
	Env      map[string]string `yaml:"env"`
	File     string            `yaml:"file"`
	Content  string            `yaml:"content"`
}

// finish gives each sync its end and sorts: by time, and in the order of the
// script within one instant.
func finish(w *World) {
	var ends []Act
	for i := range w.Acts {
		a := &w.Acts[i]
		a.At = a.At.UTC()
		if (a.Do == Build || a.Do == Verify) && a.State == "" {
			a.State = "success"
		}
		if a.Do == Workflow && a.State == "" {
			a.State = "Succeeded"
		}
		if (a.Do == Backup || a.Do == Restore) && a.State == "" {
			a.State = "Completed"
		}
		if a.Do != Sync {
			continue
		}
		if a.Took == 0 {
			a.Took = 24 * time.Second
		}
		if a.State == "" {
			a.State = "Succeeded"
		}
		end := *a
		end.Do, end.At = SyncDone, a.At.Add(a.Took)
		ends = append(ends, end)
	}
	w.Acts = append(w.Acts, ends...)
	slices.SortStableFunc(w.Acts, func(a, b Act) int { return a.At.Compare(b.At) })
	w.Acts = slices.DeleteFunc(w.Acts, func(a Act) bool { return a.At.After(w.End) })
}
