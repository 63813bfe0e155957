package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"evidenced/evidence/problem"
)

func body(n, size int) []byte {
	b := make([]byte, HeaderSize, HeaderSize+size)
	return append(b, bytes.Repeat([]byte{byte(n)}, size)...)
}

func open(t testing.TB, path string, taken uint64) *Journal {
	t.Helper()
	j, err := Open(path, taken, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func put(t testing.TB, j *Journal, n, size int) Frame {
	t.Helper()
	fr, _, err := j.Append(body(n, size))
	if err != nil {
		t.Fatal(err)
	}
	return fr
}

// holds fails unless the frames with the numbers wait, each with its body.
func holds(t testing.TB, j *Journal, from, to uint64, sizes map[uint64]int) {
	t.Helper()
	fs := j.Waiting()
	if uint64(len(fs)) != to-from {
		t.Fatalf("%d frames wait, want %d to %d", len(fs), from, to)
	}
	for i, fr := range fs {
		n := from + uint64(i)
		b, err := j.Body(fr, nil)
		if err != nil || fr.Number != n || !bytes.Equal(b, body(int(n), sizes[n])[HeaderSize:]) {
			t.Fatalf("frame %d: number %d, %d bytes, %v", n, fr.Number, len(b), err)
		}
		if part, err := j.Part(fr, 1, sizes[n]-1); err != nil || !bytes.Equal(part, b[1:]) {
			t.Fatalf("part of frame %d: %d bytes, %v", n, len(part), err)
		}
	}
}

// A row of appends and takings, large and small, with the file opened again now
// and then, as it is after a crash: what was not taken is there, and the file does
// not grow with what was.
func TestRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	r := rand.New(rand.NewPCG(1, 2))
	j := open(t, path, 0)
	sizes := map[uint64]int{}
	taken, last := uint64(0), uint64(0)
	for step := range 3000 {
		switch {
		case r.IntN(40) == 0:
			again := open(t, path, taken)
			j.Close()
			j = again
		case r.IntN(3) == 0 && last > taken:
			taken += 1 + uint64(r.IntN(int(min(last-taken, 12))))
			j.Take(taken)
		case last-taken < 30:
			size := 2 + r.IntN(5000)
			if r.IntN(20) == 0 {
				size = r.IntN(200_000) + 2
			}
			last++
			sizes[last] = size
			if fr := put(t, j, int(last), size); fr.Number != last || fr.at%block != 0 {
				t.Fatalf("step %d: frame %+v, want number %d", step, fr, last)
			}
		}
		if step%50 == 0 {
			holds(t, j, taken+1, last+1, sizes)
		}
	}
	holds(t, j, taken+1, last+1, sizes)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(2*softSize + 30*250_000); st.Size() > most || last < 500 {
		t.Errorf("%d frames made a file of %d bytes, at most %d", last, st.Size(), most)
	}
}

// A number is never used twice, also when nothing waits, the file was cleared
// and a batch went by.
func TestNumbers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path, 41)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a journal that nothing was appended to is a file: %v", err)
	}
	if n := j.Pass(); n != 42 {
		t.Errorf("passed batch %d", n)
	}
	if fr := put(t, j, 1, 10); fr.Number != 43 || fr.at != 0 {
		t.Errorf("first frame %+v", fr)
	}
	if err := j.Clear(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() == 0 {
		t.Errorf("cleared while a frame waits: %v", err)
	}
	j.Take(43)
	if err := j.Clear(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 0 {
		t.Errorf("not cleared: %v", err)
	}
	if fr := put(t, j, 1, 10); fr.Number != 44 || fr.at != 0 {
		t.Errorf("frame after clearing %+v", fr)
	}
	j.Close()
	if _, _, err := j.Append(body(1, 1)); !errors.Is(err, errClosed) {
		t.Errorf("append to a closed journal: %v", err)
	}
	if fr := put(t, open(t, path, 44), 1, 10); fr.Number != 45 {
		t.Errorf("frame after opening again %+v", fr)
	}
}

// A torn write leaves the journal without the frame, or with all of it; the
// frames before are there, and the next one takes the torn one's place.
func TestTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path, 0)
	sizes := map[uint64]int{1: 9000, 2: 100, 3: 30_000, 4: 12_000, 5: 5000}
	for n := 1; n <= 4; n++ {
		put(t, j, n, sizes[uint64(n)])
	}
	// The place of the first two is written again.
	j.Take(2)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, j, 5, sizes[5])
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before = append(before, make([]byte, len(after)-len(before))...)
	r := rand.New(rand.NewPCG(3, 4))
	whole := 0
	for try := range 300 {
		b := bytes.Clone(before)
		for at := 0; at < len(b); at += 512 {
			if r.IntN(2) == 0 || try%10 == 0 {
				copy(b[at:at+512], after[at:at+512])
			}
		}
		torn := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(torn, b, 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, torn, 2)
		if n := len(j.Waiting()); n == 3 {
			whole++
			holds(t, j, 3, 6, sizes)
		} else {
			holds(t, j, 3, 5, sizes)
			put(t, j, 5, sizes[5])
			holds(t, j, 3, 6, sizes)
		}
		j.Close()
		os.Remove(torn)
	}
	if whole == 0 || whole == 300 {
		t.Errorf("%d of 300 were whole: the test tests nothing", whole)
	}
}

// Any flipped bit is damage before a whole frame, a torn end, or lies in what
// means nothing: never another body.
func TestFlips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path, 0)
	sizes := map[uint64]int{}
	for n := uint64(1); n <= 5; n++ {
		sizes[n] = int(700 * n)
		put(t, j, int(n), sizes[n])
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	refused, shorter, same := 0, 0, 0
	for range 2000 {
		b := bytes.Clone(whole)
		bit := r.IntN(len(b) * 8)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(path, 1, func() {})
		switch {
		case problem.Is(err, problem.Corrupt):
			refused++
			continue
		case err != nil:
			t.Fatal(err)
		case len(j.Waiting()) == 3:
			shorter++
			holds(t, j, 2, 5, sizes)
		default:
			same++
			holds(t, j, 2, 6, sizes)
		}
		j.Close()
	}
	t.Logf("%d refused, %d without the newest, %d the same", refused, shorter, same)
	if refused == 0 || shorter == 0 || same == 0 {
		t.Error("one outcome is missing: the test tests nothing")
	}
}

// The file grows a few times, by zeros that are no frames, and not beyond its bound.
func TestGrowth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path, 0)
	sizes, grown, size := map[uint64]int{}, 0, int64(0)
	for n := uint64(1); n <= 500; n++ {
		sizes[n] = 100 + int(n)*13%9000
		put(t, j, int(n), sizes[n])
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Size() != j.size || st.Size() < j.next {
			t.Fatalf("the file has %d bytes, known are %d, frames end at %d", st.Size(), j.size, j.next)
		}
		if st.Size() != size {
			grown, size = grown+1, st.Size()
		}
	}
	if grown > 16 || size-j.next > mostGrowth {
		t.Errorf("it grew %d times to %d bytes, frames end at %d", grown, size, j.next)
	}
	j.Close()
	j = open(t, path, 0)
	holds(t, j, 1, 501, sizes)
	put(t, j, 501, 10)
	if st, err := os.Stat(path); err != nil || st.Size() != size {
		t.Errorf("what was written is not used after a restart: %v, %d bytes before", err, size)
	}
	j.Take(501)
	if err := j.Clear(); err != nil {
		t.Fatal(err)
	}
	if put(t, j, 502, 10); j.size != block+leastGrowth {
		t.Errorf("an emptied file begins with %d bytes", j.size)
	}
}

// An append to a journal that is full waits for something to be taken, and is
// refused when nothing will be.
func TestFull(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal"), 0)
	big := body(7, MaxBody)
	const most = hardSize / (MaxBody + HeaderSize)
	for range most {
		fr, b, err := j.Append(big)
		if err != nil {
			t.Fatal(err)
		}
		big = b[:HeaderSize+fr.Length]
	}
	waiting := func(then func()) error {
		t.Helper()
		if _, ok := j.room(span(MaxBody)); ok {
			t.Fatal("a full journal has room")
		}
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { _, _, err = j.Append(big) })
		then()
		wg.Wait()
		return err
	}
	if err := waiting(func() { j.Take(1) }); err != nil {
		t.Error(err)
	}
	if fs := j.Waiting(); fs[len(fs)-1].at != 0 {
		t.Errorf("the place of what was taken is not used: %+v", fs)
	}
	why := errors.New("the segment is full")
	if err := waiting(func() { j.Fail(why) }); !errors.Is(err, why) {
		t.Errorf("refused with %v", err)
	}
	if _, _, err := j.Append(make([]byte, HeaderSize+MaxBody+1)); err == nil {
		t.Error("a batch that is too large was taken")
	}
}

// A file of any bytes opens or is refused; what it opens to can be read, and
// what is appended then is there when it is opened again.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "journal")
	j, err := Open(path, 0, func() {})
	if err != nil {
		f.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		put(f, j, n, n*1000)
	}
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, uint64(0))
	f.Add(whole, uint64(2))
	f.Add(whole[:block+10], uint64(0))
	f.Add([]byte("evidjrn1 and nothing else"), uint64(0))
	f.Fuzz(func(t *testing.T, content []byte, taken uint64) {
		if taken > 1<<60 {
			return
		}
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(path, taken, func() {})
		if err != nil {
			return
		}
		defer j.Close()
		var before []string
		for _, fr := range j.Waiting() {
			b, err := j.Body(fr, nil)
			if err != nil {
				t.Fatal(err)
			}
			before = append(before, fmt.Sprintf("%d %x", fr.Number, b))
		}
		fr, _, err := j.Append(append(make([]byte, HeaderSize), "more"...))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(path, taken, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		fs := again.Waiting()
		if len(fs) != len(before)+1 || fs[len(fs)-1].Number != fr.Number {
			t.Fatalf("%d frames wait, want %d and the new one", len(fs), len(before))
		}
		for i, want := range before {
			b, err := again.Body(fs[i], nil)
			if got := fmt.Sprintf("%d %x", fs[i].Number, b); err != nil || got != want {
				t.Fatalf("frame %d is another: %v", fs[i].Number, err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{2 << 10, 200 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			j := open(b, filepath.Join(b.TempDir(), "journal"), 0)
			buf := body(1, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				fr, again, err := j.Append(buf)
				if err != nil {
					b.Fatal(err)
				}
				buf = again[:HeaderSize+size]
				j.Take(fr.Number)
			}
		})
	}
}
