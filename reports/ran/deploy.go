package ran

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Workload is one application as it stood at the instant.
type Workload struct {
	App       string            `json:"app"`
	Project   string            `json:"project,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Source    evidence.SourceID `json:"source"`
	Revisions []string          `json:"revisions,omitempty"` // what was last synced, by declared source
	Declared  []string          `json:"declared,omitempty"`  // what it was compared with, where that differs
	Images    []string          `json:"images,omitempty"`
	Sync      string            `json:"sync"`
	Health    string            `json:"health"`
	Since     time.Time         `json:"since,omitzero"`      // when the revision came to be there
	NotBefore time.Time         `json:"not_before,omitzero"` // seen afterwards only: the last look that did not show it
	SinceMore bool              `json:"since_or_earlier,omitempty"`
	SyncedBy  *reports.Person   `json:"synced_by,omitempty"`
	Automated bool              `json:"automated,omitempty"`      // put there by the deployer itself
	Untold    bool              `json:"starter_untold,omitempty"` // nothing says whether it was the deployer itself
	SyncSeq   uint64            `json:"sync_record,omitempty"`
	LastSync  time.Time         `json:"last_sync,omitzero"` // the newest successful one, where it changed nothing
	Failed    *FailedSync       `json:"last_attempt,omitempty"`
	Local     bool              `json:"local_manifests,omitempty"`
	SeenAt    time.Time         `json:"seen_at,omitzero"` // last look at or before the instant
	Covered   bool              `json:"covered"`          // its source saw it at the instant
	Closed    string            `json:"closed,omitempty"` // why the content could not be opened
	Seqs      []uint64          `json:"records"`
}

// FailedSync is a newer sync than the one in force that did not succeed.
type FailedSync struct {
	Phase string    `json:"phase"`
	At    time.Time `json:"at"`
	Seq   uint64    `json:"record"`
}

// syncsRead bounds how far back the syncs of one application are followed.
const syncsRead = 64

// workloads tells every application in force at the instant.
func (b *builder) workloads(ctx context.Context) error {
	var states []evidence.Record
	for rec, err := range b.r.States(ctx, evidence.DeployState, b.at) {
		if err != nil {
			return err
		}
		states = append(states, rec)
	}
	for i := range states {
		w, err := b.workload(ctx, &states[i])
		if err != nil {
			return err
		}
		b.a.Works = append(b.a.Works, w)
	}
	slices.SortStableFunc(b.a.Works, func(x, y Workload) int { return strings.Compare(x.App, y.App) })
	return nil
}

func (b *builder) workload(ctx context.Context, rec *evidence.Record) (Workload, error) {
	b.cite(rec)
	look := sighting(b.cov, rec.Source, evidence.DeployState, b.at)
	w := Workload{Source: rec.Source, SeenAt: look.Before, Covered: look.Covered(), Seqs: []uint64{rec.Seq}}
	var f evidence.DeployFacts
	if err := rec.Decode(&f); err != nil {
		w.App, w.Closed = rec.Subject.Name, closedWhy(rec)
		if w.App == "" {
			w.App = fmt.Sprintf("record %d", rec.Seq)
		}
		return w, nil
	}
	b.deploys = append(b.deploys, deployed{*rec, f})
	w.App, w.Project, w.Namespace, w.Images = f.App, f.Project, f.Namespace, f.Images
	w.Sync, w.Health = f.Sync, f.Health
	w.Revisions = f.SyncedRevisions
	if len(w.Revisions) == 0 {
		w.Revisions = f.Revisions
	} else if !slices.Equal(f.Revisions, f.SyncedRevisions) {
		w.Declared = f.Revisions
	}
	syncs, err := b.syncs(ctx, rec)
	if err != nil {
		return w, err
	}
	if err := b.putThere(ctx, &w, syncs); err != nil {
		return w, err
	}
	b.contradiction(&w, rec, &f, syncs)
	if w.Since.IsZero() {
		return w, b.since(ctx, &w, rec, &f)
	}
	return w, nil
}

// deployed is an application's state in force.
type deployed struct {
	rec   evidence.Record
	facts evidence.DeployFacts
}

func closedWhy(rec *evidence.Record) string {
	if why := rec.Closed["content"]; why != "" {
		return why
	}
	return "the content could not be opened"
}

// sync is a finished sync operation as known by the instant.
type sync struct {
	rec   evidence.Record
	facts evidence.SyncFacts
}

// syncs returns the operations of the application that were over by the
// instant, newest first.
func (b *builder) syncs(ctx context.Context, state *evidence.Record) ([]sync, error) {
	link := state.Subject
	for {
		q := evidence.Query{Kinds: []evidence.Kind{evidence.DeploySync}, Link: link, Period: until(b.at), Backward: true, Limit: syncsRead}
		recs, err := newest(b.r.Records(ctx, q))
		if err != nil {
			return nil, err
		}
		var out []sync
		for _, rec := range recs {
			s := sync{rec: rec}
			if rec.Source != state.Source || rec.Decode(&s.facts) != nil || s.ended().After(b.at) || s.facts.Phase == "Running" {
				continue
			}
			out = append(out, s)
		}
		if len(out) > 0 || link.UID == "" {
			slices.SortStableFunc(out, func(x, y sync) int { return y.ended().Compare(x.ended()) })
			return out, nil
		}
		link.UID = "" // a source that links by name alone
	}
}

func (s *sync) ended() time.Time {
	if s.facts.FinishedAt.IsZero() {
		return s.rec.Occurred
	}
	return s.facts.FinishedAt
}

// whole reports a sync that put the whole application at its revisions.
func (s *sync) whole() bool {
	return s.facts.Phase == "Succeeded" && !s.facts.Partial && !s.facts.DryRun
}

// putThere finds the sync that brought the revision: of the successful ones,
// newest first, the last that had the same revisions.
func (b *builder) putThere(ctx context.Context, w *Workload, syncs []sync) error {
	var first *sync
	met := 0
	for i := range syncs {
		s := &syncs[i]
		if !s.whole() {
			if first == nil && w.Failed == nil && s.facts.Phase != "Succeeded" {
				w.Failed = &FailedSync{s.facts.Phase, s.ended(), s.rec.Seq}
			}
			continue
		}
		met++
		if !slices.Equal(s.facts.Revisions, w.Revisions) {
			if first != nil {
				break
			}
			continue
		}
		if first == nil {
			w.LastSync = s.ended()
		}
		first = s
	}
	if first == nil {
		return nil
	}
	if w.Failed != nil {
		w.Seqs = append(w.Seqs, w.Failed.Seq)
	}
	b.cite(&first.rec)
	w.Since, w.SyncSeq, w.Automated, w.Local = first.ended(), first.rec.Seq, first.facts.Automated, first.facts.LocalManifests
	w.Untold = first.facts.Untold
	w.SinceMore = len(syncs) >= syncsRead && met == len(syncs)
	w.Seqs = append(w.Seqs, first.rec.Seq)
	if w.LastSync.Equal(w.Since) {
		w.LastSync = time.Time{}
	}
	by, err := b.who(ctx, &first.rec, first.facts.Initiator)
	w.SyncedBy = by
	return err
}

// contradiction notes when the newest successful sync by the instant put
// another revision there than the state in force says.
func (b *builder) contradiction(w *Workload, state *evidence.Record, f *evidence.DeployFacts, syncs []sync) {
	for i := range syncs {
		s := &syncs[i]
		if !s.whole() {
			continue
		}
		if len(s.facts.Revisions) > 0 && len(f.SyncedRevisions) > 0 && !slices.Equal(s.facts.Revisions, f.SyncedRevisions) && s.ended().After(f.SyncedAt) {
			b.cite(&s.rec)
			b.a.Disagree = append(b.a.Disagree, fmt.Sprintf("%s: its state (record %d) says %s, its newest successful sync (record %d, finished %s UTC) says %s",
				w.App, state.Seq, shortRevs(f.SyncedRevisions), s.rec.Seq, reports.Near(s.ended(), b.at), shortRevs(s.facts.Revisions)))
		}
		return
	}
}

// statesRead bounds how many earlier states of one application are read.
const statesRead = 200

// since tells when the revision first showed, for an application whose sync
// was not observed: the oldest of the unbroken states with these revisions.
func (b *builder) since(ctx context.Context, w *Workload, rec *evidence.Record, f *evidence.DeployFacts) error {
	if !f.SyncedAt.IsZero() && !f.SyncedAt.After(b.at) {
		// The deployer's own history says when, though not who.
		w.Since = f.SyncedAt
		return nil
	}
	w.Since, w.NotBefore = rec.Occurred, rec.NotBefore
	q := evidence.Query{Kinds: []evidence.Kind{evidence.DeployState}, Subject: rec.Subject, Source: rec.Source, Period: until(b.at), Backward: true, Limit: statesRead}
	n := 0
	for old, err := range b.r.Records(ctx, q) {
		if err != nil {
			return err
		}
		n++
		var g evidence.DeployFacts
		if old.Op != evidence.OpSet || old.Decode(&g) != nil || !slices.Equal(g.Revisions, f.Revisions) {
			return nil
		}
		w.Since, w.NotBefore = old.Occurred, old.NotBefore
	}
	w.SinceMore = n == statesRead
	return nil
}

func shortRevs(revs []string) string {
	var s []string
	for _, r := range revs {
		s = append(s, reports.ShortID(r))
	}
	return strings.Join(s, ", ")
}
