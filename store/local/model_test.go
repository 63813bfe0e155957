package local

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/store"
)

// modelRecord is a record as a list keeps it.
type modelRecord struct {
	seq     uint64
	kind    evidence.Kind
	key     string
	subject evidence.Ref
	links   []evidence.Ref
	people  []string // native ids
	at      time.Time
	op      evidence.Op
	facts   string
}

// same says that nothing changed: facts, and who takes part.
func (r modelRecord) same(o modelRecord) bool {
	return r.facts == o.facts && slices.Equal(r.people, o.people)
}

// model is a log in its simplest form: a list, searched from end to end.
type model struct{ records []modelRecord }

// add takes an item in, as the log should, and returns what becomes of it. The
// seq of a new record is set by the caller.
func (m *model) add(it store.Item) (store.Fate, *modelRecord) {
	d := it.Draft
	rec := modelRecord{kind: d.Kind, key: d.Key, subject: d.Subject, links: d.Links, at: d.OccurredAt, op: d.Op, facts: string(d.Content)}
	for _, p := range d.People {
		rec.people = append(rec.people, p.NativeID)
	}
	info, _ := evidence.KindInfo(d.Kind)
	fate := store.Appended
	if info.State {
		before := m.state(d.Kind, d.Subject, d.OccurredAt, len(m.records))
		switch {
		case d.Op == evidence.OpSet && before != nil && before.op == evidence.OpSet && before.same(rec),
			d.Op == evidence.OpEnd && (before == nil || before.op == evidence.OpEnd):
			return store.Unchanged, nil
		}
	} else {
		for _, r := range slices.Backward(m.records) {
			if r.kind == d.Kind && r.key == d.Key {
				if !info.Revisable || r.same(rec) {
					return store.Repeated, nil
				}
				fate, rec.op = store.Amended, evidence.OpAmend
				break
			}
		}
	}
	m.records = append(m.records, rec)
	return fate, &m.records[len(m.records)-1]
}

// state is the newest of the subject at or before the instant, among the first
// n records; of two at one instant the later.
func (m *model) state(kind evidence.Kind, subject evidence.Ref, at time.Time, n int) (out *modelRecord) {
	for i := range m.records[:n] {
		r := &m.records[i]
		if r.kind == kind && r.subject == subject && !r.at.After(at) && (out == nil || !r.at.Before(out.at)) {
			out = r
		}
	}
	return out
}

// query lists the seqs of what fits, in order of time.
func (m *model) query(q evidence.Query, person string, size uint64) (seqs []uint64) {
	var found []modelRecord
	for _, r := range m.records {
		in := r.seq < size && slices.Contains(q.Kinds, r.kind) &&
			(q.Subject.IsZero() || r.subject == q.Subject) &&
			(q.Link.IsZero() || r.subject == q.Link || slices.Contains(r.links, q.Link)) &&
			(person == "" || slices.Contains(r.people, person)) &&
			(q.Period.From.IsZero() || !r.at.Before(q.Period.From)) && (q.Period.To.IsZero() || r.at.Before(q.Period.To))
		if in {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b modelRecord) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) })
	if q.Backward {
		slices.Reverse(found)
	}
	for _, r := range found {
		if q.Limit > 0 && len(seqs) == q.Limit {
			break
		}
		seqs = append(seqs, r.seq)
	}
	return seqs
}

// states lists the seqs of the states in force.
func (m *model) states(kind evidence.Kind, at time.Time, size uint64) (seqs []uint64) {
	seen := map[evidence.Ref]bool{}
	n := 0
	for n < len(m.records) && m.records[n].seq < size {
		n++
	}
	for _, r := range m.records[:n] {
		if r.kind != kind || seen[r.subject] {
			continue
		}
		seen[r.subject] = true
		if s := m.state(kind, r.subject, at, n); s != nil && s.op == evidence.OpSet {
			seqs = append(seqs, s.seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

var modelKinds = []evidence.Kind{evidence.ChangeMerge, evidence.DeployState, evidence.SecretAccess}

// hours are the instants of a model's world; few, so that they meet.
func drawHour(rt *rapid.T) time.Time {
	return start.Add(time.Duration(rapid.IntRange(0, 6).Draw(rt, "hour")) * time.Hour)
}

func drawItem(rt *rapid.T) store.Item {
	n := func(what string, most int) int { return rapid.IntRange(0, most).Draw(rt, what) }
	facts := map[string]int{"v": n("v", 2)}
	var it store.Item
	switch kind := rapid.SampledFrom(modelKinds).Draw(rt, "kind"); kind {
	case evidence.DeployState:
		it = state(fmt.Sprint("app", n("app", 2)), drawHour(rt), facts)
		if rapid.IntRange(0, 3).Draw(rt, "end") == 0 {
			it.Draft.Op, it.Draft.Content = evidence.OpEnd, []byte(`{"reason":"absent"}`)
		}
	default:
		it = event(fmt.Sprint("key", n("key", 5)), drawHour(rt), facts)
		it.Draft.Kind = kind
	}
	it.Draft.Links = []evidence.Ref{evidence.NewRef("commit", "", fmt.Sprint("c", n("link", 2)))}
	for i := range n("people", 2) {
		it.Draft.People = append(it.Draft.People, person(fmt.Sprint(i), "login"))
	}
	return it
}

// Whatever is appended in whatever order, and whatever happens to the index and
// the open files meanwhile, the log answers as the list does.
func TestLogIsItsModel(t *testing.T) {
	dirs := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(dirs, "")
		if err != nil {
			rt.Fatal(err)
		}
		w := &modelWorld{rt: rt, dir: filepath.Join(dir, "data")}
		defer func() { w.loc.Close(); os.RemoveAll(dir) }()
		w.open()
		acts := []func(){w.append, w.append, w.append, w.reopen, w.rest, w.rebuild, w.loseIndex, w.waitIndexed, w.check, w.check}
		for range rapid.IntRange(1, 14).Draw(rt, "acts") {
			acts[rapid.IntRange(0, len(acts)-1).Draw(rt, "act")]()
		}
		w.check()
	})
}

type modelWorld struct {
	rt  *rapid.T
	dir string
	loc *Local
	log *store.Log
	m   model
}

func (w *modelWorld) must(err error) {
	w.rt.Helper()
	if err != nil {
		w.rt.Fatal(err)
	}
}

func (w *modelWorld) open() {
	var err error
	w.loc, err = Open(Options{Dir: w.dir, Clock: func() time.Time { return start }, Store: func(o *store.Options) { o.SegmentBytes = 100_000 }})
	w.must(err)
	tn, err := evidence.ParseTenant("tenant-1")
	w.must(err)
	w.log, err = w.loc.Store.Create(tn)
	w.must(err)
}

func (w *modelWorld) append() {
	items := rapid.SliceOfN(rapid.Custom(drawItem), 1, 12).Draw(w.rt, "items")
	res, err := w.log.Append(w.rt.Context(), items)
	w.must(err)
	for i, it := range items {
		fate, rec := w.m.add(it)
		if res.Fates[i] != fate {
			w.rt.Fatalf("item %d, %s %s %s at %s of %s: got fate %d, want %d", i, it.Draft.Op, it.Draft.Kind, it.Draft.Key, it.Draft.OccurredAt, it.Draft.Content, res.Fates[i], fate)
		}
		if rec != nil {
			rec.seq = res.Seqs[i]
		}
	}
}

func (w *modelWorld) reopen() {
	w.must(w.loc.Close())
	w.open()
}

func (w *modelWorld) rest() { w.loc.Store.Rest(w.rt.Context(), 0) }

func (w *modelWorld) rebuild() { w.must(w.log.RebuildIndex()) }

func (w *modelWorld) waitIndexed() { w.must(w.log.WaitIndexed(w.rt.Context())) }

func (w *modelWorld) loseIndex() {
	w.must(w.loc.Close())
	indexes, err := filepath.Glob(filepath.Join(w.dir, "tenants", "*", "index"))
	w.must(err)
	for _, ix := range indexes {
		w.must(os.RemoveAll(ix))
	}
	w.open()
}

// check asks a question of each kind.
func (w *modelWorld) check() {
	w.rt.Helper()
	ctx := w.rt.Context()
	snap := w.log.Snapshot()
	if rapid.Bool().Draw(w.rt, "earlier") {
		var err error
		snap, err = w.log.SnapshotAt(rapid.Uint64Range(0, w.log.Size()).Draw(w.rt, "size"))
		w.must(err)
	}
	tn, err := evidence.ParseTenant("tenant-1")
	w.must(err)
	keys, err := w.loc.Keys.Tenant(tn, false)
	w.must(err)
	base := evidence.Query{
		Kinds:    rapid.SampledFrom([][]evidence.Kind{modelKinds, modelKinds[:1], modelKinds[1:2], modelKinds[:2]}).Draw(w.rt, "kinds"),
		Backward: rapid.Bool().Draw(w.rt, "backward"), Limit: rapid.IntRange(0, 4).Draw(w.rt, "limit"),
	}
	if rapid.Bool().Draw(w.rt, "bounded") {
		base.Period.From = drawHour(w.rt)
		base.Period.To = base.Period.From.Add(time.Duration(rapid.IntRange(1, 4).Draw(w.rt, "hours")) * time.Hour)
	}
	ask := func(what string, q evidence.Query, person string) {
		w.rt.Helper()
		var got []uint64
		for rec, err := range snap.Records(ctx, q) {
			w.must(err)
			got = append(got, rec.Seq)
			i := slices.IndexFunc(w.m.records, func(r modelRecord) bool { return r.seq == rec.Seq })
			if i < 0 {
				w.rt.Fatalf("%s: record %d (%s) is not in the model", what, rec.Seq, rec.Kind)
			}
			if r := w.m.records[i]; r.key != rec.Key || r.subject != rec.Subject || r.op != rec.Op || !r.at.Equal(rec.Occurred) || !sameJSON(r.facts, rec.Facts) {
				w.rt.Fatalf("%s: record %d is %+v, want %+v", what, rec.Seq, rec, r)
			}
		}
		if want := w.m.query(q, person, snap.Size()); !slices.Equal(got, want) {
			w.rt.Fatalf("%s, %+v at size %d: got %v, want %v", what, q, snap.Size(), got, want)
		}
	}
	ask("by time", base, "")
	q := base
	q.Subject = evidence.NewRef("app", "prod", fmt.Sprint("app", rapid.IntRange(0, 3).Draw(w.rt, "app asked")))
	ask("by subject", q, "")
	q = base
	q.Link = evidence.NewRef("commit", "", fmt.Sprint("c", rapid.IntRange(0, 3).Draw(w.rt, "link asked")))
	ask("by link", q, "")
	if slices.ContainsFunc(w.m.records, func(r modelRecord) bool { return slices.Contains(r.people, "0") }) {
		people, err := keys.People([]store.Identity{{Realm: "github:prod", NativeID: "0"}})
		w.must(err)
		q = base
		q.Person = people[0].Token
		ask("by person", q, "0")
	}
	at := drawHour(w.rt)
	var got []uint64
	for rec, err := range snap.States(ctx, evidence.DeployState, at) {
		w.must(err)
		got = append(got, rec.Seq)
	}
	slices.Sort(got)
	if want := w.m.states(evidence.DeployState, at, snap.Size()); !slices.Equal(got, want) {
		w.rt.Fatalf("states at %s, size %d: got %v, want %v", at, snap.Size(), got, want)
	}
}

func sameJSON(a string, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, b) == nil && x.String() == y.String()
}
