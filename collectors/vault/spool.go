package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/collectors"
	sealed "evidenced/collectors/spool"
	"evidenced/evidence/problem"
)

// spool keeps the lines that came over the socket until they were read and
// what was made of them is durable. It is a folder of files that the tail
// reads as it reads a device's own: the active one and its elder siblings, each
// of which begins with a mark that holds its number. Numbers only grow. It never
// holds more than max bytes; what does not fit is dropped and counted, and a mark
// says so where it is missing. Lines and marks stand sealed.
//
// Marks are lines of ours. They begin with a byte that no audit line begins
// with, and no line that came over the socket may begin with it.
type spool struct {
	dir     string
	source  string
	keys    collectors.Sealer
	max     int64 // bytes of all files
	segment int64 // bytes after which a new file is begun
	clock   func() time.Time

	keyMu  sync.Mutex
	sealed *sealed.Lines // made when first needed

	mu    sync.Mutex
	f     *os.File // the active file; nil until the first write
	size  int64    // of it
	total int64    // of all files
	last  int64    // number of the newest file
	now   int64    // of the active one
	buf   []byte   // a line, sealed

	// What was dropped since the last mark. These are counted without the
	// lock: whoever reads the socket must not wait for a disk.
	lines, bytes atomic.Int64
	why          atomic.Pointer[string]
}

// spoolFile is the name of the active file.
const spoolFile = "socket.log"

var markBegin = []byte("\x1eevidenced ")

// mark is what a mark says.
type mark struct {
	At      time.Time `json:"at"`
	Segment int64     `json:"segment,omitempty"` // begins a file: its number, nanoseconds since 1970 or more
	Lost    string    `json:"lost,omitempty"`    // why lines are missing here
	Long    string    `json:"long,omitempty"`    // a line that was too long to keep
}

func newSpool(dir, source string, keys collectors.Sealer, max int64, clock func() time.Time) *spool {
	return &spool{dir: dir, source: source, keys: keys, max: max, segment: min(max/8, 64<<20), clock: clock}
}

// key makes the folder, which must be there, ready to seal and open lines.
func (s *spool) key() (*sealed.Lines, error) {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	if s.sealed == nil {
		l, err := sealed.Open(s.dir, s.source, s.keys)
		if err != nil {
			return nil, err
		}
		s.sealed = l
	}
	return s.sealed, nil
}

// opened opens a line as it stands in a file.
func (s *spool) opened(line []byte) ([]byte, error) {
	keys, err := s.key()
	if err != nil {
		return nil, err
	}
	return keys.Open(spoolFile, line)
}

func (s *spool) path() string { return filepath.Join(s.dir, spoolFile) }

// open makes the folder and finds what an earlier process left. It reports
// whether there was anything.
func (s *spool) open() (old bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return false, problem.Wrap(problem.Config, err, "make the spool folder").WithHint("set spool_dir to a folder that the daemon may write to")
	}
	switch fi, err := os.Stat(s.dir); {
	case err != nil:
		return false, problem.Wrap(problem.Config, err, "look at the spool folder")
	case fi.Mode().Perm()&0o077 != 0:
		return false, problem.New(problem.Config, "others may use the spool folder %s (mode %04o)", s.dir, fi.Mode().Perm()).WithHint("chmod 0700 it")
	}
	if _, err := s.key(); err != nil {
		return false, err
	}
	if err := s.count(); err != nil {
		return false, err
	}
	if s.f != nil {
		return true, nil
	}
	fi, err := os.Stat(s.path())
	if errors.Is(err, os.ErrNotExist) {
		return s.total > 0, nil
	}
	if err != nil {
		return false, problem.Wrap(problem.Source, err, "look at the spool")
	}
	// What an earlier process wrote may end in a half line: a file of our own
	// begins behind it.
	if fi.Size() > 0 {
		if err := s.endLine(); err != nil {
			return true, problem.Wrap(problem.Source, err, "mend the spool")
		}
		if err := os.Rename(s.path(), s.elder(s.last)); err != nil {
			return true, problem.Wrap(problem.Source, err, "go on with the spool")
		}
	}
	return true, nil
}

// endLine cuts a half line off the end of the active file, and finds the
// file's number.
func (s *spool) endLine() error {
	f, err := os.OpenFile(s.path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 2*markRoom) // a mark, sealed
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return err
	}
	first, _, _ := bytes.Cut(b[:n], []byte("\n"))
	if first, err = s.opened(first); err == nil {
		s.last = max(s.last, segment(first)-1)
	}
	s.last++
	_, err = sealed.WholeLines(f)
	return err
}

func (s *spool) elder(number int64) string { return fmt.Sprintf("%s.%019d", s.path(), number) }

// segment reads the number of the file that a line begins, 0 when it begins
// none. The line may be cut, or more may follow.
func segment(line []byte) int64 {
	line, _, _ = bytes.Cut(line, []byte("\n"))
	text, ok := bytes.CutPrefix(line, markBegin)
	var m mark
	if !ok || json.Unmarshal(text, &m) != nil || m.Segment < 0 {
		return 0
	}
	return m.Segment
}

// segmentTime orders the files of a spool by their numbers.
func segmentTime(line []byte) time.Time {
	if n := segment(line); n > 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Time{}
}

// count adds up the files. The lock is held.
func (s *spool) count() error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return problem.Wrap(problem.Source, err, "look at the spool")
	}
	s.total = 0
	for _, de := range names {
		rest, ok := strings.CutPrefix(de.Name(), spoolFile)
		if !ok {
			continue
		}
		if fi, err := de.Info(); err == nil {
			s.total += fi.Size()
		}
		if n, err := strconv.ParseInt(strings.TrimPrefix(rest, "."), 10, 64); err == nil && n > s.last {
			s.last = n
		}
	}
	return nil
}

// write keeps one line, or counts it as dropped. The line is without its
// newline.
func (s *spool) write(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.room(int64(sealed.Grown(len(line))) + 1 + markRoom) {
		s.drop(len(line), fmt.Sprintf("the spool was full (%d bytes)", s.max))
		return
	}
	if err := s.tellDropped(); err != nil {
		s.drop(len(line), "the spool could not be written")
		return
	}
	if err := s.put(line); err != nil {
		s.drop(len(line), "the spool could not be written")
	}
}

// markRoom is what a mark may need, sealed.
const markRoom = 2 << 10

// room reports whether n bytes fit. The lock is held.
func (s *spool) room(n int64) bool { return s.total+n <= s.max }

// drop counts a line that is not kept. It takes no lock.
func (s *spool) drop(n int, why string) {
	s.lines.Add(1)
	s.bytes.Add(int64(n))
	s.why.Store(&why)
}

// tellDropped writes a mark for what was dropped. The lock is held.
func (s *spool) tellDropped() error {
	n := s.lines.Swap(0)
	if n == 0 {
		return nil
	}
	b, why := s.bytes.Swap(0), ""
	if w := s.why.Load(); w != nil {
		why = *w
	}
	err := s.putMark(mark{Lost: fmt.Sprintf("%d lines of %d bytes were dropped: %s", n, b, why)})
	if err != nil {
		s.lines.Add(n)
		s.bytes.Add(b)
	}
	return err
}

// flush tells of what was dropped, when it can.
func (s *spool) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room(2 * markRoom) {
		_ = s.tellDropped() // what was not told stays counted
	}
}

// mark writes a mark. One that does not fit is counted as a dropped line.
func (s *spool) mark(m mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.room(2*markRoom) || s.putMark(m) != nil {
		s.drop(0, m.Lost+m.Long)
	}
}

func (s *spool) putMark(m mark) error {
	m.At = s.clock().UTC()
	m.Lost, m.Long = cut(m.Lost, 300), cut(m.Long, 300)
	b, err := json.Marshal(&m)
	if err != nil {
		return err
	}
	return s.put(append(bytes.Clone(markBegin), b...))
}

// aside makes an elder sibling of the active file. The lock is held.
func (s *spool) aside() error {
	err := s.f.Close()
	s.f = nil
	return errors.Join(err, os.Rename(s.path(), s.elder(s.now)))
}

// turn puts the active file aside when every line of it was taken, so that it
// can be deleted: what is durable evidence is to be kept nowhere else.
func (s *spool) turn(read interface{ Drained() bool }) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil || !read.Drained() {
		return nil
	}
	return s.aside()
}

// put appends a line to the active file, after beginning one where there is
// none or it is long enough. A line stands whole or not at all. The lock is
// held.
func (s *spool) put(line []byte) error {
	if s.f != nil && s.size >= s.segment {
		if err := s.aside(); err != nil {
			return err
		}
	}
	if s.f == nil {
		f, err := os.OpenFile(s.path(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		fi, err := f.Stat()
		if err != nil {
			f.Close()
			return err
		}
		s.f, s.size = f, fi.Size()
		s.last = max(s.last+1, s.clock().UnixNano())
		s.now = s.last
		b, err := json.Marshal(&mark{At: s.clock().UTC(), Segment: s.now})
		if err != nil {
			return err
		}
		if err := s.append(append(bytes.Clone(markBegin), b...)); err != nil {
			return err
		}
	}
	return s.append(line)
}

func (s *spool) append(line []byte) error {
	keys, err := s.key()
	if err != nil {
		return err
	}
	s.buf, err = keys.Seal(s.buf[:0], spoolFile, line)
	if err != nil {
		return err
	}
	s.buf = append(s.buf, '\n')
	n, err := s.f.Write(s.buf)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, s.f.Truncate(s.size))
		}
		return err
	}
	s.size += int64(n)
	s.total += int64(n)
	return nil
}

// remove deletes a file that was read to its end.
func (s *spool) remove(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	s.total = max(0, s.total-fi.Size())
	return nil
}

// stop closes the active file; the next write begins behind its end.
func (s *spool) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f != nil {
		_ = s.f.Sync() // what a crash of the machine takes is told at the next start
		s.f.Close()
		s.f = nil
	}
}
