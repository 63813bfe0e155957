// Package jsonstream reads one JSON value from a reader part by part, so that a
// document of any size takes no more memory than the parts that are wanted: the
// others are passed over token by token.
//
// What reads a part takes it whole: [Stream.Decode], [Stream.Skip], or
// [Stream.Members] and [Stream.Elements] again.
package jsonstream

import (
	"encoding/json"
	"errors"
	"io"
)

// ErrShape says that something else stands where an object or a list is read, or
// something after the value, or that it is nested too deep. What is no JSON at all
// or breaks off gives the errors of encoding/json, and the reader's errors are passed
// on.
var ErrShape = errors.New("the document is of another form")

// maxNested bounds how deep what is passed over may be nested, as encoding/json does
// of a value that it reads whole.
const maxNested = 10000

// Stream reads the parts of one value in their order.
type Stream struct {
	dec     *json.Decoder
	between func(offset int64)
}

// New begins to read. Between, if any, is told before each part how many bytes of
// the document were used: what was read since is held in memory.
func New(r io.Reader, between func(offset int64)) *Stream {
	s := &Stream{json.NewDecoder(r), between}
	s.dec.UseNumber() // one that fits no type is a number all the same
	return s
}

func (s *Stream) mark() {
	if s.between != nil {
		s.between(s.dec.InputOffset())
	}
}

func (s *Stream) token() (json.Token, error) {
	s.mark()
	return s.dec.Token()
}

// Decode reads the next part whole, as [json.Unmarshal] does.
func (s *Stream) Decode(v any) error {
	s.mark()
	return s.dec.Decode(v)
}

// Skip passes over the next part.
func (s *Stream) Skip() error {
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
			return ErrShape
		}
	}
}

// open enters an object or a list; false when null stands in its place.
func (s *Stream) open(delim json.Delim) (bool, error) {
	switch t, err := s.token(); {
	case err != nil:
		return false, err
	case t == nil:
		return false, nil
	case t != delim:
		return false, ErrShape
	}
	return true, nil
}

// Members reads an object; take reads the member of the name. Null has none.
func (s *Stream) Members(take func(name string) error) error {
	if in, err := s.open('{'); err != nil || !in {
		return err
	}
	for s.dec.More() {
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

// Elements reads a list, each of whose elements take reads. Null has none.
func (s *Stream) Elements(take func() error) error {
	if in, err := s.open('['); err != nil || !in {
		return err
	}
	for s.dec.More() {
		if err := take(); err != nil {
			return err
		}
	}
	_, err := s.token()
	return err
}

// End requires that nothing but space follows the value.
func (s *Stream) End() error {
	switch _, err := s.token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return ErrShape
}
