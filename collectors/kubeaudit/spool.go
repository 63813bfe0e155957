package kubeaudit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/collectors"
	sealed "evidenced/collectors/spool"
	"evidenced/collectors/tail"
)

// spool keeps lines that were sent until they are durable evidence. It is a log
// of our own making: lines are sealed and appended to an active file, which is
// put aside when it is large or was read, read by the tail like any other log,
// and deleted when the cursor behind it is durable. Lines of senders that proved
// who they are and of those that did not stand in files of their own.
//
// append is called by the listener, the rest by the reader.
type spool struct {
	dir    string
	source string
	keys   collectors.Sealer
	limit  int64 // bytes that may wait
	clock  func() time.Time

	keyMu sync.Mutex
	lines *sealed.Lines // made when first needed

	mu      sync.Mutex
	file    *os.File // the active one
	name    string
	size    int64
	refused int // batches, since the last look
	from    time.Time
	to      time.Time
}

const (
	knownName   = "known.log"
	openName    = "unauthenticated.log"
	rotateBytes = 64 << 20
)

// errFull says that more waits than may: the sender is to come again.
var errFull = errors.New("the spool is full")

func activeName(open bool) string {
	if open {
		return openName
	}
	return knownName
}

// actives are the files that the tail follows: those that are there.
func (s *spool) actives() []string {
	var paths []string
	for _, n := range []string{knownName, openName} {
		p := filepath.Join(s.dir, n)
		if m, err := filepath.Glob(p + "*"); err == nil && len(m) > 0 {
			paths = append(paths, p)
		}
	}
	return paths
}

// isOpen reports whether lines of the stream came from a sender that proved
// nothing.
func (s *spool) isOpen(path string) bool { return filepath.Base(path) == openName }

// key makes the folder, which must be there, ready to seal and open lines.
func (s *spool) key() (*sealed.Lines, error) {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	if s.lines == nil {
		l, err := sealed.Open(s.dir, s.source, s.keys)
		if err != nil {
			return nil, err
		}
		s.lines = l
	}
	return s.lines, nil
}

// open opens a line of a stream.
func (s *spool) open(path string, line []byte) ([]byte, error) {
	keys, err := s.key()
	if err != nil {
		return nil, err
	}
	return keys.Open(filepath.Base(path), line)
}

// seal seals lines, each with its newline.
func (s *spool) seal(lines []byte, stream string) (out []byte, err error) {
	keys, err := s.key()
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(lines) {
		if out, err = keys.Seal(out, stream, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return nil, err
		}
		out = append(out, '\n')
	}
	return out, nil
}

// append makes whole lines durable. After an error some of them may be there;
// the sender sends all of them again.
func (s *spool) append(lines []byte, open bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(lines) == 0 {
		return nil
	}
	waiting, err := s.waiting()
	if err != nil {
		return err
	}
	lines, err = s.seal(lines, activeName(open))
	if err != nil {
		return err
	}
	if waiting+int64(len(lines)) > s.limit {
		s.refuse()
		return errFull
	}
	if err := s.ready(activeName(open)); err != nil {
		return err
	}
	_, err = s.file.WriteAt(lines, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		// Whole lines that are there already may have been read: they stay, and
		// come again under the same ids. Opening takes a half one away.
		s.close()
		return err
	}
	s.size += int64(len(lines))
	return nil
}

// refuse notes a batch that was not taken; the caller holds mu.
func (s *spool) refuse() {
	now := s.clock().UTC()
	if s.refused++; s.from.IsZero() {
		s.from = now
	}
	s.to = now
}

// waiting counts the bytes of the spool.
func (s *spool) waiting() (n int64, err error) {
	des, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, err
	}
	for _, de := range des {
		if fi, err := de.Info(); err == nil {
			n += fi.Size()
		}
	}
	return n, nil
}

// ready opens the active file, and puts it aside when it is large.
func (s *spool) ready(name string) error {
	path := filepath.Join(s.dir, name)
	if s.file != nil && (s.name != name || s.size >= rotateBytes) {
		s.close()
	}
	if s.file != nil {
		return nil
	}
	if fi, err := os.Stat(path); err == nil && fi.Size() >= rotateBytes {
		if err := s.rename(path); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	size, err := sealed.WholeLines(f)
	if err == nil {
		err = sealed.SyncDir(s.dir)
	}
	if err != nil {
		f.Close()
		return err
	}
	s.file, s.name, s.size = f, name, size
	return nil
}

// rename puts an active file aside, under a name of its own; the caller holds
// mu.
func (s *spool) rename(path string) error {
	for n := s.clock().UnixNano(); ; n++ {
		aside := fmt.Sprintf("%s.%d", path, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, aside)
		}
	}
}

// turn puts active files aside of which every line was taken, so that they can
// be deleted: what is durable evidence is to be kept nowhere else.
func (s *spool) turn(streams []*tail.Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range streams {
		if !st.Drained() {
			continue
		}
		if s.file != nil && s.name == filepath.Base(st.Path) {
			s.close()
		}
		if err := s.rename(st.Path); err != nil {
			return // it is tried again
		}
	}
}

// close ends the use of the active file; the caller holds mu or is alone.
func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// refusals returns the stretch in which batches were refused that nobody was
// told of yet, in our clock's time, and how many.
func (s *spool) refusals() (l tail.Loss, n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == 0 {
		return tail.Loss{}, 0, false
	}
	l = tail.Loss{From: s.from, To: s.to, Cause: "batches were refused (spool full, too large or not readable), and a sender drops what it cannot send"}
	return l, s.refused, true
}

// told forgets refusals that durable evidence tells of now.
func (s *spool) told(l tail.Loss, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused -= n
	if s.from = l.To; s.refused == 0 {
		s.from, s.to = time.Time{}, time.Time{}
	}
}

// drop deletes files that were put aside and read to their end.
func (s *spool) drop(paths []string) {
	for _, p := range paths {
		base := filepath.Base(p)
		aside := slices.ContainsFunc([]string{knownName, openName}, func(n string) bool { return strings.HasPrefix(base, n+".") })
		if aside && filepath.Dir(p) == filepath.Clean(s.dir) {
			if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return // it stays, is counted, and is tried again
			}
		}
	}
}
