package fetch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"evidenced/evidence/problem"
)

var errIdle = errors.New("stream fell silent")

// stream is a body that ends its request when closed and, with an idle limit,
// when nothing arrives for that long.
type stream struct {
	body   io.ReadCloser
	cancel context.CancelCauseFunc
	idle   time.Duration

	mu     sync.Mutex
	timer  *time.Timer
	silent bool
}

func newStream(body io.ReadCloser, cancel context.CancelCauseFunc, idle time.Duration) *stream {
	s := &stream{body: body, cancel: cancel, idle: idle}
	if idle > 0 {
		s.timer = time.AfterFunc(idle, func() {
			s.mu.Lock()
			s.silent = true
			s.mu.Unlock()
			cancel(errIdle)
		})
	}
	return s
}

// Read implements io.Reader. A stream that falls silent or breaks gives a
// problem.Source; one that the server ends gives io.EOF.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if n > 0 && s.timer != nil {
		s.timer.Reset(s.idle)
	}
	if err == nil || err == io.EOF || errors.Is(err, context.Canceled) && !s.isSilent() {
		return n, err
	}
	if s.isSilent() {
		return n, problem.New(problem.Source, "the stream gave nothing for %s", s.idle).WithHint("check the source; it is read again from where we were")
	}
	return n, problem.Wrap(problem.Source, err, "the stream broke")
}

func (s *stream) isSilent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent
}

// Close implements io.Closer.
func (s *stream) Close() error {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel(nil)
	return s.body.Close()
}

// Lines gives the lines of r without their line ends. A line longer than max
// bytes, and any error of r but io.EOF, ends the sequence with that error; a
// last line without a line end is given. The slice is valid until the next
// line.
func Lines(r io.Reader, max int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 0, min(max+2, 64<<10)), max+2)
		for sc.Scan() {
			if !yield(sc.Bytes(), nil) {
				return
			}
		}
		if err := sc.Err(); err != nil {
			if errors.Is(err, bufio.ErrTooLong) {
				err = problem.New(problem.Source, "a line of the stream is longer than %d bytes", max)
			}
			yield(nil, err)
		}
	}
}
