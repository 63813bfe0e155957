package velero

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/bucket"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// keepTest remembers a restore that says it is a test. While it runs, what is
// seen of its target and its backup is gathered; the verdict waits for its end.
func (c *collector) keepTest(r *restoreSum, now time.Time) {
	if c.memory.Tests == nil {
		c.memory.Tests = map[string]*test{}
	}
	t := c.memory.Tests[r.UID]
	switch {
	case t == nil:
		t = &test{Restore: *r, Volumes: volumeSum{Wanted: -1}}
		c.memory.Tests[r.UID] = t
	case !t.Settled:
		known, sources, part := t.Restore.Known, t.Restore.Sources, t.Restore.Part
		t.Restore = *r
		if known && !r.Known { // the backup is gone meanwhile
			t.Restore.Known, t.Restore.Sources, t.Restore.Part = known, sources, part
		}
	}
	if t.Seen.IsZero() && t.Restore.over() {
		t.Seen = now
	}
}

// after makes the drafts that join several objects.
func (c *collector) after(ctx context.Context, l *kube.Look) ([]evidence.Draft, error) {
	c.see(l)
	c.recall(l)
	ds, err := c.placed(l)
	if err != nil {
		return nil, err
	}
	for _, uid := range slices.Sorted(maps.Keys(c.memory.Tests)) {
		t := c.memory.Tests[uid]
		if t.Settled {
			continue
		}
		if err := c.gather(ctx, t, l); err != nil {
			return nil, err
		}
		if !c.ready(t, l) {
			continue
		}
		d, err := c.testDraft(t, l)
		if err != nil {
			return nil, err
		}
		if err := d.Check(); err != nil {
			l.Note("the verdict on a restore test cannot be kept: %v", err)
			continue
		}
		if !bytes.Equal(t.sent, d.Content) {
			t.sent = d.Content
			ds = append(ds, d)
		}
		if l.Now.Sub(t.Seen) >= max(c.cfg.Checks.Within, c.cfg.Hold) {
			// Enough is kept to know it again.
			c.memory.Tests[uid] = &test{Restore: restoreSum{UID: uid, Name: t.Restore.Name, End: t.Restore.End}, Seen: t.Seen, Settled: true}
		}
	}
	c.proofs.trim(l.Now.Add(-c.cfg.Checks.Within - c.cfg.Hold - 24*time.Hour))
	c.memory.trim(l.Now)
	if c.memory.Sightings.trim() {
		l.Note("there are more backups and restores than are remembered: of the oldest the watch alone can tell that they are deleted")
	}
	return ds, nil
}

// inputs are the resources that a grade is made of.
func (c *collector) inputs() []string {
	rs := []string{"namespaces", "backups.velero.io", podBackups, podRestores, uploads, downloads}
	return append(rs, c.checkResources()...)
}

func (c *collector) checkResources() (rs []string) {
	if c.cfg.Checks.Jobs {
		rs = append(rs, "jobs.batch")
	}
	if c.cfg.Checks.Workflows {
		rs = append(rs, "workflows.argoproj.io")
	}
	return rs
}

// ready reports whether nothing more is likely to be read, or the wait for it
// is over.
func (c *collector) ready(t *test, l *kube.Look) bool {
	if !t.Restore.over() {
		return false
	}
	if l.Now.Sub(t.Seen) >= c.cfg.Hold {
		return true
	}
	for _, r := range c.inputs() {
		if !c.complete(l, r) {
			return false
		}
	}
	return t.Files.Read || c.files == nil
}

// gather adds to the test what can be seen now.
func (c *collector) gather(ctx context.Context, t *test, l *kube.Look) error {
	r := &t.Restore
	if b := c.backupOf(r.Namespace, r.Backup); b != nil && (t.Backup == nil || t.Backup.UID == b.UID) && usable(b, r) {
		kept := *b
		t.Backup = &kept
	}
	if t.Backup != nil {
		r.Sources = sourcesOf(&selection{IncludedNamespaces: r.Included, ExcludedNamespaces: r.Excluded}, r.Into, t.Backup)
		r.Known, r.Part = true, !slices.Equal(r.Sources, t.Backup.Namespaces)
	}
	for _, n := range r.targets() {
		if holds := c.fresh(r, n); t.Fresh[n] == "" && holds != "" {
			if t.Fresh == nil {
				t.Fresh = map[string]string{}
			}
			t.Fresh[n] = holds
		}
	}
	if len(t.Wishes) == 0 && c.volumesKnown(t) == "" {
		t.Wishes = wishesOf(r, merge(c.kept[t.Backup.UID], c.kept[r.Namespace+"/"+r.Backup]))
	}
	if !r.over() {
		return nil
	}
	if err := c.readFiles(ctx, t, l); err != nil {
		return err
	}
	if v := c.volumesOf(t); v.better(&t.Volumes) {
		t.Volumes = v
	}
	c.checksOf(t)
	looked := true
	for _, name := range c.checkResources() {
		looked = looked && c.complete(l, name)
	}
	t.Looked = t.Looked || looked
	return nil
}

// usable tells a backup of the restore's name from one that was made under the
// name after the restore had begun.
func usable(b *backupSum, r *restoreSum) bool {
	return b.End.IsZero() || r.Start.IsZero() || !b.End.After(r.Start)
}

// fresh tells whether a target namespace was made while the restore ran (yes)
// or before it (no). One that is not there, or was made later, tells nothing.
func (c *collector) fresh(r *restoreSum, namespace string) string {
	made, ok := c.spaces[namespace]
	switch {
	case !ok || r.Start.IsZero() || r.over() && (r.End.IsZero() || made.After(r.End)):
		return ""
	case made.Before(r.Start):
		return no
	}
	return yes
}

// volumesKnown says why the objects do not tell which volumes the backup holds
// of the scope; "" when they do.
func (c *collector) volumesKnown(t *test) string {
	switch b := t.Backup; {
	case b == nil:
		return "the backup was not seen"
	case !t.Restore.Known:
		return "which namespaces it covered is not known"
	case b.Snapshots != nil:
		return fmt.Sprintf("the backup holds %d snapshots, and its volumeinfo file was not read", b.Snapshots.Attempted)
	case !c.trusted[podBackups] || !c.trusted[uploads]:
		return "volumes of the backup could not be listed in full"
	}
	return ""
}

// volumesOf sets the volumes that the backup holds of the scope beside those
// that came back.
func (c *collector) volumesOf(t *test) volumeSum {
	r := &t.Restore
	got := merge(c.got[r.UID], c.got[r.Namespace+"/"+r.Name])
	whole := c.trusted[podRestores] && c.trusted[downloads]
	switch {
	case t.Files.Volumes:
		return settle(t.Files.Wishes, got, whole, t.Files.Snapshots)
	case len(t.Wishes) > 0:
		return settle(t.Wishes, got, whole, nil)
	}
	if why := c.volumesKnown(t); why != "" {
		return volumeSum{Wanted: -1, Why: why}
	}
	if t.Files.Claims == nil && !t.Backup.NoVolumes {
		return volumeSum{Wanted: -1, Why: "no volume's data was seen, and the backup's resource list was not read"}
	}
	return volumeSum{}
}

func merge(a, b map[string]volume) map[string]volume {
	m := maps.Clone(a)
	if m == nil {
		m = map[string]volume{}
	}
	maps.Copy(m, b)
	return m
}

// readFiles reads the result files of the restore and its backup, once. A file
// that cannot be read for now is tried again until the wait is over.
func (c *collector) readFiles(ctx context.Context, t *test, l *kube.Look) error {
	now := l.Now
	if c.files == nil || t.Files.Read || now.Before(c.retry) {
		return nil
	}
	r, fs := &t.Restore, &fileSum{Read: true}
	last := now.Sub(t.Seen) >= c.cfg.Hold
	down := false // the storage does not answer: more requests would only hold up the watches
	read := func(what, key string, parse func([]byte) error) error {
		if down {
			return nil
		}
		b, err := c.files.ReadGzip(ctx, key, maxFile)
		if err == nil {
			err = parse(b)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			why, final := whyNot(err)
			fs.Why = append(fs.Why, what+": "+why)
			fs.Read = fs.Read && (final || last)
			down = !final && !problem.Is(err, problem.Credential)
			if !final {
				c.retry = now.Add(filesRetry)
			}
			if !errors.Is(err, bucket.ErrAbsent) {
				l.Note("%s: %s", what, why)
			}
		}
		return nil
	}
	var brought, backed map[item]string
	steps := []func() error{
		func() error {
			return read("results of the restore", restoreResultsKey(r.Name), func(b []byte) error {
				res, err := parseResults(b, nil)
				fs.Existing = res.Existing
				return err
			})
		},
		func() error {
			return read("resource list of the restore", restoreListKey(r.Name), func(b []byte) (err error) {
				brought, err = parseList(b)
				return err
			})
		},
		func() error {
			return read("volumes of the restore", restoreVolumesKey(r.Name), func(b []byte) error {
				infos, err := parseVolumes(b)
				if err == nil {
					fs.Snapshots = fromSnapshots(infos)
				}
				return err
			})
		},
	}
	if r.Backup != "" && r.Known {
		steps = append(steps, func() error {
			return read("resource list of the backup", backupListKey(r.Backup), func(b []byte) (err error) {
				backed, err = parseList(b)
				return err
			})
		}, func() error {
			return read("results of the backup", backupResultsKey(r.Backup), func(b []byte) error {
				res, err := parseResults(b, r.Sources)
				if err == nil {
					fs.BackupErrors = &res.Errors
				}
				return err
			})
		}, func() error {
			return read("volumes of the backup", backupVolumesKey(r.Backup), func(b []byte) error {
				infos, err := parseVolumes(b)
				if err == nil {
					fs.Volumes, fs.Wishes = true, wishes(r, infos)
				}
				return err
			})
		})
	} else {
		// The backup may still turn up.
		fs.Read = fs.Read && last
		c.retry = now.Add(filesRetry)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	fs.count(r, brought, backed)
	for n := range madeNamespaces(brought) {
		if slices.Contains(r.targets(), n) {
			if t.Fresh == nil {
				t.Fresh = map[string]string{}
			}
			t.Fresh[n] = yes
		}
	}
	t.Files = *fs
	return nil
}

// filesRetry is how long a storage that does not answer is left alone.
const filesRetry = time.Minute

// whyNot says why a file was not read, and whether another try is of use.
func whyNot(err error) (why string, final bool) {
	switch {
	case errors.Is(err, bucket.ErrAbsent):
		return "there is none", true
	case errors.Is(err, bucket.ErrTooLarge):
		return "too large", true
	case errors.Is(err, bucket.ErrDamaged), errors.Is(err, errFile):
		return "empty, cut short or damaged", true
	case problem.Is(err, problem.Credential):
		return "the credential may not read it", false
	}
	return "it could not be read", false
}

// madeNamespaces are the namespaces that a restore made itself, by its list.
func madeNamespaces(list map[item]string) map[string]bool {
	made := map[string]bool{}
	for it, action := range list {
		if it.Kind == "v1/Namespace" && action == "created" {
			made[it.Name] = true
		}
	}
	return made
}

func fromSnapshots(infos []volumeInfo) map[string]bool {
	m := map[string]bool{}
	for i := range infos {
		if v := &infos[i]; !v.Moved && (v.RestoreMethod == bySnapshot || v.RestoreMethod == byCSISnapshot) {
			m[v.key()] = true
		}
	}
	return m
}

// count sets the two resource lists beside each other, within the restore's
// scope. A list that was not read is nil.
func (f *fileSum) count(r *restoreSum, brought, backed map[item]string) {
	came := map[item]bool{}
	if brought != nil {
		for it, action := range brought {
			if it.Namespace == "" {
				continue // the cluster's own: shared, and often there before
			}
			it.Namespace = r.source(it.Namespace)
			if r.Known && !slices.Contains(r.Sources, it.Namespace) {
				continue
			}
			if action == "created" || action == "updated" && r.Update {
				came[it] = true
			}
		}
		n := len(came)
		f.Brought = &n
	}
	if backed == nil {
		return
	}
	total, missing, claims := 0, 0, false
	for it := range backed {
		if it.Namespace == "" || !slices.Contains(r.Sources, it.Namespace) || byDesign(it.Kind) {
			continue
		}
		total++
		claims = claims || it.Kind == "v1/PersistentVolumeClaim"
		if !came[it] {
			missing++
		}
	}
	f.BackedUp, f.Claims = &total, &claims
	if brought != nil {
		f.Missing = &missing
	}
}

// byDesign reports whether a restore leaves out objects of the kind: they tell
// what a cluster did, not what it was told to keep.
func byDesign(kind string) bool {
	return strings.HasSuffix(kind, "/Event") || strings.HasPrefix(kind, "velero.io/")
}

// testDraft makes backup.test.
func (c *collector) testDraft(t *test, l *kube.Look) (evidence.Draft, error) {
	r := &t.Restore
	f := grade(t, &c.cfg, l.Now)
	f.Cluster = l.Authority
	content, err := json.Marshal(f)
	if err != nil {
		return evidence.Draft{}, fmt.Errorf("encode the facts of a restore test: %w", err)
	}
	ref := l.Ref("velero.io", "Restore", r.Namespace, r.Name).WithUID(r.UID)
	d := evidence.Draft{
		Kind: evidence.BackupTest, Op: evidence.OpEvent, Source: l.Source, Key: r.UID, Subject: ref,
		OccurredAt: t.Seen, Basis: evidence.BasisObserved, ObservedAt: l.Now, Scope: l.Scope(r.Namespace),
		Content: content, Request: evidence.Request{Agent: agent},
	}
	happened(&d, r.End, r.Start)
	place(&d, l, r.Sources)
	d.Mentions = []evidence.Mention{l.Mention("", r.Sources)}
	ls := links{ref}
	ls.velero(l, "Backup", r.Namespace, r.Backup)
	if t.Backup != nil {
		ls.add(l.Ref("velero.io", "Backup", r.Namespace, r.Backup).WithUID(t.Backup.UID))
	}
	for _, one := range t.Checks {
		if name := strings.SplitN(one.Name, "/", 3); one.UID != "" && len(name) == 3 {
			ls.add(l.Ref("argoproj.io", "Workflow", name[0], name[1]).WithUID(one.UID))
		}
	}
	ls.namespaces(l, r.Sources)
	ls.namespaces(l, r.targets())
	d.Links = ls
	return d, nil
}
