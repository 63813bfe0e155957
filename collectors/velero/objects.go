package velero

import (
	"maps"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// Labels that Velero sets itself.
const (
	labelSchedule    = "velero.io/schedule-name"
	labelLocation    = "velero.io/storage-location"
	labelGCFailure   = "velero.io/gc-failure"
	labelBackupName  = "velero.io/backup-name"
	labelBackupUID   = "velero.io/backup-uid"
	labelRestoreName = "velero.io/restore-name"
	labelRestoreUID  = "velero.io/restore-uid"
)

// Phases of backups and restores. One that is not here is not terminal.
const (
	completed        = "Completed"
	partiallyFailed  = "PartiallyFailed"
	failed           = "Failed"
	failedValidation = "FailedValidation"
	deleting         = "Deleting"
)

func terminal(phase string) bool {
	return phase == completed || phase == partiallyFailed || phase == failed || phase == failedValidation
}

func tries(attempted, done, failures int) *evidence.Tries {
	if attempted+done+failures == 0 {
		return nil
	}
	return &evidence.Tries{Attempted: attempted, Completed: done, Failed: failures}
}

func (h *hookStatus) tries() *evidence.Tries {
	if h == nil {
		return nil
	}
	return tries(h.Attempted, h.Attempted-h.Failed, h.Failed)
}

// cutText bounds a text of the source, in bytes. Credentials go first: half of one
// would not be known as such.
func cutText(s string) string {
	const most = 4 << 10
	s = collectors.WithoutCredentials(s)
	if len(s) > most {
		return s[:most] + " (cut)"
	}
	return s
}

// problems keeps the first of a list of texts.
func problems(list []string) []string {
	const most = 20
	if len(list) > most {
		list = list[:most]
	}
	list = slices.Clone(list)
	for i := range list {
		list[i] = cutText(list[i])
	}
	return list
}

// mapping keeps the first of a namespace mapping, by name.
func mapping(m map[string]string) map[string]string {
	if len(m) <= maxNames {
		return m
	}
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(m))[:maxNames] {
		out[k] = m[k]
	}
	return out
}

func seconds(duration string) int64 {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return 0
	}
	return int64(d / time.Second)
}

// happened dates a draft by the source's own time, where it has one.
func happened(d *evidence.Draft, times ...time.Time) {
	for _, t := range times {
		if !t.IsZero() {
			d.OccurredAt, d.Basis, d.NotBefore = t.UTC(), evidence.BasisSource, time.Time{}
			return
		}
	}
}

// scheduleDraft makes backup.schedule.
func (c *collector) scheduleDraft(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var v scheduleObject
	if err := o.Decode(&v); err != nil {
		return evidence.Draft{}, err
	}
	t := &v.Spec.Template
	names := covered(&t.selection, l)
	d, err := l.Draft(evidence.BackupSchedule, o, evidence.ScheduleFacts{
		Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Cron: v.Spec.Schedule, Paused: v.Spec.Paused, Phase: v.Status.Phase,
		Scope: t.facts(), Location: t.StorageLocation, TTLSeconds: seconds(t.TTL),
		LastBackup: v.Status.LastBackup.Time, LastSkipped: v.Status.LastSkipped.Time,
		Problems: problems(v.Status.ValidationErrors), ResourceVersion: o.ResourceVersion,
	})
	if err != nil {
		return d, err
	}
	place(&d, l, names)
	d.Mentions = t.mention(l, names)
	var ls links
	ls.velero(l, "BackupStorageLocation", o.Namespace, t.StorageLocation)
	ls.namespaces(l, names)
	d.Links = ls
	return d, nil
}

// locationDraft makes backup.location.
func (c *collector) locationDraft(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var v locationObject
	if err := o.Decode(&v); err != nil {
		return evidence.Draft{}, err
	}
	mode := v.Spec.AccessMode
	if mode == "" {
		mode = "ReadWrite"
	}
	return l.Draft(evidence.BackupLocation, o, evidence.LocationFacts{
		Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Provider: v.Spec.Provider, Bucket: v.Spec.ObjectStorage.Bucket, Prefix: v.Spec.ObjectStorage.Prefix,
		Region: v.Spec.Config["region"], AccessMode: mode, Default: v.Spec.Default, Phase: v.Status.Phase,
		ValidatedAt: later(v.Status.LastValidation.Time, v.Status.LastSynced.Time), ResourceVersion: o.ResourceVersion,
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// syncedAfter is how much younger than its backup an object is that Velero made
// from the bucket: otherwise the object is there before the backup starts.
const syncedAfter = time.Minute

// synced reports whether Velero made the object from the bucket, maybe in another
// cluster than the backup is of.
func (v *backupObject) synced(o *kube.Object) bool {
	return !v.Status.Start.IsZero() && o.CreatedAt.Sub(v.Status.Start.Time) > syncedAfter
}

// then is the look at the time when a backup ran: whose namespaces it holds is
// decided by those that were there, so that it is not told to who came after it.
// Nothing is known of that time while it runs, when it names its namespaces, and
// when its object came from the bucket: the cluster may be a younger one.
func (c *collector) then(o *kube.Object, v *backupObject, l *kube.Look) *kube.Look {
	spec := &v.Spec.selection
	if !spec.all() && !wild(spec.IncludedNamespaces) || v.synced(o) {
		return l
	}
	p := evidence.Period{From: v.Status.Start.Time, To: v.Status.Completion.Time}
	if p.From.IsZero() {
		p.From = o.CreatedAt
	}
	if p.To.IsZero() && terminal(v.phase()) {
		p.To = later(p.From, o.CreatedAt) // it came to no end
	}
	// A namespace that a restore brought back is younger than what it was made of.
	return l.During(p, func(n kube.Namespace) bool { return n.Labels[labelRestoreName] != "" })
}

// held are the namespaces that a backup may hold: those that were there then, and
// those that an earlier sighting of it told of and that are gone since.
func (c *collector) held(o *kube.Object, v *backupObject, l, then *kube.Look) []string {
	names := then.Namespaces()
	if then == l {
		return names
	}
	if b := c.backupOf(o.Namespace, o.Name); b != nil && b.UID == o.UID {
		for _, n := range b.Namespaces {
			if _, there := l.Namespace(n); !there {
				names = append(names, n)
			}
		}
	}
	return names
}

// phase is the outcome of a backup. While Velero deletes one its phase is
// Deleting and the outcome is overwritten; Velero's own rule gives it back: a
// backup that ran to its end is Completed without errors, PartiallyFailed with.
func (v *backupObject) phase() string {
	s := &v.Status
	switch {
	case s.Phase != deleting:
		return s.Phase
	case len(s.ValidationErrors) > 0:
		return failedValidation
	case s.FailureReason != "" || s.Completion.IsZero():
		return failed
	case s.Errors > 0:
		return partiallyFailed
	}
	return completed
}

// location is where a backup is kept: the label tells it also where the spec
// leaves it to the default.
func (v *backupObject) location(o *kube.Object) string {
	if v.Spec.StorageLocation != "" {
		return v.Spec.StorageLocation
	}
	return o.Labels[labelLocation]
}

// backupDraft makes backup.run. Deleted is zero while the object is there.
func (c *collector) backupDraft(o *kube.Object, l *kube.Look, deleted time.Time, how string) (evidence.Draft, *backupSum, error) {
	var v backupObject
	if err := o.Decode(&v); err != nil {
		return evidence.Draft{}, nil, err
	}
	then := c.then(o, &v, l)
	names := coveredOf(&v.Spec.selection, l, c.held(o, &v, l, then))
	s := &v.Status
	phase := v.phase()
	f := evidence.BackupFacts{
		Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Schedule: o.Labels[labelSchedule], Location: v.location(o), Scope: v.Spec.facts(),
		Phase: phase, Terminal: terminal(phase),
		StartedAt: s.Start.Time, FinishedAt: s.Completion.Time, ExpiresAt: s.Expiration.Time,
		Errors: s.Errors, Warnings: s.Warnings,
		Snapshots:  tries(s.Snapshots+s.CSISnapshots, s.SnapshotsDone+s.CSISnapshotsDone, 0),
		Operations: tries(s.Operations, s.OperationsDone, s.OperationsFailed), Hooks: s.Hooks.tries(),
		Failure: cutText(s.FailureReason), Problems: problems(s.ValidationErrors),
		Synced:    v.synced(o),
		GCFailure: o.Labels[labelGCFailure], DeletedAt: deleted, DeletedHow: how, ResourceVersion: o.ResourceVersion,
	}
	if s.Progress != nil {
		f.Items, f.ItemsTotal = &s.Progress.BackedUp, &s.Progress.Total
	}
	d, err := l.Draft(evidence.BackupRun, o, f)
	if err != nil {
		return d, nil, err
	}
	happened(&d, s.Start.Time, o.CreatedAt)
	place(&d, then, names)
	d.Mentions = v.Spec.mention(then, names)
	var ls links
	ls.velero(l, "Schedule", o.Namespace, f.Schedule)
	ls.velero(l, "BackupStorageLocation", o.Namespace, f.Location)
	ls.namespaces(l, names)
	d.Links = ls
	return d, summarize(o, &v, names), nil
}

// restoreDraft makes backup.restore, and what a grade needs of it when the
// restore says that it is a test.
func (c *collector) restoreDraft(o *kube.Object, l *kube.Look, deleted time.Time) (evidence.Draft, *restoreSum, error) {
	var v restoreObject
	if err := o.Decode(&v); err != nil {
		return evidence.Draft{}, nil, err
	}
	s, spec := &v.Status, &v.Spec
	b := c.backupOf(o.Namespace, spec.BackupName)
	sources := sourcesOf(&spec.selection, spec.NamespaceMapping, b)
	f := evidence.RestoreFacts{
		Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Backup: spec.BackupName, Schedule: spec.ScheduleName, Scope: spec.facts(spec.RestorePVs), Into: mapping(spec.NamespaceMapping),
		Existing: spec.ExistingResourcePolicy, Purpose: "unknown", Requester: -1,
		Plan: cutText(c.said(o, "plan")), Ticket: cutText(c.said(o, "ticket")),
		Phase: s.Phase, Terminal: terminal(s.Phase), StartedAt: s.Start.Time, FinishedAt: s.Completion.Time,
		Errors: s.Errors, Warnings: s.Warnings,
		Operations: tries(s.Operations, s.OperationsDone, s.OperationsFailed), Hooks: s.Hooks.tries(),
		Failure: cutText(s.FailureReason), Problems: problems(s.ValidationErrors),
		DeletedAt: deleted, ResourceVersion: o.ResourceVersion,
	}
	if s.Progress != nil {
		f.Items = &s.Progress.Restored
	}
	test := c.said(o, "restore-test") == "true"
	if test {
		f.Purpose = "test"
	}
	who := c.said(o, "requested-by")
	if who != "" {
		f.Requester = 0
	}
	d, err := l.Draft(evidence.BackupRestore, o, f)
	if err != nil {
		return d, nil, err
	}
	if who != "" {
		d.People = []evidence.Person{{
			Role: evidence.RoleInitiator, Realm: "velero:" + l.Authority + "/claimed", NativeID: cutText(who),
			Names: evidence.Names{Login: cutText(who)}, Proof: evidence.ProofClaimed,
		}}
	}
	happened(&d, s.Start.Time, o.CreatedAt)
	place(&d, l, sources) // whose data was restored, not where it was put
	d.Mentions = append(spec.mention(l, sources), mentionInto(l, spec.NamespaceMapping))
	var ls links
	ls.velero(l, "Backup", o.Namespace, spec.BackupName)
	ls.velero(l, "Schedule", o.Namespace, spec.ScheduleName)
	ls.namespaces(l, sources)
	for _, n := range sources {
		ls.namespaces(l, []string{target(spec.NamespaceMapping, n)})
	}
	d.Links = ls
	if b == nil && spec.BackupName != "" && spec.all() && !c.complete(l, "backups.velero.io") && len(c.waiting) < maxOwners {
		kept := d
		kept.Raw = slices.Clone(d.Raw)
		c.waiting[o.UID] = &unplaced{kept, spec.selection, spec.NamespaceMapping, o.Namespace, spec.BackupName}
	}
	if !test {
		return d, nil, nil
	}
	return d, c.summary(o, &v, b, sources), nil
}

// said returns what a restore says of itself under one of our keys, in a label
// or, where a label may not hold it, in an annotation.
func (c *collector) said(o *kube.Object, key string) string {
	key = c.cfg.LabelPrefix + "/" + key
	if v := o.Labels[key]; v != "" {
		return v
	}
	return o.Annotations[key]
}

// sourcesOf are the namespaces that a restore brings back, by the names they
// had in the backup; nil when they are not known. A restore that names none
// covers those of its backup, and one of a backup that is not known covers at
// least those that it maps.
func sourcesOf(s *selection, into map[string]string, b *backupSum) []string {
	var known []string
	for n := range into {
		known = append(known, n)
	}
	if b != nil {
		known = append(known, b.Namespaces...)
	}
	names := s.within(known)
	if b != nil && !b.Open {
		// What the backup does not hold cannot come back, whatever is asked for.
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(b.Namespaces, n) })
	}
	if len(names) == 0 {
		return nil
	}
	return names
}

// target is the namespace that a source namespace is restored into.
func target(into map[string]string, ns string) string {
	if t := into[ns]; t != "" {
		return t
	}
	return ns
}
