package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/store"
)

// full is n in full (EVIDENCED_FULL is set) and some otherwise.
func full(n, some int) int {
	switch {
	case os.Getenv("EVIDENCED_FULL") != "":
		return n
	case testing.Short():
		return some / 10
	}
	return some
}

// smallSegments begins a new segment after some dozen records.
func smallSegments(o *store.Options) { o.SegmentBytes = 200_000 }

var attacked = []string{"tenant-1", "tenant-2"}

// known are the people in the attacked directory.
var known = []store.Identity{{Realm: "github:prod", NativeID: "0"}, {Realm: "github:prod", NativeID: "1"}, {Realm: "github:prod", NativeID: "2"}}

// cursorNames are the cursors in the attacked directory.
var cursorNames = []string{"github/prod", "argocd/prod"}

// attackedDir makes a directory with two logs of two segments each, events,
// states, people, checkpoints, cursors and a used intake.
func attackedDir(t testing.TB, c *clock) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	l := openWith(t, dir, c, smallSegments)
	for round := range 4 {
		in, err := l.Store.Ingest(t.Context(), parts(t, fmt.Sprint("both", round), start, map[string]int{"v": round}, attacked...))
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range attacked {
			if _, err := in.Wait(t.Context(), i); err != nil {
				t.Fatal(err)
			}
			log, err := l.Store.Log(tenant(t, name))
			if err != nil {
				t.Fatal(err)
			}
			items := []store.Item{state("web", c.t, map[string]int{"v": round})}
			for i := range 12 {
				it := event(fmt.Sprint(round, "-", i), c.t, map[string]int{"v": i}, person(known[i%3].NativeID, "login"))
				it.Draft.Raw = bytes.Repeat([]byte("r"), 3000)
				items = append(items, it)
			}
			mustAppend(t, log, items...)
			if _, _, err := log.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range cursorNames {
		if err := l.Store.Cursors().PutCursor(name, []byte("position of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	segs, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "log", "*.db"))
	if err != nil || len(segs) < 4 {
		t.Fatalf("%d segments, %v: the directory is too small to attack", len(segs), err)
	}
	return dir
}

// killedDir is the attacked directory as a daemon leaves it that is killed: what
// it appended last is in the journals alone.
func killedDir(t testing.TB, c *clock) string {
	t.Helper()
	dir, killed := attackedDir(t, c), filepath.Join(t.TempDir(), "data")
	l := openWith(t, dir, c, smallSegments)
	for _, name := range attacked {
		log, err := l.Store.Log(tenant(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			mustAppend(t, log, event(fmt.Sprint("last", i), c.t, map[string]int{"v": i}))
		}
		if _, _, err := log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	copyTree(t, dir, killed)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return killed
}

func openWith(t testing.TB, dir string, c *clock, so func(*store.Options)) *Local {
	t.Helper()
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: so})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// contents says all that the directory gives: of each log every leaf, every
// claim that opens, every checkpoint, the token of each known person; and the
// cursors. What does not verify is an error.
func contents(dir string, c *clock, names ...string) (string, error) {
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: smallSegments})
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	defer l.Close()
	var b strings.Builder
	for _, name := range names {
		if err := logContents(&b, l, name); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range cursorNames {
		v, err := l.Store.Cursors().Cursor(name)
		if err != nil {
			return "", fmt.Errorf("cursor: %w", err)
		}
		fmt.Fprintf(&b, "cursor %s: %s\n", name, v)
	}
	if moved := l.Damaged(); len(moved) > 0 {
		return "", fmt.Errorf("moved aside: %v", moved)
	}
	return b.String(), nil
}

func logContents(b *strings.Builder, l *Local, name string) error {
	ctx := context.Background()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		return err
	}
	log, err := l.Store.Log(tn)
	if err != nil {
		return err
	}
	if err := log.Stopped(); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	rep, err := log.Verify(ctx, store.VerifyOptions{Deep: true, Workers: 1})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if !rep.OK() {
		return fmt.Errorf("verdict: %s, %d missing", strings.Join(rep.Failures, "; "), rep.Missing)
	}
	// The newest checkpoint may have been cut off before it was stored; it is
	// then made again.
	if _, _, err := log.Checkpoint(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	sum := sha256.New()
	snap := log.Snapshot()
	if err := snap.Export(ctx, 0, snap.Size(), []string{"content", "text", "raw"}, func(o store.Opened) error {
		sum.Write(o.Leaf)
		return json.NewEncoder(sum).Encode(o)
	}); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	fmt.Fprintf(b, "%s size %d: %x\n", log.Origin(), snap.Size(), sum.Sum(nil))
	for at := snap.Size(); at > 0; {
		ch, signed, err := log.NoteAt(at)
		if err != nil {
			return fmt.Errorf("checkpoint at %d: %w", at, err)
		}
		if signed == nil {
			break
		}
		fmt.Fprintf(b, "%s\n", signed)
		at = ch.Size - 1
	}
	keys, err := l.Keys.Tenant(tn, false)
	if err != nil {
		return err
	}
	people, err := keys.People(known)
	if err != nil {
		return fmt.Errorf("people: %w", err)
	}
	for i, p := range people {
		fmt.Fprintf(b, "%s is %s\n", known[i].NativeID, p.Token)
	}
	return nil
}

// filesOf lists the files of a directory that hold its truth, by kind: the lock
// and the derived index are left out.
func filesOf(t testing.TB, dir string) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(rel, string(filepath.Separator))
		switch {
		case rel == "lock" || strings.Contains(rel, "/index/"):
			return nil
		case kind == "keys":
			kind = filepath.Base(rel)
		}
		files[kind] = append(files[kind], rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Any one bit flipped in any file is found when the directory is opened or
// verified, or changes nothing of what the directory gives: it lies in bytes
// that carry nothing, as pages that are free. A cursor may stand where it has
// stood before, as after a crash: what follows is read again.
func TestBitFlips(t *testing.T) {
	c := &clock{start}
	dir := killedDir(t, c)
	whole := filepath.Join(t.TempDir(), "data") // opening it mends it
	copyTree(t, dir, whole)
	want, err := contents(whole, c, attacked...)
	if err != nil {
		t.Fatal(err)
	}
	files := filesOf(t, dir)
	kinds := []string{"tenants", "tenants", "tenants", "tenants", "sign-state", "keyring.db", "installation", "intake", "cursors.db", "log.key", "pack.key", "wrapping.key"}
	for _, k := range kinds {
		if len(files[k]) == 0 {
			t.Fatalf("no file of kind %s in %v", k, files)
		}
	}
	found, harmless := map[string]int{}, map[string]int{}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range full(10_000, 240) {
		kind := kinds[n/2%len(kinds)]
		rel := files[kind][r.IntN(len(files[kind]))]
		whole, err := os.ReadFile(filepath.Join(dir, rel))
		if err != nil {
			t.Fatal(err)
		}
		bit := r.IntN(len(whole) * 8)
		for n%2 == 0 && whole[bit/8] == 0 {
			bit = r.IntN(len(whole) * 8) // half of them where something is written
		}
		copied := filepath.Join(t.TempDir(), "data")
		copyTree(t, dir, copied)
		whole[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(filepath.Join(copied, rel), whole, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := contents(copied, c, attacked...)
		switch {
		case err != nil:
			found[kind]++
		case got == want, kind == "cursors.db" && earlierCursors(want, got):
			harmless[kind]++
		default:
			t.Errorf("bit %d of byte %d of %s flipped: everything verifies, and the contents are others", bit%8, bit/8, rel)
		}
		os.RemoveAll(copied)
	}
	t.Logf("found %v, without effect %v", found, harmless)
	for _, kind := range []string{"tenants", "sign-state", "keyring.db", "installation", "intake", "log.key", "pack.key", "wrapping.key"} {
		if found[kind] == 0 && !testing.Short() {
			t.Errorf("no flip in files of kind %s was found: the test tests nothing there", kind)
		}
	}
}
