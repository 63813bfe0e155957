package tail

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Position is how far one file was read. A file is known by device and inode,
// and by the hash of its first line, which stays when the file is copied or
// compressed; inodes are used again, and names move.
type Position struct {
	Dev    uint64 `json:"dev"`
	Ino    uint64 `json:"ino"`
	Head   string `json:"head"`           // hash of the first line
	Off    int64  `json:"off"`            // bytes read, of the uncompressed content
	Tail   string `json:"tail,omitempty"` // hash of the last line that was read
	TailN  int64  `json:"tail_n,omitempty"`
	Closed bool   `json:"closed,omitempty"` // read to its end after a newer file had begun
	Packed int64  `json:"packed,omitempty"` // size of the compressed file that was read to its end
	Cut    string `json:"cut,omitempty"`    // why lines are missing behind its end
}

// found is one file on disk that belongs to a stream.
type found struct {
	path     string
	dev, ino uint64
	size     int64
	mtime    time.Time
	gz       bool
	active   bool
	head     string
	first    time.Time // of its first line, else mtime
	held     *os.File  // the file has no name any more
	pos      *Position
	size0    int64 // when the head was read
}

// headBytes is how much of a first line is hashed.
const headBytes = 64 << 10

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Expand resolves configured paths and globs to active files: a match that is
// a rotated sibling of another match is none. A path without a match stays,
// its file may come.
func Expand(patterns []string) ([]string, error) {
	var paths []string
	for _, p := range patterns {
		if !strings.ContainsAny(p, "*?[") {
			paths = append(paths, p)
			continue
		}
		ms, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", p, err)
		}
		paths = append(paths, ms...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var active []string
	for _, p := range paths {
		if !slices.ContainsFunc(paths, func(q string) bool { return q != p && isSibling(q, p) }) {
			active = append(active, p)
		}
	}
	return active, nil
}

// isSibling reports whether name looks like a rotated file of the active one:
// audit.log.1, audit.log-20260302, audit.log.2.gz, audit-2026-03-02.log.
func isSibling(active, name string) bool {
	if filepath.Dir(active) != filepath.Dir(name) {
		return false
	}
	a, n := filepath.Base(active), filepath.Base(name)
	if a == n {
		return false
	}
	if rest, ok := strings.CutPrefix(n, a); ok {
		return rotated(rest)
	}
	ext := filepath.Ext(a)
	stem := strings.TrimSuffix(a, ext)
	n = strings.TrimSuffix(n, ".gz")
	if n == a {
		return true
	}
	if ext == "" || !strings.HasPrefix(n, stem) || !strings.HasSuffix(n, ext) || len(n) < len(a) {
		return false
	}
	return rotated(n[len(stem) : len(n)-len(ext)])
}

// rotated reports whether what was added to a name is a number, a date or one
// of the usual words.
func rotated(s string) bool {
	s = strings.TrimSuffix(s, ".gz")
	if s == "" {
		return true
	}
	if !strings.ContainsRune(".-_", rune(s[0])) {
		return false
	}
	switch s[1:] {
	case "old", "bak", "prev", "rotated":
		return true
	}
	digits := 0
	for _, c := range s[1:] {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case !strings.ContainsRune(".-_TZ:+", c):
			return false
		}
	}
	return digits > 0
}

// look lists the files of a stream that have at least one whole line, and the
// compressed ones that should have and are damaged. heads remembers first lines
// of files that did not change; begun finds the time of a line that may be cut.
func look(active string, heads map[string]*found, held *os.File, begun func([]byte) time.Time) (whole, damaged []*found, notes []string, err error) {
	// A file that is renamed between listing and opening stands in the next
	// list under its new name.
	for range 5 {
		if whole, damaged, notes, err = lookOnce(active, heads, held, begun); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return whole, damaged, notes, err
}

func lookOnce(active string, heads map[string]*found, held *os.File, begun func([]byte) time.Time) (whole, damaged []*found, notes []string, err error) {
	names, err := os.ReadDir(filepath.Dir(active))
	if err != nil {
		return nil, nil, nil, err
	}
	var fs []*found
	for _, de := range names {
		path := filepath.Join(filepath.Dir(active), de.Name())
		if path != filepath.Clean(active) && !isSibling(filepath.Clean(active), path) {
			continue
		}
		f, err := stat(path, filepath.Clean(active))
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // renamed between listing and looking
		case err != nil:
			notes = append(notes, err.Error())
			continue
		}
		fs = append(fs, f)
	}
	if held != nil {
		if f, ok := nameless(held); ok {
			fs = append(fs, f)
		}
	}
	out := fs[:0]
	for _, f := range fs {
		err := f.readHead(heads, begun)
		switch {
		case err == nil:
		case f.active:
			return nil, nil, notes, err
		case errors.Is(err, errDamaged):
			if !f.beingPacked() {
				damaged = append(damaged, f)
			}
			continue
		default:
			notes = append(notes, err.Error())
			continue
		}
		if f.head != "" {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b *found) int {
		if a.active != b.active {
			if a.active {
				return 1
			}
			return -1
		}
		return cmp.Or(a.first.Compare(b.first), a.mtime.Compare(b.mtime), cmp.Compare(a.path, b.path))
	})
	return out, damaged, notes, nil
}

// errDamaged says that a compressed file does not even give its first line.
var errDamaged = errors.New("the compressed file is damaged")

// beingPacked reports whether what the file is made from is still there: it may
// be half written.
func (f *found) beingPacked() bool {
	_, err := os.Lstat(strings.TrimSuffix(f.path, ".gz"))
	return err == nil
}

func stat(path, active string) (*found, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file and is not read", path)
	}
	return newFound(path, fi, path == active), nil
}

func newFound(path string, fi fs.FileInfo, active bool) *found {
	f := &found{path: path, size: fi.Size(), mtime: fi.ModTime(), gz: strings.HasSuffix(path, ".gz"), active: active}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		f.dev, f.ino = uint64(st.Dev), st.Ino
	}
	return f
}

// nameless returns the file behind an open handle when nothing else names it:
// it was deleted, and the server may still be writing to it.
func nameless(held *os.File) (*found, bool) {
	fi, err := held.Stat()
	if err != nil {
		return nil, false
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Nlink != 0 {
		return nil, false
	}
	f := newFound(held.Name(), fi, false)
	f.held = held
	return f, true
}

// open opens the content from its begin, uncompressed.
func (f *found) open() (io.Reader, io.Closer, error) {
	if f.held != nil {
		return io.NewSectionReader(f.held, 0, 1<<62), io.NopCloser(nil), nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, nil, err
	}
	if !f.gz {
		return file, file, nil
	}
	z, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("%s: %w (%w)", f.path, errDamaged, err)
	}
	return z, file, nil
}

// readHead hashes the first line, or leaves head empty when there is no whole
// one yet.
func (f *found) readHead(heads map[string]*found, begun func([]byte) time.Time) error {
	key := fmt.Sprint(f.path, " ", f.dev, " ", f.ino)
	if old := heads[key]; old != nil && old.mtime.Equal(f.mtime) && old.size == f.size && old.head != "" {
		f.head, f.first = old.head, old.first
		return nil
	}
	r, c, err := f.open()
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := io.ReadAll(io.LimitReader(r, headBytes))
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	} else if err != nil && f.gz {
		return fmt.Errorf("%s: %w (%w)", f.path, errDamaged, err)
	} else if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	} else if len(b) < headBytes {
		return nil
	}
	f.head = hashHex(b)
	f.first = begun(b)
	if f.first.IsZero() {
		f.first = f.mtime
	}
	if len(heads) > 4096 {
		clear(heads)
	}
	heads[key] = f
	return nil
}

// tailMatches reports whether the last line that was read still stands before
// the position.
func (f *found) tailMatches(p *Position) bool {
	if p.Tail == "" {
		return true // nothing read yet, or the last line was too long to keep
	}
	if p.TailN <= 0 || p.TailN > p.Off {
		return false
	}
	r, c, err := f.open()
	if err != nil {
		return false
	}
	defer c.Close()
	if err := skipTo(r, p.Off-p.TailN); err != nil {
		return false
	}
	h := sha256.New()
	if n, err := io.CopyN(h, r, p.TailN); err != nil || n != p.TailN {
		return false
	}
	return hex.EncodeToString(h.Sum(nil)[:16]) == p.Tail
}

func skipTo(r io.Reader, off int64) error {
	if s, ok := r.(io.Seeker); ok {
		_, err := s.Seek(off, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, r, off)
	return err
}
