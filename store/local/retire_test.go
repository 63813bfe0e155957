package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// months opens a directory whose logs begin a segment each month.
func months(t testing.TB, dir string, c *clock, change func(*store.Options)) *Local {
	t.Helper()
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) {
		o.SegmentMonthly = true
		if change != nil {
			change(o)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func theLog(t testing.TB, l *Local) *store.Log {
	t.Helper()
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func month(n int) time.Time { return start.AddDate(0, n, 0) }

func ended(it store.Item, at time.Time) store.Item {
	it.Draft.Op, it.Draft.OccurredAt, it.Draft.ObservedAt = evidence.OpEnd, at, at
	return it
}

func by(it store.Item, ps ...evidence.Person) store.Item {
	it.Draft.People = ps
	return it
}

// story fills four months. What must hold after the first two are retired:
// app "old" has its state of the first month, "ended" has none, "moved" that
// of the third month, and "later" that of the second, told by somebody whom
// only the first month names.
func story(t testing.TB, c *clock, log *store.Log) {
	t.Helper()
	sign := func() {
		if _, _, err := log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	for m := range 4 {
		c.t = month(m)
		for i := range 40 {
			mustAppend(t, log, event(fmt.Sprint(m*100+i), c.t, map[string]int{"v": i}, person("7", "mira")))
		}
		switch m {
		case 0:
			mustAppend(t, log,
				by(state("old", c.t, map[string]string{"sync": "A"}), person("7", "mira"), person("8", "noor")),
				state("ended", c.t, map[string]string{"sync": "A"}), state("moved", c.t, map[string]string{"sync": "A"}))
		case 1:
			mustAppend(t, log, ended(state("ended", c.t, map[string]string{}), c.t), by(state("later", c.t, map[string]string{"sync": "B"}), person("8", "noor")))
		case 2:
			mustAppend(t, log, state("moved", c.t, map[string]string{"sync": "C"}))
		}
		sign()
	}
}

var retireAll = store.RetireOptions{Before: month(2), Authority: "rule: 1 month", Reason: "storage limitation"}

func states(t testing.TB, log *store.Log, at time.Time) string {
	t.Helper()
	var out []string
	for rec, err := range log.Snapshot().States(context.Background(), evidence.DeployState, at) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec.Subject.Name+"="+string(rec.Facts))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// old remembers what a log could prove before records went.
type old struct {
	leaves []evidence.Hash
	notes  []chain.Checkpoint
	seqs   map[string]uint64 // by key of an event
}

func remember(t testing.TB, log *store.Log) old {
	t.Helper()
	o := old{seqs: map[string]uint64{}}
	snap := log.Snapshot()
	for rec, err := range snap.Records(context.Background(), evidence.Query{BySeq: true}) {
		if err != nil {
			t.Fatal(err)
		}
		o.leaves = append(o.leaves, rec.Leaf)
		o.seqs[rec.Key] = rec.Seq
	}
	for size := snap.Size(); size > 0; {
		cp, signed, err := log.NoteAt(size)
		if err != nil {
			t.Fatal(err)
		}
		if signed == nil {
			break
		}
		o.notes = append(o.notes, cp)
		size = cp.Size - 1
	}
	return o
}

// proves checks that everything that was signed before is still proved.
func (o old) proves(t testing.TB, log *store.Log) {
	t.Helper()
	now, _, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	for _, cp := range o.notes {
		got, _, err := log.NoteAt(cp.Size)
		if err != nil || got != cp {
			t.Errorf("checkpoint of size %d: got %+v, %v", cp.Size, got, err)
		}
		proof, err := log.ProveConsistency(cp.Size, now.Size)
		if err == nil {
			err = chain.CheckConsistency(proof, cp.Size, cp.Root, now.Size, now.Root)
		}
		if err != nil {
			t.Errorf("from checkpoint of size %d: %v", cp.Size, err)
		}
	}
	for seq, leaf := range o.leaves {
		proof, err := log.ProveInclusion(now.Size, uint64(seq))
		if err == nil {
			err = chain.CheckInclusion(proof, now.Size, now.Root, uint64(seq), leaf)
		}
		if err != nil {
			t.Errorf("record %d: %v", seq, err)
		}
	}
}

func segmentFiles(t testing.TB, dir string) string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "log", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range m {
		st, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s %#o", filepath.Base(p), st.Mode().Perm()))
	}
	return strings.Join(names, ", ")
}

func verified(t testing.TB, log *store.Log) {
	t.Helper()
	rep, err := log.Verify(context.Background(), store.VerifyOptions{Deep: true})
	if err != nil || !rep.OK() {
		t.Errorf("verify: %v, %+v", err, rep)
	}
	if missing, err := log.CheckIndex(context.Background()); err != nil || missing > 0 {
		t.Errorf("%d records are not indexed, %v", missing, err)
	}
}

func segmentsOf(t testing.TB, log *store.Log) []store.SegmentInfo {
	t.Helper()
	ss, err := log.Segments()
	if err != nil {
		t.Fatal(err)
	}
	return ss
}

func TestSegmentsEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*store.Options)
		want   string // records of each segment
	}{
		{"monthly", func(*store.Options) {}, "84 56"},
		{"never", func(o *store.Options) { o.SegmentMonthly = false }, "139"},
		{"records", func(o *store.Options) { o.SegmentMonthly, o.SegmentRecords = false, 50 }, "50 50 41"},
		{"bytes", func(o *store.Options) { o.SegmentMonthly, o.SegmentBytes = false, 1 }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &clock{start}
			dir := filepath.Join(t.TempDir(), "data")
			loc := months(t, dir, c, tc.change)
			log := theLog(t, loc)
			for i := range 138 {
				if i == 83 {
					c.t = month(1)
				}
				mustAppend(t, log, event(fmt.Sprint(i), start, map[string]int{"v": i}))
			}
			check := func(log *store.Log) {
				t.Helper()
				ss := segmentsOf(t, log)
				var got []string
				next := uint64(0)
				for i, s := range ss {
					if s.First != next || s.Number != i+1 || s.Sealed != (i < len(ss)-1) || s.Newest.Before(s.Oldest) {
						t.Errorf("segment %+v", s)
					}
					got, next = append(got, fmt.Sprint(s.Next-s.First)), s.Next
				}
				if next != log.Size() {
					t.Errorf("segments end at %d of %d", next, log.Size())
				}
				if tc.want == "" {
					if len(ss) < 3 {
						t.Errorf("%d segments of a byte each", len(ss))
					}
				} else if s := strings.Join(got, " "); s != tc.want {
					t.Errorf("records of the segments: got %s, want %s", s, tc.want)
				}
			}
			check(log)
			verified(t, log)
			segments := segmentsOf(t, log)
			loc.Close()
			if files := segmentFiles(t, dir); strings.Count(files, "0400") != len(segments)-1 && tc.want != "139" && strings.Count(files, "0600") != 1 {
				t.Errorf("files: %s", files)
			}
			log = theLog(t, months(t, dir, c, tc.change))
			check(log)
			verified(t, log)
		})
	}
}

func TestRetire(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := months(t, dir, c, nil)
	log := theLog(t, loc)
	story(t, c, log)
	before := remember(t, log)
	var kept []string // states at instants after the horizon
	instants := []time.Time{month(1).Add(time.Minute), month(2).Add(-time.Second), month(2).Add(time.Second), month(3)}
	for _, at := range instants {
		kept = append(kept, states(t, log, at))
	}
	dry := retireAll
	dry.DryRun = true
	told, err := log.Retire(ctx, dry)
	if err != nil || len(told) != 2 || told[0].Carried[evidence.DeployState] != 2 || log.Retired().Next != 0 {
		t.Fatalf("dry run: %+v, %v", told, err)
	}
	done, err := log.Retire(ctx, retireAll)
	if err != nil || len(done) != 2 {
		t.Fatalf("retire: %+v, %v", done, err)
	}
	next := done[1].Next
	check := func(stage string, log *store.Log) {
		t.Helper()
		if got := log.Retired(); got.Next != next || !got.Until.Equal(done[1].Newest) {
			t.Errorf("%s: retired %+v", stage, got)
		}
		verified(t, log)
		before.proves(t, log)
		for i, at := range instants {
			if got := states(t, log, at); got != kept[i] {
				t.Errorf("%s: states at %s: got %s, want %s", stage, at, got, kept[i])
			}
		}
		snap := log.Snapshot()
		n := 0
		for rec, err := range snap.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.DeployState}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Carries != nil {
				n++
				if rec.Carries.Leaf != before.leaves[rec.Carries.Seq] || !rec.Occurred.Before(month(2)) {
					t.Errorf("%s: record %d carries %+v", stage, rec.Seq, rec.Carries)
				}
			}
			for _, p := range rec.People {
				if id, err := snap.Identity(ctx, p.Token); err != nil || id.Names.Login == "" {
					t.Errorf("%s: record %d: person %+v, %v", stage, rec.Seq, id, err)
				}
			}
		}
		if n != 3 { // old, moved (in force until the third month) and later
			t.Errorf("%s: %d states are carried", stage, n)
		}
		if rec, err := snap.Record(ctx, 0); err != nil || rec.Kind != evidence.LogGenesis || len(rec.Facts) == 0 {
			t.Errorf("%s: genesis: %+v, %v", stage, rec, err)
		}
		if _, err := snap.Record(ctx, before.seqs["105"]); !problem.Is(err, problem.NotFound) || !errors.Is(err, store.ErrRetired) {
			t.Errorf("%s: a retired record: %v", stage, err)
		}
		var seqs []uint64
		for rec, err := range snap.Records(ctx, evidence.Query{BySeq: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Seq < next {
				if info, _ := evidence.KindInfo(rec.Kind); !info.Lasting {
					t.Errorf("%s: record %d (%s) is still there", stage, rec.Seq, rec.Kind)
				}
			}
			seqs = append(seqs, rec.Seq)
		}
		if !slices.IsSorted(seqs) || seqs[0] != 0 || seqs[len(seqs)-1] != snap.Size()-1 {
			t.Errorf("%s: records by seq: %v", stage, seqs)
		}
		var back []uint64
		for rec, err := range snap.Records(ctx, evidence.Query{BySeq: true, Backward: true}) {
			if err != nil {
				t.Fatal(err)
			}
			back = append(back, rec.Seq)
		}
		slices.Reverse(back)
		if !slices.Equal(seqs, back) {
			t.Errorf("%s: backward: %v", stage, back)
		}
		for _, tc := range []struct {
			what string
			item store.Item
			want store.Fate
		}{
			{"a retired event", event("105", month(1), map[string]int{"v": 5}, person("7", "mira")), store.Expired},
			{"a retired event with other facts", event("106", month(1), map[string]int{"v": 99}, person("7", "mira")), store.Expired},
			{"an unknown event of the retired time", event("new", month(1), map[string]int{"v": 1}), store.Expired},
			{"a kept event", event("205", month(2), map[string]int{"v": 5}, person("7", "mira")), store.Repeated},
			{"a carried state", by(state("old", month(0), map[string]string{"sync": "A"}), person("7", "mira"), person("8", "noor")), store.Unchanged},
			{"a superseded state", state("ended", month(0).Add(time.Hour), map[string]string{"sync": "Q"}), store.Expired},
			{"an ended state", state("ended", month(0), map[string]string{"sync": "A"}), store.Expired},
		} {
			if r := mustAppend(t, log, tc.item); r.Fates[0] != tc.want {
				t.Errorf("%s: %s: got fate %d, want %d", stage, tc.what, r.Fates[0], tc.want)
			}
		}
		if err := log.Keeps(evidence.Period{From: month(0), To: month(3)}); !problem.Is(err, problem.Refused) {
			t.Errorf("%s: a period half retired: %v", stage, err)
		}
		if err := log.Keeps(evidence.Period{From: month(2), To: month(3)}); err != nil {
			t.Errorf("%s: a kept period: %v", stage, err)
		}
	}
	check("retired", log)
	if again, err := log.Retire(ctx, retireAll); err != nil || len(again) != 0 {
		t.Errorf("retire again: %+v, %v", again, err)
	}
	loc.Close()
	if got := segmentFiles(t, dir); got != "0003.db 0400, 0004.db 0600, journal 0600, retired.db 0600" {
		t.Errorf("files: %s", got)
	}
	loc = months(t, dir, c, nil)
	check("opened again", theLog(t, loc))
	if err := theLog(t, loc).RebuildIndex(); err != nil {
		t.Fatal(err)
	}
	check("index rebuilt", theLog(t, loc))
	loc.Close()
	m, _ := filepath.Glob(filepath.Join(dir, "tenants", "*", "index"))
	for _, p := range m {
		if err := os.RemoveAll(p); err != nil {
			t.Fatal(err)
		}
	}
	loc = months(t, dir, c, nil)
	check("index lost", theLog(t, loc))

	// A state that became known late but holds is wanted whatever its age.
	if r := mustAppend(t, theLog(t, loc), state("ancient", month(-30), map[string]string{"sync": "Z"})); r.Fates[0] != store.Appended {
		t.Errorf("a state that holds since long: got fate %d", r.Fates[0])
	}
	// Years later everything goes in turn, the carried states again.
	c.t = month(9)
	mustAppend(t, theLog(t, loc), event("900", c.t, map[string]int{"v": 1}))
	if _, _, err := theLog(t, loc).Checkpoint(); err != nil {
		t.Fatal(err)
	}
	later := remember2(t, theLog(t, loc), before)
	o := retireAll
	o.Before = month(9)
	if done, err := theLog(t, loc).Retire(ctx, o); err != nil || len(done) != 2 {
		t.Fatalf("retire the rest: %+v, %v", done, err)
	}
	later.proves(t, theLog(t, loc))
	verified(t, theLog(t, loc))
	if got, want := states(t, theLog(t, loc), c.t), kept[3]; !strings.Contains(got, "ancient") || strings.ReplaceAll(got, `ancient={"sync":"Z"} `, "") != want {
		t.Errorf("states in the end: got %s, want %s and ancient", got, want)
	}
	if rec, err := theLog(t, loc).Snapshot().Record(ctx, 0); err != nil || len(rec.Facts) == 0 {
		t.Errorf("genesis in the end: %v", err)
	}
}

// remember2 adds what came since to what was known before.
func remember2(t testing.TB, log *store.Log, before old) old {
	t.Helper()
	o := old{notes: before.notes, leaves: before.leaves}
	for rec, err := range log.Snapshot().Records(context.Background(), evidence.Query{BySeq: true, FromSeq: uint64(len(before.leaves))}) {
		if err != nil {
			t.Fatal(err)
		}
		o.leaves = append(o.leaves, rec.Leaf)
	}
	return o
}

// A destroyed data key is in no file and is not made again; what it sealed
// cannot be opened from a copy of the segment.
func TestRetiredKeyIsGone(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := months(t, dir, c, nil)
	log := theLog(t, loc)
	story(t, c, log)
	loc.Close()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "tenants"))); err != nil {
		t.Fatal(err)
	}
	loc = months(t, dir, c, nil)
	if _, err := theLog(t, loc).Retire(context.Background(), retireAll); err != nil {
		t.Fatal(err)
	}
	keys, err := loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]error{"d1": store.ErrKeyMissing, "d2": store.ErrKeyMissing, "d3": nil, "d4": nil} {
		if _, err := keys.Key(id); err != want {
			t.Errorf("key %s: got %v, want %v", id, err, want)
		}
	}
	// With the old segments brought back, they are removed again.
	loc.Close()
	seg, _ := filepath.Glob(filepath.Join(copied, "*", "log", "0001.db"))
	b, err := os.ReadFile(seg[0])
	if err != nil {
		t.Fatal(err)
	}
	logs, _ := filepath.Glob(filepath.Join(dir, "tenants", "*", "log"))
	if err := os.WriteFile(filepath.Join(logs[0], "0001.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	loc = months(t, dir, c, nil)
	verified(t, theLog(t, loc))
	if _, err := os.Stat(filepath.Join(logs[0], "0001.db")); !os.IsNotExist(err) {
		t.Errorf("a retired segment is there again: %v", err)
	}
}

// Cutting the begin off a log is not a retirement.
func TestCutBeginIsFound(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := months(t, dir, c, nil)
	story(t, c, theLog(t, loc))
	loc.Close()
	m, _ := filepath.Glob(filepath.Join(dir, "tenants", "*", "log", "0001.db"))
	if err := os.Remove(m[0]); err != nil {
		t.Fatal(err)
	}
	loc = months(t, dir, c, nil)
	log, err := loc.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		if !problem.Is(err, problem.Corrupt) || !strings.Contains(err.Error(), "0001.db") {
			t.Errorf("the missing segment is not named: %v", err)
		}
		return
	}
	if rep, err := log.Verify(context.Background(), store.VerifyOptions{}); err == nil && rep.OK() {
		t.Error("a log without its first segment verifies")
	}
}

func TestHoldKeeps(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := months(t, dir, c, nil)
	log := theLog(t, loc)
	f := evidence.HoldFacts{Name: "case-17", Reason: "preserve the deployments of November", Authority: "district court, 17 O 1/26", By: "uid 1"}
	for _, bad := range []evidence.HoldFacts{{}, {Name: "case-17", Reason: "x"}, {Name: "Case 17", Reason: "x", Authority: "y"}, {Name: "c", Authority: "y"}} {
		if _, err := log.PlaceHold(ctx, bad); !problem.Is(err, problem.Usage) {
			t.Errorf("hold %+v: %v", bad, err)
		}
	}
	if _, held := log.Held(ctx); held {
		t.Error("a new log is held")
	}
	if _, err := log.PlaceHold(ctx, f); err != nil {
		t.Fatal(err)
	}
	if _, err := log.PlaceHold(ctx, f); !problem.Is(err, problem.Refused) {
		t.Errorf("the same hold again: %v", err)
	}
	story(t, c, log)
	if reason, held := log.Held(ctx); !held || !strings.Contains(reason, "case-17") || !strings.Contains(reason, f.Authority) {
		t.Errorf("held: %v %q", held, reason)
	}
	if _, err := log.Retire(ctx, retireAll); !problem.Is(err, problem.Refused) {
		t.Errorf("retire a held log: %v", err)
	}
	if log.Retired().Next != 0 {
		t.Error("records of a held log are retired")
	}
	g := evidence.HoldFacts{Name: "case-18", Reason: "another case", Authority: "audit office"}
	if _, err := log.PlaceHold(ctx, g); err != nil {
		t.Fatal(err)
	}
	f.Reason = "settled"
	if h, err := log.ReleaseHold(ctx, f); err != nil || h.Reason == "settled" {
		t.Errorf("release: %+v, %v", h, err)
	}
	if _, err := log.ReleaseHold(ctx, f); !problem.Is(err, problem.NotFound) {
		t.Errorf("release twice: %v", err)
	}
	if _, err := log.Retire(ctx, retireAll); !problem.Is(err, problem.Refused) {
		t.Errorf("retire while the second hold stands: %v", err)
	}
	if _, err := log.ReleaseHold(ctx, g); err != nil {
		t.Fatal(err)
	}
	if done, err := log.Retire(ctx, retireAll); err != nil || len(done) != 2 {
		t.Errorf("retire after the release: %+v, %v", done, err)
	}
	// A hold placed in a retired month holds on.
	if _, err := log.PlaceHold(ctx, f); err != nil {
		t.Fatal(err)
	}
	loc.Close()
	loc = months(t, dir, c, nil)
	if _, held := theLog(t, loc).Held(ctx); !held {
		t.Error("the hold is lost")
	}
}

// A segment that is being read stays until the reader is done.
func TestRetireWaitsForReaders(t *testing.T) {
	c := &clock{start}
	log := theLog(t, months(t, filepath.Join(t.TempDir(), "data"), c, nil))
	story(t, c, log)
	snap := log.Snapshot()
	done := make(chan error, 1)
	read := uint64(0)
	if err := snap.Export(t.Context(), 0, snap.Size(), nil, func(o store.Opened) error {
		if read++; read == 1 {
			go func() {
				_, err := log.Retire(context.Background(), retireAll)
				done <- err
			}()
		}
		return nil
	}); err != nil || read != snap.Size() {
		t.Errorf("read %d of %d records: %v", read, snap.Size(), err)
	}
	if err := <-done; err != nil {
		t.Errorf("retire: %v", err)
	}
	if log.Retired().Next == 0 {
		t.Error("nothing was retired in the end")
	}
	verified(t, log)
}
