// Package intake is the one file in which the daemon keeps batches for many
// tenants until their logs have taken them: one sync makes a batch durable,
// however many logs it is for.
//
// It is a row of files NNNNNNNN.intake. Each begins with a line that names the
// format, the epoch (a random name of this intake), the newest position given out
// before the file, and a checksum: positions rise within an epoch, through all
// files, and are never used again. Then come frames:
//
//	length   4 bytes, of what follows the checksum
//	checksum 4 bytes, CRC-32C of what follows it
//	position 8 bytes
//	log id   1 byte of length, and so many bytes
//	body     the rest, sealed by the store
//
// Integers are big-endian. A file goes when every frame in it was taken. A
// file whose frames are mostly taken, because one log is stopped and keeps the
// others' frames on the disk, is written anew with what is still needed.
package intake

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/durable"
)

// Defaults of Options.
const (
	fileBytes = 64 << 20
	// MaxFrame bounds one frame, in bytes.
	MaxFrame = 256 << 20
)

const (
	magic  = "evidenced-intake/v1 "
	prefix = 8 // length and checksum
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Intake implements store.Intake.
type Intake struct {
	dir   string
	epoch string
	limit int64 // bytes after which a new file begins

	// mu guards what follows.
	mu      sync.Mutex
	files   []*file
	where   map[uint64]*file // frames not taken, by position
	bytes   map[string]int64 // of frames not taken, by log
	pos     uint64           // newest position given out
	failed  error            // why nothing more is taken in
	waiting []*put
	leading bool
}

// file is one file of the row.
type file struct {
	number int
	path   string
	line   string // the first
	f      *os.File
	size   int64
	frames map[uint64]frame // not taken yet, by position
	needed int64            // their bytes
}

type frame struct {
	log    string
	offset int64
	length int64 // with its length and checksum
}

type put struct {
	frames   []store.IntakeFrame
	accepted func([]store.IntakeFrame)
	done     chan error
}

// Open opens the intake in the directory, making it when it is not there. A
// frame that a crash cut off at the end of the newest file was never promised
// to anybody and is cut away. Damage anywhere else is an error: what it held
// may be nowhere else.
func Open(dir string) (*Intake, error) { return open(dir, fileBytes) }

// OpenSized is Open with another size, in bytes, after which a new file begins.
func OpenSized(dir string, limit int64) (*Intake, error) { return open(dir, limit) }

func open(dir string, limit int64) (_ *Intake, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make intake %s", dir)
	}
	i := &Intake{dir: dir, limit: limit, where: map[uint64]*file{}, bytes: map[string]int64{}}
	defer func() {
		if err != nil {
			i.Close()
		}
	}()
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "list intake %s", dir)
	}
	var numbers []int
	for _, e := range es {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "%08d.intake", &n); err == nil && fileName(n) == e.Name() {
			numbers = append(numbers, n)
		} else if strings.HasSuffix(e.Name(), ".new") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, problem.Wrap(problem.Storage, err, "remove a half-written file of the intake")
			}
		}
	}
	slices.Sort(numbers)
	for at, n := range numbers {
		f, err := i.load(n, at == len(numbers)-1)
		if err != nil {
			return nil, err
		}
		if f != nil {
			i.files = append(i.files, f)
		}
	}
	if len(i.files) == 0 {
		var id [8]byte
		rand.Read(id[:])
		i.epoch = hex.EncodeToString(id[:])
		if err := i.begin(1); err != nil {
			return nil, err
		}
	}
	return i, i.tidy()
}

func fileName(n int) string { return fmt.Sprintf("%08d.intake", n) }

// firstLine begins a file; its last word is the CRC-32C of what is before it.
func firstLine(epoch string, base uint64) string {
	line := fmt.Sprintf("%s%s %d", magic, epoch, base)
	return fmt.Sprintf("%s %08x\n", line, crc32.Checksum([]byte(line), castagnoli))
}

// keep notes a frame that was not taken yet.
func (i *Intake) keep(f *file, pos uint64, fr frame) {
	f.frames[pos] = fr
	f.needed += fr.length
	i.where[pos] = f
	i.bytes[fr.log] += fr.length
}

// load reads the frames of a file. It returns nil for a newest file that was
// not begun before the crash.
func (i *Intake) load(n int, newest bool) (*file, error) {
	path := filepath.Join(i.dir, fileName(n))
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open intake file")
	}
	fl := &file{number: n, path: path, f: f, frames: map[uint64]frame{}}
	damaged := func(what string) error {
		f.Close()
		return problem.New(problem.Corrupt, "intake file %s: %s", path, what).
			WithHint("it may hold evidence that no log has yet: keep a copy; once it is moved away the daemon starts, and every source should be looked at again from before the damage")
	}
	r := bufio.NewReaderSize(f, 1<<20)
	line, err := r.ReadString('\n')
	if newest && err == io.EOF && len(line) <= 80 {
		// Begun and not synced: nothing was put into it.
		f.Close()
		return nil, os.Remove(path)
	}
	var epoch string
	var base uint64
	if _, serr := fmt.Sscanf(line, magic+"%16s %d ", &epoch, &base); err != nil || serr != nil || firstLine(epoch, base) != line {
		return nil, damaged("its first line is damaged")
	}
	if i.epoch == "" {
		i.epoch = epoch
	}
	if epoch != i.epoch {
		return nil, damaged("it belongs to another intake")
	}
	i.pos = max(i.pos, base)
	fl.line = line
	fl.size = int64(len(line))
	for {
		fr, pos, err := readFrame(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			if !newest {
				return nil, damaged(fmt.Sprintf("the frame at byte %d is damaged", fl.size))
			}
			// The end of the newest file: what was cut off by a crash was not
			// synced. Anything after it would be.
			if whole, werr := wholeAfter(f, fl.size+1); werr != nil || whole {
				return nil, damaged(fmt.Sprintf("the frame at byte %d is damaged, and frames follow it", fl.size))
			}
			if err := f.Truncate(fl.size); err != nil {
				f.Close()
				return nil, problem.Wrap(problem.Storage, err, "cut the torn end of %s", path)
			}
			break
		}
		fr.offset = fl.size
		fl.size += fr.length
		i.pos = max(i.pos, pos)
		i.keep(fl, pos, fr)
	}
	return fl, nil
}

var errDamaged = errors.New("damaged frame")

// readFrame reads one frame's header and skips its body; io.EOF at a clean
// end.
func readFrame(r io.Reader) (fr frame, pos uint64, err error) {
	var head [prefix]byte
	if _, err := io.ReadFull(r, head[:]); err == io.EOF {
		return fr, 0, io.EOF
	} else if err != nil {
		return fr, 0, errDamaged
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n < 9 || n > MaxFrame {
		return fr, 0, errDamaged
	}
	sum := crc32.New(castagnoli)
	var rest [8 + 1 + 255]byte
	take := func(b []byte) bool {
		if _, err := io.ReadFull(r, b); err != nil {
			return false
		}
		sum.Write(b)
		return true
	}
	if !take(rest[:9]) || uint32(rest[8])+9 > n || !take(rest[9:9+int(rest[8])]) {
		return fr, 0, errDamaged
	}
	left := int64(n) - 9 - int64(rest[8])
	if _, err := io.CopyN(sum, r, left); err != nil || sum.Sum32() != binary.BigEndian.Uint32(head[4:]) {
		return fr, 0, errDamaged
	}
	return frame{log: string(rest[9 : 9+int(rest[8])]), length: prefix + int64(n)}, binary.BigEndian.Uint64(rest[:8]), nil
}

// wholeAfter reports whether a whole frame stands anywhere from the offset on:
// then the damage before it is no torn end.
func wholeAfter(f *os.File, from int64) (bool, error) {
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	const window = 1 << 20
	for at := from; at < st.Size(); at += window {
		buf := make([]byte, window+prefix)
		n, err := f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return false, err
		}
		for o := 0; o+prefix <= n && o < window; o++ {
			l := int64(binary.BigEndian.Uint32(buf[o:]))
			if l < 9 || l > MaxFrame || at+int64(o)+prefix+l > st.Size() {
				continue
			}
			if _, _, err := readFrame(io.NewSectionReader(f, at+int64(o), prefix+l)); err == nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// begin makes the next file and its name durable.
func (i *Intake) begin(n int) error {
	path := filepath.Join(i.dir, fileName(n))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "make intake file")
	}
	line := firstLine(i.epoch, i.pos)
	_, err = f.WriteString(line)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = durable.SyncDir(i.dir)
	}
	if err != nil {
		f.Close()
		_ = os.Remove(path) // else the name is taken when the disk has room again
		return problem.Wrap(problem.Storage, err, "make intake file %s", path)
	}
	i.files = append(i.files, &file{number: n, path: path, line: line, f: f, size: int64(len(line)), frames: map[uint64]frame{}})
	return nil
}

// Epoch implements store.Intake.
func (i *Intake) Epoch() string { return i.epoch }

// Put implements store.Intake. Callers that come while a sync is under way
// share the next one.
func (i *Intake) Put(frames []store.IntakeFrame, accepted func([]store.IntakeFrame)) error {
	for _, fr := range frames {
		if len(fr.Log) > 255 || len(fr.Body) > MaxFrame-512 {
			return problem.New(problem.Internal, "a part of %d bytes for the intake, at most %d", len(fr.Body), MaxFrame-512)
		}
	}
	p := &put{frames, accepted, make(chan error, 1)}
	i.mu.Lock()
	i.waiting = append(i.waiting, p)
	if i.leading {
		i.mu.Unlock()
		return <-p.done
	}
	i.leading = true
	for len(i.waiting) > 0 {
		batch := i.waiting
		i.waiting = nil
		i.write(batch)
	}
	i.leading = false
	i.mu.Unlock()
	return <-p.done
}

// write makes several puts durable with one sync. The caller holds mu and
// leads; mu is let go during the sync.
func (i *Intake) write(batch []*put) {
	err := i.failed
	if err == nil && i.files[len(i.files)-1].size >= i.limit {
		if err = i.begin(i.files[len(i.files)-1].number + 1); err == nil {
			err = i.tidy()
		}
	}
	if err != nil {
		for _, p := range batch {
			p.done <- err
		}
		return
	}
	f := i.files[len(i.files)-1]
	var b []byte
	var fresh []frame
	var at []uint64
	for _, p := range batch {
		for k := range p.frames {
			i.pos++
			p.frames[k].Pos = i.pos
			start := len(b)
			b = appendFrame(b, p.frames[k])
			fresh = append(fresh, frame{p.frames[k].Log, f.size + int64(start), int64(len(b) - start)})
			at = append(at, i.pos)
		}
	}
	i.mu.Unlock()
	_, err = f.f.WriteAt(b, f.size)
	if err == nil {
		err = unix.Fdatasync(int(f.f.Fd()))
	}
	i.mu.Lock()
	if err != nil {
		// After a failed sync nobody knows what is on the disk: nothing more
		// is taken in, and nothing is retried.
		i.failed = problem.Wrap(problem.Storage, err, "intake file %s", f.path).
			WithHint("look at the disk (space, errors), then restart")
		err = i.failed
	} else {
		f.size += int64(len(b))
		for k, fr := range fresh {
			i.keep(f, at[k], fr)
		}
	}
	for _, p := range batch {
		if err == nil {
			p.accepted(p.frames)
		}
		p.done <- err
	}
}

func appendFrame(b []byte, fr store.IntakeFrame) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, fr.Pos)
	b = append(b, byte(len(fr.Log)))
	b = append(b, fr.Log...)
	b = append(b, fr.Body...)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-prefix))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(b[start+prefix:], castagnoli))
	return b
}

// Taken implements store.Intake.
func (i *Intake) Taken(positions ...uint64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	emptied := false
	for _, pos := range positions {
		f := i.where[pos]
		if f == nil {
			continue
		}
		fr := f.frames[pos]
		f.needed -= fr.length
		if i.bytes[fr.log] -= fr.length; i.bytes[fr.log] == 0 {
			delete(i.bytes, fr.log)
		}
		delete(f.frames, pos)
		delete(i.where, pos)
		emptied = emptied || len(f.frames) == 0
	}
	if !emptied {
		return nil
	}
	return i.tidy()
}

// tidy removes old files that nobody needs, and writes those anew that are
// mostly taken. The newest file stays: it holds the epoch and the positions.
func (i *Intake) tidy() error {
	if len(i.files) == 0 {
		return nil
	}
	newest := i.files[len(i.files)-1]
	var kept []*file
	var first error
	for _, f := range i.files {
		var err error
		switch {
		case f == newest:
		case len(f.frames) == 0:
			// The newest file must tell positions that were given out before.
			if err = f.f.Close(); err == nil {
				err = os.Remove(f.path)
			}
			if err == nil {
				continue
			}
		case f.needed*4 < f.size && f.size > 1<<20:
			err = i.rewrite(f)
		}
		if err != nil && first == nil {
			first = problem.Wrap(problem.Storage, err, "tidy intake file %s", f.path)
		}
		kept = append(kept, f)
	}
	i.files = kept
	return first
}

// rewrite replaces a file by one with the frames that are still needed.
func (i *Intake) rewrite(f *file) error {
	tmp, err := os.OpenFile(f.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(tmp, 1<<20)
	w.WriteString(f.line)
	size := int64(len(f.line))
	frames := map[uint64]frame{}
	positions := make([]uint64, 0, len(f.frames))
	for pos := range f.frames {
		positions = append(positions, pos)
	}
	slices.Sort(positions)
	for _, pos := range positions {
		fr := f.frames[pos]
		if _, err = io.Copy(w, io.NewSectionReader(f.f, fr.offset, fr.length)); err != nil {
			break
		}
		fr.offset = size
		size += fr.length
		frames[pos] = fr
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err == nil {
		err = durable.SyncDir(i.dir)
	}
	if err != nil {
		tmp.Close()
		return err
	}
	f.f.Close()
	f.f, f.size, f.frames = tmp, size, frames
	return nil
}

// Waiting implements store.Intake.
func (i *Intake) Waiting() []store.IntakeFrame {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make([]store.IntakeFrame, 0, len(i.where))
	for pos, f := range i.where {
		out = append(out, store.IntakeFrame{Log: f.frames[pos].log, Pos: pos})
	}
	slices.SortFunc(out, func(a, b store.IntakeFrame) int {
		if a.Pos < b.Pos {
			return -1
		}
		return 1
	})
	return out
}

// Body implements store.Intake.
func (i *Intake) Body(pos uint64) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.where[pos]
	if f == nil {
		return nil, problem.New(problem.Internal, "the intake has no frame at %d", pos)
	}
	fr := f.frames[pos]
	b := make([]byte, fr.length)
	if _, err := f.f.ReadAt(b, fr.offset); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read intake file %s", f.path)
	}
	if crc32.Checksum(b[prefix:], castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return nil, problem.New(problem.Corrupt, "intake file %s: the frame at byte %d is damaged", f.path, fr.offset)
	}
	return b[prefix+9+len(fr.log):], nil
}

// Bytes implements store.Intake.
func (i *Intake) Bytes(log string) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.bytes[log]
}

// Close implements store.Intake. What was not taken waits for the next start.
func (i *Intake) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var errs []error
	for _, f := range i.files {
		errs = append(errs, f.f.Close())
	}
	i.files, i.failed = nil, errors.New("intake is closed")
	return errors.Join(errs...)
}
