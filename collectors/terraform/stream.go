package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// stream reads one JSON value from a file that is not held in memory: what stands
// in a plan beside its changes, such as the whole state before it, is passed over
// token by token.
type stream struct {
	*json.Decoder
	from *bounded
}

// bounded reads at most max bytes, and at most one element's between two marks: the
// decoder holds an element whole.
type bounded struct {
	ctx       context.Context
	r         io.Reader
	read      int64
	mark      int64 // where the decoder stood last between two elements
	max, most int64 // of all, and of one element, in bytes
}

// errLarge says that there is more than is read.
type errLarge struct {
	what string
	max  int64
}

// Error implements error.
func (e errLarge) Error() string { return fmt.Sprintf("%s is larger than %d bytes", e.what, e.max) }

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	switch {
	case b.read > b.max:
		return 0, errLarge{"it", b.max}
	case b.read-b.mark > b.most:
		return 0, errLarge{"one of its values", b.most}
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errUnread{err}
	}
	return n, err
}

// errUnread is an error of reading and none of what was read.
type errUnread struct{ error }

func newStream(ctx context.Context, r io.Reader, most, element int64) *stream {
	b := &bounded{ctx: ctx, r: r, max: most, most: element}
	s := &stream{json.NewDecoder(b), b}
	s.UseNumber() // one that fits no type is a number all the same
	return s
}

// token reads the next token.
func (s *stream) token() (json.Token, error) {
	s.from.mark = s.InputOffset()
	return s.Token()
}

// decode reads the next value whole.
func (s *stream) decode(v any) error {
	s.from.mark = s.InputOffset()
	return s.Decode(v)
}

// open enters an object or a list; false when null stands in its place.
func (s *stream) open(delim json.Delim) (bool, error) {
	switch t, err := s.token(); {
	case err != nil:
		return false, err
	case t == nil:
		return false, nil
	case t != delim:
		return false, errShape
	}
	return true, nil
}

// maxNested bounds how deep what is passed over may be nested, as encoding/json does
// of a value that it reads whole.
const maxNested = 10000

// skip passes over the next value.
func (s *stream) skip() error {
	for depth := 0; ; {
		t, err := s.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		switch {
		case depth == 0:
			return nil
		case depth > maxNested:
			return errShape
		}
	}
}

// members reads an object, each of whose members take reads whole.
func (s *stream) members(take func(name string) error) error {
	if in, err := s.open('{'); err != nil || !in {
		return err
	}
	for s.More() {
		t, err := s.token()
		if err != nil {
			return err
		}
		name, _ := t.(string) // it always is one
		if err := take(name); err != nil {
			return err
		}
	}
	_, err := s.token()
	return err
}

// elements reads a list, each of whose elements take reads whole; null is none.
func (s *stream) elements(take func() error) error {
	if in, err := s.open('['); err != nil || !in {
		return err
	}
	for s.More() {
		if err := take(); err != nil {
			return err
		}
	}
	_, err := s.token()
	return err
}

// end reports whether nothing stands after the value.
func (s *stream) end() error {
	switch _, err := s.token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errShape
}
