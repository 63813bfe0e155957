// Package journal is the file in which a log keeps what was appended until its
// segment has it: one write and one sync make a batch durable, where a
// transaction of the segment takes two and the pages between.
//
// The file is a row of frames, each at a multiple of 4,096 bytes:
//
//	magic    8 bytes, "evidjrn1"
//	checksum 4 bytes, CRC-32C of what follows it
//	length   4 bytes, of the body
//	number   8 bytes
//	body
//	zeros, up to the next multiple of 4,096
//
// Integers are big-endian. Numbers rise by one from frame to frame and are never
// used again; the segment keeps the number of the newest frame it has in the
// transaction that took it. So frames up to that number mean nothing, and their
// place is written again: a file whose blocks were written before is synced
// without its size or its blocks being noted. For the same reason a file that grows
// is written with zeros for some way behind its newest frame. No two frames share a
// block, so that nothing durable is written again with what comes after it.
//
// Frames are appended one after the other, each durable before the next is
// written. Only the newest can therefore be torn by a crash, and nobody was
// promised it; damage before a whole frame is damage.
package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// Sizes, in bytes.
const (
	// HeaderSize is what stands before a body.
	HeaderSize = 24
	// MaxBody bounds a body.
	MaxBody = 16<<20 - HeaderSize

	block = 4096
	// The place of taken frames is used again from the beginning once the file
	// has this size and half of it is free, or sooner when nothing waits in it.
	softSize = 4 << 20
	// An append waits for the segment rather than let the file grow beyond.
	hardSize = 128 << 20
	// A file that grows does so by half of its size, within these bounds.
	leastGrowth = 4 * block
	mostGrowth  = 1 << 20
)

var (
	magic      = []byte("evidjrn1")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// errClosed says that the journal was closed.
	errClosed = errors.New("journal is closed")
)

// Frame is where a batch stands in the file.
type Frame struct {
	Number uint64
	Length int // of the body
	at     int64
}

func (f Frame) end() int64 { return f.at + span(f.Length) }

// span is what a body takes up in the file.
func span(body int) int64 { return (int64(HeaderSize+body) + block - 1) / block * block }

// Journal is one such file. It may be used by several goroutines, of which one
// appends.
type Journal struct {
	path string
	full func() // called when an append waits for room

	mu      sync.Mutex
	changed sync.Cond // something was taken, or nothing more will be
	f       *os.File  // nil until the first append
	waiting []Frame   // not taken yet, in order of their numbers
	next    int64     // where the next frame begins, if there is room
	size    int64     // of the file, whose blocks were all written
	newest  uint64    // number given out last
	failed  error     // why nothing more is appended
}

// Open opens the journal at the path; a file that is not there holds nothing,
// and is made by the first append. The frames after the number taken wait: see
// Waiting. Damage before a whole frame is a problem of code corrupt, because what
// is lost was promised. Full is called when an append waits for frames to be
// taken; nil: nothing is ever appended, and the file is opened for reading.
func Open(path string, taken uint64, full func()) (*Journal, error) {
	j := &Journal{path: path, full: full, newest: taken}
	j.changed.L = &j.mu
	flags := os.O_RDWR
	if full == nil {
		flags = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flags, 0)
	if os.IsNotExist(err) {
		return j, nil
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open journal %s", path)
	}
	j.f = f
	if err := j.load(taken); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// load finds the frames that wait.
func (j *Journal) load(taken uint64) error {
	st, err := j.f.Stat()
	if err != nil {
		return problem.Wrap(problem.Storage, err, "read journal %s", j.path)
	}
	j.size = st.Size()
	for at := int64(0); at < st.Size(); {
		fr, ok, err := j.whole(at, st.Size())
		if err != nil {
			return problem.Wrap(problem.Storage, err, "read journal %s", j.path)
		}
		if !ok {
			at += block
			continue
		}
		if fr.Number > taken {
			j.waiting = append(j.waiting, fr)
		}
		at = fr.end()
	}
	slices.SortFunc(j.waiting, func(a, b Frame) int { return cmp.Compare(a.Number, b.Number) })
	for i, fr := range j.waiting {
		if want := taken + 1 + uint64(i); fr.Number != want {
			return problem.New(problem.Corrupt, "journal %s: batch %d is damaged or missing, and batch %d follows it", j.path, want, fr.Number).
				WithHint("it holds records that were acknowledged and that no segment has yet: keep a copy; once it is moved away the log opens without them and says so")
		}
	}
	if n := len(j.waiting); n > 0 {
		j.newest, j.next = j.waiting[n-1].Number, j.waiting[n-1].end()
	}
	return nil
}

// whole reports whether a whole frame begins at the offset.
func (j *Journal) whole(at, size int64) (Frame, bool, error) {
	var head [HeaderSize]byte
	if _, err := j.f.ReadAt(head[:], at); err == io.EOF {
		return Frame{}, false, nil
	} else if err != nil {
		return Frame{}, false, err
	}
	fr := Frame{Number: binary.BigEndian.Uint64(head[16:]), Length: int(binary.BigEndian.Uint32(head[12:])), at: at}
	if !bytes.Equal(head[:8], magic) || fr.Length > MaxBody || at+HeaderSize+int64(fr.Length) > size {
		return Frame{}, false, nil
	}
	sum := crc32.New(castagnoli)
	sum.Write(head[12:])
	if _, err := io.Copy(sum, io.NewSectionReader(j.f, at+HeaderSize, int64(fr.Length))); err != nil {
		return Frame{}, false, err
	}
	return fr, sum.Sum32() == binary.BigEndian.Uint32(head[8:]), nil
}

// Append makes a body durable. The body begins after the first HeaderSize bytes
// of b, which Append fills; it returns b, perhaps grown, to be used again. After an
// error nothing more is appended, because nobody knows what is on the disk.
func (j *Journal) Append(b []byte) (Frame, []byte, error) {
	fr := Frame{Length: len(b) - HeaderSize}
	if fr.Length > MaxBody {
		return fr, b, fmt.Errorf("a batch of %d bytes for the journal, at most %d", fr.Length, MaxBody)
	}
	if err := j.reserve(&fr); err != nil {
		return fr, b, err
	}
	copy(b, magic)
	binary.BigEndian.PutUint32(b[12:], uint32(fr.Length))
	binary.BigEndian.PutUint64(b[16:], fr.Number)
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	b = append(b, zeros[:span(fr.Length)-int64(len(b))]...)
	_, err := j.f.WriteAt(b, fr.at)
	if err == nil {
		j.grow(fr.end())
		err = unix.Fdatasync(int(j.f.Fd()))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.failed = problem.Wrap(problem.Storage, err, "journal %s", j.path)
		return fr, b, j.failed
	}
	j.waiting = append(j.waiting, fr)
	j.newest, j.next = fr.Number, fr.end()
	return fr, b, nil
}

// grow writes zeros behind a frame with which the file has grown, so that the frames
// after it go into blocks that were written: the one sync notes size and blocks for
// all of them. Where no more is taken, by a disk that is full, only that is lost.
func (j *Journal) grow(end int64) {
	if end <= j.size {
		return
	}
	more := min(max(j.size/2/block*block, leastGrowth), mostGrowth, max(hardSize-end, 0))
	n, _ := j.f.WriteAt(zeros[:more], end)
	j.size = end + int64(n)
}

var zeros [mostGrowth]byte

// reserve gives the frame its number and its place, and waits for one when the
// file is full of what the segment does not have yet.
func (j *Journal) reserve(fr *Frame) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for asked := false; j.failed == nil; {
		at, ok := j.room(span(fr.Length))
		if !ok && !asked {
			// Who is asked may be about to say that something was taken.
			j.mu.Unlock()
			j.full()
			j.mu.Lock()
			asked = true
			continue
		}
		if !ok {
			j.changed.Wait()
			asked = false
			continue
		}
		if j.f == nil {
			if err := j.create(); err != nil {
				return err
			}
		}
		fr.at, fr.Number = at, j.newest+1
		return nil
	}
	return j.failed
}

// room finds a place for so many bytes.
func (j *Journal) room(size int64) (at int64, ok bool) {
	if len(j.waiting) == 0 {
		return 0, true
	}
	switch oldest := j.waiting[0].at; {
	case j.next <= oldest: // the row goes on from the beginning
		return j.next, j.next+size <= oldest
	case j.next+size <= softSize:
		return j.next, true
	case size <= oldest && (oldest >= j.next/2 || j.next+size > hardSize):
		return 0, true
	default:
		return j.next, j.next+size <= hardSize
	}
}

func (j *Journal) create() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = durable.SyncDir(filepath.Dir(j.path)); err != nil {
			f.Close()
		}
	}
	if err != nil {
		j.failed = problem.Wrap(problem.Storage, err, "make journal %s", j.path)
		return j.failed
	}
	j.f = f
	return nil
}

// Waiting lists the frames that were not taken, in order.
func (j *Journal) Waiting() []Frame {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.waiting)
}

// Pass gives out a number to a batch that goes to the segment without a frame.
// Nothing may be waiting.
func (j *Journal) Pass() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.newest++
	return j.newest
}

// Body reads the body of a frame that waits into b's memory, and compares it
// with its checksum.
func (j *Journal) Body(fr Frame, b []byte) ([]byte, error) {
	b = slices.Grow(b[:0], HeaderSize+fr.Length)[:HeaderSize+fr.Length]
	if err := j.readAt(b, fr.at); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint64(b[16:]) != fr.Number || crc32.Checksum(b[12:], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return nil, problem.New(problem.Corrupt, "journal %s: batch %d is damaged", j.path, fr.Number)
	}
	return b[HeaderSize:], nil
}

// Part reads some bytes of the body of a frame that waits.
func (j *Journal) Part(fr Frame, from, size int) ([]byte, error) {
	b := make([]byte, size)
	return b, j.readAt(b, fr.at+HeaderSize+int64(from))
}

func (j *Journal) readAt(b []byte, at int64) error {
	if _, err := j.f.ReadAt(b, at); err != nil {
		return problem.Wrap(problem.Storage, err, "read journal %s", j.path)
	}
	return nil
}

// Take says that the segment has the frames up to the number: their place may be
// written again.
func (j *Journal) Take(number uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i, _ := slices.BinarySearchFunc(j.waiting, number+1, func(fr Frame, n uint64) int { return cmp.Compare(fr.Number, n) })
	j.waiting = slices.Delete(j.waiting, 0, i)
	j.changed.Broadcast()
}

// Fail lets nothing more be appended, because the segment takes nothing more.
func (j *Journal) Fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = err
	}
	j.changed.Broadcast()
}

// Clear gives back the place of taken frames. It does nothing while a frame waits;
// nothing may be appended meanwhile. A crash may bring the bytes back, which mean
// nothing then: see Forget.
func (j *Journal) Clear() error {
	_, err := j.clear()
	return err
}

// Forget is Clear whose effect is durable before it returns.
func (j *Journal) Forget() error {
	cleared, err := j.clear()
	if err != nil || !cleared {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return problem.Wrap(problem.Storage, err, "clear journal %s", j.path)
	}
	return nil
}

// clear reports whether the file is empty now.
func (j *Journal) clear() (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil || len(j.waiting) > 0 {
		return false, nil
	}
	if err := j.f.Truncate(0); err != nil {
		return false, problem.Wrap(problem.Storage, err, "clear journal %s", j.path)
	}
	j.size = 0
	return true, nil
}

// Remove removes the file of a log that takes nothing more. It is refused while a
// frame waits.
func (j *Journal) Remove() error {
	if n := len(j.Waiting()); n > 0 {
		return fmt.Errorf("journal %s: %d batches wait in it", j.path, n)
	}
	if err := os.Remove(j.path); err != nil && !os.IsNotExist(err) {
		return problem.Wrap(problem.Storage, err, "remove journal %s", j.path)
	}
	return nil
}

// Close closes the file. What waits is there when it is opened again.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed = errClosed
	j.changed.Broadcast()
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}
