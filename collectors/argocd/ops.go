package argocd

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"

	"evidenced/evidence"
)

// sight is one operation as it stands after a look, ready to be emitted.
type sight struct {
	op    *op
	facts evidence.SyncFacts
	by    v1alpha1.OperationInitiator
	raw   json.RawMessage
	text  string
}

// moves says what a look at one application showed about its operations.
type moves struct {
	sights   []sight
	advanced bool   // an operation ran, or moved on, since the last sighting
	skipped  bool   // the operation before may have been overwritten unseen
	lost     string // what is known to be lost; empty: nothing
}

// operations compares the application's history and operation slot with what
// is remembered, moves the memory on and returns what is new.
//
// One operation is one event, whether seen in the slot, in history or in both.
// Its key is its start, which both show. Operations that start within one
// second share a start: the second and later ones get an ordinal.
//
// older marks an application that is not newer than the one remembered: it
// may add operations but not take back what is known.
func (m *memory) operations(a *app, created, older bool) moves {
	var mv moves
	m.history(a, created, older, &mv)
	m.slot(a, older, &mv)
	m.trim()
	return mv
}

// history goes through the successful syncs.
func (m *memory) history(a *app, created, older bool, mv *moves) {
	es := entries(a)
	unknown := false
	var ids []int64
	for i := range es {
		e := &es[i]
		ids = append(ids, e.ID)
		var known bool
		e.op, known = m.ofHistory(e.RevisionHistory)
		unknown = unknown || !known && e.ID <= m.Hist
	}
	var shown *op
	if s := a.Status.OperationState; s != nil && !s.StartedAt.IsZero() {
		shown = m.ofSlot(s, older)
	}
	for _, e := range es {
		if e.op == nil || e.op == shown || over(e.op.Phase) {
			continue // emitted long ago; or the slot says more, or said more
		}
		f := historyFacts(a, e.RevisionHistory)
		f.Untold = untold(e.raw)
		if e.op.Phase != "" {
			f.Seen, f.Prune, f.LocalManifests, f.Retries = "both", e.op.Prune, e.op.Local, e.op.Tries
		}
		if e.op.tell(f, false) {
			mv.advanced = true
			mv.sights = append(mv.sights, sight{op: e.op, facts: f, by: e.InitiatedBy, raw: e.raw})
		}
	}
	if !older {
		mv.lost = m.lostHistory(ids, created, unknown)
		if last := maxID(ids); last != m.Hist {
			mv.advanced = true
			m.Hist = last
		}
	}
}

// entry is an entry of the history with its own bytes and its operation.
type entry struct {
	v1alpha1.RevisionHistory
	raw json.RawMessage
	op  *op
}

// entries returns the history by id.
func entries(a *app) []entry {
	var es []entry
	for i, h := range a.Status.History {
		e := entry{RevisionHistory: h}
		if i < len(a.extra.Status.History) {
			e.raw = a.extra.Status.History[i]
		}
		es = append(es, e)
	}
	slices.SortStableFunc(es, func(x, y entry) int { return cmp.Compare(x.ID, y.ID) })
	return es
}

// ofHistory finds or makes the operation of an entry; nil when it was
// forgotten because it is old.
func (m *memory) ofHistory(h v1alpha1.RevisionHistory) (o *op, known bool) {
	start := startOf(h)
	rev := revHash(oneOrMany(h.Revision, h.Revisions))
	for _, o := range m.Ops {
		if o.ID == h.ID && o.Start == start && o.Done.Equal(h.DeployedAt.Time) {
			return o, true
		}
	}
	if start != "" {
		for _, o := range m.Ops {
			if o.Start == start && o.ID < 0 && o.Phase != "Failed" && o.Phase != "Error" && (o.Rev == "" || o.Rev == rev) {
				o.ID, o.Done, o.Rev = h.ID, h.DeployedAt.UTC(), rev
				return o, true
			}
		}
	}
	if h.ID <= m.Hist && m.Dropped != "" && stamp(h) <= m.Dropped {
		return nil, true
	}
	o = &op{Start: start, ID: h.ID, Done: h.DeployedAt.UTC(), Rev: rev}
	o.Key = m.freeKey(start, "h/"+strconv.FormatInt(h.ID, 10))
	m.Ops = append(m.Ops, o)
	return o, false
}

// freeKey returns the key of a new operation: its start, with an ordinal when
// others began in the same second.
func (m *memory) freeKey(start, without string) string {
	if start == "" {
		start = without
	}
	key := start
	for n := 2; m.find(key) != nil; n++ {
		key = start + "~" + strconv.Itoa(n)
	}
	return key
}

func (m *memory) find(key string) *op {
	for _, o := range m.Ops {
		if o.Key == key {
			return o
		}
	}
	return nil
}

// slot goes through the one operation that is or was last at work.
func (m *memory) slot(a *app, older bool, mv *moves) {
	s := a.Status.OperationState
	if s == nil || s.StartedAt.IsZero() {
		return
	}
	o := m.ofSlot(s, older)
	if o == nil {
		o = &op{Start: format(s.StartedAt.Time), ID: -1}
		o.Key = m.freeKey(o.Start, "")
		m.Ops = append(m.Ops, o)
	}
	if older && over(o.Phase) && !over(string(s.Phase)) {
		return
	}
	if !older && o.Key != m.Slot {
		mv.advanced = true
		if before := m.find(m.Slot); before != nil && !over(before.Phase) && before.ID < 0 {
			mv.skipped = true
		}
		m.Slot = o.Key
	}
	f := operationFacts(a)
	o.Phase, o.Prune, o.Local, o.Tries = f.Phase, f.Prune, f.LocalManifests, f.Retries
	o.Fin = time.Time{}
	if s.FinishedAt != nil {
		o.Fin = s.FinishedAt.UTC()
	}
	if r := resolved(s); r != "" {
		o.Rev = r
	}
	f.Partial = partial(a, o.ID >= 0)
	if o.ID >= 0 {
		// History holds successful full syncs alone, and is written a moment
		// before the slot says so.
		f.Seen, f.HistoryID, f.Phase, f.FinishedAt, f.DryRun = "both", o.ID, "Succeeded", o.Done, false
	}
	if o.tell(f, over(o.Phase)) {
		mv.advanced = true
		mv.sights = append(mv.sights, sight{op: o, facts: f, by: s.Operation.InitiatedBy,
			raw: a.extra.Status.OperationState, text: cleanText(s.Message)})
	}
}

// ofSlot finds the operation that the slot shows, newest first; nil when it is
// a new one.
func (m *memory) ofSlot(s *v1alpha1.OperationState, older bool) *op {
	start, phase := format(s.StartedAt.Time), string(s.Phase)
	for _, o := range slices.Backward(m.Ops) {
		switch {
		case o.Start != start || !sameRev(o, s):
		case o.ID >= 0 && (phase == "Failed" || phase == "Error"):
		case !over(o.Phase), older:
			return o
		case o.Phase == phase && s.FinishedAt != nil && o.Fin.Equal(s.FinishedAt.Time):
			return o
		}
	}
	return nil
}

// sameRev reports whether the revisions may be the same; either may be unknown
// as yet.
func sameRev(o *op, s *v1alpha1.OperationState) bool {
	r := resolved(s)
	return r == "" || o.Rev == "" || r == o.Rev
}

// resolved returns the hashed revisions that the operation really used. What
// was asked for does not count: it may be a branch.
func resolved(s *v1alpha1.OperationState) string {
	if s.SyncResult == nil {
		return ""
	}
	return revHash(oneOrMany(s.SyncResult.Revision, s.SyncResult.Revisions))
}

// tell remembers what is about to be emitted and reports whether it is news.
// Project and destination are no news: they are the application's of today,
// and an old operation is not re-written when the application moves. Rich
// facts come from the slot after the end, with the result of each object.
func (o *op) tell(f evidence.SyncFacts, rich bool) bool {
	told := fmt.Sprintf("%s/%t/%d/%d/%s/%s", f.Phase, rich, f.HistoryID, f.Retries, o.Rev, evidence.FormatTime(f.FinishedAt))
	if told == o.Told {
		return false
	}
	o.Told = told
	return true
}

// lostHistory says which entries of the history were lost since the last
// sighting; empty when none. Ids grow by one for each entry and start again at
// 0 once the list was emptied.
func (m *memory) lostHistory(ids []int64, created, unknown bool) string {
	if len(ids) == 0 || m.Seen.IsZero() && !created {
		return "" // nothing to compare with: what the first look shows is what there is
	}
	if unknown {
		return fmt.Sprintf("history ids start again: %d is followed by %d to %d", m.Hist, ids[0], ids[len(ids)-1])
	}
	last, missing := m.Hist, int64(0)
	for _, id := range ids {
		if id <= last {
			continue
		}
		missing += id - last - 1
		last = id
	}
	if missing > 0 {
		return fmt.Sprintf("%d entries of the history are lost: id %d is followed by %d", missing, m.Hist, firstAbove(ids, m.Hist))
	}
	return ""
}

func firstAbove(ids []int64, n int64) int64 {
	for _, id := range ids {
		if id > n {
			return id
		}
	}
	return -1
}

func maxID(ids []int64) int64 {
	if len(ids) == 0 {
		return -1
	}
	return slices.Max(ids)
}

// trim forgets the oldest operations beyond the limit, but never the one in
// the slot.
func (m *memory) trim() {
	for len(m.Ops) > maxOps {
		i := 0
		if m.Ops[0].Key == m.Slot {
			i = 1
		}
		if t := m.Ops[i].stamp(); t > m.Dropped {
			m.Dropped = t
		}
		m.Ops = slices.Delete(m.Ops, i, i+1)
	}
}

// stamp orders operations: their start, else their end.
func (o *op) stamp() string {
	if o.Start != "" {
		return o.Start
	}
	return format(o.Done)
}

func stamp(h v1alpha1.RevisionHistory) string {
	if s := startOf(h); s != "" {
		return s
	}
	return format(h.DeployedAt.Time)
}

func startOf(h v1alpha1.RevisionHistory) string {
	if h.DeployStartedAt == nil || h.DeployStartedAt.IsZero() {
		return ""
	}
	return format(h.DeployStartedAt.Time)
}

func format(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func revHash(revs []string) string {
	if len(revs) == 0 {
		return ""
	}
	return shortHash([]byte(strings.Join(revs, "\n")))
}

// hashJSON returns a short hash of v's JSON.
func hashJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("argocd: facts do not marshal: " + err.Error()) // plain structs always do
	}
	return shortHash(b)
}

func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
