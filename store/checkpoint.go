package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// signState remembers, outside the logs and their backups, the size and root
// of what was signed, so that no copy brought back from a backup ever signs
// another tree of a size signed before. It is a file of lines "size root",
// appended and synced before the signature is made.
type signState struct {
	mu     sync.Mutex
	f      *os.File
	absent bool // there is no file: what was signed is not known
	size   uint64
	root   evidence.Hash
}

// maxSize is larger than any log: leaves hold integers below 2^53.
const maxSize = 1 << 53

// openSignState opens the file of a log, making it for a log that begins. It
// is never made for a log that has records: a missing file would come back as
// one that says that nothing was signed.
func openSignState(dir, logID string, begins bool) (*signState, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make sign-state directory")
	}
	path := filepath.Join(dir, logID)
	flags := os.O_RDWR
	if begins {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if os.IsNotExist(err) {
		return &signState{absent: true}, nil
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open sign-state")
	}
	if begins {
		if err := durable.SyncDir(dir); err != nil {
			f.Close()
			return nil, problem.Wrap(problem.Storage, err, "make the sign-state durable")
		}
	}
	s := &signState{f: f}
	if err := s.take(); err != nil {
		f.Close()
		return nil, problem.Wrap(problem.Corrupt, err, "sign-state %s", path).
			WithHint("the log signs nothing until it is known what was signed; bring the file back, or " + acceptHint)
	}
	return s, nil
}

// take reads the file and cuts off a torn last line: its signature was never
// made. A line that lacks only its end counts.
func (s *signState) take() error {
	known, err := readSigned(s.f)
	if err != nil {
		return err
	}
	if err := s.f.Truncate(known.bytes); err != nil {
		return err
	}
	if _, err := s.f.Seek(known.bytes, io.SeekStart); err != nil {
		return err
	}
	if known.noEnd {
		if _, err := s.f.WriteString("\n"); err != nil {
			return err
		}
	}
	s.size, s.root = known.size, known.root
	return nil
}

// signedLines is what the lines of a sign-state say.
type signedLines struct {
	size  uint64 // of the last line; 0 for an empty file
	root  evidence.Hash
	bytes int64 // of the whole lines
	noEnd bool  // the last of them lacks its line end
}

// maxSignedLine bounds a line, in bytes: size, space, root, line end.
const maxSignedLine = 16 + 1 + 64 + 1

// readSigned reads lines "size root" of rising sizes. A crash leaves at most
// the begin of a line after the last line end, or zeros in its place; anything
// else that is not such a line is damage: to take it for a torn line would
// forget a signature that was made.
func readSigned(r io.Reader) (signedLines, error) {
	var out signedLines
	br := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF {
			return out, fmt.Errorf("after size %d: %w", out.size, err)
		}
		ended := err == nil
		text := strings.TrimSuffix(string(line), "\n")
		if !ended {
			text = strings.TrimRight(text, "\x00")
		}
		size, root, ok := parseSigned(text)
		switch {
		case !ended && tornSigned(text):
			return out, nil
		case !ok:
			return out, fmt.Errorf("the line after size %d is damaged", out.size)
		case size <= out.size:
			return out, fmt.Errorf("size %d after size %d", size, out.size)
		}
		out.size, out.root = size, root
		out.bytes += int64(len(text))
		if !ended {
			out.noEnd = true
			return out, nil
		}
		out.bytes++
	}
}

func parseSigned(text string) (uint64, evidence.Hash, bool) {
	digits, hex, _ := strings.Cut(text, " ")
	size, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || size > maxSize {
		return 0, evidence.Hash{}, false
	}
	root, err := evidence.ParseHash(hex)
	return size, root, err == nil && fmt.Sprintf("%d %s", size, root) == text
}

// tornSigned reports whether the text is the begin of a line, and not all.
func tornSigned(text string) bool {
	digits, hex, _ := strings.Cut(text, " ")
	return len(text) < maxSignedLine && len(hex) < 64 &&
		strings.Trim(digits, "0123456789") == "" && strings.Trim(hex, "0123456789abcdef") == ""
}

// claim makes the size and root durable. It refuses a smaller size, and
// another root of the same size.
func (s *signState) claim(size uint64, root evidence.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.absent:
		return problem.New(problem.Refused, "it is not known what was signed of this log")
	case size == s.size && root == s.root:
		return nil
	case size < s.size, size == s.size && s.size > 0:
		return problem.New(problem.Refused, "size %d was signed already with root %s; now the log has size %d and root %s", s.size, s.root, size, root).
			WithHint("this log is an older copy or was changed; restore the newest copy, or compare with an anchor before going on")
	}
	if _, err := fmt.Fprintf(s.f, "%d %s\n", size, root); err != nil {
		return problem.Wrap(problem.Storage, err, "write sign-state")
	}
	if err := s.f.Sync(); err != nil {
		return problem.Wrap(problem.Storage, err, "sync sign-state")
	}
	s.size, s.root = size, root
	return nil
}

func (s *signState) close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

func (l *Log) loadSigned() error {
	if err := l.loadKeys(); err != nil {
		return err
	}
	l.stopAtOpening(l.checkKey())
	n, err := l.file.NoteAt(l.size())
	if err != nil || n.Signed == nil {
		return err
	}
	c, err := l.heldKeys().Open(n.Signed)
	if err != nil {
		// It can still be verified, which names every checkpoint that is not
		// the log's.
		l.stopAtOpening(problem.Wrap(problem.Corrupt, err, "newest checkpoint of %s", l.tenant).WithHint(doesNotFit, l.tenant))
		return nil
	}
	l.takeSigned(c)
	l.stopAtOpening(l.checkNewest(c))
	return nil
}

func (l *Log) lastSigned() evidence.LogHead {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.signed
}

// Checkpoint signs the log as it stands and stores the note; when nothing was
// added since the newest checkpoint it returns that one.
func (l *Log) Checkpoint() (chain.Checkpoint, []byte, error) {
	if err := l.use(); err != nil {
		return chain.Checkpoint{}, nil, err
	}
	defer l.release()
	return l.checkpoint()
}

func (l *Log) checkpoint() (chain.Checkpoint, []byte, error) {
	l.signMu.Lock()
	defer l.signMu.Unlock()
	l.mu.RLock()
	c := chain.Checkpoint{Origin: l.origin, Size: l.head.Size, Root: l.edge.frontier.Root()}
	stopped := l.stopped
	l.mu.RUnlock()
	if stopped != nil {
		return c, nil, stopped
	}
	if l.lastSigned().Size == c.Size {
		n, err := l.file.NoteAt(c.Size)
		if err == nil && n.Size == c.Size {
			return c, n.Signed, nil
		}
	}
	if err := l.maySign(c); err != nil {
		return c, nil, err
	}
	if err := l.sign.claim(c.Size, c.Root); problem.Is(err, problem.Storage) {
		// What of the line is on the disk shows at the next start.
		return c, nil, l.stop(err)
	} else if err != nil {
		return c, nil, err
	}
	signed, err := l.signNote(c)
	if err != nil {
		return c, nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	if err := l.file.PutNote(Note{c.Size, signed}); err != nil {
		return c, nil, l.stop(err)
	}
	l.mu.Lock()
	if c.Size > l.signed.Size {
		l.signed = evidence.LogHead{Origin: c.Origin, Size: c.Size, Root: c.Root}
		l.signedAt = l.st.o.Clock()
	}
	l.mu.Unlock()
	return c, signed, nil
}

// ErrNotSigned says that a log was not signed because of what others know of
// it, or because they could not be asked. Its records are durable all the same.
var ErrNotSigned = errors.New("the log is not signed")

// First is a log about to be signed for the first time since the start.
type First struct {
	Tenant evidence.Tenant
	Origin string
	Size   uint64
	Root   evidence.Hash
	// RootAt returns the root of the first size records, at most Size.
	RootAt func(size uint64) (evidence.Hash, error)
}

// maySign asks before the first signature whether the log may be signed.
func (l *Log) maySign(c chain.Checkpoint) error {
	if err := l.SigningRefused(); err != nil {
		return err
	}
	if l.asked || l.st.o.BeforeFirstSign == nil {
		return nil
	}
	err := l.st.o.BeforeFirstSign(context.Background(), First{l.tenant, l.origin, c.Size, c.Root, l.rootAt})
	switch {
	case problem.Is(err, problem.Refused):
		l.RefuseToSign(err)
		return l.SigningRefused()
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	l.asked = true
	return nil
}

// RefuseToSign lets the log never be signed again while it is open: somebody
// outside knows of another history of it. It still takes records, so that what
// happens meanwhile is not lost. The first reason stays.
func (l *Log) RefuseToSign(why error) {
	l.mu.Lock()
	first := l.unsigned == nil
	if first {
		l.unsigned = fmt.Errorf("%w: %w", ErrNotSigned, why)
	}
	l.mu.Unlock()
	if first {
		l.st.o.Log.Error("log signs nothing", "tenant", l.tenant.String(), "err", why)
	}
}

// SigningRefused returns why the log is not signed any more; nil while it is.
func (l *Log) SigningRefused() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.unsigned
}

// RootAt returns the root of the first size records.
func (l *Log) RootAt(size uint64) (evidence.Hash, error) {
	if err := l.use(); err != nil {
		return evidence.Hash{}, err
	}
	defer l.release()
	return l.rootAt(size)
}

func (l *Log) rootAt(size uint64) (evidence.Hash, error) {
	if n := l.size(); size > n {
		return evidence.Hash{}, fmt.Errorf("root of the first %d records of %d", size, n)
	}
	return chain.Root(size, l.hashes())
}

// CheckpointDue reports whether the log has grown enough, or long enough ago,
// to be signed again.
func (l *Log) CheckpointDue(now time.Time) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	grown := l.head.Size - l.signed.Size
	return l.stopped == nil && l.unsigned == nil && grown > 0 &&
		(grown >= l.st.o.CheckpointRecords || now.Sub(l.signedAt) >= l.st.o.CheckpointEvery)
}

// NoteAt returns the newest stored checkpoint of at most the size.
func (l *Log) NoteAt(size uint64) (chain.Checkpoint, []byte, error) {
	if err := l.use(); err != nil {
		return chain.Checkpoint{}, nil, err
	}
	defer l.release()
	n, err := l.file.NoteAt(size)
	if err != nil || n.Signed == nil {
		return chain.Checkpoint{}, nil, err
	}
	c, err := l.heldKeys().Open(n.Signed)
	return c, n.Signed, err
}

// Frontier returns the frontier of the first size records.
func (l *Log) Frontier(size uint64) (*chain.Frontier, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	return chain.FrontierAt(size, l.hashes())
}

// ProveInclusion proves that record seq is in the tree of the size.
func (l *Log) ProveInclusion(size, seq uint64) ([]evidence.Hash, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	return chain.ProveInclusion(size, seq, l.hashes())
}

// ProveConsistency proves that the tree of newSize extends the one of oldSize.
func (l *Log) ProveConsistency(oldSize, newSize uint64) ([]evidence.Hash, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	return chain.ProveConsistency(oldSize, newSize, l.hashes())
}
