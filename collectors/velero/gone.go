package velero

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// how tells how a backup was deleted that is gone at the time.
func how(l *kube.Look, name string, at, expires time.Time, asked bool) string {
	switch {
	case !expires.IsZero() && !at.Before(expires):
		return "expired"
	case asked:
		return "requested"
	}
	l.Note("a backup was deleted before its expiry, and nobody was seen to ask for it: %s", name)
	return "unexplained"
}

// askedFor reports whether somebody was seen to ask for a backup's deletion.
func (c *collector) askedFor(uid, namespace, name string) bool {
	return c.asked[uid] || c.asked[namespace+"/"+name] || c.memory.Sightings.asked(uid)
}

// forgetBackup drops what was kept of a backup for as long as it is there.
func (c *collector) forgetBackup(uid, namespace, name string) {
	for _, key := range []string{uid, namespace + "/" + name} {
		delete(c.asked, key)
		delete(c.kept, key)
	}
	c.memory.Sightings.drop(uid)
}

// backupsListed tells of the backups that a list lacks.
func (c *collector) backupsListed(_ context.Context, list *kube.List, l *kube.Look) ([]evidence.Draft, error) {
	return c.lacking(evidence.BackupRun, list, l, func(uid string, x *sighting, since time.Time) (any, error) {
		var f evidence.BackupFacts
		err := json.Unmarshal(x.Facts, &f)
		f.DeletedAt, f.DeletedAfter = l.Now, since
		f.DeletedHow = how(l, x.Namespace+"/"+x.Name, l.Now, f.ExpiresAt, c.askedFor(uid, x.Namespace, x.Name))
		return &f, err
	}, func(uid string, x *sighting) {
		if b := c.backupOf(x.Namespace, x.Name); b != nil && b.UID == uid {
			gone := *b
			gone.Gone = true
			c.keepBackup(&gone)
		}
		c.forgetBackup(uid, x.Namespace, x.Name)
	})
}

// restoresListed tells of the restores that a list lacks.
func (c *collector) restoresListed(_ context.Context, list *kube.List, l *kube.Look) ([]evidence.Draft, error) {
	return c.lacking(evidence.BackupRestore, list, l, func(_ string, x *sighting, since time.Time) (any, error) {
		var f evidence.RestoreFacts
		err := json.Unmarshal(x.Facts, &f)
		f.DeletedAt, f.DeletedAfter = l.Now, since
		return &f, err
	}, func(uid string, _ *sighting) {
		if t := c.memory.Tests[uid]; t != nil && !t.Settled {
			r := t.Restore
			r.Gone, r.Lost = terminal(r.Phase), !terminal(r.Phase)
			c.keepTest(&r, l.Now)
		}
		delete(c.waiting, uid)
		c.memory.Sightings.drop(uid)
	})
}

// lacking makes the last revisions of the objects of a kind that a list lacks, by
// their facts, and then settles each. An object is gone when the list is of the
// cluster that it was seen in; those of another cluster are forgotten. What the list
// shows is remembered by then.
func (c *collector) lacking(kind evidence.Kind, list *kube.List, l *kube.Look,
	facts func(uid string, x *sighting, since time.Time) (any, error), settle func(uid string, x *sighting)) (ds []evidence.Draft, err error) {
	from := origins{list: list, spaces: map[string]string{}}
	var gone, foreign []string
	for _, uid := range c.memory.Sightings.lacking(kind, list) {
		x := c.memory.Sightings.get(uid)
		same, known, err := from.same(x)
		switch {
		case err != nil:
			return nil, err
		case !known:
			l.Note("it cannot be told whether the cluster is the one before: no deletion is told of the backups and restores that a list lacks")
			c.memory.Sightings.put(uid, x.lacked(list, l))
			continue
		case !same:
			foreign = append(foreign, uid)
			continue
		}
		f, err := facts(uid, x, x.thereAt(list, l))
		if err != nil {
			return nil, err
		}
		d, err := x.draft(f, list, l)
		if err != nil {
			return nil, err
		}
		gone, ds = append(gone, uid), append(ds, d)
	}
	for _, uid := range gone {
		settle(uid, c.memory.Sightings.get(uid))
	}
	for _, uid := range foreign {
		l.Note("the cluster is another one than before: no deletion is told of the backups and restores of that one, and they are forgotten")
		c.memory.Sightings.drop(uid)
	}
	c.memory.noteList(kind, list.Namespace)
	return ds, nil
}

// sighted are the resources of which is remembered what was there.
var sighted = map[evidence.Kind]string{evidence.BackupRun: "backups.velero.io", evidence.BackupRestore: "restores.velero.io"}

// recall has backups and restores read once more where a cursor lets the watches go
// on that does not say that a list of all of them was read since they are remembered:
// nothing would be seen of those that are there. Only a list says so, for the request
// is lost with its run: each run asks again, once, until there was one.
func (c *collector) recall(l *kube.Look) {
	if !c.cfg.NamespaceLabels {
		c.memory.Listed = nil // what is there is forgotten as it is seen
		return
	}
	for kind, resource := range sighted {
		if c.recalled[resource] || !c.complete(l, resource) {
			continue
		}
		c.recalled[resource] = true
		if l.ListedAt(resource).IsZero() {
			c.readAgain(kind, l)
		}
	}
}

// readAgain asks for what is read of a kind, as far as no list of it was read.
func (c *collector) readAgain(kind evidence.Kind, l *kube.Look) {
	limits := c.cfg.Namespaces
	if len(limits) == 0 {
		limits = []string{""}
	}
	for _, ns := range limits {
		if !c.memory.Listed[listKey(kind, ns)] {
			l.Again(sighted[kind], ns)
		}
	}
}

// thereAt is when an object that a list lacks was last known to be there.
func (x *sighting) thereAt(list *kube.List, l *kube.Look) time.Time {
	at := x.Seen
	if !x.Lacked {
		at = later(at, list.Since)
	}
	if at.After(l.Now) { // the clock was set back
		return l.Now
	}
	return at
}

// lacked is the sighting with a list noted that lacks the object, and of which that
// is not told.
func (x *sighting) lacked(list *kube.List, l *kube.Look) *sighting {
	y := *x
	y.Seen, y.Lacked = x.thereAt(list, l), true
	return &y
}

// origins tells whether objects were of the cluster that a list is of. Its server
// may stand for another one since, which has none of them.
type origins struct {
	list   *kube.List
	spaces map[string]string // uids, as far as they were asked for
}

// same reports whether the object was seen in this cluster: its namespace is the
// same, or went with it, and the cluster's own is.
func (o *origins) same(x *sighting) (same, known bool, err error) {
	if x.Space != "" {
		uid, err := o.space(x.Namespace)
		if err != nil || uid == x.Space {
			return true, true, err
		}
	}
	if x.Home == "" {
		return false, false, nil
	}
	uid, err := o.space(homeNamespace)
	return uid == x.Home, uid != "", err
}

// space returns the uid that a namespace has now; "" when it is not there or may
// not be read.
func (o *origins) space(name string) (string, error) {
	if uid, ok := o.spaces[name]; ok {
		return uid, nil
	}
	uid, err := o.list.Space(name)
	if fetch.Status(err) == http.StatusForbidden {
		uid, err = "", nil
	}
	if err != nil {
		return "", err
	}
	o.spaces[name] = uid
	return uid, nil
}

// draft makes a revision that tells what was told before, to whom it was told, with
// these facts.
func (x *sighting) draft(facts any, list *kube.List, l *kube.Look) (evidence.Draft, error) {
	content, err := json.Marshal(facts)
	if err != nil {
		return evidence.Draft{}, err
	}
	b, err := x.belongings()
	if err != nil {
		return evidence.Draft{}, err
	}
	d := evidence.Draft{
		Kind: x.Kind, Op: evidence.OpEvent, Source: l.Source, Key: x.Subject.UID, Subject: x.Subject,
		OccurredAt: x.Occurred, Basis: x.Basis, NotBefore: x.NotBefore, ObservedAt: l.Now,
		Scope: b.Scope, Links: slices.Concat(x.Links, b.Links), Content: content, Request: list.Request,
	}
	d.Request.Agent = agent + d.Request.Agent
	for _, m := range b.Mentions {
		d.Mentions = append(d.Mentions, evidence.Mention{At: m.At, Of: m.Of})
	}
	return d, nil
}
