package local

import (
	"context"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/store"
)

// A query by kinds in log order finds what a walk over the whole log finds,
// whatever the order in time: in the stored index and before it.
func TestKindsInLogOrder(t *testing.T) {
	l := openDir(t, t.TempDir()+"/data", &clock{start})
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 400 {
		at := start.Add(time.Duration(i*7919%400) * time.Minute) // in no order
		it := event(string(rune('a'+i%26))+at.Format("150405"), at, map[string]any{"n": i})
		if i%3 == 0 {
			it = state(at.Format("150405"), at, map[string]any{"n": i})
		}
		if _, err := log.Append(context.Background(), []store.Item{it}); err != nil {
			t.Fatal(err)
		}
		if i == 200 {
			if err := log.CaughtUp(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	many := make([]store.Item, 700) // more than are sorted for a few
	for i := range many {
		at := start.Add(time.Duration(i*31%700) * time.Minute)
		many[i] = event("z"+at.Format("150405"), at, map[string]any{"m": i})
	}
	if _, err := log.Append(context.Background(), many); err != nil {
		t.Fatal(err)
	}
	snap := log.Snapshot()
	var all []evidence.Record
	for r, err := range snap.Records(context.Background(), evidence.Query{BySeq: true}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	p := evidence.Period{From: start.Add(time.Hour), To: start.Add(5 * time.Hour)}
	for _, q := range []evidence.Query{
		{BySeq: true, Kinds: []evidence.Kind{evidence.ChangeMerge}},
		{BySeq: true, Kinds: []evidence.Kind{all[1].Kind, all[2].Kind}, FromSeq: 100},
		{BySeq: true, Kinds: []evidence.Kind{evidence.ChangeMerge}, Period: p, Backward: true},
		{BySeq: true, Kinds: []evidence.Kind{evidence.ChangeMerge}, FromSeq: 390, Limit: 2},
		{BySeq: true, Kinds: []evidence.Kind{evidence.DeployState}, Limit: 5},
		{BySeq: true, Kinds: []evidence.Kind{evidence.DeployState}, Limit: 5, Period: p, Backward: true},
		{BySeq: true, Kinds: []evidence.Kind{evidence.ChangeMerge, evidence.DeployState}, Limit: 3, Backward: true},
		{Kinds: []evidence.Kind{evidence.ChangeMerge}, FromSeq: 300},
		{BySeq: true, Subject: all[7].Subject},
		{BySeq: true, Link: all[7].Subject, Kinds: []evidence.Kind{all[7].Kind}, Limit: 1},
		{BySeq: true, Link: all[300].Subject, Backward: true},
		{BySeq: true, Op: evidence.OpSet},
		{Kinds: []evidence.Kind{evidence.ChangeMerge, evidence.DeployState}, Op: evidence.OpSet, FromSeq: 20},
		{BySeq: true, Kinds: []evidence.Kind{evidence.ChangeMerge, evidence.DeployState}, Op: evidence.OpEvent, Limit: 90},
	} {
		var want, got []uint64
		for _, r := range all {
			about := (q.Subject.IsZero() || r.Subject == q.Subject) && (q.Link.IsZero() || r.Holds(q.Link))
			if about && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Kind)) && (q.Op == "" || r.Op == q.Op) && r.Seq >= q.FromSeq && (q.Period.IsZero() || q.Period.Contains(r.Occurred)) {
				want = append(want, r.Seq)
			}
		}
		if q.Backward {
			slices.Reverse(want)
		}
		if q.Limit > 0 {
			want = want[:q.Limit]
		}
		for r, err := range snap.Records(context.Background(), q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Seq)
		}
		if !q.BySeq {
			slices.Sort(got)
		}
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%+v: %d records %v, want %d %v", q, len(got), got, len(want), want)
		}
	}
}
