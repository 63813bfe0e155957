package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/store"
	"evidenced/store/local"
)

// small makes drafts of a few bytes, so that a log of many records is made
// fast.
func small(i int, d *evidence.Draft) { d.Content, d.People = fmt.Appendf(nil, `{"v":%d}`, i), nil }

// manySegments begins a new segment so often that ranges span two.
func manySegments(o *store.Options) { o.SegmentBytes = 1 << 20 }

func newLog(t testing.TB, dir string, so func(*store.Options)) (*local.Local, *store.Log) {
	t.Helper()
	l := openDir(t, dir, so)
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	return l, log
}

func mustVerify(t testing.TB, log *store.Log, o store.VerifyOptions) *store.Report {
	t.Helper()
	r, err := log.Verify(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// words are the verdicts of a report in short.
func words(r *store.Report) string {
	var b strings.Builder
	for _, v := range r.Verdicts() {
		fmt.Fprintf(&b, "%s %s; ", v.About, v.Word)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func rootAt(t testing.TB, log *store.Log, size uint64) evidence.Hash {
	t.Helper()
	f, err := log.Frontier(size)
	if err != nil {
		t.Fatal(err)
	}
	return f.Root()
}

func TestVerifyCountsEverything(t *testing.T) {
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), manySegments)
	fill(t, log, 0, 9_000, nil)
	if err := log.WaitIndexed(t.Context()); err != nil { // the report counts what is indexed
		t.Fatal(err)
	}
	size := log.Size()
	want := mustVerify(t, log, store.VerifyOptions{Deep: true, Workers: 1})
	// One checkpoint for each batch, and those of the segments that end within
	// one.
	if !want.OK() || want.Records != size || want.Claims != size || want.Opened != size || want.Tiles != size/store.TileWidth || want.Checkpoints < 3 || want.Unsigned != 0 {
		t.Errorf("report %+v of a log of %d", want, size)
	}
	if got, want := words(want), "integrity ok; completeness not shown; tail unanchored; time not bracketed; claims opened; signatures ok"; got != want {
		t.Errorf("verdicts %s, want %s", got, want)
	}
	for _, workers := range []int{0, 2, 7} {
		var mu sync.Mutex
		paced, last := 0, uint64(0)
		got := mustVerify(t, log, store.VerifyOptions{Deep: true, Workers: workers,
			Pace:     func(_ context.Context, n int) error { mu.Lock(); defer mu.Unlock(); paced += n; return nil },
			Progress: func(done, _ uint64) { last = done },
		})
		if d := cmp.Diff(fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got)); d != "" {
			t.Errorf("with %d workers (-one +many):\n%s", workers, d)
		}
		if paced < int(size)*1000 || last != size {
			t.Errorf("with %d workers: paced for %d bytes, progress up to %d of %d", workers, paced, last, size)
		}
	}
}

// From wherever an earlier verification ended, only what came after is read,
// and chain and tree are the same.
func TestVerifySince(t *testing.T) {
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), manySegments)
	fill(t, log, 0, 13_000, small)
	size := log.Size()
	for _, at := range []uint64{1, 2, 255, 256, 257, 511, 4095, 4096, 4097, 4352, 8191, 8192, 12_288, size - 1, size} {
		r := mustVerify(t, log, store.VerifyOptions{Since: &store.Since{Size: at, Root: rootAt(t, log, at)}})
		if !r.OK() || r.From != at || r.Records != size-at || r.Since == nil {
			t.Errorf("since %d: from %d, %d records, %q", at, r.From, r.Records, r.Failures)
		}
	}
	for _, tc := range []struct {
		since store.Since
		want  string
	}{
		{store.Since{Size: 5000, Root: rootAt(t, log, 4999)}, "are not those that the records verified earlier knows"},
		{store.Since{Size: size + 1, Root: rootAt(t, log, size)}, "the end is lost"},
	} {
		r := mustVerify(t, log, store.VerifyOptions{Since: &tc.since})
		if len(r.Failures) != 1 || !strings.Contains(r.Failures[0], tc.want) || r.Records != size {
			t.Errorf("since %d: %q, %d records read, want one failure %q and the whole log", tc.since.Size, r.Failures, r.Records, tc.want)
		}
	}
}

// Tiles above the lowest level are made of more records than a range holds.
func TestVerifyHighTiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l, log := newLog(t, dir, nil)
	fill(t, log, 0, 66_000, small)
	size := log.Size()
	for _, from := range []uint64{0, 300, 5_000, 65_535, 65_537} {
		o := store.VerifyOptions{}
		if from > 0 {
			o.Since = &store.Since{Size: from, Root: rootAt(t, log, from)}
		}
		if r := mustVerify(t, log, o); !r.OK() || r.Records != size-from {
			t.Errorf("from %d: %d records, %q", from, r.Records, r.Failures)
		}
	}
	l.Close()
	edit(t, dir, "t", []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, func(v []byte) []byte { v[77] ^= 4; return v })
	if got := failures(t, dir); !strings.Contains(got, "tile 1/0 is not what the records give") {
		t.Errorf("with a changed hash in tile 1/0: %s", got)
	}
}

func TestVerifyAnchors(t *testing.T) {
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), nil)
	fill(t, log, 0, 5_000, small)
	size := log.Size()
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	anchor := func(rung int, name string, size uint64, when time.Time) store.Anchored {
		return store.Anchored{Rung: rung, Name: name, Size: size, Root: rootAt(t, log, size), NotAfter: when}
	}
	other := anchor(4, "stamp", 3_000, at(2))
	other.Root[0] ^= 1
	for _, tc := range []struct {
		name       string
		since      uint64
		anchors    []store.Anchored
		words      string
		failure    string
		unanchored uint64
		brackets   []store.Bracket
	}{
		{name: "none", words: "completeness not shown; tail unanchored; time not bracketed", unanchored: size},
		{name: "one without a time", anchors: []store.Anchored{anchor(1, "receipt", 4_500, time.Time{})},
			words: "completeness shown; tail unanchored; time not bracketed", unanchored: size - 4_500},
		{name: "the last record", anchors: []store.Anchored{anchor(2, "file", size, time.Time{})},
			words: "completeness shown; tail anchored; time not bracketed"},
		{name: "two times", anchors: []store.Anchored{anchor(5, "witness", 4_000, at(3)), anchor(4, "stamp", 1_000, at(1))},
			words: "completeness shown; tail unanchored; time bracketed", unanchored: size - 4_000,
			brackets: []store.Bracket{{From: 0, To: 1_000, NotLater: at(1)}, {From: 1_000, To: 4_000, NotEarlier: at(1), NotLater: at(3)}, {From: 4_000, To: size, NotEarlier: at(3)}}},
		{name: "the older one stamped late", anchors: []store.Anchored{anchor(4, "stamp", 1_000, at(9)), anchor(5, "witness", 4_000, at(3))},
			words: "completeness shown; tail unanchored; time bracketed", unanchored: size - 4_000,
			brackets: []store.Bracket{{From: 0, To: 4_000, NotLater: at(3)}, {From: 4_000, To: size, NotEarlier: at(3)}}},
		{name: "an anchor whose clock is behind", anchors: []store.Anchored{anchor(4, "stamp", 1_000, start.Add(-time.Hour))},
			words: "completeness shown; tail unanchored; time ahead", unanchored: size - 1_000,
			brackets: []store.Bracket{{From: 0, To: 1_000, NotLater: start.Add(-time.Hour), Ahead: true}, {From: 1_000, To: size, NotEarlier: start.Add(-time.Hour)}}},
		{name: "before what is read", since: 2_000, anchors: []store.Anchored{anchor(4, "stamp", 1_000, at(1)), anchor(4, "stamp", 2_000, at(2))},
			words: "completeness shown; tail unanchored; time bracketed", unanchored: size - 2_000,
			brackets: []store.Bracket{{From: 0, To: 1_000, NotLater: at(1)}, {From: 1_000, To: 2_000, NotEarlier: at(1), NotLater: at(2)}, {From: 2_000, To: size, NotEarlier: at(2)}}},
		{name: "another tree", anchors: []store.Anchored{anchor(1, "receipt", 1_000, time.Time{}), other},
			words: "completeness failed; tail unanchored; time not bracketed", failure: "another tree: stamp", unanchored: size - 1_000},
		{name: "another tree before what is read", since: 4_000, anchors: []store.Anchored{other},
			words: "completeness failed; tail unanchored; time not bracketed", failure: "another tree: stamp", unanchored: size},
		{name: "a lost tail", anchors: []store.Anchored{{Rung: 4, Name: "stamp", Size: size + 1}},
			words: "completeness failed; tail unanchored; time not bracketed", failure: "anchored tail lost: stamp", unanchored: size},
	} {
		o := store.VerifyOptions{Anchors: tc.anchors}
		if tc.since > 0 {
			o.Since = &store.Since{Size: tc.since, Root: rootAt(t, log, tc.since)}
		}
		r := mustVerify(t, log, o)
		want := "integrity ok; " + tc.words + "; claims sealed; signatures ok"
		if got := words(r); got != want {
			t.Errorf("%s: verdicts %s, want %s", tc.name, got, want)
		}
		if got := strings.Join(r.Failures, "; "); (got == "") != (tc.failure == "") || !strings.Contains(got, tc.failure) {
			t.Errorf("%s: failures %q, want %q", tc.name, got, tc.failure)
		}
		if r.Unanchored != tc.unanchored {
			t.Errorf("%s: %d records unanchored, want %d", tc.name, r.Unanchored, tc.unanchored)
		}
		if d := cmp.Diff(tc.brackets, r.Brackets); d != "" {
			t.Errorf("%s: brackets (-want +got):\n%s", tc.name, d)
		}
		for _, v := range r.Verdicts() {
			if v.About == "completeness" && len(tc.anchors) == 0 && (v.Word != "not shown" || strings.Contains(v.Says, "complete")) {
				t.Errorf("without an anchor it says %q", v.Says)
			}
		}
	}
}

// segments lists the segment files of the one tenant's log.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "log", "*.db"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	return paths
}

// edit changes one value of a bucket in the segment that holds it; nil removes
// it.
func edit(t testing.TB, dir, bucket string, key []byte, change func([]byte) []byte) {
	t.Helper()
	done := false
	for _, path := range segments(t, dir) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			if b == nil || b.Get(key) == nil {
				return nil
			}
			done = true
			if v := change(bytes.Clone(b.Get(key))); v != nil {
				return b.Put(key, v)
			}
			return b.Delete(key)
		})
		if err = errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if !done {
		t.Fatalf("no segment has key %x in bucket %s", key, bucket)
	}
}

// failures opens the directory anew and verifies.
func failures(t testing.TB, dir string) string {
	t.Helper()
	l := openDir(t, dir, nil)
	defer l.Close()
	log, err := l.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		return err.Error()
	}
	r, err := log.Verify(context.Background(), store.VerifyOptions{Deep: true})
	if err != nil {
		return err.Error()
	}
	if r.OK() != (len(r.Failures) == 0) {
		t.Errorf("OK is %t with %d failures", r.OK(), len(r.Failures))
	}
	return strings.Join(r.Failures, "; ")
}

func seq(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Each damage is found, and named where it is; put right again the log
// verifies.
func TestVerifyNamesTheDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l, log := newLog(t, dir, nil)
	fill(t, log, 0, 9_000, small)
	origin, logKey := log.Origin(), l.LogKey
	root := rootAt(t, log, 4_001)
	l.Close()
	skey, _, err := note.GenerateKey(nil, strings.Split(origin, "/")[0])
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c chain.Checkpoint, by note.Signer) func([]byte) []byte {
		return func([]byte) []byte {
			signed, err := c.Sign(by)
			if err != nil {
				t.Fatal(err)
			}
			return signed
		}
	}
	var kept []byte // a record, to be put elsewhere
	edit(t, dir, "r", seq(4_200), func(v []byte) []byte { kept = bytes.Clone(v); return v })
	for _, tc := range []struct {
		name, bucket string
		key          []byte
		change       func([]byte) []byte
		want         string
	}{
		{"a bit of a leaf", "r", seq(100), func(v []byte) []byte { v[60] ^= 1; return v }, "record 100"},
		{"a bit of a ciphertext", "r", seq(5_000), func(v []byte) []byte { v[len(v)-1] ^= 1; return v }, "record 5000 (change.merge"},
		{"a bit of the first record of a range", "r", seq(4_096), func(v []byte) []byte { v[60] ^= 1; return v }, "record 4096"},
		{"a record in another's place", "r", seq(4_300), func([]byte) []byte { return kept }, "record 4300 says it is record 4200"},
		{"a record is gone", "r", seq(8_191), func([]byte) []byte { return nil }, "record 8191 in 0001.db"},
		{"a ciphertext is gone", "r", seq(70), func(v []byte) []byte { return v[:4+binary.BigEndian.Uint32(v)] }, "record 70 (change.merge): 0 claims are stored, the leaf has 1"},
		{"a tile's hash", "t", append([]byte{0}, seq(20)...), func(v []byte) []byte { v[32*9] ^= 1; return v }, "tile 0/20 has another hash than record 5129"},
		{"a tile is gone", "t", append([]byte{0}, seq(3)...), func([]byte) []byte { return nil }, "tile 0/3 is missing or damaged"},
		{"a checkpoint by another key", "n", seq(4_001), sign(chain.Checkpoint{Origin: origin, Size: 4_001, Root: root}, stranger), "checkpoint of size 4001: checkpoint signature"},
		{"a checkpoint of another log", "n", seq(4_001), sign(chain.Checkpoint{Origin: "a/b", Size: 4_001, Root: root}, logKey), "checkpoint of size 4001 is of log a/b"},
		{"a checkpoint of another size", "n", seq(4_001), sign(chain.Checkpoint{Origin: origin, Size: 4_002, Root: root}, logKey), "size 4002"},
		{"a checkpoint of another tree", "n", seq(4_001), sign(chain.Checkpoint{Origin: origin, Size: 4_001, Root: log32(7)}, logKey),
			"the records up to 4000 are not those that the checkpoint of size 4001 knows"},
	} {
		var before []byte
		edit(t, dir, tc.bucket, tc.key, func(v []byte) []byte { before = bytes.Clone(v); return tc.change(v) })
		if got := failures(t, dir); !strings.Contains(got, tc.want) {
			t.Errorf("%s: failures %q, want %q", tc.name, got, tc.want)
		}
		restore(t, dir, tc.bucket, tc.key, before)
	}
	if got := failures(t, dir); got != "" {
		t.Errorf("after all was put right: %s", got)
	}
}

func log32(b byte) (h evidence.Hash) { h[0] = b; return h }

// restore puts a value back that was changed or removed.
func restore(t testing.TB, dir, bucket string, key, value []byte) {
	t.Helper()
	db, err := bbolt.Open(segments(t, dir)[0], 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(key, value) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// lossyKeys is a keyring that has lost some keys.
type lossyKeys struct {
	store.Keyring
	lost *sync.Map
}

func (k lossyKeys) Tenant(t evidence.Tenant, create bool) (store.TenantKeys, error) {
	tk, err := k.Keyring.Tenant(t, create)
	return lossyTenant{tk, k.lost}, err
}

type lossyTenant struct {
	store.TenantKeys
	lost *sync.Map
}

func (k lossyTenant) Key(id string) ([]byte, error) {
	if _, lost := k.lost.Load(id); lost {
		return nil, store.ErrKeyMissing
	}
	return k.TenantKeys.Key(id)
}

// A claim whose key is gone is erased only when a record of the log says so.
func TestVerifyDeepTellsErasedFromMissing(t *testing.T) {
	dir, lost := filepath.Join(t.TempDir(), "data"), &sync.Map{}
	so := func(o *store.Options) { o.Keys = lossyKeys{o.Keys, lost} }
	l, log := newLog(t, dir, so)
	fill(t, log, 0, 500, func(i int, d *evidence.Draft) {
		d.Text, d.People[0].NativeID = []byte("what a person wrote"), fmt.Sprint(i%5)
	})
	people := map[string]int{} // texts by key
	snap := log.Snapshot()
	for rec, err := range snap.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
		if err != nil {
			t.Fatal(err)
		}
		people["p"+rec.People[0].Token.String()]++
	}
	if len(people) != 5 {
		t.Fatalf("%d people", len(people))
	}
	reopen := func() {
		t.Helper()
		l.Close()
		l, log = newLog(t, dir, so)
	}
	all := mustVerify(t, log, store.VerifyOptions{Deep: true})
	if !all.OK() || all.Opened != all.Claims || words(all) != "integrity ok; completeness not shown; tail unanchored; time not bracketed; claims opened; signatures ok" {
		t.Errorf("before: %+v", all)
	}
	var key string
	for key = range people {
		break
	}
	lost.Store(key, true)
	reopen() // what was opened before may still be in memory
	gone := uint64(people[key] + 1)
	if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); r.OK() || r.Missing != gone || r.Opened != r.Claims-gone || !strings.Contains(words(r), "claims missing") {
		t.Errorf("with a lost key: %d missing, want %d; %s", r.Missing, gone, words(r))
	}
	if _, err := log.Append(t.Context(), []store.Item{{Draft: evidence.Draft{
		Kind: evidence.Erasure, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: "1", Subject: evidence.NewRef("key", "", key),
		OccurredAt: start, Basis: evidence.BasisSource, ObservedAt: start, Content: []byte(`{}`),
	}}}); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); !r.OK() || r.Erased != gone || r.Missing != 0 || !strings.Contains(words(r), "claims erased") {
		t.Errorf("with an erased key: %d erased, want %d; %d missing; %q", r.Erased, gone, r.Missing, r.Failures)
	}
}

func TestVerifyStops(t *testing.T) {
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), nil)
	fill(t, log, 0, 20_000, small)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := log.Verify(ctx, store.VerifyOptions{Progress: func(uint64, uint64) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while it works: %v", err)
	}
	full := errors.New("enough")
	if _, err := log.Verify(t.Context(), store.VerifyOptions{Pace: func(context.Context, int) error { return full }}); !errors.Is(err, full) {
		t.Errorf("stopped by its pace: %v", err)
	}
}

// Pages that the storage library cannot follow are a failure, not a crash.
func TestVerifyDamagedPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l, log := newLog(t, dir, nil)
	fill(t, log, 0, 6_000, small)
	l.Close()
	path := segments(t, dir)[0]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	found := 0
	for at := len(good) / 3; at < len(good)/2; at += 13 * page {
		at -= at % page
		bad := bytes.Clone(good)
		for i := range page {
			bad[at+i] = 0xff
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := failures(t, dir); got != "" {
			found++
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := failures(t, dir); got != "" || found == 0 {
		t.Errorf("%d damaged pages found; with the good ones back: %q", found, got)
	}
}

// A checkpoint that somebody kept shows completeness up to its size, when the
// log's own key signed it and the log extends it.
func TestVerifyKeptCheckpoints(t *testing.T) {
	l, log := newLog(t, filepath.Join(t.TempDir(), "data"), nil)
	fill(t, log, 0, 300, small)
	_, kept, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, log, 300, 500, small)
	size := log.Size()
	sign := func(c chain.Checkpoint) []byte {
		signed, err := c.Sign(l.LogKey)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	skey, _, err := note.GenerateKey(nil, l.LogKey.Name())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := chain.Checkpoint{Origin: log.Origin(), Size: 301, Root: rootAt(t, log, 301)}.Sign(stranger)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		signed []byte
		words  string
		want   string
	}{
		{"its own", kept, "completeness shown; tail unanchored", ""},
		{"by a stranger of the same name", foreign, "completeness not shown; tail unanchored", "checkpoint signature"},
		{"cut", kept[:len(kept)-9], "completeness not shown; tail unanchored", "checkpoint signature"},
		{"of another log", sign(chain.Checkpoint{Origin: "a/b", Size: 1}), "completeness failed; tail unanchored", "auditor.note is of another log, a/b"},
		{"of a longer log", sign(chain.Checkpoint{Origin: log.Origin(), Size: size + 5}), "completeness failed; tail unanchored", "anchored tail lost: auditor.note"},
		{"of another tree", sign(chain.Checkpoint{Origin: log.Origin(), Size: 300}), "completeness failed; tail unanchored", "another tree: auditor.note"},
	} {
		k := store.Kept{Name: "auditor.note", Signed: tc.signed}
		r := mustVerify(t, log, store.VerifyOptions{Kept: []store.Kept{k}})
		if got := words(r); !strings.Contains(got, tc.words) || r.OK() != (tc.want == "") || r.Asked != 1 {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.words)
		}
		if got := strings.Join(r.Failures, "; "); !strings.Contains(got, tc.want) {
			t.Errorf("%s: failures %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := (store.Kept{Signed: kept}).Origin(); got != log.Origin() {
		t.Errorf("origin of a kept note: %q", got)
	}
}
