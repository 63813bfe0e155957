package velero

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// memory is what the collector keeps in the cursor: the newest backups, since a
// restore is graded against the one it came from, the tests that further proof
// may still come for, and what was there, so that it can be told to be gone. It
// holds names of objects, never of people.
type memory struct {
	Backups   backups          `json:"backups,omitempty"`
	Tests     map[string]*test `json:"tests,omitempty"` // by uid of the restore
	Sightings *sightings       `json:"sightings,omitempty"`
	// Listed are the lists, by listKey, that were read in full since sightings are
	// kept: of what they showed none is missing among those.
	Listed map[string]bool `json:"listed,omitempty"`
}

// listKey names the list of a kind, in one namespace or ("") in all.
func listKey(kind evidence.Kind, namespace string) string { return string(kind) + "/" + namespace }

func (m *memory) noteList(kind evidence.Kind, namespace string) {
	if m.Listed == nil {
		m.Listed = map[string]bool{}
	}
	m.Listed[listKey(kind, namespace)] = true
}

// Bounds of the memory. A restore of an older backup, begun after a restart, is
// graded without what the backup said.
const (
	maxBackups = 500
	maxTests   = 2000
	// settledFor is how long a settled test is remembered, so that a later list
	// does not grade it anew from what is left of its inputs.
	settledFor = 400 * 24 * time.Hour
)

// backups are backups by namespace and name. Of two with one name it is the
// later one.
type backups map[string]*backupSum

func (m backups) keep(b *backupSum) {
	key := b.Namespace + "/" + b.Name
	if old := m[key]; old == nil || old.UID == b.UID || old.Gone || !b.Gone && !b.End.Before(old.End) {
		m[key] = b
	}
}

// backupSum is what a grade needs of a backup.
type backupSum struct {
	Name       string          `json:"name"`
	Namespace  string          `json:"ns"`
	UID        string          `json:"uid"`
	Namespaces []string        `json:"covers,omitempty"`
	Open       bool            `json:"open,omitempty"` // it named patterns, or none: it may have held others, gone by now
	Phase      string          `json:"phase"`
	Start      time.Time       `json:"start,omitzero"`
	End        time.Time       `json:"end,omitzero"`
	Items      *int            `json:"items,omitempty"`
	Snapshots  *evidence.Tries `json:"snapshots,omitempty"`
	NoVolumes  bool            `json:"no_volumes,omitempty"` // it was told to keep no volume
	Gone       bool            `json:"gone,omitempty"`

	deleting bool // Velero says that it deletes it
}

func summarize(o *kube.Object, v *backupObject, names []string) *backupSum {
	b := &backupSum{
		Name: o.Name, Namespace: o.Namespace, UID: o.UID, Namespaces: head(names), Open: v.Spec.all() || wild(v.Spec.IncludedNamespaces),
		Phase: v.phase(), Start: v.Status.Start.Time, End: v.Status.Completion.Time,
		Snapshots: tries(v.Status.Snapshots+v.Status.CSISnapshots, v.Status.SnapshotsDone+v.Status.CSISnapshotsDone, 0),
		deleting:  v.Status.Phase == deleting,
	}
	if v.Status.Progress != nil {
		b.Items = &v.Status.Progress.BackedUp
	}
	if v.Spec.SnapshotMoveData != nil && *v.Spec.SnapshotMoveData {
		b.Snapshots = tries(v.Status.Snapshots, v.Status.SnapshotsDone, 0) // snapshots of its driver were a step on the way
	}
	off := func(p *bool) bool { return p != nil && !*p }
	files := cmp.Or(v.Spec.DefaultVolumesToFsBackup, v.Spec.DefaultVolumesToRestic)
	b.NoVolumes = off(v.Spec.SnapshotVolumes) && (files == nil || off(files))
	return b
}

// backupOf returns the backup that has the name now, or had it last; nil when
// none was seen.
func (c *collector) backupOf(namespace, name string) *backupSum {
	key := namespace + "/" + name
	if b := c.backups[key]; b != nil {
		return b
	}
	return c.memory.Backups[key]
}

func (c *collector) keepBackup(b *backupSum) {
	if c.memory.Backups == nil {
		c.memory.Backups = backups{}
	}
	c.memory.Backups.keep(b)
	if len(c.backups) < maxOwners {
		c.backups.keep(b)
	}
}

// trim keeps the memory within its bounds.
func (m *memory) trim(now time.Time) {
	if len(m.Backups) > maxBackups {
		byAge := slices.SortedFunc(maps.Values(m.Backups), func(a, b *backupSum) int {
			return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.UID, b.UID))
		})
		for _, b := range byAge[:len(byAge)-maxBackups] {
			delete(m.Backups, b.Namespace+"/"+b.Name)
		}
	}
	for uid, t := range m.Tests {
		if t.Settled && now.Sub(t.Seen) > settledFor {
			delete(m.Tests, uid)
		}
	}
	if len(m.Tests) > maxTests {
		byAge := slices.SortedFunc(maps.Values(m.Tests), func(a, b *test) int {
			return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.Restore.UID, b.Restore.UID))
		})
		for _, t := range byAge[:len(byAge)-maxTests] {
			delete(m.Tests, t.Restore.UID)
		}
	}
}

// restoreSum is what a grade needs of a restore.
type restoreSum struct {
	Name      string            `json:"name"`
	Namespace string            `json:"ns"`
	UID       string            `json:"uid"`
	Backup    string            `json:"backup,omitempty"`
	Plan      string            `json:"plan,omitempty"`
	RTO       time.Duration     `json:"rto,omitempty"` // as it says itself
	RPO       time.Duration     `json:"rpo,omitempty"`
	Phase     string            `json:"phase"`
	Start     time.Time         `json:"start,omitzero"`
	End       time.Time         `json:"end,omitzero"`
	Errors    int               `json:"errors,omitempty"`
	Warnings  int               `json:"warnings,omitempty"`
	Failed    bool              `json:"failed,omitempty"` // it names why it failed, whatever its phase is now
	Handled   *int              `json:"handled,omitempty"`
	Ops       *evidence.Tries   `json:"ops,omitempty"`
	Hooks     *evidence.Tries   `json:"hooks,omitempty"`
	Sources   []string          `json:"sources,omitempty"`
	Known     bool              `json:"known,omitempty"`    // Sources are all of them
	Included  []string          `json:"included,omitempty"` // as it was asked for
	Excluded  []string          `json:"excluded,omitempty"`
	Into      map[string]string `json:"into,omitempty"`
	Selects   bool              `json:"selects,omitempty"`  // labels narrow it
	Part      bool              `json:"part,omitempty"`     // not every namespace of the backup, or nobody knows
	Metadata  string            `json:"metadata,omitempty"` // why it brought back no volumes
	Update    bool              `json:"update,omitempty"`   // objects that were there were changed
	Gone      bool              `json:"gone,omitempty"`
	Lost      bool              `json:"lost,omitempty"` // it went unseen, and how it ended too
}

// over reports whether nothing more comes of the restore itself.
func (r *restoreSum) over() bool { return terminal(r.Phase) || r.Gone || r.Lost }

func (r *restoreSum) targets() []string {
	var ts []string
	for _, n := range r.Sources {
		ts = append(ts, target(r.Into, n))
	}
	return ts
}

// source is the name that a target namespace had in the backup.
func (r *restoreSum) source(target string) string {
	for from, to := range r.Into {
		if to == target {
			return from
		}
	}
	return target
}

func (c *collector) summary(o *kube.Object, v *restoreObject, b *backupSum, sources []string) *restoreSum {
	s, spec := &v.Status, &v.Spec
	r := &restoreSum{
		Name: o.Name, Namespace: o.Namespace, UID: o.UID, Backup: spec.BackupName, Plan: cutText(c.said(o, "plan")),
		RTO: duration(c.said(o, "rto")), RPO: duration(c.said(o, "rpo")),
		Phase: s.Phase, Start: s.Start.Time, End: s.Completion.Time, Errors: s.Errors, Warnings: s.Warnings, Failed: s.FailureReason != "",
		Ops:   tries(s.Operations, s.OperationsDone, s.OperationsFailed),
		Hooks: s.Hooks.tries(), Included: spec.IncludedNamespaces, Excluded: spec.ExcludedNamespaces,
		Sources: sources, Into: spec.NamespaceMapping, Selects: spec.selects(),
		Known:    b != nil || !spec.all() && !wild(spec.IncludedNamespaces),
		Metadata: spec.narrowed(), Update: spec.ExistingResourcePolicy == "update",
	}
	r.Part = b == nil || !slices.Equal(sources, b.Namespaces)
	if s.Progress != nil {
		r.Handled = &s.Progress.Restored
	}
	if spec.RestorePVs != nil && !*spec.RestorePVs {
		r.Metadata = "volumes were left out (restorePVs: false)"
	}
	return r
}

func wild(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc([]byte(p), func(b byte) bool { return b == '*' || b == '?' || b == '[' })
	})
}

// duration reads "4h" or "90m"; what is no duration is none.
func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// test is a restore that says it is a test, with what was seen of its proof.
// What was seen once is kept, whatever is deleted later.
type test struct {
	Restore restoreSum              `json:"restore"`
	Seen    time.Time               `json:"seen,omitzero"` // when its end was first seen
	Backup  *backupSum              `json:"backup,omitempty"`
	Fresh   map[string]string       `json:"fresh,omitempty"`  // yes or no, by target namespace
	Wishes  []wish                  `json:"wishes,omitempty"` // volumes of the scope, as objects told
	Volumes volumeSum               `json:"volumes"`
	Files   fileSum                 `json:"files"`
	Checks  []evidence.RestoreProof `json:"checks,omitempty"`
	Looked  bool                    `json:"looked,omitempty"` // checks were looked for, in full
	Hidden  bool                    `json:"hidden,omitempty"` // a workflow that names it holds its nodes packed, or not at all
	Settled bool                    `json:"settled,omitempty"`

	sent []byte // the content that was handed over in this run
}

// fileSum is what the result files said, as far as a grade needs it.
type fileSum struct {
	Read     bool     `json:"read,omitempty"`     // nothing more is to be read
	Why      []string `json:"why,omitempty"`      // of each file that was not read
	Existing int      `json:"existing,omitempty"` // warnings that say "already exists"

	BackupErrors *int  `json:"backup_errors,omitempty"` // of the backup that concern the scope
	Brought      *int  `json:"brought,omitempty"`       // items of the scope created, or updated where that was asked for
	BackedUp     *int  `json:"backed_up,omitempty"`     // items of the backup within the scope
	Missing      *int  `json:"missing,omitempty"`       // of those, not brought back
	Claims       *bool `json:"claims,omitempty"`        // the backup's scope holds volume claims

	Wishes    []wish          `json:"wishes,omitempty"` // volumes of the scope, when Volumes
	Volumes   bool            `json:"volumes,omitempty"`
	Snapshots map[string]bool `json:"snapshots"` // volumes made from snapshots; nil: not known
}
