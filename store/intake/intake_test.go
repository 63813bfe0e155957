package intake

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"evidenced/evidence/problem"
	"evidenced/store"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func reopen(t testing.TB, dir string) *Intake {
	t.Helper()
	i, err := open(dir, 4096)
	must(t, err)
	t.Cleanup(func() { i.Close() })
	return i
}

func body(n int) []byte { return bytes.Repeat([]byte{byte(n)}, n%700) }

// offer puts frames whose body tells their number, and returns their positions.
func offer(t testing.TB, i *Intake, from, to int) []uint64 {
	t.Helper()
	var fs []store.IntakeFrame
	for n := from; n < to; n++ {
		fs = append(fs, store.IntakeFrame{Log: fmt.Sprintf("log%d", n%3), Body: body(n)})
	}
	var at []uint64
	must(t, i.Put(fs, func(fs []store.IntakeFrame) {
		for _, f := range fs {
			at = append(at, f.Pos)
		}
	}))
	return at
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	slices.Sort(m)
	return m
}

func TestKeepsUntilTaken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "intake")
	i := reopen(t, dir)
	epoch := i.Epoch()
	var all []uint64
	for n := 0; n < 100; n += 10 {
		all = append(all, offer(t, i, n, n+10)...)
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != 100 {
		t.Fatalf("positions do not rise: %v", all)
	}
	if len(files(t, dir)) < 2 {
		t.Fatalf("no new file was begun: %v", files(t, dir))
	}
	must(t, i.Taken(all[:40]...))
	must(t, i.Close())

	// What was taken in a file that is still there is offered again: the log's
	// mark tells. Nothing that was not taken may be missing.
	i = reopen(t, dir)
	if i.Epoch() != epoch {
		t.Errorf("another epoch after opening again")
	}
	got := map[uint64]string{}
	for _, f := range i.Waiting() {
		got[f.Pos] = f.Log
	}
	for n, pos := range all[40:] {
		n += 40
		if got[pos] != fmt.Sprintf("log%d", n%3) {
			t.Fatalf("frame %d at %d is kept for %q", n, pos, got[pos])
		}
		b, err := i.Body(pos)
		if err != nil || !bytes.Equal(b, body(n)) {
			t.Fatalf("frame %d: %d bytes, %v", n, len(b), err)
		}
	}
	must(t, i.Taken(all...))
	if len(files(t, dir)) != 1 || len(i.Waiting()) != 0 || i.Bytes("log0") != 0 {
		t.Errorf("files left when all is taken: %v", files(t, dir))
	}
	last := all[len(all)-1]
	must(t, i.Close())
	i = reopen(t, dir)
	if at := offer(t, i, 0, 1); at[0] <= last {
		t.Errorf("position %d was given out before", at[0])
	}
}

// TestOneStoppedLog keeps one log's frames while the others' are taken: what is
// on the disk must not grow with what the others get.
func TestOneStoppedLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "intake")
	i, err := open(dir, 2<<20)
	must(t, err)
	defer i.Close()
	var kept []uint64
	big := bytes.Repeat([]byte{7}, 20_000)
	for n := range 1000 {
		fs := []store.IntakeFrame{{Log: "goes", Body: big}}
		if n%50 == 0 {
			fs = append(fs, store.IntakeFrame{Log: "stopped", Body: body(n)})
		}
		must(t, i.Put(fs, func(fs []store.IntakeFrame) {
			if len(fs) > 1 {
				kept = append(kept, fs[1].Pos)
			}
		}))
		must(t, i.Taken(fs[0].Pos))
	}
	var size int64
	for _, f := range files(t, dir) {
		st, err := os.Stat(f)
		must(t, err)
		size += st.Size()
	}
	if size > 6<<20 {
		t.Errorf("%d bytes on the disk for %d that are needed", size, i.Bytes("stopped"))
	}
	must(t, i.Close())
	i = reopen(t, dir)
	for n, pos := range kept {
		if b, err := i.Body(pos); err != nil || !bytes.Equal(b, body(n*50)) {
			t.Fatalf("frame %d of the stopped log: %d bytes, %v", n, len(b), err)
		}
	}
}

// TestTornEnd cuts the newest file at every byte of its last frame.
func TestTornEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "intake")
	i := reopen(t, dir)
	first := offer(t, i, 20, 23)
	path := files(t, dir)[0]
	st, err := os.Stat(path)
	must(t, err)
	before := st.Size()
	offer(t, i, 30, 31)
	must(t, i.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	for cut := before; cut < int64(len(whole)); cut++ {
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		i, err := open(dir, 4096)
		if err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		if got := i.Waiting(); len(got) != len(first) {
			t.Fatalf("cut at byte %d: %d frames, want %d", cut, len(got), len(first))
		}
		next := offer(t, i, 40, 41)
		must(t, i.Close())
		i = reopen(t, dir)
		if b, err := i.Body(next[0]); err != nil || !bytes.Equal(b, body(40)) {
			t.Fatalf("cut at byte %d: the frame put after it is not there: %v", cut, err)
		}
		i.Close()
	}
}

// TestDamage changes every byte of the first frame: frames follow it, so it is
// no torn end and must not be dropped silently.
func TestDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "intake")
	i := reopen(t, dir)
	offer(t, i, 20, 22)
	must(t, i.Close())
	path := files(t, dir)[0]
	whole, err := os.ReadFile(path)
	must(t, err)
	for at := range len(whole) / 2 {
		b := bytes.Clone(whole)
		b[at] ^= 0x20
		must(t, os.WriteFile(path, b, 0o600))
		i, err := open(dir, 4096)
		if err == nil {
			i.Close()
		}
		if !problem.Is(err, problem.Corrupt) {
			t.Fatalf("byte %d changed: got %v, want corrupt", at, err)
		}
	}
}

func TestConcurrentPutsKeepTheirOrder(t *testing.T) {
	i := reopen(t, filepath.Join(t.TempDir(), "intake"))
	var wg sync.WaitGroup
	var accepted []uint64 // guarded by the intake: accepted is called by one at a time
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if err := i.Put([]store.IntakeFrame{{Log: "a", Body: []byte("x")}}, func(fs []store.IntakeFrame) {
					accepted = append(accepted, fs[0].Pos)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(accepted) != 320 || !slices.IsSorted(accepted) {
		t.Errorf("%d accepted, sorted: %t", len(accepted), slices.IsSorted(accepted))
	}
}

func FuzzOpen(f *testing.F) {
	b := appendFrame(appendFrame([]byte(firstLine("0123456789abcdef", 4)), store.IntakeFrame{Log: "a", Pos: 5, Body: []byte("five")}),
		store.IntakeFrame{Log: "b", Pos: 6, Body: []byte("six")})
	f.Add(b)
	f.Add(b[:len(b)-2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, fileName(1)), b, 0o600))
		i, err := open(dir, 4096)
		if err != nil {
			return
		}
		defer i.Close()
		for _, fr := range i.Waiting() {
			if _, err := i.Body(fr.Pos); err != nil {
				t.Fatalf("frame at %d: %v", fr.Pos, err)
			}
		}
		offer(t, i, 3, 4)
	})
}
