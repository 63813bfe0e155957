package velero

import (
	"context"
	"maps"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/bucket"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Resources that tell of volumes.
const (
	podBackups  = "podvolumebackups.velero.io"
	podRestores = "podvolumerestores.velero.io"
	uploads     = "datauploads.velero.io"
	downloads   = "datadownloads.velero.io"
)

// files are the result files; a *bucket.Reader, or nil when none is configured.
type files interface {
	ReadGzip(ctx context.Context, key string, limit int64) ([]byte, error)
	Has(ctx context.Context, key string) error
	Stats() fetch.Stats
}

// collector holds what the functions of all resources share. It is used by one
// goroutine at a time.
type collector struct {
	cfg    Config
	memory memory // in the cursor
	files  files  // nil: none configured

	// What follows was seen in this process and is lost with it; what a test
	// needs of it is kept in the test.
	backups   backups
	kept, got volumes              // volumes of backups and of restores
	spaces    map[string]time.Time // when each namespace was made
	asked     map[string]bool      // backups whose deletion was asked for, by uid and by namespace/name
	proofs    proofs
	hidden    map[string]bool      // restores, as checks name them, of workflows whose nodes stand elsewhere
	waiting   map[string]*unplaced // restores whose backup was not known, by uid
	whole     bool                 // this look lists everything anew
	listed    map[string]bool      // resources of which a list was read
	trusted   map[string]bool      // resources that were listed in full in this process
	recalled  map[string]bool      // resources of which this run has seen to it that they are remembered
	requests  int                  // to object storage, reported already
	retry     time.Time            // when object storage may be asked again

	// complete tells whether a resource was listed in full; Look.Whole, but in
	// tests.
	complete func(l *kube.Look, resource string) bool
}

// unplaced is a restore that was handed over before it was known which
// namespaces it covers.
type unplaced struct {
	draft    evidence.Draft
	included selection
	into     map[string]string // namespace mapping
	ns, name string            // of its backup
}

// New checks the configuration and makes the collector; nothing is dialled or
// read.
func New(cfg Config, env collectors.Env) (collectors.Collector, error) {
	return newWith(cfg, env, func(*fetch.Options) {})
}

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, change func(*fetch.Options)) (collectors.Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := newCollector(cfg)
	if !cfg.Results.IsZero() {
		r, err := bucket.Open(cfg.Results, bucket.Options{Clock: env.Clock, Log: env.Log, Timeout: 10 * time.Second})
		if err != nil {
			return nil, err
		}
		c.files = r
	}
	k, err := kube.New(cfg.Config, env, agent, c.resources(),
		kube.After([]evidence.Kind{evidence.BackupTest, evidence.BackupRestore}, c.after),
		kube.State(&c.memory), kube.Observe(c.observe), kube.Client(change))
	if err != nil {
		return nil, err
	}
	s := &source{k, c}
	if f, ok := k.(collectors.Follower); ok {
		return &follower{s, f}, nil
	}
	return s, nil
}

func newCollector(cfg Config) *collector {
	return &collector{
		cfg: cfg, backups: backups{}, kept: volumes{}, got: volumes{}, spaces: map[string]time.Time{}, asked: map[string]bool{}, proofs: proofs{}, hidden: map[string]bool{},
		waiting: map[string]*unplaced{}, listed: map[string]bool{}, trusted: map[string]bool{}, recalled: map[string]bool{}, complete: (*kube.Look).Whole,
	}
}

// source is the engine with what is ours.
type source struct {
	collectors.Collector
	c *collector
}

// Poll implements collectors.Collector.
func (s *source) Poll(ctx context.Context, w evidence.Period, resume []byte, sink collectors.Sink) error {
	s.c.begin(true)
	return s.Collector.Poll(ctx, w, resume, sink)
}

// follower is a source that can stay with the cluster.
type follower struct {
	*source
	f collectors.Follower
}

// Follow implements collectors.Follower.
func (f *follower) Follow(ctx context.Context, resume []byte, sink collectors.Sink) error {
	f.c.begin(resume == nil) // otherwise a watch goes on where it was, and lists nothing
	return f.f.Follow(ctx, resume, sink)
}

// begin starts a look. One that lists everything forgets what was seen before:
// of what is gone meanwhile only backups and restores are told.
func (c *collector) begin(whole bool) {
	c.whole = whole
	clear(c.recalled)
	if !whole {
		return
	}
	clear(c.backups)
	clear(c.kept)
	clear(c.got)
	clear(c.spaces)
	clear(c.asked)
	clear(c.proofs)
	clear(c.hidden)
	clear(c.waiting)
	clear(c.listed)
	clear(c.trusted)
}

// observe adds the requests to object storage.
func (c *collector) observe(o *evidence.Observation) {
	if c.files != nil {
		n := c.files.Stats().Requests
		o.Requests += n - c.requests
		c.requests = n
	}
}

// see notes which resources were listed in full in this process.
func (c *collector) see(l *kube.Look) {
	for _, r := range []string{podBackups, podRestores, uploads, downloads} {
		if c.complete(l, r) && (c.whole || c.listed[r]) {
			c.trusted[r] = true
		}
	}
}

// placed hands over once more the restores of which it is known by now whose
// data they hold.
func (c *collector) placed(l *kube.Look) (ds []evidence.Draft, err error) {
	for _, uid := range slices.Sorted(maps.Keys(c.waiting)) {
		u := c.waiting[uid]
		if b := c.backupOf(u.ns, u.name); b != nil {
			place(&u.draft, l, sourcesOf(&u.included, u.into, b))
			if err := c.memory.Sightings.place(uid, &u.draft); err != nil {
				return nil, err
			}
			ds = append(ds, u.draft)
			delete(c.waiting, uid)
		} else if c.complete(l, "backups.velero.io") {
			delete(c.waiting, uid)
		}
	}
	return ds, nil
}

// resources are what is listed and watched. What a grade needs of other
// objects stands before the restores.
func (c *collector) resources() []kube.Resource {
	v1 := []string{"v1"}
	rs := []kube.Resource{
		{Resource: "namespaces", Kind: "Namespace", Versions: v1, Cluster: true, Metadata: true,
			Drafts: func(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
				c.spaces[o.Name] = o.CreatedAt
				return nil, nil
			},
			Gone: func(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
				delete(c.spaces, o.Name)
				return nil, nil
			}},
		{Group: "velero.io", Resource: "backupstoragelocations", Kind: "BackupStorageLocation", Versions: v1,
			Kinds: []evidence.Kind{evidence.BackupLocation}, Drafts: one(c.locationDraft)},
		{Group: "velero.io", Resource: "schedules", Kind: "Schedule", Versions: v1,
			Kinds: []evidence.Kind{evidence.BackupSchedule}, Remove: under("/spec/template", backupHooks), Drafts: one(c.scheduleDraft)},
		{Group: "velero.io", Resource: "deletebackuprequests", Kind: "DeleteBackupRequest", Versions: v1, Drafts: none(c.deleteRequest)},
		c.volumeResource("podvolumebackups", "PodVolumeBackup", v1, c.kept, "Backup", labelBackupUID, labelBackupName),
		c.volumeResource("datauploads", "DataUpload", []string{"v2alpha1"}, c.kept, "Backup", labelBackupUID, labelBackupName),
		{Group: "velero.io", Resource: "backups", Kind: "Backup", Versions: v1,
			Kinds: []evidence.Kind{evidence.BackupRun}, Remove: under("/spec", backupHooks), Drafts: c.backup, Gone: c.backupGone, Listed: c.backupsListed},
		c.volumeResource("podvolumerestores", "PodVolumeRestore", v1, c.got, "Restore", labelRestoreUID, labelRestoreName),
		c.volumeResource("datadownloads", "DataDownload", []string{"v2alpha1"}, c.got, "Restore", labelRestoreUID, labelRestoreName),
	}
	if c.cfg.Checks.Jobs {
		rs = append(rs, kube.Resource{Group: "batch", Resource: "jobs", Kind: "Job", Versions: v1, Remove: []string{"/spec"},
			Drafts: none(func(o *kube.Object) error { return c.job(o) }), Gone: nothing})
	}
	if c.cfg.Checks.Workflows {
		rs = append(rs, kube.Resource{Group: "argoproj.io", Resource: "workflows", Kind: "Workflow", Versions: []string{"v1alpha1"}, Optional: true,
			Remove: []string{"/spec", "/status/storedTemplates", "/status/storedWorkflowTemplateSpec"},
			Drafts: none(func(o *kube.Object) error { return c.workflow(o) }), Gone: nothing})
	}
	return append(rs, kube.Resource{Group: "velero.io", Resource: "restores", Kind: "Restore", Versions: v1,
		Kinds: []evidence.Kind{evidence.BackupRestore}, Remove: under("/spec", restoreHooks), Drafts: c.restore, Gone: c.restoreGone, Listed: c.restoresListed})
}

// Commands of hooks may hold passwords: they are taken out of what is kept.
var (
	backupHooks = []string{
		"/hooks/resources/*/pre/*/exec/command", "/hooks/resources/*/post/*/exec/command", "/hooks/resources/*/hooks/*/exec/command",
	}
	restoreHooks = []string{
		"/hooks/resources/*/postHooks/*/exec/command", "/hooks/resources/*/postHooks/*/init/initContainers/*/command",
		"/hooks/resources/*/postHooks/*/init/initContainers/*/args", "/hooks/resources/*/postHooks/*/init/initContainers/*/env/*/value",
	}
)

func under(prefix string, pointers []string) []string {
	out := make([]string, len(pointers))
	for i, p := range pointers {
		out[i] = prefix + p
	}
	return out
}

type draftsFunc = func(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error)

// one makes the function of a resource whose objects are one draft each.
func one(f func(*kube.Object, *kube.Look) (evidence.Draft, error)) draftsFunc {
	return func(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
		d, err := f(o, l)
		if err != nil {
			return nil, err
		}
		return []evidence.Draft{d}, nil
	}
}

// none makes the function of a resource that is only remembered.
func none(f func(*kube.Object) error) draftsFunc {
	return func(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) { return nil, f(o) }
}

// nothing is for objects whose deletion changes nothing: what they proved stays.
func nothing(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error) { return nil, nil }

// volumeResource is a resource that tells of volumes of backups or restores.
// The data mover's are optional: a cluster may do without it.
func (c *collector) volumeResource(resource, kind string, versions []string, into volumes, owner, uidLabel, nameLabel string) kube.Resource {
	return kube.Resource{
		Group: "velero.io", Resource: resource, Kind: kind, Versions: versions, Optional: versions[0] != "v1",
		Drafts: none(func(o *kube.Object) error {
			c.listed[resource+".velero.io"] = c.listed[resource+".velero.io"] || o.Listed
			v, err := readVolume(o)
			if err != nil {
				return err
			}
			if owner := ownerOf(o, owner, uidLabel, nameLabel); owner != "" {
				into.put(owner, o.UID, v)
			}
			return nil
		}),
		Gone: none(func(o *kube.Object) error {
			into.drop(ownerOf(o, owner, uidLabel, nameLabel), o.UID)
			return nil
		}),
	}
}

func (c *collector) deleteRequest(o *kube.Object) error {
	var v deleteRequest
	if err := o.Decode(&v); err != nil {
		return err
	}
	uid := o.Labels[labelBackupUID]
	if len(c.asked) < maxOwners {
		c.asked[o.Namespace+"/"+v.Spec.BackupName] = true
		if uid != "" {
			c.asked[uid] = true
		}
	}
	if b := c.backupOf(o.Namespace, v.Spec.BackupName); uid == "" && b != nil {
		uid = b.UID
	}
	c.memory.Sightings.ask(uid)
	return nil
}

func (c *collector) backup(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	d, b, err := c.backupDraft(o, l, time.Time{}, "")
	if err != nil {
		return nil, err
	}
	if err := c.sight(&d, o, l, b.deleting || c.askedFor(o.UID, o.Namespace, o.Name)); err != nil {
		return nil, err
	}
	c.keepBackup(b)
	return []evidence.Draft{d}, nil
}

// backupGone adds to the record of a backup that, when and how it was deleted.
func (c *collector) backupGone(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var v backupObject
	if err := o.Decode(&v); err != nil {
		return nil, err
	}
	asked := v.Status.Phase == deleting || c.askedFor(o.UID, o.Namespace, o.Name)
	d, b, err := c.backupDraft(o, l, o.ObservedAt, how(l, o.Namespace+"/"+o.Name, o.ObservedAt, v.Status.Expiration.Time, asked))
	if err != nil {
		return nil, err
	}
	b.Gone = true
	c.keepBackup(b)
	c.forgetBackup(o.UID, o.Namespace, o.Name)
	return []evidence.Draft{d}, nil
}

func (c *collector) restore(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	ds, err := c.restored(o, l, time.Time{})
	if err != nil {
		return nil, err
	}
	return ds, c.sight(&ds[0], o, l, false)
}

func (c *collector) restoreGone(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	ds, err := c.restored(o, l, o.ObservedAt)
	if err != nil {
		return nil, err
	}
	c.memory.Sightings.drop(o.UID)
	return ds, nil
}

func (c *collector) restored(o *kube.Object, l *kube.Look, deleted time.Time) ([]evidence.Draft, error) {
	d, r, err := c.restoreDraft(o, l, deleted)
	if err != nil {
		return nil, err
	}
	if r != nil {
		r.Gone = !deleted.IsZero()
		c.keepTest(r, l.Now)
	}
	return []evidence.Draft{d}, nil
}

var _ collectors.Follower = (*follower)(nil)

// errNoEngine guards against an engine that cannot examine itself.
var errNoEngine = problem.New(problem.Internal, "velero: the engine cannot be examined")
