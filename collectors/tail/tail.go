// Package tail reads log files that others write, rotate, compress and delete
// meanwhile, line by line, each line once.
//
// A stream is an active file with its rotated siblings, read oldest first. A
// file is known by device, inode and the hash of its first line, so that the
// tail follows renames, copies and compression; what it cannot find again, and
// a file that is truncated in place, is a loss with its cause. The state holds
// places and hashes, never a line.
//
// The caller decides what a line is: it asks for the next one, and takes or
// skips it. Nothing is taken before the caller says so, and the state may be
// kept at any time in between.
//
// A [Cover] says what may be claimed of a log that was read: that no line came
// proves nothing unless our own marks came.
package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Options are how a stream is read. All functions but Open must be set.
type Options struct {
	MaxLine int           // longest line in bytes as it stands in the file; a longer one is noted and skipped
	Silence time.Duration // longest believable silence where one file ends and the next begins
	// Time finds the time of a line, which may be cut; zero when it has none.
	Time func(line []byte) time.Time
	// Open makes a line out of what stands in the file; nil when they are the
	// same. What does not open is lost.
	Open func(line []byte) ([]byte, error)
	// Join puts the lines together that a container runtime split. Prefix is what
	// may stand before the object of a line.
	Join   bool
	Prefix []byte
	// Final says that nobody writes to a rotated file any more, so that one that
	// was read to its end is done with before the next one has begun.
	Final bool
	// Note is told what an operator should know, Partial what makes a look
	// incomplete. Neither is ever told a line.
	Note, Partial func(format string, args ...any)
}

// Stream is one log. It may be used by one goroutine at a time.
type Stream struct {
	*State
	Path string // of the active file
	// Watch makes a silence longer than Options.Silence between two files a
	// loss: set it when the log is known to hold lines more often than that.
	Watch bool

	opt     Options
	heads   map[string]*found
	held    *os.File // the active file, open so that deleting it loses nothing
	files   []*found // what this look reads, in order
	now     int      // index into files
	close   io.Closer
	lines   *lineReader
	buf     []byte
	last    []byte // last line taken, for its hash
	lastPos *Position
	peek    *Line
	stretch *stretch // of which peek is one line; nil when it stands for itself
}

// State is what a stream keeps between looks: a part of the resume cursor.
type State struct {
	Files []*Position `json:"files"`
	At    time.Time   `json:"at,omitzero"` // time of the last line taken
	Gap   string      `json:"gap,omitempty"`
	// Damaged are the compressed files of which not even the first line can be
	// read, so that each is a loss once.
	Damaged []damage `json:"damaged,omitempty"`
}

// damage names a file without its content.
type damage struct {
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
	Size int64  `json:"size"`
}

// Line is one line that was not taken yet.
type Line struct {
	Text   []byte // without newline; valid until it is taken or skipped
	Place  Place
	Joined bool // of the pieces that a container runtime made; nothing wraps it any more
}

// Place names a line so that it can be read again.
type Place struct {
	Stream string `json:"s"` // path of the active file
	Head   string `json:"h"`
	Off    int64  `json:"o"`
	N      int64  `json:"n"` // with its newline
}

// Loss is a stretch of a log that cannot be read any more, in the log's time.
type Loss struct {
	From, To time.Time
	Cause    string
}

// New makes a stream of the active file at path. It touches no file.
func New(path string, opt Options) *Stream {
	if open, begun := opt.Open, opt.Time; open != nil {
		opt.Time = func(line []byte) time.Time {
			if line, err := open(line); err == nil {
				return begun(line)
			}
			return time.Time{} // cut, or not ours
		}
	}
	return &Stream{Path: path, State: &State{}, opt: opt, heads: map[string]*found{}}
}

// Use makes st the state that reading moves.
func (s *Stream) Use(st *State) {
	if s.State != st {
		s.State, s.lastPos, s.last = st, nil, s.last[:0]
	}
}

// Count tells how many files Refresh found with at least one line.
func (s *Stream) Count() int { return len(s.files) }

// Refresh looks at the disk and starts to read where the last look ended. An
// error means that the active file or its folder cannot be read.
func (s *Stream) Refresh() error {
	s.Stop()
	s.hold()
	files, damaged, told, err := look(s.Path, s.heads, s.held, s.opt.Time)
	for _, t := range told {
		s.opt.Note("%s", t)
	}
	if err != nil {
		return err
	}
	s.match(files)
	s.damaged(damaged)
	s.files, s.now = files, 0
	return nil
}

// damaged takes note of compressed files that cannot be read at all. One that
// was last written before the newest line taken held nothing that is missing:
// what it was compressed from had been read.
func (s *Stream) damaged(files []*found) {
	var known []damage
	for _, f := range files {
		d := damage{f.dev, f.ino, f.size}
		known = append(known, d)
		if slices.Contains(s.Damaged, d) {
			continue
		}
		s.opt.Partial("%s: the compressed file is damaged and cannot be read", f.path)
		if f.mtime.After(s.At) {
			s.Lose("a compressed file is damaged: none of its lines can be read")
		}
	}
	s.Damaged = known
}

// hold keeps the active file open. A file without a name stays held until
// another file of that path has begun.
func (s *Stream) hold() {
	if s.held != nil {
		a, err1 := s.held.Stat()
		b, err2 := os.Stat(s.Path)
		if err1 == nil && err2 == nil && os.SameFile(a, b) || err2 != nil {
			return
		}
		if b.Size() == 0 {
			return
		}
		if _, ok := nameless(s.held); ok && !s.finished(a) {
			return
		}
		s.held.Close()
		s.held = nil
	}
	// Opening a pipe would wait for its writer.
	if fi, err := os.Stat(s.Path); err == nil && fi.Mode().IsRegular() {
		s.held, _ = os.Open(s.Path) // what cannot be opened is told by look
	}
}

// finished reports whether the file was read to its end and is closed.
func (s *Stream) finished(fi os.FileInfo) bool {
	f := newFound("", fi, false)
	for _, p := range s.Files {
		if p.Dev == f.dev && p.Ino == f.ino && p.Closed && p.Off == fi.Size() {
			return true
		}
	}
	return false
}

// Lose says that lines are missing before the next one that is taken; the first
// cause stands.
func (s *Stream) Lose(cause string) {
	if s.Gap == "" {
		s.Gap = cause
	}
}

// Next returns the next line, nil when everything on disk was read. It returns
// the same line until Take or Skip.
func (s *Stream) Next(ctx context.Context) (*Line, error) {
	for s.peek == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if u := s.stretch; u != nil {
			if len(u.ready) == 0 {
				s.pass(u.span, u.last)
				continue
			}
			s.peek, u.ready = u.ready[0], u.ready[1:]
			break
		}
		if s.lines == nil {
			ok, err := s.open()
			if err != nil || !ok {
				return nil, err
			}
		}
		text, n, over, err := s.lines.next()
		switch {
		case err == io.EOF:
			s.endFile()
		case err != nil:
			s.broken(err)
		case over != nil:
			s.overlong(s.files[s.now].pos.Off, over)
			s.advance(n, nil)
		default:
			f := s.files[s.now]
			if s.opt.Join {
				if w, ok := s.splits(text); ok {
					s.join(text, n, w)
					continue
				}
			}
			if s.opt.Open != nil {
				if text, err = s.opt.Open(text); err != nil {
					s.opt.Partial("%s, offset %d: %v", f.path, f.pos.Off, err)
					s.Lose("a line that was kept sealed does not open")
					s.advance(n, s.raw(n))
					continue
				}
			}
			s.peek = &Line{Text: text, Place: Place{s.Path, f.head, f.pos.Off, n}}
		}
	}
	return s.peek, nil
}

func (s *Stream) overlong(off int64, over *overlong) {
	s.opt.Partial("%s, offset %d: a line of %d bytes is longer than max_line and was not read (SHA-256 %s)",
		s.files[s.now].path, off, over.size, over.sum)
}

// Skip passes over the line that Next returned: it has no time and tells no
// loss.
func (s *Stream) Skip() {
	n := s.peek.Place.N
	s.peek = nil
	switch u := s.stretch; {
	case u == nil:
		s.advance(n, s.raw(n))
	case len(u.ready) == 0: // it is taken when the last of its lines is
		s.pass(u.span, u.last)
	}
}

// pass moves behind a stretch.
func (s *Stream) pass(n int64, last []byte) {
	s.stretch = nil
	s.advance(n, last)
}

// Take consumes the line that Next returned. at is its time; a zero one is
// replaced by the file's, and guessed then says so. lost is what is missing
// before the line.
func (s *Stream) Take(at time.Time) (when time.Time, guessed bool, lost *Loss) {
	f := s.files[s.now]
	first := f.pos.Off == 0
	s.Skip()
	if at.IsZero() {
		at, guessed = f.mtime.UTC(), true
	}
	switch {
	case s.Gap != "" && !s.At.IsZero():
		lost = &Loss{From: s.At, To: at, Cause: s.Gap}
	case first && s.Watch && !s.At.IsZero() && at.Sub(s.At) > s.opt.Silence:
		lost = &Loss{From: s.At, To: at, Cause: fmt.Sprintf(
			"no line for %s where one file ends and the next begins: a file in between may be gone", at.Sub(s.At).Round(time.Second))}
	}
	s.Gap = ""
	s.At = at
	return at, guessed, lost
}

// Oldest is the time of the first line of the oldest file that Refresh found;
// zero when there is none.
func (s *Stream) Oldest() time.Time {
	if len(s.files) == 0 {
		return time.Time{}
	}
	return s.files[0].first.UTC()
}

// Finished returns the rotated files that were taken to their end, for a
// caller that owns them and deletes what it no longer needs.
func (s *Stream) Finished() []string {
	var paths []string
	for _, f := range s.files {
		if p := f.pos; p != nil && p.Closed && !f.active && f.held == nil && (f.gz && p.Packed == f.size || !f.gz && p.Off == f.size) {
			paths = append(paths, f.path)
		}
	}
	return paths
}

// Drained reports whether the active file holds lines and each of them was
// taken. A caller that owns the file can put it aside then.
func (s *Stream) Drained() bool {
	fi, err := os.Stat(s.Path)
	if err != nil || fi.Size() == 0 {
		return false
	}
	a := newFound(s.Path, fi, true)
	return slices.ContainsFunc(s.files, func(f *found) bool {
		return f.active && f.dev == a.dev && f.ino == a.ino && f.pos != nil && f.pos.Off == a.size
	})
}

// Head is the hash of the first line of a file that Refresh found, as Place
// holds it; empty for another path.
func (s *Stream) Head(path string) string {
	for _, f := range s.files {
		if f.path == path {
			return f.head
		}
	}
	return ""
}

// Where tells the path and offset of the line that Next returned, for notes.
func (s *Stream) Where() (path string, offset int64) {
	f := s.files[s.now]
	return f.path, f.pos.Off
}

// open starts on the next file that has something unread.
func (s *Stream) open() (bool, error) {
	for ; s.now < len(s.files); s.now++ {
		f := s.files[s.now]
		switch {
		case f.pos == nil: // a copy of another one
			continue
		case f.gz && f.pos.Packed == f.size, !f.gz && f.pos.Off == f.size:
			s.done(f)
			continue
		}
		r, c, err := f.open()
		if err != nil {
			if f.active {
				return false, err
			}
			s.opt.Partial("%v", err)
			continue
		}
		if err := skipTo(r, f.pos.Off); err != nil {
			c.Close()
			s.opt.Partial("%s: cannot go on at offset %d: %v", f.path, f.pos.Off, err)
			s.giveUp(f)
			continue
		}
		s.close, s.lines = c, newLineReader(r, f.pos.Off, s.opt.MaxLine, s.buf)
		return true, nil
	}
	return false, nil
}

// Stop closes what Refresh opened; a line that was not taken is read again.
func (s *Stream) Stop() {
	if s.close != nil {
		s.close.Close()
		s.buf = s.lines.buf
		if len(s.buf) > 4*firstBuffer {
			s.buf = nil
		}
	}
	s.close, s.lines, s.peek, s.stretch, s.files, s.now = nil, nil, nil, nil, nil, 0
}

// endFile goes on to the next file. A half line stays unread, unless no more
// can come: then it is a torn line.
func (s *Stream) endFile() {
	f := s.files[s.now]
	rest := int64(len(s.lines.rest()))
	off := f.pos.Off
	if rest > 0 && s.now < len(s.files)-1 {
		s.opt.Partial("%s, offset %d: the file ends in a half line of %d bytes", f.path, off, rest)
		s.advance(rest, nil)
	}
	s.close.Close()
	s.buf, s.lines, s.close = s.lines.buf, nil, nil
	if f.gz {
		f.pos.Packed = f.size
	}
	s.done(f)
	s.now++
}

// done closes a file that was read to its end when a newer one has begun.
func (s *Stream) done(f *found) {
	if (s.now < len(s.files)-1 || s.opt.Final && !f.active) && !f.pos.Closed {
		f.pos.Closed = true
		if f.pos.Cut != "" {
			s.Lose(f.pos.Cut)
			f.pos.Cut = ""
		}
	}
}

func (s *Stream) broken(err error) {
	f := s.files[s.now]
	why := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		why = "the compressed file ends early"
	}
	s.opt.Partial("%s, offset %d: %s", f.path, f.pos.Off, why)
	s.close.Close()
	s.buf, s.lines, s.close = s.lines.buf, nil, nil
	s.giveUp(f)
	s.now++
}

// giveUp takes what is left of a damaged compressed file as lost. It is not
// read again unless it grows: then it was still being written.
func (s *Stream) giveUp(f *found) {
	if !f.gz || f.pos.Packed == f.size {
		return
	}
	f.pos.Packed = f.size
	s.Lose("a compressed file is damaged: the rest of its lines cannot be read")
	s.done(f)
}

// advance moves the position of the current file behind n bytes. raw is the
// line with its newline, nil when it was not kept.
func (s *Stream) advance(n int64, raw []byte) {
	p := s.files[s.now].pos
	if s.lastPos != p {
		s.Seal()
		s.lastPos = p
	}
	p.Off += n
	p.Tail, p.TailN = "", int64(len(raw))
	s.last = append(s.last[:0], raw...)
}

// Seal computes the hash of the last line; it is wanted at commits only.
func (s *Stream) Seal() {
	if p := s.lastPos; p != nil && p.TailN > 0 && p.Tail == "" {
		p.Tail = hashHex(s.last)
	}
}

// raw is the line of n bytes that was read last, as it stands in the file.
func (s *Stream) raw(n int64) []byte {
	return s.lines.buf[s.lines.r-int(n) : s.lines.r]
}

// Reread fetches a line that was read before, without newline.
func (s *Stream) Reread(ref Place) ([]byte, error) {
	i := slices.IndexFunc(s.files, func(f *found) bool { return f.head == ref.Head && f.pos != nil })
	if i < 0 {
		return nil, fmt.Errorf("%s: the file is gone", filepath.Base(s.Path))
	}
	if ref.N > int64(s.opt.MaxLine)+1 || ref.N <= 0 {
		return nil, fmt.Errorf("%s: no line of %d bytes", filepath.Base(s.Path), ref.N)
	}
	r, c, err := s.files[i].open()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := skipTo(r, ref.Off); err != nil {
		return nil, err
	}
	b := make([]byte, ref.N)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	if s.opt.Join {
		if text, ok := s.rejoin(b); ok {
			return text, nil
		}
	}
	if s.opt.Open != nil {
		return s.opt.Open(b)
	}
	return b, nil
}
