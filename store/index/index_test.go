package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"evidenced/store"
)

func open(t testing.TB, p *Pool, dir string) *index {
	t.Helper()
	x, err := p.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return x.(*index)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settle waits until nothing is being merged.
func (x *index) settle() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.merging {
		x.settled.Wait()
	}
}

func runFiles(t testing.TB, dir string) []string {
	t.Helper()
	es, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

// timed makes a posting of a bucket whose keys end with a When.
func timed(bucket byte, prefix string, when uint64, seq uint64, value string) store.Posting {
	return store.Posting{Bucket: bucket, Key: append([]byte(prefix), whenBytes(when, seq)...), Value: []byte(value)}
}

func whenBytes(when, seq uint64) []byte {
	w := whenAt(when, seq)
	return w[:]
}

func whenAt(when, seq uint64) (w store.When) {
	for i := range 8 {
		w[i], w[8+i] = byte(when>>(56-8*i)), byte(seq>>(56-8*i))
	}
	return w
}

// Whatever was added in whichever order, spilled, merged or opened again, an
// index answers as a sorted map does.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "model")
		if err != nil {
			rt.Fatal(err)
		}
		p := &Pool{spill: rapid.SampledFrom([]int{1, 3 * blockSize, 20 * blockSize, 200 * blockSize}).Draw(rt, "spill")}
		x := open(t, p, dir)
		defer func() { must(t, x.Close()) }()
		model := map[string]string{} // bucket and key -> value
		mark := uint64(0)
		prefixes := []string{"a", "b\x00", "kind\x00subject-1", "kind\x00subject-2", "later"} // none begins another
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"apply", "apply", "apply", "apply", "reopen", "settle"}).Draw(rt, "act") {
			case "reopen":
				must(t, x.Close())
				x = open(t, p, dir)
			case "settle":
				x.settle()
			default:
				var ps []store.Posting
				for range rapid.IntRange(1, 60).Draw(rt, "postings") {
					var ps1 store.Posting
					if rapid.Bool().Draw(rt, "identity") {
						k := rapid.StringN(1, 3, 8).Draw(rt, "key")
						ps1 = store.Posting{Bucket: store.BucketIdentity, Key: []byte(k), Value: []byte(rapid.StringN(1, 4, 200).Draw(rt, "value"))}
					} else {
						ps1 = timed(rapid.SampledFrom([]byte{store.BucketState, 'l', 't'}).Draw(rt, "bucket"), rapid.SampledFrom(prefixes).Draw(rt, "prefix"),
							uint64(rapid.IntRange(0, 20).Draw(rt, "when")), uint64(rapid.IntRange(0, 3).Draw(rt, "seq")), rapid.StringN(0, 4, 16).Draw(rt, "value"))
					}
					ps = append(ps, ps1)
					model[string(rune(ps1.Bucket))+string(ps1.Key)] = string(ps1.Value)
				}
				mark += uint64(len(ps))
				must(t, x.Apply(ps, mark))
			}
			if got, err := x.Watermark(); err != nil || got != mark {
				rt.Fatalf("watermark %d, %v, want %d", got, err, mark)
			}
			compare(rt, x, model, prefixes)
		}
	})
}

func compare(t *rapid.T, x *index, model map[string]string, prefixes []string) {
	v, err := x.View()
	if err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(model))
	for _, bucket := range []byte{store.BucketIdentity, store.BucketState, 'l', 't'} {
		// Walks in both directions.
		var want, got, back []string
		for _, k := range keys {
			if k[0] == bucket {
				want = append(want, k[1:]+"="+model[k])
			}
		}
		for k, val := v.SeekGE(bucket, nil); k != nil; k, val = v.SeekGE(bucket, append(k, 0)) {
			got = append(got, string(k)+"="+string(val))
		}
		for k, val := v.SeekLT(bucket, bytes.Repeat([]byte{0xff}, 40)); k != nil; k, val = v.SeekLT(bucket, k) {
			back = append(back, string(k)+"="+string(val))
		}
		slices.Reverse(back)
		if !slices.Equal(got, want) || !slices.Equal(back, want) {
			t.Fatalf("bucket %c:\n forward %q\nbackward %q\n    want %q", bucket, got, back, want)
		}
	}
	for range 20 {
		bucket := rapid.SampledFrom([]byte{store.BucketState, 'l', 't'}).Draw(t, "asked bucket")
		prefix := rapid.SampledFrom(prefixes).Draw(t, "asked prefix")
		at := whenAt(uint64(rapid.IntRange(0, 21).Draw(t, "asked time")), uint64(rapid.IntRange(0, 3).Draw(t, "asked seq")))
		var from, before, last string
		for _, k := range keys {
			if k[0] != bucket || len(k) != 1+len(prefix)+16 || k[1:1+len(prefix)] != prefix {
				continue
			}
			entry := k[1+len(prefix):] + "=" + model[k]
			c := bytes.Compare([]byte(k[1+len(prefix):]), at[:])
			if c >= 0 && from == "" {
				from = entry
			}
			if c < 0 {
				before = entry
			}
			if c <= 0 {
				last = entry
			}
		}
		text := func(w store.When, val []byte, ok bool) string {
			if !ok {
				return ""
			}
			return string(w[:]) + "=" + string(val)
		}
		if got := text(v.From(bucket, []byte(prefix), at)); got != from {
			t.Fatalf("first of %c %q from %x: got %q, want %q", bucket, prefix, at, got, from)
		}
		if got := text(v.Before(bucket, []byte(prefix), at)); got != before {
			t.Fatalf("last of %c %q before %x: got %q, want %q", bucket, prefix, at, got, before)
		}
		w, val, ok, err := x.Last(bucket, []byte(prefix), at)
		if got := text(w, val, ok); err != nil || got != last {
			t.Fatalf("last of %c %q at %x: got %q, %v, want %q", bucket, prefix, at, got, err, last)
		}
	}
	for k, want := range model {
		if k[0] != store.BucketIdentity {
			continue
		}
		if got, err := x.Get(k[0], []byte(k[1:])); err != nil || string(got) != want {
			t.Fatalf("identity %q: got %q, %v, want %q", k[1:], got, err, want)
		}
		if got, err := x.Get(k[0], []byte(k[1:]+"?")); err != nil || got != nil && model[k+"?"] != string(got) {
			t.Fatalf("identity %q, which is not there: got %q, %v", k[1:]+"?", got, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill applies n records in steps, so that each step becomes a run of its own.
func fill(t testing.TB, x *index, from, steps, each int) {
	t.Helper()
	for i := range steps {
		n := from + i*each
		must(t, x.Apply(postings(n, each), uint64(n+each)))
	}
}

// Runs of about one size become one, and their files go; what a view has open
// stays readable.
func TestMerge(t *testing.T) {
	dir := t.TempDir()
	x := open(t, &Pool{spill: 1}, dir)
	fill(t, x, 0, 3, 50)
	v, err := x.View()
	must(t, err)
	fill(t, x, 150, 61, 50)
	x.settle()
	must(t, x.Close())
	if got := len(runFiles(t, dir)); got >= 2*mergeFan+2 {
		t.Errorf("%d runs are left of 64: %v", got, runFiles(t, dir))
	}
	seen := 0
	for k, _ := v.SeekGE('s', nil); k != nil; k, _ = v.SeekGE('s', append(k, 0)) {
		seen++
	}
	if err := v.Close(); err != nil || seen != 150 {
		t.Errorf("the view has %d states, %v, want 150", seen, err)
	}
	x = open(t, &Pool{}, dir)
	defer x.Close()
	for _, p := range postings(0, 64*50) {
		if p.Bucket != store.BucketIdentity {
			continue
		}
		if got, err := x.Get(p.Bucket, p.Key); err != nil || !bytes.Equal(got, p.Value) {
			t.Fatalf("identity %x: got %x, %v, want %x", p.Key, got, err, p.Value)
		}
	}
}

// What a crash leaves behind is put in order by the next start: what was half
// written, what a merge has replaced, what follows a gap.
func TestCrashLeaves(t *testing.T) {
	base := t.TempDir()
	x := open(t, &Pool{spill: 1}, base)
	fill(t, x, 0, 3, 20)
	must(t, x.Close())
	names := runFiles(t, base)
	if len(names) != 3 {
		t.Fatalf("runs: %v", names)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(base, name))
		must(t, err)
		return b
	}
	merged := t.TempDir()
	y := open(t, &Pool{}, merged)
	v, err := open(t, &Pool{}, base).hold()
	must(t, err)
	if _, err := y.write(v.files, 0, 1, 40); err != nil {
		t.Fatal(err)
	}
	must(t, y.Close())
	both, err := os.ReadFile(filepath.Join(merged, runName(0, 1)))
	must(t, err)
	for _, tc := range []struct {
		name  string
		files map[string][]byte
		mark  uint64
		left  []string
	}{
		{"nothing lost", map[string][]byte{names[0]: read(names[0]), names[1]: read(names[1]), names[2]: read(names[2])}, 60, names},
		{"half written", map[string][]byte{names[0]: read(names[0]), names[1] + ".new": read(names[1])[:5000]}, 20, names[:1]},
		{"replaced", map[string][]byte{names[0]: read(names[0]), names[1]: read(names[1]), runName(0, 1): both, names[2]: read(names[2])}, 60, []string{runName(0, 1), names[2]}},
		{"a gap", map[string][]byte{names[0]: read(names[0]), names[2]: read(names[2])}, 20, names[:1]},
		{"none at the begin", map[string][]byte{names[1]: read(names[1])}, 0, nil},
		{"cut short", map[string][]byte{names[0]: read(names[0]), names[1]: read(names[1])[:blockSize], names[2]: read(names[2])}, 20, names[:1]},
		{"under another name", map[string][]byte{names[0]: read(names[0]), names[1]: read(names[2])}, 20, names[:1]},
		{"empty", map[string][]byte{names[0]: nil}, 0, nil},
		{"of another kind", map[string][]byte{"MANIFEST-000001": []byte("x"), "000004.sst": []byte("y")}, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, b := range tc.files {
				must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
			}
			x := open(t, &Pool{spill: 1}, dir)
			if mark, err := x.Watermark(); err != nil || mark != tc.mark {
				t.Errorf("watermark %d, %v, want %d", mark, err, tc.mark)
			}
			if got := runFiles(t, dir); !slices.Equal(got, tc.left) {
				t.Errorf("files %v, want %v", got, tc.left)
			}
			// It goes on from there.
			from := int(tc.mark)
			must(t, x.Apply(postings(from, 30), tc.mark+30))
			must(t, x.Close())
			x = open(t, &Pool{spill: 1}, dir)
			defer x.Close()
			if mark, err := x.Watermark(); err != nil || mark != tc.mark+30 {
				t.Errorf("watermark after going on: %d, %v, want %d", mark, err, tc.mark+30)
			}
		})
	}
}

// A log to which little is added at a time leaves no long row of runs, neither
// in memory nor on the disk.
func TestLittle(t *testing.T) {
	dir := t.TempDir()
	for begin := range 40 {
		x := open(t, &Pool{}, dir)
		fill(t, x, begin*80, 40, 2)
		if got := len(x.now.memory); got >= 2*mergeFan {
			t.Errorf("%d runs in memory", got)
		}
		x.settle()
		must(t, x.Close())
	}
	if got := runFiles(t, dir); len(got) >= 2*mergeFan {
		t.Errorf("files: %v", got)
	}
	x := open(t, &Pool{}, dir)
	defer x.Close()
	for _, p := range postings(0, 40*80) {
		if p.Bucket != store.BucketIdentity {
			continue
		}
		if got, err := x.Get(p.Bucket, p.Key); err != nil || !bytes.Equal(got, p.Value) {
			t.Fatalf("identity %x: got %x, %v, want %x", p.Key, got, err, p.Value)
		}
	}
}

// A flipped byte is either not met, or an error; it is never another answer,
// and never the end of the process. What was met is derived again at the next
// start.
func TestDamage(t *testing.T) {
	base := t.TempDir()
	x := open(t, &Pool{}, base)
	fill(t, x, 0, 2, 300)
	must(t, x.Close())
	whole, err := os.ReadFile(filepath.Join(base, runName(0, 0)))
	must(t, err)
	all := postings(0, 600)
	strange := postings(1<<40, 100)
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for round := range 400 {
		dir := t.TempDir()
		b := bytes.Clone(whole)
		at := r.IntN(len(b))
		b[at] ^= 1 << r.IntN(8)
		must(t, os.WriteFile(filepath.Join(dir, runName(0, 0)), b, 0o600))
		x := open(t, &Pool{}, dir)
		if mark, _ := x.Watermark(); mark == 0 {
			found++ // thrown away
			must(t, x.Close())
			continue
		}
		failed := false
		for i := range 200 {
			p := all[(round*31+i*7)%len(all)]
			if p.Bucket != store.BucketIdentity {
				continue
			}
			got, err := x.Get(p.Bucket, p.Key)
			if failed = failed || err != nil; err == nil && !bytes.Equal(got, p.Value) {
				t.Fatalf("byte %d: identity %x: got %x, want %x", at, p.Key, got, p.Value)
			}
			if got, err = x.Get(p.Bucket, strange[i%100].Key); err == nil && got != nil {
				t.Fatalf("byte %d: an identity that is not there: %x", at, got)
			}
		}
		v, err := x.View()
		must(t, err)
		n := 0
		for k, _ := v.SeekGE('s', nil); k != nil; k, _ = v.SeekGE('s', append(k, 0)) {
			n++
		}
		if err := v.Close(); err == nil && n != 600 {
			t.Fatalf("byte %d: %d states and no error, want 600", at, n)
		} else if err != nil {
			failed = true
		}
		must(t, x.Close())
		if !failed {
			continue
		}
		found++
		x = open(t, &Pool{}, dir)
		if mark, err := x.Watermark(); err != nil || mark != 0 {
			t.Fatalf("byte %d: opened again after the damage was met, the watermark is %d, %v", at, mark, err)
		}
		must(t, x.Close())
	}
	if found < 40 {
		t.Errorf("only %d of 400 flipped bytes were met", found)
	}
}

// A run that says it has more keys than its filter has room for is no run: a
// merge would make room for them.
func TestTooManyKeys(t *testing.T) {
	dir := t.TempDir()
	x := open(t, &Pool{spill: 1}, dir)
	fill(t, x, 0, 1, 40)
	must(t, x.Close())
	path := filepath.Join(dir, runName(0, 0))
	b, err := os.ReadFile(path)
	must(t, err)
	n := len(b)/blockSize - 1
	end := block(b[n*blockSize:])
	binary.BigEndian.PutUint64(end[40:], 1<<60)
	binary.BigEndian.PutUint32(end, blockSum(end, uint32(n)))
	must(t, os.WriteFile(path, b, 0o600))
	x = open(t, &Pool{}, dir)
	defer x.Close()
	if mark, err := x.Watermark(); err != nil || mark != 0 {
		t.Errorf("watermark %d, %v: the run was taken", mark, err)
	}
}

// FuzzRun opens whatever bytes as a run and reads it.
func FuzzRun(f *testing.F) {
	dir := f.TempDir()
	x := open(f, &Pool{spill: 1}, dir)
	fill(f, x, 0, 1, 40)
	must(f, x.Close())
	b, err := os.ReadFile(filepath.Join(dir, runName(0, 0)))
	must(f, err)
	f.Add(b, uint16(0))
	f.Add(b[:blockSize], uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, resum uint16) {
		dir := t.TempDir()
		// The sums are made right, so that what lies behind them is reached.
		for n := 0; (n+1)*blockSize <= len(b); n++ {
			if resum&(1<<(n%16)) != 0 {
				blk := block(b[n*blockSize : (n+1)*blockSize])
				sum := blockSum(blk, uint32(n))
				blk[0], blk[1], blk[2], blk[3] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
			}
		}
		must(t, os.WriteFile(filepath.Join(dir, runName(0, 0)), b, 0o600))
		x := open(t, &Pool{}, dir)
		defer x.Close()
		_, _ = x.Get(store.BucketIdentity, []byte("0123456789abcdef"))
		_, _, _, _ = x.Last(store.BucketState, []byte("kind"), whenAt(5, 5))
		v, err := x.View()
		must(t, err)
		defer v.Close()
		for i, k := 0, []byte(nil); i < 2000; i++ {
			if k, _ = v.SeekGE('l', append(k, 0)); k == nil {
				break
			}
		}
		for i, k := 0, bytes.Repeat([]byte{0xff}, 30); i < 2000; i++ {
			if k, _ = v.SeekLT('l', k); k == nil {
				break
			}
		}
		// A merge reads all of it, and sizes what it makes by what it says.
		for i := range uint64(mergeFan) {
			if err := x.Apply(postings(40, 3), 1000+i); err != nil && !errors.Is(err, store.ErrIndexDamaged) {
				t.Fatal(err)
			}
			if err := x.spill(); err != nil && !errors.Is(err, store.ErrIndexDamaged) {
				t.Fatal(err)
			}
		}
		x.settle()
	})
}

// fullDisk refuses writes once told to, or syncs alone.
type fullDisk struct {
	on, syncs atomic.Bool
}

type fullFile struct {
	*os.File
	d *fullDisk
}

func (d *fullDisk) create(path string) (file, error) {
	if d.on.Load() {
		return nil, syscall.ENOSPC
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	return &fullFile{f, d}, err
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.d.on.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

func (f *fullFile) Sync() error {
	if f.d.syncs.Load() {
		return syscall.EIO
	}
	return f.File.Sync()
}

// Whatever of an index cannot be written, the index says so, takes nothing
// more than it has room for, can still be read, and goes on once it can be
// written again; what it did not write is not in it after a start.
func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"writes", "syncs"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "index")
			d := &fullDisk{}
			p := &Pool{create: d.create, spill: 1}
			x := open(t, p, dir)
			must(t, x.Apply(postings(0, 10), 10))
			d.on.Store(kind == "writes")
			d.syncs.Store(kind == "syncs")
			if err := x.Apply(postings(10, 10), 20); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
				t.Errorf("apply to a full disk: %v", err)
			}
			if mark, err := x.Watermark(); err != nil || mark != 10 {
				t.Errorf("watermark %d, %v, want 10", mark, err)
			}
			known := postings(0, 1)[0]
			if v, err := x.Get(known.Bucket, known.Key); err != nil || !bytes.Equal(v, known.Value) {
				t.Errorf("reading on: %q, %v", v, err)
			}
			if names := runFiles(t, dir); len(names) != 0 {
				t.Errorf("left behind: %v", names)
			}
			if err := x.Close(); err == nil {
				t.Error("closing says nothing")
			}
			x = open(t, p, dir)
			if mark, err := x.Watermark(); err != nil || mark != 0 {
				t.Errorf("watermark after a start: %d, %v", mark, err)
			}
			d.on.Store(false)
			d.syncs.Store(false)
			must(t, x.Apply(postings(0, 10), 10))
			must(t, x.Apply(postings(10, 10), 20))
			must(t, x.Close())
		})
	}
}

// A merge that fails leaves the runs as they are, and is tried again.
func TestMergeFails(t *testing.T) {
	dir := t.TempDir()
	var refuse atomic.Bool
	p := &Pool{spill: 1, create: func(path string) (file, error) {
		first, last, _ := parseRunName(strings.TrimSuffix(filepath.Base(path), ".new"))
		if refuse.Load() && first != last {
			return nil, fmt.Errorf("no room for a merge: %w", syscall.ENOSPC)
		}
		return os.Create(path)
	}}
	x := open(t, p, dir)
	refuse.Store(true)
	var err error
	steps := 0
	for ; err == nil && steps < 3*maxRuns; steps++ {
		err = x.Apply(postings(steps*10, 10), uint64(steps*10+10))
	}
	if !errors.Is(err, syscall.ENOSPC) || steps < maxRuns {
		t.Fatalf("after %d steps: %v, want a refusal once %d runs wait", steps, err, maxRuns)
	}
	refuse.Store(false)
	must(t, x.Apply(postings(steps*10, 10), uint64(steps*10+10)))
	x.settle()
	must(t, x.Close())
	if got := len(runFiles(t, dir)); got >= maxRuns {
		t.Errorf("%d runs after the merge", got)
	}
}
