package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	sealed "evidenced/collectors/spool"
	"evidenced/collectors/tail"
)

// stream is the log of one audit device, decoded.
type stream struct {
	*tail.Stream
	state  *streamState
	device string
	prefix []byte
	notes  *notes
	peek   *line
	spare  func() *entry
	spool  *spool // of a socket; nil for a device's own files
}

// streamState is the part of a stream that the resume cursor holds.
type streamState struct {
	tail.State
	Era string `json:"era,omitempty"`
}

// line is one decoded line with the place it stands at.
type line struct {
	e       *entry
	text    []byte // without prefix and newline
	at      time.Time
	guessed bool
	raw     bool
	ref     lineRef
	lost    *tail.Loss // lines are missing before this one
	from    *stream
}

// lineRef names a line so that it can be read again.
type lineRef = tail.Place

// stream makes the stream of an active file.
func (c *Collector) stream(path string) *stream {
	o := tail.Options{MaxLine: c.cfg.MaxLine, Silence: c.cfg.ProbeLimit, Time: firstTime, Note: c.notes.Add, Partial: c.notes.Partial,
		Join: true, Prefix: []byte(c.cfg.Prefix)}
	if c.spool != nil && path == c.spool.path() {
		o.MaxLine, o.Time, o.Open, o.Final = sealed.Grown(c.cfg.MaxLine), segmentTime, c.spool.opened, true
		o.Join = false // it holds what was sent
	}
	return &stream{prefix: []byte(c.cfg.Prefix), notes: c.notes, Stream: tail.New(path, o)}
}

// firstTime finds the time of a line that may be cut.
func firstTime(b []byte) time.Time {
	_, b, ok := bytes.Cut(b, []byte(`"time":"`))
	if !ok {
		return time.Time{}
	}
	b, _, ok = bytes.Cut(b, []byte(`"`))
	if !ok {
		return time.Time{}
	}
	return parseTime(b)
}

// use makes st the state that reading moves.
func (s *stream) use(st *streamState) {
	s.state = st
	s.Use(&st.State)
}

func (s *stream) refresh() error {
	s.peek = nil
	if s.spool != nil {
		if _, err := s.spool.key(); err != nil {
			return err // its lines would count as lost
		}
		// While it looks, none of the files may be renamed.
		s.spool.mu.Lock()
		defer s.spool.mu.Unlock()
	}
	return s.Refresh()
}

func (s *stream) stop() {
	s.peek = nil
	s.Stop()
}

// next returns the next line to be taken, nil when everything on disk was
// read. It may be called again for the same line until take.
func (s *stream) next(ctx context.Context) (*line, error) {
	for s.peek == nil {
		l, err := s.Next(ctx)
		if err != nil || l == nil {
			return nil, err
		}
		if s.spool != nil && bytes.HasPrefix(l.Text, markBegin) {
			s.mark(l.Text[len(markBegin):])
			s.Skip()
			continue
		}
		s.decode(l)
	}
	return s.peek, nil
}

// mark reads what the spool says of lines that are not in it.
func (s *stream) mark(text []byte) {
	var m mark
	if err := json.Unmarshal(text, &m); err != nil {
		s.notes.Partial("%s: a mark of the spool cannot be read", s.device)
		return
	}
	switch {
	case m.Lost != "":
		s.notes.Partial("%s: %s", s.device, m.Lost)
		if s.Gap == "" {
			s.Gap = m.Lost
		}
	case m.Long != "":
		s.notes.Partial("%s: %s", s.device, m.Long)
	}
}

// decode makes the line the next one, or notes why it cannot be read.
func (s *stream) decode(l *tail.Line) {
	if len(bytes.TrimSpace(bytes.TrimPrefix(l.Text, s.prefix))) == 0 {
		s.Skip()
		return
	}
	e := s.spare()
	body, err := e.read(slices.Clone(l.Text), s.prefix) // it may have to wait for its response
	if err != nil && l.Joined && ownLog(bytes.TrimSpace(l.Text)) {
		err = errOther
	}
	switch {
	case errors.Is(err, errOther):
		s.notes.Add("%s: lines of the server's own log stand between those of the audit device; they are passed over", s.device)
		s.Skip()
		return
	case err != nil:
		path, off := s.Where()
		s.notes.Partial("%s, offset %d, %d bytes: %v", path, off, l.Place.N, err)
		s.Skip()
		return
	}
	for _, k := range e.unknown {
		s.notes.key(k)
	}
	s.peek = &line{from: s, e: e, text: body, at: e.at, raw: e.raw(), ref: l.Place}
	if s.peek.at.IsZero() {
		s.peek.at, s.peek.guessed = s.At, true
	}
}

// take consumes the line that next returned.
func (s *stream) take() {
	l := s.peek
	s.peek = nil
	at, guessed, lost := s.Take(l.at)
	l.at, l.guessed, l.lost = at, l.guessed || guessed, lost
	if l.e.request && string(l.e.req.path) == "sys/audit/test" {
		s.state.Era = cut(clean(l.e.req.id), 8)
	}
	switch {
	case l.e.typ != "":
		s.notes.Add("%s: lines of type %q are recorded without their content", s.device, l.e.typ)
	case l.raw:
		s.notes.Add("%s: a line of %d bytes at %s shows values in clear (log_raw?); it was not kept",
			s.device, l.ref.N, l.at.Format(time.RFC3339Nano))
	}
}

// reread fetches a line that was read before.
func (s *stream) reread(ref lineRef) ([]byte, error) {
	b, err := s.Reread(ref)
	if err != nil {
		return nil, err
	}
	return (&entry{}).read(b, s.prefix)
}
