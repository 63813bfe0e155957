package tail

import (
	"bytes"
	"encoding/json"
	"time"
)

// What a program writes to its standard output stands wrapped in the file that
// a container runtime makes of it: a log line each of the form "time stream tag
// text" (CRI), or a JSON object whose member log is the text (Docker's
// json-file). A runtime splits what is longer than 16 KiB: CRI tags all pieces
// but the last with P, of Docker's the last alone ends in a newline. Lines of
// the other stream may stand between the pieces.

// Wrapped is what stands in one line of such a file.
type Wrapped struct {
	Stream string // stdout or stderr
	Text   []byte // what the program wrote, without newline
	Part   bool   // more of the same line follows
	guess  bool   // nothing but a missing newline says so: a shipper may have taken it away
}

// Unwrap reads a line of a container's log; false when it is none.
func Unwrap(line []byte) (Wrapped, bool) {
	if bytes.HasPrefix(line, []byte(`{"log":"`)) {
		return unwrapDocker(line)
	}
	at, rest, _ := bytes.Cut(line, []byte(" "))
	stream, rest, _ := bytes.Cut(rest, []byte(" "))
	tag, text, ok := bytes.Cut(rest, []byte(" "))
	if !ok || string(stream) != "stdout" && string(stream) != "stderr" {
		return Wrapped{}, false
	}
	if _, err := time.Parse(time.RFC3339Nano, string(at)); err != nil {
		return Wrapped{}, false
	}
	tag, _, _ = bytes.Cut(tag, []byte(":"))
	return Wrapped{Stream: string(stream), Text: text, Part: string(tag) != "F"}, true
}

func unwrapDocker(line []byte) (Wrapped, bool) {
	var d struct {
		Log    *string `json:"log"`
		Stream string  `json:"stream"`
		Time   string  `json:"time"`
	}
	if err := json.Unmarshal(line, &d); err != nil || d.Log == nil || d.Stream == "" || d.Time == "" {
		return Wrapped{}, false
	}
	text, whole := bytes.CutSuffix([]byte(*d.Log), []byte("\n"))
	return Wrapped{Stream: d.Stream, Text: text, Part: !whole, guess: !whole}, true
}

// splits reports whether a line is the first piece of one that was split.
func (s *Stream) splits(line []byte) (Wrapped, bool) {
	w, ok := Unwrap(line)
	if !ok || !w.Part {
		return w, false
	}
	return w, !w.guess || bytes.HasPrefix(bytes.TrimPrefix(w.Text, s.opt.Prefix), []byte("{")) && !s.whole(w.Text)
}

// maxBetween is how many lines of the other stream may stand between the pieces
// of one: a runtime writes the pieces one after another, as they come.
const maxBetween = 1000

// stretch is the part of a file from the first piece of a split line to the last
// piece of all that were begun before it ended. Its lines are delivered in the
// order in which they ended, and it is taken as a whole.
type stretch struct {
	ready []*Line
	span  int64  // in bytes
	last  []byte // its last line with the newline

	open  map[string]*Line // by stream, split lines whose last piece did not come yet
	lines int
}

const (
	cutEnds = "a line that the container runtime split does not end"
	cutLong = "a line that the container runtime split is longer than max_line"
)

// join reads on from the first piece of a split line until nothing is open any
// more. Without more to read it leaves the stretch unread, to be begun again,
// as long as more can come.
func (s *Stream) join(first []byte, n int64, w Wrapped) {
	f := s.files[s.now]
	u := &stretch{open: map[string]*Line{}}
	u.add(s, first, n, w, true)
	for len(u.open) > 0 {
		line, n, over, err := s.lines.next()
		switch {
		case err != nil:
			if s.mayGrow(f) {
				s.endFile()
				return
			}
			s.cut(u, cutEnds)
			s.stretch = u // what is wrong, if anything, comes again with the next line
			return
		case over != nil:
			s.overlong(f.pos.Off+u.span, over)
			u.span, u.last = u.span+n, nil
		default:
			w, ok := Unwrap(line)
			u.add(s, line, n, w, ok)
		}
		switch {
		case len(u.open) == 0:
		case u.span > int64(s.opt.MaxLine):
			s.cut(u, cutLong)
		case u.lines > maxBetween:
			s.cut(u, cutEnds)
		}
	}
	s.stretch = u
}

// mayGrow reports whether the rest of a split line may still be written: a
// runtime writes it at once.
func (s *Stream) mayGrow(f *found) bool {
	return s.now == len(s.files)-1 && !f.gz && time.Since(f.mtime) <= s.opt.Silence
}

// cut gives up the split lines of a stretch that are open.
func (s *Stream) cut(u *stretch, cause string) {
	for stream, l := range u.open {
		u.lose(s, stream, l, cause)
	}
}

// lose gives up a split line.
func (u *stretch) lose(s *Stream, stream string, l *Line, cause string) {
	s.opt.Partial("%s, offset %d: %s", s.files[s.now].path, l.Place.Off, cause)
	s.Lose(cause)
	delete(u.open, stream)
}

// add takes the next line of the file into the stretch.
func (u *stretch) add(s *Stream, line []byte, n int64, w Wrapped, wrapped bool) {
	f := s.files[s.now]
	at := f.pos.Off + u.span
	u.span += n
	u.last = append(append(u.last[:0], line...), '\n')
	l := u.open[w.Stream]
	if l != nil && wrapped && (!w.Part || w.guess) && s.whole(w.Text) {
		// It begins a line of its own: the program was ended within the other.
		u.lose(s, w.Stream, l, cutEnds)
		l = nil
	}
	switch {
	case wrapped && l != nil:
		l.Text = append(l.Text, w.Text...)
		l.Place.N = at + n - l.Place.Off
		switch {
		case w.Part:
		case l.Place.N > int64(s.opt.MaxLine)+1: // with its newline
			u.lose(s, w.Stream, l, cutLong)
		default:
			delete(u.open, w.Stream)
			u.ready = append(u.ready, l)
		}
		u.lines = 0
	case wrapped && w.Part && (!w.guess || u.span == n):
		u.open[w.Stream] = &Line{Text: bytes.Clone(w.Text), Joined: true, Place: Place{s.Path, f.head, at, n}}
	default:
		u.ready = append(u.ready, &Line{Text: bytes.Clone(line), Place: Place{s.Path, f.head, at, n}})
		u.lines++
	}
}

// whole reports whether a text is a JSON object by itself, as no last piece of a
// split one is.
func (s *Stream) whole(text []byte) bool {
	text = bytes.TrimPrefix(text, s.opt.Prefix)
	return bytes.HasPrefix(text, []byte("{")) && json.Valid(text)
}

// rejoin makes one line of the bytes of a split one, as they stand in the file.
func (s *Stream) rejoin(b []byte) ([]byte, bool) {
	line, rest, more := bytes.Cut(b, []byte("\n"))
	first, ok := s.splits(line)
	if !ok || !more {
		return nil, false
	}
	text := bytes.Clone(first.Text)
	for line := range bytes.SplitSeq(rest, []byte("\n")) {
		if w, ok := Unwrap(line); ok && w.Stream == first.Stream {
			text = append(text, w.Text...)
		}
	}
	return text, true
}
