package local

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evidenced/store"
)

// variant is a file as a power cut between two syncs may leave it.
type variant struct {
	name    string
	content []byte
	// ordered says that the pieces came to the disk in the order in which they
	// were synced: the file's first pages, which make the rest count, last.
	ordered bool
}

// variants mixes a file before and after a write: piece by piece, where they
// differ, either may be on the disk, and a piece may be torn into sectors of
// 512 bytes. The first head bytes are those that a write syncs after all
// others.
func variants(before, after []byte, head int, r *rand.Rand, n int) []variant {
	const sector = 512
	var out []variant
	// The longer one: the file grows before it is written to.
	base := make([]byte, max(len(before), len(after)))
	copy(base, before)
	target := make([]byte, len(base))
	copy(target, after)
	add := func(name string, b []byte, size int) {
		b = b[:size]
		ordered := bytes.Equal(b[:min(head, size)], base[:min(head, size)]) && size == len(base) || bytes.Equal(b, target)
		out = append(out, variant{name, bytes.Clone(b), ordered})
	}
	for _, piece := range []int{16 << 10, 4 << 10, sector} {
		var diff []int
		for at := 0; at < len(base); at += piece {
			end := min(at+piece, len(base))
			if !bytes.Equal(base[at:end], target[at:end]) {
				diff = append(diff, at)
			}
		}
		apply := func(b []byte, at int) {
			end := min(at+piece, len(b))
			copy(b[at:end], target[at:end])
		}
		b := bytes.Clone(base)
		for i, at := range diff {
			// The first so many, in order of the file.
			apply(b, at)
			add(fmt.Sprintf("first %d of %d pieces of %d", i+1, len(diff), piece), b, len(b))
			if i > 8 && piece == sector {
				break
			}
		}
		b = bytes.Clone(base)
		for i := len(diff) - 1; i >= 0; i-- {
			// The last so many: the head pages come last.
			apply(b, diff[i])
			add(fmt.Sprintf("last %d of %d pieces of %d", len(diff)-i, len(diff), piece), b, len(b))
			if len(diff)-i > 8 && piece == sector {
				break
			}
		}
		for i := range n {
			b := bytes.Clone(base)
			keepHead, torn := r.IntN(2) == 0, r.IntN(2) == 0
			for _, at := range diff {
				switch {
				case r.IntN(2) == 0, keepHead && at < head:
				case torn && r.IntN(3) == 0:
					for s := at; s < min(at+piece, len(b)); s += sector {
						if r.IntN(2) == 0 {
							copy(b[s:min(s+sector, len(b))], target[s:])
						}
					}
				default:
					apply(b, at)
				}
			}
			size := len(b)
			if len(before) < size && r.IntN(4) == 0 {
				size = len(before) + r.IntN(size-len(before))/sector*sector // the growth was torn too
			}
			add(fmt.Sprintf("subset %d of %d pieces of %d", i, len(diff), piece), b, size)
		}
	}
	return out
}

// tearing is one write to one file.
type tearing struct {
	name string
	file string // pattern below the directory
	head int    // bytes that are synced last
	// strict: a variant that kept the order of syncs must open, to the old or
	// the new state.
	strict bool
	// claims says that the write was claimed in the sign-state before.
	claims bool
	// spares reports whether a state that is neither may be there when the disk
	// broke the order of syncs; never when it is nil.
	spares func(old, got string) bool
	write  func(t *testing.T, l *Local)
}

// A write that a power cut tears leaves the old or the new state, or an error
// of code corrupt, or a stop: never a third state.
func TestTornWrites(t *testing.T) {
	appendTo := func(t *testing.T, l *Local, n int, key string) {
		log, err := l.Store.Log(tenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		var items []store.Item
		for i := range n {
			items = append(items, event(fmt.Sprint(key, i), start, map[string]int{"v": i}, person(known[i%3].NativeID, "login")))
		}
		mustAppend(t, log, items...)
	}
	const (
		page    = 16 << 10
		segment = "tenants/*/log/0001.db"
		journal = "tenants/*/log/journal"
	)
	checkpoint := func(t *testing.T, l *Local) {
		log, err := l.Store.Log(tenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []tearing{
		{"one record", journal, 0, true, false, nil, func(t *testing.T, l *Local) { appendTo(t, l, 1, "torn") }},
		{"a batch", journal, 0, true, false, nil, func(t *testing.T, l *Local) { appendTo(t, l, 60, "torn") }},
		{"a checkpoint", journal, 0, true, true, nil, checkpoint},
		// What the segment takes stays in the journal until it is durable.
		{"one record taken", segment, 2 * page, true, false, nil, func(t *testing.T, l *Local) { appendTo(t, l, 1, "torn") }},
		{"a batch taken", segment, 2 * page, true, false, nil, func(t *testing.T, l *Local) { appendTo(t, l, 60, "torn") }},
		{"a checkpoint taken", segment, 2 * page, true, true, nil, checkpoint},
		{"a new person", "keys/keyring.db", 2 * 4096, true, false, forgottenPeople, func(t *testing.T, l *Local) {
			keys, err := l.Keys.Tenant(tenant(t, "tenant-1"), false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.People([]store.Identity{{Realm: "github:prod", NativeID: "new"}}); err != nil {
				t.Fatal(err)
			}
		}},
		{"a cursor", "cursors.db", 2 * page, true, false, earlierCursors, func(t *testing.T, l *Local) {
			if err := l.Store.Cursors().PutCursor(cursorNames[0], []byte("further on")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if tc.spares == nil {
			tc.spares = func(string, string) bool { return false }
		}
		t.Run(tc.name, func(t *testing.T) { tear(t, tc) })
	}
}

// earlierCursors are the cursors at any place where they have been: what came
// after it is read again, and found to be there.
func earlierCursors(old, got string) bool {
	rest, _, _ := strings.Cut(old, "cursor ")
	for _, first := range []string{"", "position", "further on", "position of " + cursorNames[0]} {
		for _, second := range []string{"", "position", "position of " + cursorNames[1]} {
			if got == fmt.Sprintf("%scursor %s: %s\ncursor %s: %s\n", rest, cursorNames[0], first, cursorNames[1], second) {
				return true
			}
		}
	}
	return false
}

// forgottenPeople spares people who are not found any more, and get another
// token: an older page of the keyring is whole, and nothing tells that it is
// not the newest. All that the log holds is as it was.
func forgottenPeople(old, got string) bool {
	rest := func(s string) string {
		return strings.Join(slices.DeleteFunc(strings.Split(s, "\n"), func(line string) bool { return strings.Contains(line, " is ") }), "\n")
	}
	return rest(old) == rest(got)
}

func tear(t *testing.T, tc tearing) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		mustAppend(t, log, event(fmt.Sprint("before", i), start, map[string]int{"v": i}, person(known[i].NativeID, "login")))
	}
	if _, _, err := log.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if tc.claims {
		mustAppend(t, log, event("unsigned", start, map[string]int{"v": 1}))
	}
	for _, n := range cursorNames {
		if err := l.Store.Cursors().PutCursor(n, []byte("position")); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, tc.file))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	rel, err := filepath.Rel(dir, paths[0])
	if err != nil {
		t.Fatal(err)
	}
	take := func() {
		if strings.HasSuffix(tc.file, ".db") {
			takeJournal(t, log)
		}
	}
	take()
	before, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "sign-state", filepath.Base(log.Origin())))
	if err != nil {
		t.Fatal(err)
	}
	tc.write(t, l)
	take()
	after, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	// The snapshot of everything else is that after the write, but for what
	// follows it: the index, and what was signed since.
	snapshot := filepath.Join(t.TempDir(), "data")
	copyTree(t, dir, snapshot)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(snapshot, "tenants", filepath.Base(log.Origin()), "index")); err != nil {
		t.Fatal(err)
	}
	if !tc.claims {
		if err := os.WriteFile(filepath.Join(snapshot, "sign-state", filepath.Base(log.Origin())), signed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state := func(content []byte) (string, error) {
		d := filepath.Join(t.TempDir(), "data")
		copyTree(t, snapshot, d)
		defer os.RemoveAll(d)
		if err := os.WriteFile(filepath.Join(d, rel), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return contents(d, c, "tenant-1")
	}
	oldState, err := state(before)
	if err != nil {
		t.Fatalf("before the write: %v", err)
	}
	newState, err := state(after)
	if err != nil {
		t.Fatalf("after the write: %v", err)
	}
	refused, opened := 0, 0
	r := rand.New(rand.NewPCG(3, 4))
	for _, v := range variants(before, after, tc.head, r, full(400, 8)) {
		got, err := state(v.content)
		switch {
		case err != nil && tc.strict && v.ordered:
			t.Errorf("%s, in the order of the syncs: %v", v.name, err)
		case err != nil:
			refused++
		case got != oldState && got != newState && !(!v.ordered && tc.spares(oldState, got)):
			t.Errorf("%s: a third state", v.name)
		default:
			opened++
		}
	}
	t.Logf("%d opened, %d refused", opened, refused)
	if opened == 0 {
		t.Error("no variant opened: the test tests nothing")
	}
}

// takeJournal has the newest segment take what is in the journal: who copies a
// log gets segments alone.
func takeJournal(t *testing.T, log *store.Log) {
	t.Helper()
	if err := log.Copy(t.Context(), func(string, func(io.Writer) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// A torn put to the intake leaves some of its parts, each whole: nobody was
// promised any of them.
func TestTornIntake(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	fb := &failing{}
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) { fb.Backend = o.Backend; o.Backend = fb }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	put := func(key string) []byte {
		in, err := l.Store.Ingest(t.Context(), parts(t, key, start, map[string]string{"v": strings.Repeat("x", 3000)}, attacked...))
		if err != nil {
			t.Fatal(err)
		}
		for i := range attacked {
			_, _ = in.Wait(t.Context(), i)
		}
		b, err := os.ReadFile(filepath.Join(dir, "intake", "00000001.intake"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	put("taken")
	for _, name := range attacked {
		log, err := l.Store.Log(tenant(t, name))
		if err != nil {
			t.Fatal(err)
		}
		fb.ids.Store(filepath.Base(log.Origin()), true)
	}
	fb.fail.Store(true) // what comes now stays in the intake
	before := put("kept")
	after := put("torn")
	snapshot := filepath.Join(t.TempDir(), "data")
	copyTree(t, dir, snapshot)
	opened, refused := 0, 0
	for _, v := range variants(before, after, 0, rand.New(rand.NewPCG(5, 6)), full(400, 8)) {
		d := filepath.Join(t.TempDir(), "data")
		copyTree(t, snapshot, d)
		if err := os.WriteFile(filepath.Join(d, "intake", "00000001.intake"), v.content, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Options{Dir: d, Clock: c.now})
		if err != nil {
			refused++
			continue
		}
		opened++
		for _, name := range attacked {
			got := keysOf(t, l, name)
			torn := got["torn"]
			delete(got, "torn")
			if fmt.Sprint(got) != "map[kept:1 taken:1]" || torn > 1 {
				t.Errorf("%s: %s has %v and %d of the torn batch", v.name, name, got, torn)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		os.RemoveAll(d)
	}
	t.Logf("%d opened, %d refused", opened, refused)
	if opened == 0 {
		t.Error("no variant opened: the test tests nothing")
	}
}
