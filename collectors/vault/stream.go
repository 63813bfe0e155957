package vault

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

// stream is the log of one audit device: an active file and its rotated
// siblings, read oldest first. What it keeps between looks is streamState.
type stream struct {
	*streamState
	path   string // of the active file
	device string
	prefix []byte
	max    int
	limit  time.Duration // longest believable silence where one file ends and the next begins

	heads   map[string]*found
	held    *os.File // the active file, open so that deleting it loses nothing
	files   []*found // what this look reads, in order
	now     int      // index into files
	close   io.Closer
	lines   *lineReader
	buf     []byte
	last    []byte // last line taken, for its hash
	lastPos *filePos
	notes   *notes
	peek    *line
	spare   func() *entry
	watch   bool // a silence at a file boundary counts as a loss
}

// streamState is the part of a stream that the resume cursor holds.
type streamState struct {
	Files []*filePos `json:"files"`
	At    time.Time  `json:"at,omitzero"` // time of the last line
	Gap   string     `json:"gap,omitempty"`
	Era   string     `json:"era,omitempty"`
}

// line is one decoded line with the place it stands at.
type line struct {
	e       *entry
	text    []byte // without prefix and newline
	at      time.Time
	guessed bool
	raw     bool
	ref     lineRef
	lost    *loss // lines are missing before this one
	from    *stream
}

// lineRef names a line so that it can be read again.
type lineRef struct {
	Stream string `json:"s"`
	Head   string `json:"h"`
	Off    int64  `json:"o"`
	N      int64  `json:"n"`
}

// loss is a stretch of the log that cannot be read any more.
type loss struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cause string    `json:"cause"`
	Told  bool      `json:"told,omitempty"`
}

// refresh looks at the disk and starts to read where the last look ended.
func (s *stream) refresh() error {
	s.stop()
	s.hold()
	files, told, err := look(s.path, s.heads, s.held)
	for _, t := range told {
		s.notes.add("%s", t)
	}
	if err != nil {
		return err
	}
	s.match(files)
	s.files, s.now = files, 0
	return nil
}

// hold keeps the active file open. A file without a name stays held until
// another file of that path has begun.
func (s *stream) hold() {
	if s.held != nil {
		a, err1 := s.held.Stat()
		b, err2 := os.Stat(s.path)
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
	if fi, err := os.Stat(s.path); err == nil && fi.Mode().IsRegular() {
		s.held, _ = os.Open(s.path) // what cannot be opened is told by look
	}
}

// finished reports whether the file was read to its end and is closed.
func (s *stream) finished(fi os.FileInfo) bool {
	f := newFound("", fi, false)
	for _, p := range s.Files {
		if p.Dev == f.dev && p.Ino == f.ino && p.Closed && p.Off == fi.Size() {
			return true
		}
	}
	return false
}

// match gives each file the position it was read to, begins new ones, and
// notes what was lost.
func (s *stream) match(files []*found) {
	for _, p := range s.Files {
		for _, f := range files {
			if f.pos == nil && f.dev == p.Dev && f.ino == p.Ino && f.head == p.Head && (f.gz || f.size >= p.Off) && s.same(f, p) {
				f.pos = p
				break
			}
		}
	}
	var kept []*filePos
	for _, p := range s.Files {
		f := of(files, p)
		if f == nil {
			f = s.moved(files, p)
		}
		if f == nil {
			if !p.Closed {
				s.lose(s.missing(files, p))
			}
			continue
		}
		kept = append(kept, p)
	}
	seen := map[string]bool{}
	for _, p := range kept {
		seen[p.Head] = true
	}
	for _, f := range files {
		if f.pos == nil && !seen[f.head] {
			f.pos = &filePos{Dev: f.dev, Ino: f.ino, Head: f.head}
			kept = append(kept, f.pos)
			seen[f.head] = true
		}
	}
	s.Files = kept
}

func of(files []*found, p *filePos) *found {
	for _, f := range files {
		if f.pos == p {
			return f
		}
	}
	return nil
}

// same checks the last line once for each file this process meets.
func (s *stream) same(f *found, p *filePos) bool {
	if old := s.heads[verified(f)]; old != nil {
		if old.size0 <= p.Off {
			return true
		}
	}
	if p.Closed && f.gz || f.tailMatches(p) {
		f2 := *f
		f2.size0, f2.held = p.Off, nil
		s.heads[verified(f)] = &f2
		return true
	}
	return false
}

func verified(f *found) string { return fmt.Sprint("tail ", f.dev, " ", f.ino, " ", f.head) }

// moved finds the file of a position under another inode: compressed or
// copied. When the old inode is still there with other content, the file was
// copied and truncated in place.
func (s *stream) moved(files []*found, p *filePos) *found {
	var best *found
	for _, f := range files {
		if f.pos != nil || f.head != p.Head || !f.gz && f.size < p.Off || best != nil && f.gz {
			continue
		}
		if s.same(f, p) {
			best = f
		}
	}
	if best == nil {
		return nil
	}
	if !p.Closed && (s.sameInode(p) || slices.ContainsFunc(files, func(f *found) bool { return f.dev == p.Dev && f.ino == p.Ino })) {
		p.Cut = "the file was truncated in place: lines written between the copy and the truncation are lost"
	}
	best.pos = p
	p.Dev, p.Ino = best.dev, best.ino
	if p.Closed && best.gz {
		p.Packed = best.size
	}
	return best
}

// sameInode reports whether the active file has the inode of the position.
func (s *stream) sameInode(p *filePos) bool {
	fi, err := os.Stat(s.path)
	if err != nil {
		return false
	}
	a := newFound("", fi, true)
	return a.dev == p.Dev && a.ino == p.Ino
}

func (s *stream) missing(files []*found, p *filePos) string {
	const inPlace = "the file was truncated or replaced in place before it was read to its end"
	for _, f := range files {
		if f.dev == p.Dev && f.ino == p.Ino {
			return inPlace
		}
	}
	if s.sameInode(p) { // and it has no line yet
		return inPlace
	}
	return "a file was deleted or rotated away before it was read to its end"
}

func (s *stream) lose(cause string) {
	if s.Gap == "" {
		s.Gap = cause
	}
}

// next returns the next line to be taken, nil when everything on disk was
// read. It may be called again for the same line until take.
func (s *stream) next(ctx context.Context) (*line, error) {
	for s.peek == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
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
			if err := s.endFile(); err != nil {
				return nil, err
			}
		case err != nil:
			s.broken(err)
		case over != nil:
			f := s.files[s.now]
			s.notes.partial("%s, offset %d: a line of %d bytes is longer than max_line and was not read (SHA-256 %s)",
				f.path, f.pos.Off, over.size, over.sum)
			s.advance(n, nil)
		default:
			s.decode(text, n)
		}
	}
	return s.peek, nil
}

// open starts on the next file that has something unread.
func (s *stream) open() (bool, error) {
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
			s.notes.partial("%v", err)
			continue
		}
		if err := skipTo(r, f.pos.Off); err != nil {
			c.Close()
			s.notes.partial("%s: cannot go on at offset %d: %v", f.path, f.pos.Off, err)
			continue
		}
		s.close, s.lines = c, newLineReader(r, f.pos.Off, s.max, s.buf)
		return true, nil
	}
	return false, nil
}

func (s *stream) stop() {
	if s.close != nil {
		s.close.Close()
		s.buf = s.lines.buf
		if len(s.buf) > 4*firstBuffer {
			s.buf = nil
		}
	}
	s.close, s.lines, s.peek, s.files, s.now = nil, nil, nil, nil, 0
}

// endFile goes on to the next file. A half line stays unread, unless no more
// can come: then it is a torn line.
func (s *stream) endFile() error {
	f := s.files[s.now]
	rest := int64(len(s.lines.rest()))
	off := f.pos.Off
	if rest > 0 && s.now < len(s.files)-1 {
		s.notes.partial("%s, offset %d: the file ends in a half line of %d bytes", f.path, off, rest)
		s.advance(rest, nil)
	}
	s.close.Close()
	s.buf, s.lines, s.close = s.lines.buf, nil, nil
	if f.gz {
		f.pos.Packed = f.size
	}
	s.done(f)
	s.now++
	return nil
}

// done closes a file that was read to its end when a newer one has begun.
func (s *stream) done(f *found) {
	if s.now < len(s.files)-1 && !f.pos.Closed {
		f.pos.Closed = true
		if f.pos.Cut != "" {
			s.lose(f.pos.Cut)
			f.pos.Cut = ""
		}
	}
}

func (s *stream) broken(err error) {
	f := s.files[s.now]
	why := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		why = "the compressed file ends early"
	}
	s.notes.partial("%s, offset %d: %s", f.path, f.pos.Off, why)
	s.close.Close()
	s.buf, s.lines, s.close = s.lines.buf, nil, nil
	s.now++
}

// advance moves the position of the current file behind n bytes. raw is the
// line with its newline, nil when it was not kept.
func (s *stream) advance(n int64, raw []byte) {
	p := s.files[s.now].pos
	if s.lastPos != p {
		s.seal()
		s.lastPos = p
	}
	p.Off += n
	p.Tail, p.TailN = "", int64(len(raw))
	s.last = append(s.last[:0], raw...)
}

// seal computes the hash of the last line; it is wanted at commits only.
func (s *stream) seal() {
	if p := s.lastPos; p != nil && p.TailN > 0 && p.Tail == "" {
		p.Tail = hashHex(s.last)
	}
}

// raw is the line of n bytes that was read last, as it stands in the file.
func (s *stream) raw(n int64) []byte {
	return s.lines.buf[s.lines.r-int(n) : s.lines.r]
}

// decode makes the line the next one, or notes why it cannot be read.
func (s *stream) decode(text []byte, n int64) {
	f := s.files[s.now]
	body := text
	if len(s.prefix) > 0 {
		body = bytes.TrimPrefix(body, s.prefix)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		s.advance(n, s.raw(n))
		return
	}
	body = slices.Clone(body) // it may have to wait for its response
	e := s.spare()
	if err := e.decode(body); err != nil {
		s.notes.partial("%s, offset %d, %d bytes: %v", f.path, f.pos.Off, n, err)
		s.advance(n, s.raw(n))
		return
	}
	for _, k := range e.unknown {
		s.notes.key(k)
	}
	s.peek = &line{from: s, e: e, text: body, at: e.at, raw: e.raw(), ref: lineRef{s.path, f.head, f.pos.Off, n}}
	if s.peek.at.IsZero() {
		s.peek.at, s.peek.guessed = s.At, true
	}
}

// take consumes the line that next returned.
func (s *stream) take() {
	l := s.peek
	f := s.files[s.now]
	first := f.pos.Off == 0
	s.peek = nil
	s.advance(l.ref.N, s.raw(l.ref.N))
	if l.at.IsZero() {
		l.at, l.guessed = f.mtime.UTC(), true
	}
	switch {
	case s.Gap != "" && !s.At.IsZero():
		l.lost = &loss{From: s.At, To: l.at, Cause: s.Gap}
	case first && s.watch && !s.At.IsZero() && l.at.Sub(s.At) > s.limit:
		l.lost = &loss{From: s.At, To: l.at, Cause: fmt.Sprintf(
			"no line for %s where one file ends and the next begins: a file in between may be gone", l.at.Sub(s.At).Round(time.Second))}
	}
	s.Gap = ""
	if l.e.request && string(l.e.req.path) == "sys/audit/test" {
		s.Era = cut(clean(l.e.req.id), 8)
	}
	s.At = l.at
	if l.raw {
		s.notes.add("%s: a line of %d bytes at %s shows values in clear (log_raw?); it was not kept",
			s.device, l.ref.N, l.at.Format(time.RFC3339Nano))
	}
}

// reread fetches a line that was read before.
func (s *stream) reread(ref lineRef) ([]byte, error) {
	i := slices.IndexFunc(s.files, func(f *found) bool { return f.head == ref.Head && f.pos != nil })
	if i < 0 {
		return nil, fmt.Errorf("%s: the file is gone", filepath.Base(s.path))
	}
	if ref.N > int64(s.max)+1 || ref.N <= 0 {
		return nil, fmt.Errorf("%s: no line of %d bytes", filepath.Base(s.path), ref.N)
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
	return bytes.TrimPrefix(b, s.prefix), nil
}
