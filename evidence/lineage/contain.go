package lineage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// A commit that was never deployed by its own id may well run: what was synced
// is a later commit that contains it. Two things show that one commit contains
// another: its parents, back to the other, which no one can forge behind a
// commit's id; and, where a log does not hold the commits in between (they
// belong to others), that both landed on the same branch, one after the other.
// The second stands as long as the branch was not rewritten, and is marked so.
//
// It is looked for going forward, and for commits alone that were deployed
// under no id of their own and were not proposed in a change that landed: that
// one leads on. For each application the first later commit that it was given
// is linked.

// maxDescend bounds the later commits that are looked at for one commit.
const maxDescend = 200

// deployed lists the applications that a commit was given within the time asked
// about; ever is whether there was one at any time.
func (w *walker) deployed(ctx context.Context, v *visited) (apps []string, ever bool, err error) {
	given := func(from *visited, step Step) {
		for _, l := range from.links {
			if l.from.id == from.id && l.step == step && l.to.stage == App && len(l.spans.and(w.b.hold)) > 0 {
				apps = append(apps, l.to.ref.WithUID("").String())
			}
		}
	}
	given(v, StepRunBy)
	for _, l := range v.links {
		if l.from.id != v.id {
			continue
		}
		ever = ever || l.step == StepSynced || l.step == StepRunBy || l.step == StepDeclared
		if l.step == StepSynced {
			sync, err := w.visit(ctx, l.to)
			if err != nil {
				return nil, false, err
			}
			given(sync, StepDeployed)
		}
	}
	return apps, ever, nil
}

// contained links a commit with the later ones that contain it and were
// deployed. It does so once for each commit.
func (w *walker) contained(ctx context.Context, v *visited) error {
	if v.stage != Commit || v.looked {
		return nil
	}
	v.looked = true
	if _, ever, err := w.deployed(ctx, v); ever || err != nil {
		return err
	}
	leads, err := w.leadsOn(ctx, v)
	if err != nil || leads {
		return err
	}
	found, err := w.byParents(ctx, v)
	if err != nil || found {
		return err
	}
	return w.byOrder(ctx, v)
}

// leadsOn reports whether a commit was proposed in a change that landed.
func (w *walker) leadsOn(ctx context.Context, v *visited) (bool, error) {
	for _, l := range v.links {
		if l.step != StepProposed || l.from.id != v.id {
			continue
		}
		change, err := w.visit(ctx, l.to)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(change.links, func(l *link) bool { return l.step == StepLanded && l.from.id == change.id }) {
			return true, nil
		}
	}
	return false, nil
}

// byParents follows parents forward: the commits that name this one, those that
// name them, and so on.
func (w *walker) byParents(ctx context.Context, v *visited) (found bool, err error) {
	type step struct {
		*visited
		causes []cause // from v to here, the newest first
	}
	queue, seen, apps := []step{{visited: v}}, map[string]bool{v.id: true}, map[string]bool{}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		recs, err := w.query(ctx, evidence.Query{Link: from.ref, Kinds: []evidence.Kind{evidence.ChangeCommit}, Period: evidence.Period{To: w.b.made}}, perNode)
		if err != nil {
			return found, err
		}
		for i := range recs {
			rec := &recs[i]
			var f evidence.CommitFacts
			if rec.Decode(&f) != nil || !slices.Contains(f.Parents, from.ref.Name) || seen[rec.Subject.String()] {
				continue
			}
			seen[rec.Subject.String()] = true
			if len(seen) > maxDescend {
				w.cut[fmt.Sprintf("only %d later commits were looked at for one that was deployed", maxDescend)]++
				return found, nil
			}
			w.keep(*rec)
			child, err := w.visit(ctx, thing(rec.Subject))
			if err != nil {
				return found, err
			}
			r := &reading{rec: rec, facts: map[string]any{"parents": anyList(f.Parents)}}
			why := cause{Cause{rec.Seq, rec.Kind, rec.Source, r.field("/links", []string{from.ref.Name}, "parents")}, always}
			next := step{child, append([]cause{why}, from.causes...)}
			given, err := w.give(ctx, v, next.visited, BySource, next.causes, apps)
			if err != nil {
				return found, err
			}
			found = found || given
			queue = append(queue, next)
		}
	}
	return found, nil
}

func anyList(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// give links v with a later commit when that one was given to an application
// which no earlier one was given to.
func (w *walker) give(ctx context.Context, v, later *visited, proof Proof, causes []cause, apps map[string]bool) (news bool, err error) {
	given, _, err := w.deployed(ctx, later)
	if err != nil {
		return false, err
	}
	for _, a := range given {
		if !apps[a] {
			apps[a], news = true, true
		}
	}
	if news {
		v.addLink(&link{from: v.end, to: later.end, step: StepContained, proof: proof, causes: slices.Clone(causes), spans: always})
	}
	return news, nil
}

// byOrder goes through the changes that landed on the same branch later.
func (w *walker) byOrder(ctx context.Context, v *visited) error {
	for _, l := range v.links {
		if l.step != StepLanded || l.to.id != v.id {
			continue
		}
		for _, c := range l.causes {
			rec := w.records[c.Seq]
			var f evidence.MergeFacts
			if rec.Decode(&f) != nil || f.MergedAt.IsZero() || f.Base == "" {
				continue
			}
			return w.after(ctx, v, &rec, f)
		}
	}
	return nil
}

func (w *walker) after(ctx context.Context, v *visited, landed *evidence.Record, f evidence.MergeFacts) error {
	q := evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}, Source: landed.Source, Period: evidence.Period{From: f.MergedAt, To: w.b.made}}
	type later struct {
		rec   evidence.Record
		facts evidence.MergeFacts
	}
	var all []later
	n := 0
	for rec, err := range w.r.Records(ctx, q) {
		if err != nil {
			return err
		}
		w.reads++
		if n++; n > maxDescend || w.reads > w.opt.MaxReads {
			w.cut[fmt.Sprintf("only %d later changes were looked at for one that was deployed", min(n, maxDescend))]++
			break
		}
		var m evidence.MergeFacts
		if rec.Decode(&m) == nil && m.Repo == f.Repo && m.Base == f.Base && m.MergedAt.After(f.MergedAt) {
			all = append(all, later{rec, m})
		}
	}
	slices.SortStableFunc(all, func(a, b later) int { return a.facts.MergedAt.Compare(b.facts.MergedAt) })
	apps := map[string]bool{}
	first := cause{Cause{landed.Seq, landed.Kind, landed.Source, "/facts/merged_at"}, always}
	for _, m := range all {
		name := m.facts.MergeSHA
		if name == "" {
			name = m.facts.HeadSHA
		}
		if name == "" || name == v.ref.Name {
			continue
		}
		w.keep(m.rec)
		c, err := w.visit(ctx, thing(evidence.NewRef("commit", v.ref.Authority, name)))
		if err != nil {
			return err
		}
		why := []cause{{Cause{m.rec.Seq, m.rec.Kind, m.rec.Source, "/facts/merged_at"}, always}, first}
		if _, err := w.give(ctx, v, c, ByOrder, why, apps); err != nil {
			return err
		}
	}
	return nil
}

// shortIDs finds commits and images by the begin of their id. Names are kept as
// keyed hashes, which have no begin: the records are read, newest first.
func shortIDs(ctx context.Context, r evidence.Reader, w Wanted, at time.Time) ([]Found, error) {
	m := shortID.FindStringSubmatch(w.name)
	if m == nil {
		return nil, nil
	}
	var found []Found
	n, cut := 0, ""
	for _, look := range []struct {
		digest bool
		scheme string
		kinds  []evidence.Kind
	}{
		{false, "commit", []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge, evidence.DeploySync, evidence.DeployState, evidence.ArtifactImage}},
		{true, "image", []evidence.Kind{evidence.ArtifactImage, evidence.DeployState, evidence.RuntimePod}},
	} {
		begin := m[2]
		if look.digest {
			begin = "sha256:" + m[2]
		} else if m[1] != "" {
			continue
		}
		if w.only != nil && !slices.Contains(w.only, look.scheme) {
			continue
		}
		q := evidence.Query{Kinds: look.kinds, Backward: true}
		if !at.IsZero() {
			q.Period.To = at.Add(time.Nanosecond)
		}
		for rec, err := range r.Records(ctx, q) {
			if err != nil {
				return nil, err
			}
			if n++; n > maxShort {
				cut = fmt.Sprintf(", the only one in the newest %d records", maxShort)
				break
			}
			e := about(&rec)
			for _, ref := range append([]evidence.Ref{e.ref, rec.Subject}, rec.Links...) {
				if ref.Scheme == look.scheme && len(ref.Name) > len(begin) && ref.Name[:len(begin)] == begin && !sameAs(found, ref.WithUID("")) {
					found = append(found, foundRef(ref.WithUID("")))
				}
			}
			if len(found) >= maxAmong {
				return found, nil
			}
		}
	}
	if len(found) == 1 {
		found[0].Says += cut
	}
	return found, nil
}

const (
	// maxShort bounds the records read for a short id.
	maxShort = 50_000
	// maxAmong bounds the things that a short id is said to stand for.
	maxAmong = 20
)
