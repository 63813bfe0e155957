package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/durable"
)

// A run holds postings in the order of their keys, as a tree that is written
// once from left to right: blocks of postings, and between them the blocks
// that lead to them; then its root, the lines of the filter, and the end block,
// which says what the run is:
//
//	8   16  magic
//	24   4  version of this form
//	28   4  block that is the root
//	32   4  first block of the filter
//	36   4  lines of the filter
//	40   8  keys in the filter
//	48   8  postings
//	56   8  number of the first addition it holds
//	64   8  number of the last one
//	72   8  records of the log that are indexed with it
//	80  16  earliest time and seq of a posting
//	96  16  latest time and seq of a posting
//
// A run in memory has the same form without an end block and without sums.
const (
	runMagic   = "evidenced/index\n"
	runVersion = 1
)

type run struct {
	data  []byte
	arena arena  // that data stands in, in memory
	path  string // "" in memory

	root     uint32 // the tree is [0, root]
	filterAt uint32
	lines    uint32
	keys     uint64 // in the filter, at most
	count    uint64 // postings
	first    uint64 // additions [first, last]
	last     uint64
	mark     uint64

	earliest, latest store.When // the latter before the former when nothing has a time

	checked []atomic.Uint64 // a bit for each block that was found whole; nil in memory
	damaged atomic.Bool     // a block was not: the file goes when the index is closed

	refs int // versions that have it; guarded by the index
}

// damage is the panic of a look-up that finds a block damaged.
type damage struct{ err error }

// guard makes damage, and what a file that is cut below us leads to, an error.
// It is deferred around look-ups, with what debug.SetPanicOnFault(true) said.
func guard(err *error, before bool) {
	debug.SetPanicOnFault(before)
	switch p := recover().(type) {
	case nil:
	case damage:
		*err = p.err
	case interface {
		error
		Addr() uintptr
	}:
		*err = problem.Wrap(problem.Corrupt, fmt.Errorf("%w: a block cannot be read, or lies beyond the end of its file", store.ErrIndexDamaged), "index")
	default:
		panic(p)
	}
}

// block returns a block, which is looked at the first time.
func (r *run) block(n uint32) block {
	b := block(r.data[int(n)*blockSize : (int(n)+1)*blockSize : (int(n)+1)*blockSize])
	if r.checked == nil {
		return b
	}
	word, bit := &r.checked[n/64], uint64(1)<<(n%64)
	if word.Load()&bit != 0 {
		return b
	}
	r.check(b, n)
	word.Or(bit)
	return b
}

func (r *run) check(b block, n uint32) {
	err := b.check(n)
	if err == nil && (n <= r.root) != (b.level() < levelBloom) {
		err = fmt.Errorf("block %d stands in a wrong place", n)
	}
	if err != nil {
		r.damaged.Store(true)
		panic(damage{problem.Wrap(problem.Corrupt, fmt.Errorf("%w: %w", store.ErrIndexDamaged, err), "index %s", r.path).
			WithHint("the index is derived again when an append finds it damaged, at the next start, or by fsck --repair-index")})
	}
}

// unmap gives back what the postings stand in; nobody may be reading them.
func (r *run) unmap() {
	if r.path != "" && r.data != nil {
		_ = unix.Munmap(r.data)
	}
	r.arena.free()
	r.data = nil
}

func runName(first, last uint64) string { return fmt.Sprintf("%012x-%012x.run", first, last) }

func parseRunName(name string) (first, last uint64, ok bool) {
	_, err := fmt.Sscanf(name, "%012x-%012x.run", &first, &last)
	return first, last, err == nil && first <= last && runName(first, last) == name
}

// openRuns opens the row of runs in the directory, the oldest first, and
// removes what does not belong to it: what a merge has replaced, what was half
// written, what follows a gap or a run that is damaged.
func openRuns(dir string) ([]*run, error) {
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type named struct {
		name        string
		first, last uint64
	}
	var found []named
	var remove []string
	for _, e := range es {
		if first, last, ok := parseRunName(e.Name()); ok && e.Type().IsRegular() {
			found = append(found, named{e.Name(), first, last})
		} else {
			remove = append(remove, e.Name())
		}
	}
	sort.Slice(found, func(i, j int) bool {
		if found[i].first != found[j].first {
			return found[i].first < found[j].first
		}
		return found[i].last > found[j].last
	})
	var runs []*run
	next, broken := uint64(0), false
	for _, f := range found {
		if broken || f.first != next {
			broken = broken || f.first > next
			remove = append(remove, f.name)
			continue
		}
		r, err := openRun(filepath.Join(dir, f.name), f.first, f.last)
		if errors.Is(err, errNoRun) {
			broken = true
			remove = append(remove, f.name)
			continue
		}
		if err != nil {
			for _, r := range runs {
				r.unmap()
			}
			return nil, err
		}
		runs, next = append(runs, r), f.last+1
	}
	for _, name := range remove {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			for _, r := range runs {
				r.unmap()
			}
			return nil, err
		}
	}
	return runs, nil
}

// errNoRun says that a file is not the run that its name promises.
var errNoRun = errors.New("not a whole run")

func openRun(path string, first, last uint64) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := st.Size()
	if size < blockSize || size%blockSize != 0 || size/blockSize > 1<<31 || int64(int(size)) != size {
		return nil, errNoRun
	}
	end := make(block, blockSize)
	if _, err := f.ReadAt(end, size-blockSize); err != nil {
		return nil, errNoRun
	}
	r := &run{path: path}
	blocks := uint32(size / blockSize)
	if !r.readEnd(end, blocks) || r.first != first || r.last != last {
		return nil, errNoRun
	}
	if r.data, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	// Look-ups read a block here and a block there; merges do not read the
	// mapping. Only a hint: what it says about failing changes nothing.
	_ = unix.Madvise(r.data, unix.MADV_RANDOM)
	r.checked = make([]atomic.Uint64, blocks/64+1)
	return r, nil
}

// readEnd reads what the end block says; false when it cannot be so.
func (r *run) readEnd(b block, blocks uint32) bool {
	if b.check(blocks-1) != nil || b.level() != levelEnd || string(b[8:24]) != runMagic || binary.BigEndian.Uint32(b[24:]) != runVersion {
		return false
	}
	r.root, r.filterAt, r.lines = binary.BigEndian.Uint32(b[28:]), binary.BigEndian.Uint32(b[32:]), binary.BigEndian.Uint32(b[36:])
	r.keys, r.count = binary.BigEndian.Uint64(b[40:]), binary.BigEndian.Uint64(b[48:])
	r.first, r.last, r.mark = binary.BigEndian.Uint64(b[56:]), binary.BigEndian.Uint64(b[64:]), binary.BigEndian.Uint64(b[72:])
	copy(r.earliest[:], b[80:])
	copy(r.latest[:], b[96:])
	filter := (uint64(r.lines) + linesInside - 1) / linesInside
	if r.keys > uint64(r.lines)*lineBytes*8/filterBits { // a merge makes room for so many
		return false
	}
	return r.count > 0 && r.root < blocks && r.filterAt == r.root+1 && uint64(r.filterAt)+filter+1 == uint64(blocks)
}

func (r *run) writeEnd(b block) {
	b[4] = levelEnd
	copy(b[8:], runMagic)
	binary.BigEndian.PutUint32(b[24:], runVersion)
	binary.BigEndian.PutUint32(b[28:], r.root)
	binary.BigEndian.PutUint32(b[32:], r.filterAt)
	binary.BigEndian.PutUint32(b[36:], r.lines)
	for i, n := range []uint64{r.keys, r.count, r.first, r.last, r.mark} {
		binary.BigEndian.PutUint64(b[40+8*i:], n)
	}
	copy(b[80:], r.earliest[:])
	copy(b[96:], r.latest[:])
}

// write makes a run of several, the newest last, durable under its name.
func (x *index) write(from []*run, first, last, mark uint64) (*run, error) {
	path := filepath.Join(x.dir, runName(first, last))
	tmp := path + ".new"
	if err := x.writeFile(tmp, from, first, last, mark); err != nil {
		_ = os.Remove(tmp) // else the next start does
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, err
	}
	if err := durable.SyncDir(x.dir); err != nil {
		return nil, err
	}
	return openRun(path, first, last)
}

// syncBytes is how much of a file is written before the disk is given it, so
// that a large one does not keep the disk from the log at its end.
const syncBytes = 4 << 20

func (x *index) writeFile(path string, from []*run, first, last, mark uint64) (err error) {
	f, err := x.pool.file(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	var keys uint64
	for _, r := range from {
		keys += r.keys
	}
	buf, unsynced := make([]byte, 0, 256<<10), 0
	put := func() error {
		if _, err := f.Write(buf); err != nil {
			return err
		}
		unsynced += len(buf)
		buf = buf[:0]
		if unsynced < syncBytes {
			return nil
		}
		unsynced = 0
		return f.Sync()
	}
	b := newBuilder(keys, true, func(blk block) error {
		if buf = append(buf, blk...); len(buf) < cap(buf) {
			return nil
		}
		return put()
	})
	defer b.filter.lines.free()
	if err := merge(b, from, &x.stop); err != nil {
		return err
	}
	if err := b.finish(); err != nil {
		return err
	}
	b.r.first, b.r.last, b.r.mark = first, last, mark
	if err := b.end(); err != nil {
		return err
	}
	if err := put(); err != nil {
		return err
	}
	return f.Sync()
}
